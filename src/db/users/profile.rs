//! The statement that updates profiles, alone or in batches (see [`crate::db::batch`]).

use std::sync::Arc;

use sqlx::{PgConnection, query_as};
use uuid::Uuid;

use crate::db::Error;
use crate::db::batch::{Batchable, ConflictKeys};
use crate::domain::email::Email;
use crate::domain::id::{AppId, UserId};
use crate::domain::language::Language;
use crate::domain::users::profile::ProfilePatch;
use crate::metrics;

impl Batchable for Update {
    type Answer = UpdatedRow;
    const CHANGE: metrics::Batched = metrics::Batched::Update;

    fn app(&self) -> AppId {
        self.app
    }

    fn conflict_keys(&self, names: &mut ConflictKeys) {
        names.add((self.app, self.user));
    }

    async fn write(db: &mut PgConnection, all: &[Self]) -> Result<Vec<Option<UpdatedRow>>, Error> {
        let mut answers: Vec<_> = all.iter().map(|_| None).collect();
        for row in write(db, all, RowLock::Skip, EmailChange::Deny, None).await? {
            let is_row = |update: &Update| (update.app.0, update.user.0) == (row.app, row.user);
            if let Some(at) = all.iter().position(is_row) {
                answers[at] = Some(row);
            }
        }
        Ok(answers)
    }
}

/// A change of a profile.
#[derive(Clone, Debug)]
pub struct Update {
    pub app: AppId,
    /// The user of the access token, if any.
    pub caller: Option<UserId>,
    pub user: UserId,
    pub patch: Arc<ProfilePatch>,
}

/// What to do if a concurrent transaction has locked the user's row.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum RowLock {
    /// Wait until it ends.
    Wait,
    /// Skip the user.
    Skip,
}

/// What to do if an update would change a user's address.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum EmailChange {
    Allow,
    /// Skip the user.
    Deny,
}

/// An updated row, or one that already had the requested values.
pub struct UpdatedRow {
    pub app: Uuid,
    pub user: Uuid,
    pub version: i64,
    /// Whether a column has changed. If not, the version has not changed either.
    pub changed: bool,
}

