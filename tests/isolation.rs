//! Tenant isolation: each SQL statement of the store (`.sqlx/`) reaches the tables of apps through `app_id`, and each
//! function of the store takes the app. Exceptions are listed here with their reasons.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Statements without an app scope, and why none of them can show one app's data to another. Each is given by its
/// beginning; `…` stands for any text.
const EXEMPT: &[(&str, &str)] = &[
    (
        "SELECT EXISTS (SELECT FROM apps WHERE origins @>",
        "a pre-flight names no app; the answer is yes or no",
    ),
    ("WITH RECURSIVE walk AS ( SELECT $5::uuid AS app_id", "the worker sends all mails"),
    ("SELECT count(*) AS \"queued!\"", "metrics, on the operator's listener"),
    ("DELETE FROM mail_quotas WHERE (app_id, day) IN", "days that are over, of all apps"),
    (
        "WITH past AS MATERIALIZED ( SELECT app_id, scope, subject, day FROM referral_quotas",
        "days that are over, of all apps",
    ),
    (
        "WITH past AS MATERIALIZED ( SELECT app_id, caller, backend, key FROM idempotency_keys",
        "answers of more than a day ago, of all apps",
    ),
    (
        "WITH requested AS MATERIALIZED ( SELECT *",
        "what several apps ask for: each row brings the app of its own credentials, and meets rows of that app only",
    ),
    ("UPDATE api_keys SET revoked_at = now() WHERE key_id = $1", "the operator names a key by its id"),
    ("SELECT app_id FROM signing_keys WHERE key_id = $1", "the operator names a key by its id"),
    (
        "SELECT a.app_id, o.message_id FROM apps a JOIN outbox o",
        "mails of all apps come back to the operator, and are reported by one provider",
    ),
    (
        "SELECT app_id, message_id FROM outbox WHERE lower(recipient)",
        "mails of all apps come back to the operator, and are reported by one provider",
    ),
    ("SELECT mail_id AS id, app_id, recipient", "the operator looks at the mails of all apps"),
    ("SELECT mail_id AS id, o.app_id, recipient", "the operator looks at the mails of all apps"),
    (
        "SELECT invite_id AS id, app_id, kind, … FROM invites WHERE ($1::uuid IS NULL OR",
        "the operator looks at the invites of all apps",
    ),
    (
        "SELECT app_id, name, language, mail_from, reply_to, return_path, logo_url, color, home_url, footer, imprint_url, privacy_url, invite_url, invite_expires_in, origins, issuer, jwks_url FROM apps ORDER BY",
        "the operator lists the apps",
    ),
    (
        "SELECT key_id, private_key FROM signing_keys ORDER BY created_at",
        "whether the secret key is the right one",
    ),
    (
        "SELECT app_id, key_id AS id, private_key AS sealed FROM signing_keys WHERE (app_id, key_id) >",
        "the operator seals all anew",
    ),
    ("SELECT app_id, secret_id AS id, secret AS sealed FROM webhook_secrets", "the operator seals all anew"),
    ("UPDATE webhook_secrets s SET secret = n.fresh", "the operator seals all anew"),
    ("WITH due AS ( SELECT d.app_id, d.delivery_id", "the worker tells all webhooks"),
    ("SELECT DISTINCT app_id FROM webhooks", "the worker tells all webhooks"),
    ("SELECT count(*) AS \"waiting!\"", "metrics, on the operator's listener"),
    (
        "WITH past AS MATERIALIZED ( SELECT app_id, delivery_id FROM webhook_deliveries",
        "the worker forgets what was told long ago",
    ),
    (
        "WITH final AS MATERIALIZED ( SELECT app_id, mail_id FROM outbox",
        "mails whose retention is over, of all apps",
    ),
    (
        "WITH ended AS MATERIALIZED ( SELECT i.app_id, i.invite_id",
        "invites whose retention is over, of all apps",
    ),
    ("SELECT webhook_id AS id, app_id, url", "the operator looks at the webhooks of all apps"),
    ("SELECT delivery_id AS id, app_id", "the operator looks at the deliveries of all apps"),
    (
        "WITH past AS MATERIALIZED ( SELECT app_id, event_id FROM audit_events",
        "events of operators whose retention is over, of all apps",
    ),
    ("UPDATE signing_keys k SET private_key = n.fresh", "the operator seals all anew"),
    ("SELECT app_id, mail_id AS id, secret AS \"sealed!\" FROM outbox", "the operator seals all anew"),
    ("UPDATE outbox o SET secret = n.fresh", "the operator seals all anew"),
    (
        "SELECT app_id, key_id AS id, hash_key AS sealed FROM opt_out_keys WHERE (app_id, key_id) >",
        "the operator seals all anew",
    ),
    ("UPDATE opt_out_keys k SET hash_key = n.fresh", "the operator seals all anew"),
];

