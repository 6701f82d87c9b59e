//! Many invites at once, each for itself: those that do not stand in each other's way in one statement.

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::json;
use sqlx::{PgConnection, query};
use uuid::Uuid;

use super::create::{self, InviteOutcome, NewInvite};
use crate::db::Error;
use crate::db::outbox::NewMail;
use crate::db::users::update::{self, EmailChange, RowLock, Update};
use crate::db::webhooks::publish::publish_user_event;
use crate::domain::id::{self, AppId, UserId};
use crate::domain::invites::bulk_body::Wanted;
use crate::domain::invites::referral_code::ReferralCode;
use crate::domain::users::profile::ProfilePatch;
use crate::domain::webhook::{EventId, EventType};

/// One of the invites that are asked for.
pub struct BulkInvite {
    new: NewInvite,
    /// Whether the new user's id was asked for.
    named: bool,
    /// Of it webhooks are told, if anybody is.
    pub event: Option<EventId>,
    /// The profile of the new user; of one who exists already it changes nothing.
    pub profile: Arc<ProfilePatch>,
}

impl BulkInvite {
    /// As it is `wanted`, of `inviter` if a user invites.
    #[must_use]
    pub fn new(
        app: AppId,
        inviter: Option<UserId>,
        Wanted { user, body }: Wanted,
        mail: NewMail,
        event: Option<EventId>,
    ) -> Self {
        let fresh = user.unwrap_or_else(|| UserId(id::public()));
        let new = NewInvite { app, path: inviter.unwrap_or(fresh), fresh, body, mail };
        Self { new, named: user.is_some(), event, profile: Arc::default() }
    }
}

/// What became of one.
#[derive(Clone, Copy)]
pub enum BulkInviteOutcome {
    /// A new user, whose mail is queued.
    Created(Uuid),
    /// The address is this user's: nothing was made.
    Exists(Uuid),
    /// The address is another user's than the one it was to be.
    EmailTaken,
    /// The id is that of a user with another address, or was a user's.
    UserIdTaken,
    /// The inviter is frozen or deleted.
    NotAccessible,
    /// The referral code is nobody's, or of a user who is frozen or deleted.
    UnknownReferralCode,
    /// There was no mail left for it.
    MailQuotaExceeded,
}

/// Makes these invites of one app, in a transaction, with `mails` at most. Asked again with the same, it changes nothing
/// more.
pub async fn invite(
    db: &mut PgConnection,
    app: AppId,
    all: &[&BulkInvite],
    mails: usize,
) -> Result<Vec<BulkInviteOutcome>, Error> {
    let mut made: Vec<Option<BulkInviteOutcome>> = vec![None; all.len()];
    let mut left = mails;
    // By the second look an address that is in the list twice is a user's, as is one that somebody else invited
    // meanwhile.
    for _ in 0..8 {
        let open: Vec<usize> = (0..all.len()).filter(|at| made[*at].is_none()).collect();
        if open.is_empty() {
            let made: Vec<BulkInviteOutcome> = made.into_iter().flatten().collect();
            fill_profiles(db, app, all, &made).await?;
            return Ok(made);
        }
        let mut names = HashSet::new();
        let mut together = Vec::new();
        for (at, found) in open.iter().copied().zip(find_existing(db, app, all, &open).await?) {
            let new = &all[at].new;
            let address = new.body.invite.email.as_str().to_lowercase();
            made[at] = match found {
                // Asked again after the answer of the database was lost, it is there.
                ExistingUser { holder: Some(user), .. } if user == new.fresh.0 && !all[at].named => {
                    Some(BulkInviteOutcome::Created(user))
                }
                ExistingUser { holder: Some(user), .. } if user == new.fresh.0 || !all[at].named => {
                    Some(BulkInviteOutcome::Exists(user))
                }
                ExistingUser { holder: Some(_), .. } => Some(BulkInviteOutcome::EmailTaken),
                ExistingUser { id_taken: true, .. } => Some(BulkInviteOutcome::UserIdTaken),
                ExistingUser { stray: true, .. } => Some(BulkInviteOutcome::UnknownReferralCode),
                _ if left == 0 => Some(BulkInviteOutcome::MailQuotaExceeded),
                _ => None,
            };
            let free = made[at].is_none() && together.len() < left;
            if free && !names.contains(&address) && names.insert(new.fresh.0.to_string()) {
                names.insert(address.clone());
                together.push((address, at));
            }
        }
        // In one order, so that two calls wait for each other one way.
        together.sort_unstable();
        let asked: Vec<&NewInvite> = together.iter().map(|(_, at)| &all[*at].new).collect();
        for ((_, at), invited) in together.iter().zip(create::write(db, &asked, None).await?) {
            made[*at] = match invited {
                Some(InviteOutcome::Created(user)) => {
                    left -= 1;
                    let NewInvite { path, fresh, .. } = all[*at].new;
                    let more = json!({ "inviterId": (path != fresh).then_some(path) });
                    publish_user_event(
                        db,
                        all[*at].event,
                        EventType::UserInvited,
                        app,
                        UserId(user.id),
                        more,
                    )
                    .await?;
                    Some(BulkInviteOutcome::Created(user.id))
                }
                Some(InviteOutcome::NotAccessible) => Some(BulkInviteOutcome::NotAccessible),
                // Things changed since the look: once more.
                _ => None,
            };
        }
    }
    Err(Error::Contended)
}

