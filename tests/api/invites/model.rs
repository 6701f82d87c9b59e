//! Random sequences of invite calls, compared with a model of the contract: every answer, every mail and
//! every row of the app after each step. A failing sequence is shrunk to the shortest one that still fails.
//! `PROPTEST_CASES` sets the number of sequences.

use std::collections::BTreeSet;
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use serde_json::{Value, json};
use userdocks::domain::credentials::api_key::sha256;
use userdocks::domain::id::UserId;
use uuid::Uuid;

use crate::support::smtp::Stage;
use crate::support::{Answer, App, As, Test, code, create_app, new_app, new_id};

/// In minutes.
const RESEND_AFTER: i32 = 60;
const EXPIRES_AFTER: i32 = 7 * 24 * 60;

/// One step. A number selects one of the addresses, users or codes that exist at that step.
#[derive(Clone, Debug)]
enum Step {
    /// Invites at an unused id.
    Invite {
        email: Address,
        language: usize,
        delivered: bool,
    },
    /// Invites at a user's id: with the user as inviter or, with the user's own address, as a resend.
    InviteAt {
        user: usize,
        email: Address,
        delivered: bool,
    },
    /// Invites at a user's id with the user's current address.
    Resend {
        user: usize,
        delivered: bool,
    },
    Refer {
        user: usize,
        email: Address,
        language: usize,
        token: bool,
        delivered: bool,
    },
    Look {
        code: usize,
    },
    Accept {
        code: usize,
    },
    /// Accepts the code that was mailed last, if there is one.
    AcceptLast,
    Change {
        user: usize,
        email: Address,
    },
    Freeze {
        user: usize,
        frozen: bool,
    },
    Erase {
        user: usize,
    },
    Pass {
        minutes: i32,
    },
}

/// One of a few addresses, so that steps share them. The flag means upper case.
#[derive(Clone, Copy, Debug)]
struct Address(usize, bool);

const LANGUAGES: [&str; 2] = ["en", "en-GB"];

fn address() -> impl Strategy<Value = Address> {
    (0..4_usize, any::<bool>()).prop_map(|(which, upper)| Address(which, upper))
}

fn step() -> impl Strategy<Value = Step> {
    let (user, code, language) = (0..6_usize, 0..12_usize, 0..2_usize);
    // A mail that is not delivered is rejected permanently.
    let delivered = || prop::bool::weighted(0.8);
    prop_oneof![
        4 => (address(), language.clone(), delivered())
            .prop_map(|(email, language, delivered)| Step::Invite { email, language, delivered }),
        3 => (user.clone(), address(), delivered())
            .prop_map(|(user, email, delivered)| Step::InviteAt { user, email, delivered }),
        3 => (user.clone(), delivered()).prop_map(|(user, delivered)| Step::Resend { user, delivered }),
        4 => (user.clone(), address(), language, any::<bool>(), delivered())
            .prop_map(|(user, email, language, token, delivered)| {
                Step::Refer { user, email, language, token, delivered }
            }),
        1 => code.clone().prop_map(|code| Step::Look { code }),
        3 => code.prop_map(|code| Step::Accept { code }),
        3 => Just(Step::AcceptLast),
        3 => (user.clone(), address()).prop_map(|(user, email)| Step::Change { user, email }),
        2 => (user.clone(), any::<bool>()).prop_map(|(user, frozen)| Step::Freeze { user, frozen }),
        1 => user.prop_map(|user| Step::Erase { user }),
        4 => prop::sample::select(vec![30, 60, 61, EXPIRES_AFTER - 60, EXPIRES_AFTER])
            .prop_map(|minutes| Step::Pass { minutes }),
    ]
}

#[derive(Clone, Debug)]
struct User {
    id: Uuid,
    tenant: Option<Uuid>,
    email: Option<String>,
    verified: bool,
    accepted: bool,
    frozen: bool,
    deleted: bool,
    language: String,
    referrer: Option<Uuid>,
}

#[derive(Clone, Debug)]
struct Invite {
    id: usize,
    referral: bool,
    user: Option<Uuid>,
    inviter: Option<Uuid>,
    email: String,
    language: String,
    /// The one valid code, or `None` if it was in a mail that was not delivered.
    code: Option<String>,
    mailed_at: i32,
    expires_at: i32,
    accepted: bool,
}

