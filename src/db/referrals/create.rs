//! Creates a referral invite.

use std::sync::Arc;

use super::new_referral::{self, NewReferral, ReferralOutcome};
use crate::db::Error;
use crate::db::unit_of_work::UnitOfWork;

/// Creates a referral invite, in a batch if possible. Every accepted one uses a mail of the app's quota, which must not
/// reveal whether a mail is sent.
pub async fn create(work: &mut UnitOfWork<'_>, new: &Arc<NewReferral>) -> Result<ReferralOutcome, Error> {
    let batcher = &work.store.referrals;
    if let Some(referred) = work.batched(batcher, new).await? {
        return Ok(referred);
    }
    let referred = new_referral::refer(work.connection().await?, new).await?;
    if referred == ReferralOutcome::Accepted {
        work.use_mail();
    }
    Ok(referred)
}
