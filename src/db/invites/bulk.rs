//! Bulk invites. Each invite has its own result; those that do not conflict are written in one statement.

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::json;
use sqlx::{PgConnection, query};
use uuid::Uuid;

use super::new_invite::{self, InviteOutcome, NewInvite};
use crate::db::Error;
use crate::db::outbox::NewMail;
use crate::db::unit_of_work::UnitOfWork;
use crate::db::users;
use crate::db::users::profile::{self, EmailChange, RowLock, Update};
use crate::domain::id::{self, AppId, UserId};
use crate::domain::invites::referral_code::ReferralCode;
use crate::domain::invites::requested_invite::RequestedInvite;
use crate::domain::users::profile::ProfilePatch;
use crate::domain::webhook::{EventId, EventType};

/// One invite of a bulk request.
pub struct BulkInvite {
    new: NewInvite,
    /// Whether the request specifies the new user's id.
    named: bool,
    /// The id of the webhook event, if the app has webhooks.
    event: Option<EventId>,
    /// The profile of a new user. An existing user is not changed.
    pub profile: Arc<ProfilePatch>,
}

impl BulkInvite {
    /// An invite as `requested`, by `inviter` if a user invites. `event`: the id of its webhook event.
    #[must_use]
    pub fn new(
        app: AppId,
        inviter: Option<UserId>,
        RequestedInvite { user, body }: RequestedInvite,
        mail: NewMail,
        event: Option<EventId>,
    ) -> Self {
        let fresh = user.unwrap_or_else(|| UserId(id::public()));
        let new = NewInvite { app, path: inviter.unwrap_or(fresh), fresh, body, mail };
        Self { new, named: user.is_some(), event, profile: Arc::default() }
    }
}

/// The outcome of one invite.
#[derive(Clone, Copy)]
pub enum BulkInviteOutcome {
    /// A user was created and the mail is queued.
    Created(Uuid),
    /// This user already has the address; nothing was changed.
    Exists(Uuid),
    /// The address belongs to a different user than the requested one.
    EmailTaken,
    /// The id belongs to a user with another address, or did so before.
    UserIdTaken,
    NotAccessible,
    /// The referral code is unknown, or its owner is frozen or deleted.
    UnknownReferralCode,
    /// The app's mail quota is used up.
    MailQuotaExceeded,
}

pub struct BulkInvites {
    /// The user who invites.
    pub inviter: Option<UserId>,
    pub invites: Vec<BulkInvite>,
    /// The change will be undone, so it needs no mails.
    pub dry_run: bool,
}

/// Creates invites of one app in a transaction, as far as the mails of the change last. Repeating the call changes
/// nothing. `None`: the user who invites is unknown, frozen or deleted.
pub async fn invite(
    work: &mut UnitOfWork<'_>,
    BulkInvites { inviter, invites: all, dry_run }: &BulkInvites,
) -> Result<Option<Vec<BulkInviteOutcome>>, Error> {
    let app = work.app;
    let db = work.transaction().await?;
    if let Some(inviter) = *inviter {
        let found = users::by_id(db, app, None, inviter).await?;
        if found.is_none_or(|inviter| inviter.freezed) {
            return Ok(None);
        }
    }
    let mut made: Vec<Option<BulkInviteOutcome>> = vec![None; all.len()];
    let mut left = if *dry_run { all.len() } else { work.available_mails() };
    // Repeat, since an address may be in the list twice or may be invited concurrently: the next look-up finds its
    // user.
    for _ in 0..8 {
        let open: Vec<usize> = (0..all.len()).filter(|at| made[*at].is_none()).collect();
        if open.is_empty() {
            let made: Vec<BulkInviteOutcome> = made.into_iter().flatten().collect();
            fill_profiles(work.connection().await?, app, all, &made).await?;
            return Ok(Some(made));
        }
        let mut names = HashSet::new();
        let mut together = Vec::new();
        for (at, found) in
            open.iter().copied().zip(find_existing(work.connection().await?, app, all, &open).await?)
        {
            let new = &all[at].new;
            let address = new.body.invite.email.as_str().to_lowercase();
            made[at] = match found {
                // A retry after a lost database answer finds the user that it created.
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
        // Sort, so that concurrent calls take locks in the same order.
        together.sort_unstable();
        let requested: Vec<&NewInvite> = together.iter().map(|(_, at)| &all[*at].new).collect();
        for ((_, at), invited) in
            together.iter().zip(new_invite::write(work.connection().await?, &requested, None).await?)
        {
            made[*at] = match invited {
                Some(InviteOutcome::Created(user)) => {
                    left -= 1;
                    let NewInvite { path, fresh, .. } = all[*at].new;
                    let more = json!({ "inviterId": (path != fresh).then_some(path) });
                    let (event, user_id) = (all[*at].event, UserId(user.id));
                    work.use_mail();
                    work.publish_as(event, EventType::UserInvited, Some(user_id), more).await?;
                    Some(BulkInviteOutcome::Created(user.id))
                }
                Some(InviteOutcome::NotAccessible) => Some(BulkInviteOutcome::NotAccessible),
                // The data has changed since the look-up: retry.
                _ => None,
            };
        }
    }
    Err(Error::Contended)
}

/// Stores the profiles of the created users, in one statement.
async fn fill_profiles(
    db: &mut PgConnection,
    app: AppId,
    all: &[BulkInvite],
    made: &[BulkInviteOutcome],
) -> Result<(), Error> {
    let profile = |(one, made): (&BulkInvite, &BulkInviteOutcome)| match made {
        BulkInviteOutcome::Created(user) if !one.profile.is_empty() => {
            Some(Update { app, caller: None, user: UserId(*user), patch: Arc::clone(&one.profile) })
        }
        _ => None,
    };
    let updates: Vec<Update> = all.iter().zip(made).filter_map(profile).collect();
    if !updates.is_empty() {
        profile::write(db, &updates, RowLock::Wait, EmailChange::Deny, None).await?;
    }
    Ok(())
}

/// Existing rows that conflict with an invite.
struct ExistingUser {
    holder: Option<Uuid>,
    id_taken: bool,
    stray: bool,
}

async fn find_existing(
    db: &mut PgConnection,
    app: AppId,
    all: &[BulkInvite],
    open: &[usize],
) -> Result<Vec<ExistingUser>, Error> {
    let requested = || open.iter().map(|at| &all[*at].new);
    let addresses: Vec<&str> = requested().map(|new| new.body.invite.email.as_str()).collect();
    let ids: Vec<Uuid> = requested().map(|new| new.fresh.0).collect();
    let codes: Vec<Option<&str>> =
        requested().map(|new| new.body.referral_code.as_ref().map(ReferralCode::as_str)).collect();
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