/// A row of the outbox in its final state.
#[derive(Clone, Debug)]
struct Sent {
    kind: &'static str,
    /// 0 if the mail is about a user.
    invite: usize,
    recipient: String,
    language: String,
    delivered: bool,
    at: i32,
    /// The recipient's user, if the mail is about a user.
    user: Option<Uuid>,
}

/// The state that the contract prescribes.
#[derive(Default)]
struct Model {
    now: i32,
    users: Vec<User>,
    invites: Vec<Invite>,
    outbox: Vec<Sent>,
    /// All codes that were ever mailed.
    codes: Vec<String>,
    made: usize,
}

/// The expected result of a step.
enum Expected {
    /// Status and message, and the user in the answer to an invite.
    Done(u16, &'static str, Option<Uuid>),
    Refused(u16, &'static str),
    Page(u16, &'static str),
}

const OUT_OF_REACH: Expected = Expected::Refused(403, "user_out_of_reach");

fn same(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other)
}

impl Model {
    fn user(&mut self, id: Uuid) -> &mut User {
        self.users.iter_mut().find(|user| user.id == id).unwrap()
    }

    fn holder(&self, email: &str) -> Option<Uuid> {
        let holds = |user: &&User| user.email.as_deref().is_some_and(|held| same(held, email));
        self.users.iter().find(holds).map(|user| user.id)
    }

    /// Whether a mail of this invite was sent a short while ago; if `to` is given, only mails to that address count.
    fn mailed_lately(&self, invite: usize, to: Option<&str>) -> bool {
        self.outbox.iter().any(|sent| {
            sent.invite == invite
                && to.is_none_or(|to| same(&sent.recipient, to))
                && sent.delivered
                && self.now - sent.at < RESEND_AFTER
        })
    }

    fn mail(&mut self, invite: usize, delivered: bool) {
        let found = self.invites.iter_mut().find(|found| found.id == invite).unwrap();
        // The code of an earlier mail becomes invalid, whether or not the new one arrives.
        found.code = None;
        let (recipient, language) = (found.email.clone(), found.language.clone());
        let kind = if found.referral { "referral" } else { "invite" };
        self.outbox.push(Sent { kind, invite, recipient, language, delivered, at: self.now, user: None });
    }

    fn mail_user(&mut self, kind: &'static str, id: Uuid, recipient: &str) {
        let language = self.user(id).language.clone();
        let recipient = recipient.to_owned();
        let (delivered, at) = (true, self.now);
        self.outbox.push(Sent { kind, invite: 0, recipient, language, delivered, at, user: Some(id) });
    }

    fn new_invite(
        &mut self,
        referral: bool,
        user: Option<Uuid>,
        inviter: Option<Uuid>,
        email: &str,
        language: &str,
    ) -> usize {
        self.made += 1;
        self.invites.push(Invite {
            id: self.made,
            referral,
            user,
            inviter,
            email: email.to_owned(),
            language: language.to_owned(),
            code: None,
            mailed_at: self.now,
            expires_at: self.now + EXPIRES_AFTER,
            accepted: false,
        });
        self.made
    }

    fn invite(
        &mut self,
        path: Uuid,
        email: &str,
        language: &str,
        delivered: bool,
        new: Option<(Uuid, Uuid)>,
    ) -> Expected {
        let target = self.users.iter().find(|user| user.id == path).cloned();
        if target.as_ref().is_some_and(|target| target.frozen || target.deleted) {
            return OUT_OF_REACH;
        }
        match self.holder(email) {
            Some(holder) if holder == path => self.resend(path, delivered),
            Some(_) => Expected::Refused(400, "email_taken"),
            None => {
                // The server chooses the ids, so they are read from its answer.
                let Some((id, tenant)) = new else {
                    return Expected::Done(200, "the user was invited", None);
                };
                self.users.push(User {
                    id: if target.is_some() { id } else { path },
                    tenant: target.as_ref().map_or(Some(tenant), |target| target.tenant),
                    email: Some(email.to_owned()),
                    verified: false,
                    accepted: false,
                    frozen: false,
                    deleted: false,
                    language: language.to_owned(),
                    referrer: None,
                });
                let user = self.users.last().unwrap().id;
                let invite =
                    self.new_invite(false, Some(user), target.map(|target| target.id), email, language);
                self.mail(invite, delivered);
                Expected::Done(200, "the user was invited", Some(user))
            }
        }
    }

    fn resend(&mut self, id: Uuid, delivered: bool) -> Expected {
        let user = self.user(id).clone();
        if user.accepted {
            return Expected::Refused(400, "already_accepted");
        }
        let (email, now) = (user.email.unwrap(), self.now);
        let invite = self.invites.iter().position(|i| !i.referral && i.user == Some(id)).unwrap();
        let invite_id = self.invites[invite].id;
        if self.mailed_lately(invite_id, Some(&email)) {
            let message = "the user was invited a short while ago, so no second mail was sent";
            return Expected::Done(200, message, Some(id));
        }
        let invite = &mut self.invites[invite];
        (invite.email, invite.language) = (email, user.language);
        (invite.mailed_at, invite.expires_at) = (now, now + EXPIRES_AFTER);
        self.mail(invite_id, delivered);
        Expected::Done(200, "the invite was sent again", Some(id))
    }

    fn refer(&mut self, id: Uuid, email: &str, language: &str, delivered: bool) -> Expected {
        let user = self.user(id).clone();
        if user.frozen || user.deleted {
            return OUT_OF_REACH;
        }
        if user.email.as_deref().is_some_and(|own| same(own, email)) {
            return Expected::Refused(400, "own_address");
        }
        let known = self
            .invites
            .iter()
            .position(|i| i.referral && i.inviter == Some(id) && !i.accepted && same(&i.email, email));
        let lately = known.is_some_and(|known| self.mailed_lately(self.invites[known].id, None));
        let sendable = self.holder(email).is_none() && !lately;
        let now = self.now;
        let invite = match known {
            None => Some(self.new_invite(true, None, Some(id), email, language)),
            Some(known) if now - self.invites[known].mailed_at < RESEND_AFTER => None,
            Some(known) => {
                let invite = &mut self.invites[known];
                // The fields that the referrer may see do not reveal whether a mail is sent.
                (invite.mailed_at, invite.expires_at) = (now, now + EXPIRES_AFTER);
                (invite.email, invite.language) = (email.to_owned(), language.to_owned());
                Some(invite.id)
            }
        };
        if let Some(invite) = invite.filter(|_| sendable) {
            self.mail(invite, delivered);
        }
        Expected::Done(201, "the referral invite was taken", None)
    }

    /// The page of a code, or with `accept` its button. `new` has the ids of the user that a referral creates.
    fn page(&mut self, code: &str, accept: bool, new: Option<(Uuid, Uuid)>) -> Expected {
        let found = self.invites.iter().position(|invite| invite.code.as_deref() == Some(code));
        let known = found.filter(|&found| {
            let invite = &self.invites[found];
            invite.referral
                || self.users.iter().any(|user| {
                    Some(user.id) == invite.user
                        && !user.frozen
                        && user.email.as_deref().is_some_and(|email| same(email, &invite.email))
                })
        });
        let Some(known) = known else { return Expected::Page(404, "This link does not work") };
        let invite = self.invites[known].clone();
        if invite.accepted {
            return Expected::Page(200, "Already accepted");
        }
        if invite.expires_at <= self.now {
            return Expected::Page(200, "This invitation has expired");
        }
        if !accept {
            return Expected::Page(200, "Your invitation to Acme");
        }
        if !invite.referral {
            let user = self.user(invite.user.unwrap());
            (user.accepted, user.verified) = (true, true);
        } else if self.holder(&invite.email).is_some() {
            self.invites[known].accepted = true;
            return Expected::Page(200, "You already have an account");
        } else if let Some((id, tenant)) = new {
            self.users.push(User {
                id,
                tenant: Some(tenant),
                email: Some(invite.email),
                verified: true,
                accepted: true,
                frozen: false,
                deleted: false,
                language: invite.language,
                referrer: invite.inviter,
            });
            self.invites[known].user = Some(id);
        }
        self.invites[known].accepted = true;
        Expected::Page(200, "Thank you!")
    }

    fn change(&mut self, id: Uuid, email: &str) -> Expected {
        let holder = self.holder(email);
        let user = self.user(id);
        if user.frozen || user.deleted {
            return OUT_OF_REACH;
        }
        if holder.is_some_and(|holder| holder != id) {
            return Expected::Refused(400, "email_taken");
        }
        let old = user.email.replace(email.to_owned());
        if holder != Some(id) {
            let told = std::mem::take(&mut user.verified);
            self.mail_user("confirmation", id, email);
            if let Some(old) = old.filter(|_| told) {
                self.mail_user("notice", id, &old);
            }
        }
        Expected::Done(200, "the user was updated", None)
    }

    fn freeze(&mut self, id: Uuid, frozen: bool) -> Expected {
        let user = self.user(id);
        if user.deleted {
            return OUT_OF_REACH;
        }
        user.frozen = frozen;
        Expected::Done(200, if frozen { "the user was frozen" } else { "the user was unfrozen" }, None)
    }

    fn erase(&mut self, id: Uuid) -> Expected {
        let user = self.user(id);
        if user.deleted {
            return OUT_OF_REACH;
        }
        let email = user.email.clone().unwrap_or_default();
        *user = User {
            tenant: None,
            email: None,
            verified: false,
            frozen: false,
            deleted: true,
            language: "und".to_owned(),
            ..user.clone()
        };
        let theirs = |invite: &Invite| {
            invite.user == Some(id)
                || invite.referral && !invite.accepted && invite.inviter == Some(id)
                || invite.referral && invite.user.is_none() && invite.email.eq_ignore_ascii_case(&email)
        };
        let gone: Vec<usize> = self.invites.iter().filter(|i| theirs(i)).map(|invite| invite.id).collect();
        self.invites.retain(|invite| !gone.contains(&invite.id));
        self.outbox.retain(|sent| !gone.contains(&sent.invite) && sent.user != Some(id));
        Expected::Done(200, "the user was deleted", None)
    }

    /// The rows of the app in the format of [`rows`].
    fn rows(&self) -> Value {
        let sorted = |rows: Vec<Value>| {
            let mut rows = rows;
            rows.sort_by_key(ToString::to_string);
            Value::from(rows)
        };
        let users = self.users.iter().map(|user| {
            json!([
                user.id,
                user.tenant,
                user.email,
                user.verified,
                user.accepted,
                user.frozen,
                user.deleted,
                user.language,
                user.referrer
            ])
        });
        let tenants: BTreeSet<Uuid> = self.users.iter().filter_map(|user| user.tenant).collect();
        let invites = self.invites.iter().map(|invite| {
            let kind = if invite.referral { "referral" } else { "invite" };
            let code = invite.code.as_deref().map(|code| hex::encode(sha256(code.as_bytes())));
            json!([
                kind,
                invite.user,
                invite.inviter,
                invite.email,
                invite.language,
                code,
                invite.accepted,
                invite.expires_at <= self.now
            ])
        });
        let outbox = self.outbox.iter().map(|sent| {
            let state = if sent.delivered { "sent" } else { "failed" };
            json!([sent.kind, sent.recipient, sent.language, state, true, 1])
        });
        json!({ "users": sorted(users.collect()), "tenants": sorted(tenants.into_iter().map(|tenant| json!(tenant)).collect()),
            "invites": sorted(invites.collect()), "outbox": sorted(outbox.collect()) })
    }
}

/// The server, a separate app for one sequence, and the model.
struct Machine<'a> {
    test: &'a Test,
    app: App,
    model: Model,
    mails: usize,
}

impl Machine<'_> {
    fn address(&self, address: Address) -> String {
        let email = format!("{}@{}.example", ["ada", "bob", "eve", "zoe"][address.0], self.app.id.0.simple());
        if address.1 { email.to_ascii_uppercase() } else { email }
    }