/// Updates different users in one statement and returns the rows that could be updated. A user who already has the
/// requested values is not written. Values are compared before the statement waits for locks, as if concurrent changes
/// came later.
#[expect(clippy::too_many_lines, reason = "one statement")]
pub(crate) async fn write(
    db: &mut PgConnection,
    changes: &[Update],
    locked: RowLock,
    addresses: EmailChange,
    expected: Option<&[i64]>,
) -> Result<Vec<UpdatedRow>, Error> {
    let apps: Vec<Uuid> = changes.iter().map(|change| change.app.0).collect();
    let users: Vec<Uuid> = changes.iter().map(|change| change.user.0).collect();
    let callers: Vec<Option<Uuid>> = changes.iter().map(|change| change.caller.map(|user| user.0)).collect();
    let newsletters: Vec<Option<bool>> =
        changes.iter().map(|change| change.patch.accepted_newsletter).collect();
    // Columns that are in none of the changes are not sent.
    let column = |value: fn(&ProfilePatch) -> Option<&str>| {
        let values: Vec<Option<&str>> = changes.iter().map(|change| value(&change.patch)).collect();
        values.iter().any(Option::is_some).then_some(values)
    };
    let rows = query_as!(
        UpdatedRow,
        r#"
        WITH requested AS MATERIALIZED (
            SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::boolean[], $5::text[], $6::text[],
                $7::text[], $8::text[], $9::text[], $10::text[], $11::text[], $12::text[], $13::text[],
                $14::text[], $15::text[], $16::text[], $17::text[], $18::text[], $19::text[], $20::text[],
                $21::text[], $22::text[], $23::text[])
            AS a(app_id, user_id, caller, accepted_newsletter, email, language, salutation, salutation_other,
                name, given_name, family_name, middle_name, nickname, preferred_username, profile, picture,
                website, gender, other_gender, birthdate, zoneinfo, locale, phone_number)
        ), unlocked AS MATERIALIZED (
            SELECT a.* FROM requested a JOIN users u ON u.app_id = a.app_id AND u.user_id = a.user_id
            WHERE $24 FOR NO KEY UPDATE OF u SKIP LOCKED
        ), free AS (
            SELECT * FROM unlocked UNION ALL SELECT * FROM requested WHERE NOT $24
        ), seen AS MATERIALIZED (
            SELECT p.*, u.version, p.accepted_newsletter IS NULL AND ROW(
                    COALESCE(p.email, u.email), COALESCE(p.language, u.language),
                    COALESCE(p.salutation, u.salutation, ''), COALESCE(p.salutation_other, u.salutation_other, ''),
                    COALESCE(p.name, u.name, ''), COALESCE(p.given_name, u.given_name, ''),
                    COALESCE(p.family_name, u.family_name, ''), COALESCE(p.middle_name, u.middle_name, ''),
                    COALESCE(p.nickname, u.nickname, ''), COALESCE(p.preferred_username, u.preferred_username, ''),
                    COALESCE(p.profile, u.profile, ''), COALESCE(p.picture, u.picture, ''),
                    COALESCE(p.website, u.website, ''), COALESCE(p.gender, u.gender, ''),
                    COALESCE(p.other_gender, u.other_gender, ''), COALESCE(p.birthdate, u.birthdate, ''),
                    COALESCE(p.zoneinfo, u.zoneinfo, ''), COALESCE(p.locale, u.locale, ''),
                    COALESCE(p.phone_number, u.phone_number, '')
                ) IS NOT DISTINCT FROM ROW(
                    u.email, u.language, COALESCE(u.salutation, ''), COALESCE(u.salutation_other, ''),
                    COALESCE(u.name, ''), COALESCE(u.given_name, ''), COALESCE(u.family_name, ''),
                    COALESCE(u.middle_name, ''), COALESCE(u.nickname, ''), COALESCE(u.preferred_username, ''),
                    COALESCE(u.profile, ''), COALESCE(u.picture, ''), COALESCE(u.website, ''),
                    COALESCE(u.gender, ''), COALESCE(u.other_gender, ''), COALESCE(u.birthdate, ''),
                    COALESCE(u.zoneinfo, ''), COALESCE(u.locale, ''), COALESCE(u.phone_number, '')
                ) AS same
            FROM free p JOIN users u ON u.app_id = p.app_id AND u.user_id = p.user_id
            WHERE NOT u.freezed AND NOT u.deleted
                AND (p.caller IS NULL OR p.caller = u.user_id
                    OR (p.email IS NULL OR lower(p.email) = lower(u.email)) AND u.tenant_id = (
                        SELECT c.tenant_id FROM users c
                        WHERE c.app_id = p.app_id AND c.user_id = p.caller AND NOT c.freezed AND NOT c.deleted))
                AND ($25::bigint[] IS NULL OR u.version = ANY($25))
        ), changed AS (
        UPDATE users u SET
            email = COALESCE(p.email, u.email),
            email_verified = u.email_verified AND (p.email IS NULL OR lower(p.email) = lower(u.email)),
            language = COALESCE(p.language, u.language),
            salutation = NULLIF(COALESCE(p.salutation, u.salutation), ''),
            salutation_other = NULLIF(COALESCE(p.salutation_other, u.salutation_other), ''),
            accepted_newsletter = COALESCE(p.accepted_newsletter, u.accepted_newsletter),
            accepted_newsletter_date = CASE
                WHEN p.accepted_newsletter AND NOT u.accepted_newsletter THEN now()
                WHEN NOT p.accepted_newsletter THEN NULL
                ELSE u.accepted_newsletter_date END,
            last_asked_newsletter_sign_up =
                CASE WHEN p.accepted_newsletter IS NULL THEN u.last_asked_newsletter_sign_up ELSE now() END,
            name = NULLIF(COALESCE(p.name, u.name), ''),
            given_name = NULLIF(COALESCE(p.given_name, u.given_name), ''),
            family_name = NULLIF(COALESCE(p.family_name, u.family_name), ''),
            middle_name = NULLIF(COALESCE(p.middle_name, u.middle_name), ''),
            nickname = NULLIF(COALESCE(p.nickname, u.nickname), ''),
            preferred_username = NULLIF(COALESCE(p.preferred_username, u.preferred_username), ''),
            profile = NULLIF(COALESCE(p.profile, u.profile), ''),
            picture = NULLIF(COALESCE(p.picture, u.picture), ''),
            website = NULLIF(COALESCE(p.website, u.website), ''),
            gender = NULLIF(COALESCE(p.gender, u.gender), ''),
            other_gender = NULLIF(COALESCE(p.other_gender, u.other_gender), ''),
            birthdate = NULLIF(COALESCE(p.birthdate, u.birthdate), ''),
            zoneinfo = NULLIF(COALESCE(p.zoneinfo, u.zoneinfo), ''),
            locale = NULLIF(COALESCE(p.locale, u.locale), ''),
            phone_number = NULLIF(COALESCE(p.phone_number, u.phone_number), ''),
            phone_number_verified = u.phone_number_verified
                AND (p.phone_number IS NULL OR p.phone_number IS NOT DISTINCT FROM u.phone_number),
            version = u.version + 1
        FROM (
            SELECT f.* FROM free f WHERE NOT EXISTS (
                SELECT FROM seen s WHERE s.app_id = f.app_id AND s.user_id = f.user_id AND s.same)
        ) p
        WHERE u.app_id = p.app_id AND u.user_id = p.user_id AND NOT u.freezed AND NOT u.deleted
            AND (p.caller IS NULL OR p.caller = u.user_id
                OR (p.email IS NULL OR lower(p.email) = lower(u.email)) AND u.tenant_id = (
                    SELECT c.tenant_id FROM users c
                    WHERE c.app_id = p.app_id AND c.user_id = p.caller AND NOT c.freezed AND NOT c.deleted))
            AND ($25::bigint[] IS NULL OR u.version = ANY($25))
            AND ($26 OR p.email IS NULL OR lower(p.email) = lower(u.email))
        RETURNING u.app_id, u.user_id, u.version
        )
        SELECT app_id AS "app!", user_id AS "user!", version AS "version!", true AS "changed!" FROM changed
        UNION ALL
        SELECT app_id, user_id, version, false FROM seen WHERE same
        "#,
        &apps,
        &users,
        &callers as &[Option<Uuid>],
        &newsletters as &[Option<bool>],
        column(|patch| patch.email.as_ref().map(Email::as_str)) as _,
        column(|patch| patch.language.as_ref().map(Language::as_str)) as _,
        column(|patch| patch.salutation.to_sql()) as _,
        column(|patch| patch.salutation_other.to_sql()) as _,
        column(|patch| patch.name.to_sql()) as _,
        column(|patch| patch.given_name.to_sql()) as _,
        column(|patch| patch.family_name.to_sql()) as _,
        column(|patch| patch.middle_name.to_sql()) as _,
        column(|patch| patch.nickname.to_sql()) as _,
        column(|patch| patch.preferred_username.to_sql()) as _,
        column(|patch| patch.profile.to_sql()) as _,
        column(|patch| patch.picture.to_sql()) as _,
        column(|patch| patch.website.to_sql()) as _,
        column(|patch| patch.gender.to_sql()) as _,
        column(|patch| patch.other_gender.to_sql()) as _,
        column(|patch| patch.birthdate.to_sql()) as _,
        column(|patch| patch.zoneinfo.to_sql()) as _,
        column(|patch| patch.locale.to_sql()) as _,
        column(|patch| patch.phone_number.to_sql()) as _,
        locked == RowLock::Skip,
        expected,
        addresses == EmailChange::Allow,
    )
    .fetch_all(db)
    .await;
    rows.map_err(Error::of_change)
}
