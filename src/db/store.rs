//! The database as request handlers use it: the pool, the batchers, the mail quotas, the subscriptions of webhooks and
//! the cached opt-out keys.

use std::sync::Arc;

use tokio::sync::Notify;

use super::Pool;
use super::batch::Batcher;
use super::invites::new_invite::NewInvite;
use super::mail_quotas::MailQuotas;
use super::referrals::new_referral::NewReferral;
use super::referrals::opt_outs::OptOutKeys;
use super::users::profile::Update;
use super::webhooks::subscriptions::Subscriptions;
use crate::config;

pub struct Store {
    pub pool: Pool,
    /// Batches updates of profiles.
    pub(super) updates: Batcher<Update>,
    /// Batches invites of new users.
    pub(super) invites: Batcher<Arc<NewInvite>>,
    /// Batches referral invites.
    pub(super) referrals: Batcher<Arc<NewReferral>>,
    /// Daily mail quotas of the apps.
    pub mails: MailQuotas,
    /// The keys that hash opted-out addresses.
    pub opt_out_keys: OptOutKeys,
    pub subscriptions: Arc<Subscriptions>,
    /// Wakes the mail worker of this process when a mail may be due.
    pub outbox_wake: Arc<Notify>,
}

impl Store {
    /// Creates a store over a pool, with the configured limits.
    #[must_use]
    pub fn new(
        pool: Pool,
        limits: &config::Limits,
        subscriptions: Arc<Subscriptions>,
        outbox_wake: Arc<Notify>,
    ) -> Self {
        Self {
            updates: Batcher::new(&pool),
            invites: Batcher::new(&pool),
            referrals: Batcher::new(&pool),
            mails: MailQuotas::new(limits.mails_per_app_per_day),
            opt_out_keys: OptOutKeys::default(),
            subscriptions,
            outbox_wake,
            pool,
        }
    }
}