    fn pick(&self, user: usize) -> Option<Uuid> {
        let users = &self.model.users;
        (!users.is_empty()).then(|| users[user % users.len()].id)
    }

    /// Every row of the app that a step can insert or change, each as an array.
    async fn rows(&self) -> Value {
        let query = "SELECT jsonb_build_object(
            'users', (SELECT jsonb_agg(jsonb_build_array(user_id, tenant_id, email, email_verified,
                accepted_at IS NOT NULL, freezed, deleted, language, referrer_id)) FROM users WHERE app_id = $1),
            'tenants', (SELECT jsonb_agg(tenant_id) FROM tenants WHERE app_id = $1),
            'invites', (SELECT jsonb_agg(jsonb_build_array(kind, user_id, inviter_id, email, language,
                encode(code_hash, 'hex'), accepted_at IS NOT NULL, expires_at <= now())) FROM invites WHERE app_id = $1),
            'outbox', (SELECT jsonb_agg(jsonb_build_array(kind, recipient, language, state, secret IS NULL,
                attempts)) FROM outbox WHERE app_id = $1))";
        let mut rows: Value =
            sqlx::query_scalar(query).bind(self.app.id.0).fetch_one(&self.test.db).await.unwrap();
        // The hash of a code that was never mailed is unknown to the model.
        let mailed: Vec<String> =
            self.model.codes.iter().map(|code| hex::encode(sha256(code.as_bytes()))).collect();
        for invite in rows["invites"].as_array_mut().into_iter().flatten() {
            if !mailed.iter().any(|hash| invite[5] == hash.as_str()) {
                invite[5] = Value::Null;
            }
        }
        for (_, table) in rows.as_object_mut().unwrap() {
            let mut sorted = table.as_array().cloned().unwrap_or_default();
            sorted.sort_by_key(ToString::to_string);
            *table = sorted.into();
        }
        rows
    }

    /// Id and tenant of the user with this address.
    async fn made(&self, email: &str) -> Option<(Uuid, Uuid)> {
        let query = "SELECT user_id, tenant_id FROM users WHERE app_id = $1 AND lower(email) = lower($2)";
        let made = sqlx::query_as(query).bind(self.app.id.0).bind(email);
        made.fetch_optional(&self.test.db).await.unwrap()
    }

    async fn call(&self, method: &str, path: &str, who: As<'_>, body: Option<Value>) -> Answer {
        self.test.call(method, path, who, body).await
    }

    async fn post(&self, path: Uuid, email: &str, language: &str) -> Answer {
        let body = json!({ "email": email, "language": language });
        self.call("POST", &format!("/v1/users/{path}"), As::Write(&self.app), Some(body)).await
    }

    /// Sets whether the mail server accepts mails from here on.
    fn deliver(&self, delivered: bool) {
        if delivered {
            self.test.smtp.script(|_| None);
        } else {
            self.test.smtp.refuse(Stage::Rcpt, "550 5.1.1 no such user");
        }
    }

    async fn step(&mut self, step: &Step) -> Result<(), TestCaseError> {
        let before = self.model.outbox.len();
        let done = match step {
            Step::Invite { email, language, delivered } => {
                self.deliver(*delivered);
                let (path, email, language) = (new_id(), self.address(*email), LANGUAGES[*language]);
                let answer = self.post(path, &email, language).await;
                let new = self.made(&email).await;
                Some((answer, self.model.invite(path, &email, language, *delivered, new)))
            }
            Step::InviteAt { user, email, delivered } => {
                self.deliver(*delivered);
                let email = self.address(*email);
                match self.pick(*user) {
                    Some(path) => {
                        let answer = self.post(path, &email, "en").await;
                        let new = self.made(&email).await;
                        Some((answer, self.model.invite(path, &email, "en", *delivered, new)))
                    }
                    None => None,
                }
            }
            Step::Resend { user, delivered } => {
                self.deliver(*delivered);
                let known = self.pick(*user).and_then(|id| Some((id, self.model.user(id).email.clone()?)));
                match known {
                    Some((path, email)) => {
                        let answer = self.post(path, &email, "en-GB").await;
                        Some((answer, self.model.invite(path, &email, "en-GB", *delivered, None)))
                    }
                    None => None,
                }
            }
            Step::Refer { user, email, language, token, delivered } => {
                self.deliver(*delivered);
                let (email, language) = (self.address(*email), LANGUAGES[*language]);
                match self.pick(*user) {
                    Some(user) => {
                        let valid = Duration::from_mins(10);
                        let who = if *token {
                            As::Token(self.test.token_for(&self.app, UserId(user), valid).await)
                        } else {
                            As::Write(&self.app)
                        };
                        let body = json!({ "email": email, "language": language });
                        let path = format!("/v1/users/{user}/referral-invites");
                        let answer = self.call("POST", &path, who, Some(body)).await;
                        Some((answer, self.model.refer(user, &email, language, *delivered)))
                    }
                    None => None,
                }
            }
            Step::Look { code } | Step::Accept { code } => {
                self.page(Some(*code), matches!(step, Step::Accept { .. })).await
            }
            Step::AcceptLast => self.page(None, true).await,
            Step::Change { user, email } => match self.pick(*user) {
                Some(user) => {
                    self.deliver(true);
                    let email = self.address(*email);
                    let body = json!({ "user": { "email": email } });
                    let answer = self
                        .call("PUT", &format!("/v1/users/{user}"), As::Write(&self.app), Some(body))
                        .await;
                    Some((answer, self.model.change(user, &email)))
                }
                None => None,
            },
            Step::Freeze { user, frozen } => match self.pick(*user) {
                Some(user) => {
                    let status = u8::from(!frozen);
                    let path = format!("/v1/apps/{}/users/{user}/access-status/{status}", self.app.id);
                    let answer = self.call("PUT", &path, As::Write(&self.app), None).await;
                    Some((answer, self.model.freeze(user, *frozen)))
                }
                None => None,
            },
            Step::Erase { user } => match self.pick(*user) {
                Some(user) => {
                    let answer =
                        self.call("DELETE", &format!("/v1/users/{user}"), As::Write(&self.app), None).await;
                    Some((answer, self.model.erase(user)))
                }
                None => None,
            },
            Step::Pass { minutes } => {
                for statement in [
                    "UPDATE invites SET mailed_at = mailed_at - make_interval(mins => $2),
                        expires_at = expires_at - make_interval(mins => $2) WHERE app_id = $1",
                    "UPDATE outbox SET created_at = created_at - make_interval(mins => $2),
                        finished_at = finished_at - make_interval(mins => $2) WHERE app_id = $1",
                ] {
                    let shift = sqlx::query(statement).bind(self.app.id.0).bind(*minutes);
                    shift.execute(&self.test.db).await.unwrap();
                }
                self.model.now += minutes;
                None
            }
        };
        if let Some((answer, expected)) = done {
            self.answered(&answer, &expected)?;
        }
        self.mailed(before).await?;
        prop_assert_eq!(self.rows().await, self.model.rows());
        Ok(())
    }

    async fn page(&mut self, code: Option<usize>, accept: bool) -> Option<(Answer, Expected)> {
        let count = self.model.codes.len();
        let at = code.map_or(count.checked_sub(1)?, |code| code % count);
        let code = self.model.codes[at].clone();
        let method = if accept { "POST" } else { "GET" };
        let answer = self.call(method, &format!("/invites/{code}"), As::Nobody, None).await;
        let email = self.model.invites.iter().find(|invite| invite.code.as_ref() == Some(&code));
        let new = match email.map(|invite| invite.email.clone()) {
            Some(email) => self.made(&email).await,
            None => None,
        };
        Some((answer, self.model.page(&code, accept, new)))
    }

    /// Checks a whole answer.
    fn answered(&mut self, answer: &Answer, expected: &Expected) -> Result<(), TestCaseError> {
        match expected {
            Expected::Done(status, message, shown) => {
                prop_assert_eq!(answer.status, *status, "{:?}", answer);
                let data = shown.map_or(Value::Null, |id| json!({ "user": self.shown(id) }));
                prop_assert_eq!(answer.success(), (*status, *message, &data));
            }
            Expected::Refused(status, code) => {
                prop_assert_eq!(answer.status, *status, "{:?}", answer);
                prop_assert_eq!(answer.code(), (*status, *code));
            }
            Expected::Page(status, heading) => {
                let html =
                    answer.body.as_str().unwrap_or_default().replace("<bdi>", "").replace("</bdi>", "");
                let said = html.split_once("<h1>").and_then(|(_, rest)| Some(rest.split_once("</h1>")?.0));
                prop_assert_eq!((answer.status, said), (*status, Some(*heading)));
            }
        }
        Ok(())
    }

    /// A user as in the answer to an invite.
    fn shown(&mut self, id: Uuid) -> Value {
        let app = self.app.id;
        let user = self.model.user(id);
        json!({
            "id": id, "appId": app, "language": user.language, "salutation": null, "salutationOther": null,
            "acceptedNewsletter": false, "acceptedNewsletterDate": null, "lastAskedNewsletterSignUp": null,
            "mailchimpMemberId": null, "name": null, "given_name": null, "family_name": null,
            "middle_name": null, "nickname": null, "preferred_username": null, "profile": null,
            "picture": null, "website": null, "email": user.email, "email_verified": user.verified,
            "gender": null, "other_gender": null, "birthdate": null, "zoneinfo": null, "locale": null,
            "phone_number": null, "phone_number_verified": false, "freezed": user.frozen, "deleted": false,
            "tenantId": user.tenant,
        })
    }

    /// Checks that exactly the mails expected of the step have arrived, and records their codes.
    async fn mailed(&mut self, before: usize) -> Result<(), TestCaseError> {
        self.test.idle().await;
        // Two mails of one step arrive in any order.
        let mut arrived = self.test.smtp.mails();
        arrived[self.mails..].sort_by(|one, other| one.to.cmp(&other.to));
        let mut expected: Vec<Sent> =
            self.model.outbox.iter().skip(before).filter(|sent| sent.delivered).cloned().collect();
        expected.sort_by(|one, other| one.recipient.cmp(&other.recipient));
        let to: Vec<&str> =
            arrived[self.mails..].iter().flat_map(|mail| mail.to.iter().map(String::as_str)).collect();
        prop_assert_eq!(to, expected.iter().map(|sent| sent.recipient.as_str()).collect::<Vec<_>>());
        for (mail, sent) in arrived[self.mails..].iter().zip(&expected) {
            if sent.user.is_some() {
                continue;
            }
            let code = code(mail);
            let invite = self.model.invites.iter_mut().find(|invite| invite.id == sent.invite).unwrap();
            let text = mail.text();
            prop_assert!(text.contains(&format!("https://id.example/invites/{code}")), "{}", text);
            prop_assert_eq!(text.contains("referral_code="), invite.referral, "{}", text);
            prop_assert!(!self.model.codes.contains(&code));
            invite.code = Some(code.clone());
            self.model.codes.push(code);
        }
        self.mails = arrived.len();
        Ok(())
    }
}