/// Parameter types that name one app: a store function with one of these cannot reach another app's rows.
const SCOPES: &[&str] = &[
    "UnitOfWork",
    "AppId",
    "&App,",
    "&InviteCode",
    "&OptOutCode",
    "&ClaimedMail",
    "&ClaimedDelivery",
    "&Call",
    "&NewInvite",
    "&NewReferral",
    "Pending<T>",
    "&[T]",
    "&MailRow",
    "&Update",
    "&[Update]",
    "Pending<",
    "&WebhookRow",
];

/// Store functions without an app parameter.
const OPERATOR: &[&str] = &[
    // Process and schema.
    "pool::session::options",
    "pool::session::connect",
    "pool::session::set_up",
    "pool::tls_relay::if_needed",
    "migrate::migrate",
    "migrate::is_migrated",
    "migrate::run_migrations",
    "migrate::adopt",
    "migrate::ages",
    "migrate::grant",
    "migrate::is_ready",
    "pool::is_alive",
    "pool::cancel",
    // Worker.
    "outbox::claim",
    "outbox::backlog",
    "outbox::delete_expired",
    "invites::new_invite::delete_expired",
    "outbox::wake",
    "webhooks::deliveries::claim",
    "webhooks::deliveries::backlog",
    "webhooks::deliveries::delete_finished",
    "webhooks::manage::apps",
    "mail_quotas::delete_expired",
    "referrals::new_referral::delete_expired_quotas",
    "idempotency::delete_expired",
    // Command line.
    "outbox::manage::find",
    "api_keys::revoke",
    "operator::apps",
    "operator::app_of_signing_key",
    "operator::is_secret_key",
    "operator::reseal",
    // Bounced mails, and webhooks of mail providers after verification.
    "reported_mails::find",
    "reported_mails::mail_with",
    "reported_mails::only_mail_to",
    // CORS preflight requests.
    "apps::has_origin",
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every table with an `app_id`, from the migrations.
fn tables() -> BTreeSet<String> {
    let mut tables = BTreeSet::new();
    for file in files(&root().join("migrations"), "sql") {
        let text = fs::read_to_string(file).unwrap();
        for made in text.split("CREATE TABLE ").skip(1) {
            let (name, columns) = made.split_once('(').unwrap();
            if columns.split(';').next().unwrap().lines().any(|line| line.trim().starts_with("app_id uuid")) {
                tables.insert(name.trim().to_owned());
            }
        }
    }
    tables
}

fn files(folder: &Path, kind: &str) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == kind));
    files.sort();
    files
}

/// Every source file below a folder.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let below = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir());
    let mut sources: Vec<_> = below.flat_map(|folder| sources(&folder)).collect();
    sources.extend(files(folder, "rs"));
    sources
}

/// SQL as a tree: words, and groups in parentheses.
#[derive(Debug, Clone)]
enum Token {
    Word(String),
    Group(Vec<Token>),
}

impl Token {
    fn is(&self, word: &str) -> bool {
        matches!(self, Self::Word(text) if text.eq_ignore_ascii_case(word))
    }

    fn word(&self) -> &str {
        match self {
            Self::Word(text) => text,
            Self::Group(_) => "",
        }
    }
}

fn parse(sql: &str) -> Vec<Token> {
    let mut open = vec![Vec::new()];
    let mut rest = sql.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '\'' | '"' => rest[1..].find(first).unwrap() + 2,
            _ if first.is_alphanumeric() || "_$".contains(first) => {
                rest.find(|c: char| !(c.is_alphanumeric() || "_$".contains(c))).unwrap_or(rest.len())
            }
            _ => first.len_utf8(),
        };
        match first {
            '(' => open.push(Vec::new()),
            ')' => {
                let group = open.pop().unwrap();
                open.last_mut().unwrap().push(Token::Group(group));
            }
            _ => open.last_mut().unwrap().push(Token::Word(rest[..length].to_owned())),
        }
        rest = rest[length..].trim_start();
    }
    assert_eq!(open.len(), 1, "{sql}");
    open.pop().unwrap()
}

