//! What a server needs of the database beside connections: where changes gather, and what is leased or remembered.

use std::sync::Arc;

use super::Pool;
use super::batch::Batcher;
use super::invites::create::NewInvite;
use super::mail_quotas::MailQuotas;
use super::referrals::create::NewReferral;
use super::referrals::opt_outs::OptOutKeys;
use super::users::update::Update;
use crate::config;

/// The database, for those who answer requests.
pub struct Store {
    /// Connections.
    pub pool: Pool,
    /// Where changes of profiles gather.
    pub updates: Batcher<Update>,
    /// Where invites of new users gather.
    pub invites: Batcher<Arc<NewInvite>>,
    /// Where referral invites gather.
    pub referrals: Batcher<Arc<NewReferral>>,
    /// The mails that each app may send today.
    pub mails: MailQuotas,
    /// The keys under which addresses of those who opted out are hashed.
    pub opt_out_keys: OptOutKeys,
}

impl Store {
    /// Over a pool, with bounds as the settings say.
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