#[test]
fn random_invite_sequences_match_the_model() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let many = i32::MAX.to_string();
    let test = runtime.block_on(Test::with(&[
        ("USERDOCKS_INVITE__RESEND_AFTER", "1h"),
        ("USERDOCKS_INVITE__EXPIRES_AFTER", "7d"),
        ("USERDOCKS_LIMITS__REFERRALS_PER_USER_PER_DAY", &many),
        ("USERDOCKS_LIMITS__REFERRALS_PER_RECIPIENT_PER_DAY", &many),
    ]));
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(32);
    let config = Config { cases, failure_persistence: None, max_shrink_time: 120_000, ..Config::default() };
    let run = |steps: Vec<Step>| {
        runtime.block_on(async {
            // Remove rows that an earlier, failed sequence has left.
            test.idle().await;
            let app = create_app(&test.db, &test.seal, &new_app("Acme")).await;
            let mails = test.smtp.mails().len();
            let mut machine = Machine { test: &test, app, model: Model::default(), mails };
            for (at, step) in steps.iter().enumerate() {
                let done = machine.step(step).await;
                done.map_err(|error| TestCaseError::fail(format!("step {}, {step:?}: {error}", at + 1)))?;
            }
            Ok(())
        })
    };
    let sequences = prop::collection::vec(step(), 1..50);
    if let Err(failed) = TestRunner::new(config).run(&sequences, run) {
        panic!("{failed}");
    }
}