const KEYWORDS: &[&str] = &[
    "SET",
    "WHERE",
    "ON",
    "JOIN",
    "LEFT",
    "USING",
    "ORDER",
    "LIMIT",
    "FOR",
    "SELECT",
    "VALUES",
    "RETURNING",
    "GROUP",
    "FROM",
    "AND",
    "CROSS",
    "INNER",
    "UNION",
    "DO",
];

const SETS: &[&str] = &["UNION", "INTERSECT", "EXCEPT"];

/// The tables of apps that this level of a statement, or one below it, uses without their `app_id`. `outer`: names of
/// rows of the levels above that belong to the caller's app.
fn unscoped(tokens: &[Token], tables: &BTreeSet<String>, outer: &BTreeSet<String>) -> Vec<String> {
    if let Some(at) = tokens.iter().position(|token| SETS.iter().any(|set| token.is(set))) {
        let (one, other) = (&tokens[..at], &tokens[at + 1..]);
        return [unscoped(one, tables, outer), unscoped(other, tables, outer)].concat();
    }
    let word = |at: usize| tokens.get(at).map_or("", Token::word);
    // name → table, of the tables read or changed here; an insert is scoped by the `app_id` it inserts.
    let mut named: BTreeMap<String, String> = BTreeMap::new();
    let mut loose = Vec::new();
    let mut listing = false;
    for at in 0..tokens.len() {
        let comma = listing && word(at) == ",";
        let begins = ["FROM", "JOIN", "UPDATE", "INTO", "USING"].iter().any(|start| tokens[at].is(start));
        // Not table names: FOR UPDATE OF u; DO UPDATE SET; extract(epoch FROM x).
        let locks = at > 0
            && tokens[at].is("UPDATE")
            && ["FOR", "KEY", "DO"].iter().any(|before| tokens[at - 1].is(before));
        if tokens[at].is("FROM") {
            listing = true;
        } else if !comma && KEYWORDS.iter().any(|end| tokens[at].is(end)) {
            listing = false;
        }
        if !(begins || comma) || locks || !tables.contains(word(at + 1)) {
            continue;
        }
        let table = word(at + 1);
        if tokens[at].is("INTO") {
            let columns = matches!(tokens.get(at + 2), Some(Token::Group(group)) if group.first().is_some_and(|first| first.is("app_id")));
            let next = tokens.get(at + 3);
            let value = match next {
                Some(token) if token.is("SELECT") => word(at + 4),
                Some(token) if token.is("VALUES") => match tokens.get(at + 4) {
                    Some(Token::Group(group)) => group[0].word(),
                    _ => "",
                },
                _ => "",
            };
            if !(columns && value.starts_with('$')) {
                loose.push(table.to_owned());
            }
            continue;
        }
        let alias =
            if tokens.get(at + 2).is_some_and(|token| token.is("AS")) { word(at + 3) } else { word(at + 2) };
        let plain = alias.chars().next().is_some_and(char::is_alphabetic);
        let own = plain && !KEYWORDS.iter().any(|keyword| keyword.eq_ignore_ascii_case(alias));
        named.insert(if own { alias } else { table }.to_owned(), table.to_owned());
    }
    // Comparisons after WHERE or ON that must hold for every row.
    let mut condition = false;
    let conditions: Vec<bool> = tokens
        .iter()
        .map(|token| {
            if KEYWORDS.iter().any(|keyword| token.is(keyword)) && !token.is("AND") {
                condition = token.is("WHERE") || token.is("ON");
            }
            condition
        })
        .collect();
    let either = tokens.iter().zip(&conditions).any(|(token, condition)| *condition && token.is("OR"));
    let mut scoped = outer.clone();
    for _ in 0..=named.len() {
        for at in 0..tokens.len() {
            if either || !conditions[at] || !tokens[at].is("app_id") {
                continue;
            }
            let (row, before) =
                if at >= 2 && word(at - 1) == "." { (Some(word(at - 2)), at - 2) } else { (None, at) };
            // The whole of a comparison: `AND a.app_id = $1`, not `x + a.app_id = $1`.
            if !["WHERE", "ON", "AND"].iter().any(|start| before > 0 && tokens[before - 1].is(start))
                || word(at + 1) != "="
            {
                continue;
            }
            let ends = |at: usize| !["+", "-", "*", "/", "|", ":", "."].contains(&word(at));
            let own = row
                .map(str::to_owned)
                .or_else(|| (named.len() == 1).then(|| named.keys().next().unwrap().clone()));
            let Some(own) = own else { continue };
            if word(at + 2).starts_with('$') && ends(at + 3) {
                scoped.insert(own);
            } else if word(at + 3) == "." && word(at + 4) == "app_id" && ends(at + 5) {
                let other = word(at + 2).to_owned();
                if scoped.contains(&own) {
                    scoped.insert(other);
                } else if scoped.contains(&other) {
                    scoped.insert(own);
                }
            }
        }
    }
    loose.extend(named.iter().filter(|(name, _)| !scoped.contains(*name)).map(|(_, table)| table.clone()));
    // An inner level that names its own rows hides the outer ones of that name.
    for token in tokens {
        if let Token::Group(group) = token {
            let inner: BTreeSet<String> =
                scoped.iter().filter(|name| !names_anew(group, name)).cloned().collect();
            loose.extend(unscoped(group, tables, &inner));
        }
    }
    loose
}

