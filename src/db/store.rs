//! The database as request handlers use it: the pool, the batchers, the mail quotas and the cached opt-out keys.

use std::sync::Arc;

use super::Pool;
use super::batch::Batcher;
use super::invites::create::NewInvite;
use super::mail_quotas::MailQuotas;
use super::referrals::create::NewReferral;
use super::referrals::opt_outs::OptOutKeys;
use super::users::update::Update;
use crate::config;

pub struct Store {
    pub pool: Pool,
    /// Batches updates of profiles.
    pub updates: Batcher<Update>,
    /// Batches invites of new users.
    pub invites: Batcher<Arc<NewInvite>>,
    /// Batches referral invites.
    pub referrals: Batcher<Arc<NewReferral>>,
    /// Daily mail quotas of the apps.
    pub mails: MailQuotas,
    /// The keys that hash opted-out addresses.
    pub opt_out_keys: OptOutKeys,
}

impl Store {
    /// Creates a store over a pool, with the configured limits.
    #[must_use]
    pub fn new(pool: Pool, limits: &config::Limits) -> Self {
        Self {
            updates: Batcher::new(&pool),
            invites: Batcher::new(&pool),
            referrals: Batcher::new(&pool),
            mails: MailQuotas::new(limits.mails_per_app_per_day),
            opt_out_keys: OptOutKeys::default(),
            pool,
        }
    }
}