/// Stores the profiles of those who were created, in one statement.
async fn fill_profiles(
    db: &mut PgConnection,
    app: AppId,
    all: &[&BulkInvite],
    made: &[BulkInviteOutcome],
) -> Result<(), Error> {
    let profile = |(one, made): (&&BulkInvite, &BulkInviteOutcome)| match made {
        BulkInviteOutcome::Created(user) if !one.profile.is_empty() => {
            Some(Update { app, caller: None, user: UserId(*user), patch: Arc::clone(&one.profile) })
        }
        _ => None,
    };
    let updates: Vec<Update> = all.iter().zip(made).filter_map(profile).collect();
    if !updates.is_empty() {
        update::write(db, &updates, RowLock::Wait, EmailChange::Deny, None).await?;
    }
    Ok(())
}

/// What stands in the way of one.
struct ExistingUser {
    holder: Option<Uuid>,
    id_taken: bool,
    stray: bool,
}

async fn find_existing(
    db: &mut PgConnection,
    app: AppId,
    all: &[&BulkInvite],
    open: &[usize],
) -> Result<Vec<ExistingUser>, Error> {
    let asked = || open.iter().map(|at| &all[*at].new);
    let addresses: Vec<&str> = asked().map(|new| new.body.invite.email.as_str()).collect();
    let ids: Vec<Uuid> = asked().map(|new| new.fresh.0).collect();
    let codes: Vec<Option<&str>> =
        asked().map(|new| new.body.referral_code.as_ref().map(ReferralCode::as_str)).collect();
    let rows = query!(
        r#"
        SELECT (SELECT user_id FROM users WHERE app_id = $1 AND lower(email) = lower(a.email)) AS holder,
            (SELECT true FROM users WHERE app_id = $1 AND user_id = a.id) IS NOT NULL AS "id_taken!",
            a.code IS NOT NULL AND (
                SELECT true FROM users WHERE app_id = $1 AND referral_code = a.code AND NOT freezed AND NOT deleted
            ) IS NULL AS "stray!"
        FROM unnest($2::text[], $3::uuid[], $4::text[]) WITH ORDINALITY AS a(email, id, code, place)
        ORDER BY place
        "#,
        app.0,
        &addresses as &[&str],
        &ids,
        &codes as &[Option<&str>],
    )
    .fetch_all(db)
    .await?;
    let found = |holder, id_taken, stray| ExistingUser { holder, id_taken, stray };
    Ok(rows.into_iter().map(|row| found(row.holder, row.id_taken, row.stray)).collect())
}