/// Whether a level uses a table under this name or alias.
fn names_anew(group: &[Token], name: &str) -> bool {
    group.windows(2).any(|pair| {
        ["FROM", "JOIN", "UPDATE"].iter().any(|start| pair[0].is(start)) && pair[1].word() == name
    }) || group.windows(3).any(|three| {
        ["FROM", "JOIN", "UPDATE"].iter().any(|start| three[0].is(start)) && three[2].word() == name
    })
}

fn check(sql: &str) -> Vec<String> {
    unscoped(&parse(sql), &tables(), &BTreeSet::new())
}

#[test]
fn every_sql_statement_filters_by_app_id() {
    let expected = [
        "api_keys",
        "apps",
        "email_confirmations",
        "idempotency_keys",
        "invite_events",
        "invites",
        "outbox",
        "referral_quotas",
        "signing_keys",
        "tenants",
        "users",
        "webhook_deliveries",
        "webhook_secrets",
        "webhooks",
    ];
    let tables = tables();
    assert!(expected.iter().all(|table| tables.contains(*table)), "{tables:?}");
    let statements: Vec<String> = files(&root().join(".sqlx"), "json")
        .iter()
        .map(|file| {
            let json: serde_json::Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
            json["query"].as_str().unwrap().split_whitespace().collect::<Vec<_>>().join(" ")
        })
        .collect();
    let mut unused: BTreeSet<&str> = EXEMPT.iter().map(|(start, _)| *start).collect();
    for statement in &statements {
        let loose = check(statement);
        if loose.is_empty() {
            continue;
        }
        let exempt = EXEMPT.iter().find(|(start, _)| {
            let (start, more) = start.split_once("… ").unwrap_or((start, ""));
            statement.strip_prefix(start).is_some_and(|rest| rest.contains(more))
        });
        let (start, _) = exempt.unwrap_or_else(|| panic!("{loose:?} without `app_id = $n` in: {statement}"));
        unused.remove(start);
    }
    assert_eq!(unused, BTreeSet::new(), "exempt, and not there or scoped");
}

