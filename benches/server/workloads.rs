//! The workloads: each `pgbench` script and the matching server requests.

use crate::store::id;

/// A workload: its name, its `pgbench` script and its `wrk` script.
pub struct Work {
    pub name: &'static str,
    pub limit: String,
    pub request: String,
    /// The target for the ratio to the `pgbench` limit.
    pub least: f64,
}

/// The body of an update.
pub const FIELDS: &str = r#"{"user":{"name":"Ada Lovelace","given_name":"Ada%d","family_name":"Lovelace","nickname":"ada","phone_number":"+493012345678","zoneinfo":"Europe/London","locale":"en-GB"}}"#;

/// The four workloads, on an app with this many users.
pub fn works(users: u64, app: &str, key: &str, tokens: &str) -> Vec<Work> {
    let headers = format!(
        "wrk.headers = {{ ['X-API-KEY'] = '{key}', ['X-API-KEY-TYPE'] = 'write', ['X-CLIENT-ID'] = '{app}', \
         ['Content-Type'] = 'application/json' }}\n"
    );
    let update = format!(
        "\\set i random(1, {users})
        UPDATE users SET name = 'Ada Lovelace', given_name = 'Ada' || :i, family_name = 'Lovelace', nickname = 'ada',
            phone_number = '+493012345678', zoneinfo = 'Europe/London', locale = 'en-GB'
        WHERE app_id = '{app}' AND user_id = {};",
        id(":i")
    );
    let put = format!(
        "function request()
          local i = math.random(1, {users})
          return wrk.format('PUT', '/v1/users/' .. user(i), nil, string.format('{FIELDS}', i))
        end"
    );
    let me = format!(
        "local tokens = {{ {tokens} }}
        function request()
          local i = math.random(1, #tokens)
          return wrk.format('PUT', '/v1/users/me',
            {{ ['Authorization'] = 'Bearer ' .. tokens[i], ['Content-Type'] = 'application/json' }},
            string.format('{FIELDS}', i))
        end"
    );
    let mail = "INSERT INTO outbox (app_id, mail_id, invite_id, kind, recipient, language, secret, message_id, due_at)";
    let create = format!(
        "BEGIN;
        WITH u AS (SELECT gen_random_uuid() AS user_id, gen_random_uuid() AS tenant_id, gen_random_uuid() AS invite_id),
        t AS (INSERT INTO tenants (app_id, tenant_id) SELECT '{app}', tenant_id FROM u),
        n AS (INSERT INTO users (app_id, user_id, tenant_id, email, language, referral_code)
            SELECT '{app}', user_id, tenant_id, user_id || '@new.example', 'en', left(user_id::text, 18) FROM u),
        i AS (INSERT INTO invites (app_id, invite_id, kind, user_id, email, language, code_hash, expires_at)
            SELECT '{app}', invite_id, 'invite', user_id, user_id || '@new.example', 'en',
                sha256(invite_id::text::bytea), now() + interval '7 days' FROM u)
        {mail}
        SELECT '{app}', gen_random_uuid(), invite_id, 'invite', user_id || '@new.example', 'en',
            decode(repeat('00', 82), 'hex'), '<' || invite_id || '@id.example>', now() + interval '1 day' FROM u;
        COMMIT;"
    );
    let refer = format!(
        "\\set i random(1, {users})
        BEGIN;
        WITH u AS (SELECT {user} AS user_id, gen_random_uuid() AS invite_id),
        i AS (INSERT INTO invites (app_id, invite_id, kind, inviter_id, email, language, code_hash, expires_at)
            SELECT '{app}', invite_id, 'referral', user_id, invite_id || '@new.example', 'en',
                sha256(invite_id::text::bytea), now() + interval '7 days' FROM u),
        a AS (INSERT INTO referral_quotas (app_id, scope, subject, day, used, allowed)
            SELECT '{app}', 'referrer', user_id::text, current_date, 1, 1000000 FROM u
            ON CONFLICT (app_id, scope, subject, day) DO UPDATE SET used = referral_quotas.used + 1),
        b AS (INSERT INTO referral_quotas (app_id, scope, subject, day, used, allowed)
            SELECT '{app}', 'recipient', invite_id || '@new.example', current_date, 1, 3 FROM u)
        {mail}
        SELECT '{app}', gen_random_uuid(), invite_id, 'referral', invite_id || '@new.example', 'en',
            decode(repeat('00', 82), 'hex'), '<' || invite_id || '@id.example>', now() + interval '1 day' FROM u;
        COMMIT;",
        user = id(":i")
    );
    // Names unique across runs: the start time and a counter.
    let post = "local begun, n = string.format('%08x', os.time()), 0
        function request()
          n = n + 1
          local id = string.format('%s-%04x-4000-9%03d-%012x', begun, n % 65536, replica, n)
          return wrk.format('POST', '/v1/users/' .. id, nil,
            string.format('{\"email\":\"%s@example.com\",\"language\":\"en\"}', id))
        end";
    let invite = format!(
        "local begun, n = string.format('%08x', os.time()), 0
        function request()
          n = n + 1
          local i = math.random(1, {users})
          return wrk.format('POST', '/v1/users/' .. user(i) .. '/referral-invites', nil,
            string.format('{{\"email\":\"%s-%d@example.org\",\"language\":\"en\"}}', begun .. replica, n))
        end"
    );
    vec![
        Work { name: "`PUT`, API key", limit: update.clone(), request: headers.clone() + &put, least: 0.75 },
        Work { name: "`PUT`, access token", limit: update, request: me, least: 0.70 },
        Work { name: "`POST` user, all new", limit: create, request: headers.clone() + post, least: 0.75 },
        Work { name: "referral invite, all new", limit: refer, request: headers + &invite, least: 0.75 },
    ]
}