/// Tests the check itself: statements that it accepts and rejects.
#[test]
fn sql_without_app_id_filter_is_detected() {
    for good in [
        "SELECT name FROM users WHERE app_id = $1 AND user_id = $2",
        "SELECT pg_notify($1, '')",
        "UPDATE users u SET name = $3 WHERE u.user_id = $2 AND u.app_id = $1 AND (u.freezed OR u.deleted)",
        "INSERT INTO tenants (app_id, tenant_id) VALUES ($1, $2)",
        "INSERT INTO tenants (app_id, tenant_id) SELECT $1, tenant_id FROM made",
        "SELECT i.kind FROM invites i JOIN apps a ON a.app_id = i.app_id WHERE i.app_id = $1",
        "SELECT 1 FROM users u WHERE u.app_id = $1 AND EXISTS (SELECT FROM users c WHERE c.app_id = u.app_id)",
        "WITH t AS (SELECT user_id FROM users WHERE app_id = $1) SELECT user_id FROM t",
    ] {
        assert_eq!(check(good), Vec::<String>::new(), "{good}");
    }
    for (bad, table) in [
        ("SELECT name FROM users WHERE user_id = $1", "users"),
        ("SELECT name FROM users", "users"),
        ("SELECT user_id AS key FROM users", "users"),
        ("SELECT name FROM users WHERE $1::uuid IS NULL OR app_id = $1", "users"),
        ("SELECT name FROM users WHERE ($1::uuid IS NULL OR app_id = $1)", "users"),
        ("SELECT name FROM users WHERE app_id = app_id", "users"),
        ("SELECT name FROM users WHERE app_id <> $1", "users"),
        ("SELECT name FROM users WHERE NOT app_id = $1", "users"),
        ("SELECT app_id = $1 FROM users", "users"),
        ("UPDATE users SET app_id = $1", "users"),
        ("UPDATE users SET name = $2 WHERE user_id = $1", "users"),
        ("DELETE FROM outbox WHERE mail_id = $1", "outbox"),
        ("DELETE FROM outbox o USING invites i WHERE i.app_id = $1 AND o.invite_id = i.invite_id", "outbox"),
        ("INSERT INTO tenants (tenant_id, app_id) VALUES ($1, $2)", "tenants"),
        ("INSERT INTO tenants (app_id, tenant_id) SELECT app_id, tenant_id FROM made", "tenants"),
        ("SELECT 1 FROM users u, invites i WHERE u.app_id = $1 AND i.user_id = u.user_id", "invites"),
        ("SELECT 1 FROM users u JOIN invites i USING (user_id) WHERE u.app_id = $1", "invites"),
        ("SELECT 1 FROM users u LEFT JOIN invites i ON i.user_id = u.user_id WHERE u.app_id = $1", "invites"),
        (
            "SELECT 1 FROM users u WHERE u.app_id = $1 AND EXISTS (SELECT FROM invites u WHERE u.kind = $2)",
            "invites",
        ),
        ("WITH t AS (SELECT user_id FROM users WHERE email = $1) SELECT user_id FROM t", "users"),
        ("SELECT 1 FROM users WHERE app_id = $1 AND user_id IN (SELECT user_id FROM invites)", "invites"),
        ("SELECT 1 FROM users WHERE app_id = $1 UNION SELECT 1 FROM users", "users"),
    ] {
        assert!(check(bad).contains(&table.to_owned()), "{bad}: {:?}", check(bad));
    }
}

/// The parameters of each public async function of the store, by `file::name`.
fn functions() -> BTreeMap<String, String> {
    let mut functions = BTreeMap::new();
    let store = root().join("src/db");
    for file in sources(&store) {
        let path = file.strip_prefix(&store).unwrap().with_extension("");
        let stem = path.to_str().unwrap().trim_end_matches("/mod").replace('/', "::");
        let text = fs::read_to_string(&file).unwrap();
        for start in ["\npub async fn ", "\nasync fn ", "\npub fn "] {
            for function in text.split(start).skip(1) {
                let name = function.split(['(', '<']).next().unwrap();
                let parameters = function.split(") ->").next().unwrap().to_owned() + ",";
                functions.insert(format!("{stem}::{name}"), parameters);
            }
        }
    }
    functions
}

#[test]
fn every_db_function_takes_the_app_id() {
    let functions = functions();
    let loose: BTreeSet<&str> = functions
        .iter()
        // Operators are of no app.
        .filter(|(name, _)| !name.starts_with("operators::"))
        .filter(|(_, parameters)| !SCOPES.iter().any(|scope| parameters.contains(scope)))
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(loose, OPERATOR.iter().copied().collect(), "given no app");
}

/// Request handlers call none of the operator's functions, and the console none that names no app.
#[test]
fn http_handlers_call_no_operator_functions() {
    let cli = [
        "operator::",
        "api_keys::revoke",
        "outbox::manage",
        "outbox::claim",
        "delete_expired_quotas",
        "webhooks::manage",
        "deliveries::list",
        "deliveries::claim",
        "operators::",
    ];
    // The console may list apps and operators, and reaches rows only through their app.
    let console = [
        "api_keys::revoke(",
        "operator::app_of_signing_key",
        "operator::failed_mails",
        "operator::invites",
        "operator::reseal",
        "outbox::manage::find(",
        "webhooks::manage::list(",
        "deliveries::list(",
    ];
    for (folder, names) in [("src/api", &cli[..]), ("src/http", &cli), ("src/admin", &console)] {
        for file in sources(&root().join(folder)) {
            let text = fs::read_to_string(&file).unwrap();
            for name in names {
                assert!(!text.contains(name), "{name} in {}", file.display());
            }
        }
    }
}
