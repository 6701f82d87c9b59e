//! Two apps on one server: to a caller of one app, data of the other looks as if it did not exist.

use serde_json::{Value, json};

use crate::support::{Answer, App, As, SECRET_KEY, Test, new_id};
use userdocks::db::apps;
use userdocks::domain::id::UserId;

/// Every row of an app, as text.
async fn rows(test: &Test, app: &App) -> Vec<String> {
    let mut all = Vec::new();
    for table in [
        "apps",
        "signing_keys",
        "api_keys",
        "tenants",
        "users",
        "invites",
        "email_confirmations",
        "invite_events",
        "referral_quotas",
        "outbox",
    ] {
        let query = format!("SELECT t::text FROM {table} t WHERE app_id = $1 ORDER BY 1");
        let rows = sqlx::query_scalar(sqlx::AssertSqlSafe(query)).bind(app.id.0);
        all.extend::<Vec<String>>(rows.fetch_all(&test.db).await.unwrap());
    }
    all
}

/// The answer without the parts that differ between any two: request id and time.
fn comparable(mut answer: Answer) -> Answer {
    answer.headers.remove("x-request-id");
    answer.headers.remove("date");
    answer
}

#[tokio::test]
async fn users_of_another_app_are_refused_like_unknown_ones() {
    let test = Test::start().await;
    let other = test.another_app().await;
    let ours = test.member(&test.app, "ada@example.com", None).await;
    let theirs = test.member(&other, "zoe@example.com", None).await;
    let nobody = UserId(new_id());
    let before = rows(&test, &other).await;
    assert_eq!(before.len(), 6);

    let rename = json!({ "user": { "nickname": "x", "email": "x@example.com" } });
    let refer = json!({ "email": "new@example.com", "language": "en" });
    for who in [As::Write(&test.app), As::Read(&test.app), As::Token(test.token(ours).await), As::Nobody] {
        let call = async |method: &str, path: String, body: &Value| {
            comparable(test.call(method, &path, who.clone(), Some(body.clone())).await)
        };
        for (method, more, body) in [("PUT", "", &rename), ("POST", "/referral-invites", &refer)] {
            let there = call(method, format!("/v1/users/{theirs}{more}"), body).await;
            let nowhere = call(method, format!("/v1/users/{nobody}{more}"), body).await;
            assert_eq!(there, nowhere);
            assert!([401, 403].contains(&there.status), "{there:?}");
        }
    }

    // The same key, and a token of the same user, with the other app's id.
    let unknown = new_id().to_string();
    for (key, key_type) in [(&test.app.write_key, "write"), (&test.app.read_key, "read")] {
        let call = async |client: String| {
            let headers = vec![
                ("X-API-KEY", key.clone()),
                ("X-API-KEY-TYPE", key_type.to_owned()),
                ("X-CLIENT-ID", client),
            ];
            comparable(
                test.call("PUT", &format!("/v1/users/{theirs}"), As::Headers(headers), Some(rename.clone()))
                    .await,
            )
        };
        let there = call(other.id.to_string()).await;
        assert_eq!((there.status, there.header("x-error-code")), (401, Some("invalid_api_key")));
        assert_eq!(there, call(unknown.clone()).await);
    }
    assert_eq!(rows(&test, &other).await, before);
    test.finish().await;
}

#[tokio::test]
async fn ids_and_emails_of_another_app_can_be_reused() {
    let test = Test::start().await;
    let other = test.another_app().await;
    let theirs = test.member(&other, "zoe@example.com", None).await;
    let nobody = UserId(new_id());
    let before = rows(&test, &other).await;

    // Inviting at the id of their user works as at an unused id: it creates a user of ours with that id.
    let mut answers = Vec::new();
    for (id, email) in [(theirs, "zoe@example.com"), (nobody, "uma@example.com")] {
        let body = json!({ "email": email, "language": "en" });
        let answer = test.call("POST", &format!("/v1/users/{id}"), As::Write(&test.app), Some(body)).await;
        let user = answer.user();
        assert_eq!(
            (&user["id"], &user["appId"], &user["email"]),
            (&json!(id), &json!(test.app.id), &json!(email))
        );
        assert_eq!(user["name"], json!(null));
        let mut answer = comparable(answer);
        for field in ["id", "email", "tenantId"] {
            answer.body["data"]["user"][field].take();
        }
        answers.push(answer);
        let mail = test.mail().await;
        assert_eq!(mail.to, [email]);
        assert!(mail.subject().contains("Acme"), "{}", mail.subject());
    }
    assert_eq!(answers[0], answers[1]);

    // The id exists in both apps; each app has its own user.
    let token = test.token(theirs).await;
    let body = json!({ "user": { "nickname": "ours" } });
    for who in [As::Write(&test.app), As::Token(token)] {
        let answer = test.call("PUT", &format!("/v1/users/{theirs}"), who, Some(body.clone())).await;
        assert_eq!(answer.success().0, 200);
    }
    assert_eq!(test.stored(theirs).await["nickname"], json!("ours"));
    assert_eq!(rows(&test, &other).await, before);

    // A referral to an address that only the other app knows is mailed like any other.
    test.member(&other, "vera@example.com", None).await;
    let before = rows(&test, &other).await;
    let body = json!({ "email": "vera@example.com", "language": "en" });
    let path = format!("/v1/users/{theirs}/referral-invites");
    let answer = test.call("POST", &path, As::Write(&test.app), Some(body)).await;
    assert_eq!(answer.success(), (201, "the referral invite was taken", &json!(null)));
    assert_eq!(test.mail().await.to, ["vera@example.com"]);
    assert_eq!(rows(&test, &other).await, before);
    test.finish().await;
}

/// Tables without an `app_id`: those of the migrations and of the installation.
const OF_NO_APP: [&str; 6] = [
    "_sqlx_migrations",
    "operator_challenges",
    "operator_passkeys",
    "operator_sessions",
    "operators",
    "secret_key_check",
];

#[tokio::test]
async fn foreign_keys_cannot_cross_apps() {
    let test = Test::start().await;
    let list = async |query: &'static str| -> Vec<String> {
        sqlx::query_scalar(query).fetch_all(&test.db).await.unwrap()
    };
    let free = list(
        "SELECT relname::text FROM pg_class c WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace
        AND NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = c.oid AND attname = 'app_id' AND attnotnull)
        ORDER BY 1",
    )
    .await;
    assert_eq!(free, OF_NO_APP);
    // Keys and unique indexes of all other tables begin with `app_id`.
    let keys = list(
        "SELECT indexrelid::regclass::text FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
        WHERE i.indisunique AND relnamespace = 'public'::regnamespace
            AND relname NOT IN ('_sqlx_migrations', 'secret_key_check') AND relname NOT LIKE 'operator%'
            AND NOT EXISTS (SELECT FROM pg_attribute
                WHERE attrelid = i.indrelid AND attnum = i.indkey[0] AND attname = 'app_id')",
    )
    .await;
    assert_eq!(keys, Vec::<String>::new());
    // Foreign keys lead from `app_id` to `app_id`.
    let references = list(
        "SELECT conname::text FROM pg_constraint f
        WHERE contype = 'f' AND conrelid::regclass::text NOT LIKE 'operator%' AND NOT EXISTS (
            SELECT FROM unnest(f.conkey, f.confkey) AS k (here, there)
            JOIN pg_attribute h ON h.attrelid = f.conrelid AND h.attnum = k.here AND h.attname = 'app_id'
            JOIN pg_attribute t ON t.attrelid = f.confrelid AND t.attnum = k.there AND t.attname = 'app_id')",
    )
    .await;
    assert_eq!(references, Vec::<String>::new());
    // PostgreSQL enforces this.
    let other = test.another_app().await;
    let theirs = test.member(&other, "zoe@example.com", None).await;
    let refused = sqlx::query(
        "INSERT INTO invites (app_id, invite_id, kind, user_id, email, language, code_hash, expires_at)
        VALUES ($1, $2, 'invite', $3, 'zoe@example.com', 'en', '', now())",
    )
    .bind(test.app.id.0)
    .bind(new_id())
    .bind(theirs.0)
    .execute(&test.db)
    .await
    .unwrap_err();
    assert_eq!(refused.as_database_error().unwrap().constraint(), Some("invites_app_id_user_id_fkey"));
    test.finish().await;
}

/// The other tests show that the rights of the server's role suffice.
#[tokio::test]
async fn server_role_lacks_unneeded_database_privileges() {
    let test = Test::start().await;
    let server = &test.server.as_ref().unwrap().state.store.pool;
    let role: String = sqlx::query_scalar("SELECT current_user::text").fetch_one(server).await.unwrap();
    assert_eq!(role, "userdocks_server");
    let attributes: bool = sqlx::query_scalar(
        "SELECT rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls
            OR EXISTS (SELECT FROM pg_auth_members WHERE member = r.oid)
            OR EXISTS (SELECT FROM pg_class WHERE relowner = r.oid)
        FROM pg_roles r WHERE rolname = current_user",
    )
    .fetch_one(server)
    .await
    .unwrap();
    assert!(!attributes);
    for statement in [
        "DROP TABLE users",
        "TRUNCATE users",
        "TRUNCATE outbox",
        "ALTER TABLE users ADD COLUMN x text",
        "ALTER TABLE users DISABLE TRIGGER ALL",
        "CREATE INDEX x ON users (name)",
        "CREATE TABLE x ()",
        "CREATE TEMPORARY TABLE x ()",
        "CREATE SCHEMA x",
        "CREATE FUNCTION x() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE ROLE x",
        "CREATE DATABASE x",
        "ALTER ROLE userdocks_server SUPERUSER",
        "SET ROLE postgres",
        "SELECT * FROM pg_authid",
        "SELECT pg_read_file('/etc/passwd')",
        "COPY users TO PROGRAM 'cat'",
        "COPY users TO '/tmp/x'",
        "INSERT INTO apps (app_id, name, language) VALUES (gen_random_uuid(), 'x', 'en')",
        "UPDATE apps SET name = 'x'",
        "DELETE FROM apps",
        "INSERT INTO api_keys (app_id, key_id, type, hash) SELECT app_id, app_id, 'write', '' FROM apps",
        "UPDATE api_keys SET revoked_at = NULL",
        "DELETE FROM api_keys",
        "UPDATE signing_keys SET public_key = ''",
        "DELETE FROM signing_keys",
        "UPDATE tenants SET app_id = app_id",
        "DELETE FROM users",
        "UPDATE secret_key_check SET sealed = ''",
        "UPDATE _sqlx_migrations SET success = false",
    ] {
        let error = sqlx::query(statement).execute(server).await.expect_err(statement);
        let error = error.as_database_error().unwrap_or_else(|| panic!("{statement}: {error}"));
        // insufficient_privilege
        assert_eq!(error.code().as_deref(), Some("42501"), "{statement}: {error}");
    }
    test.finish().await;
}

/// The database or a backup of it does not let its reader act for anybody.
#[tokio::test]
async fn secrets_are_not_stored_in_plain_text() {
    let test = Test::start().await;
    let user = test.member(&test.app, "ada@example.com", None).await;
    test.smtp.refuse(crate::support::smtp::Stage::Rcpt, "450 4.2.1 later");
    let path = format!("/v1/users/{user}/referral-invites");
    let body = json!({ "email": "eve@example.com", "language": "en" });
    let headers = [("idempotency-key", "k".to_owned()), ("content-type", "application/json".to_owned())];
    let body = serde_json::to_vec(&body).unwrap();
    let token = As::Token(test.token(user).await);
    assert_eq!(test.raw("POST", &path, token, &headers, body).await.status, 201);
    // A queued mail stores its code encrypted.
    let (id, sealed): (uuid::Uuid, Vec<u8>) =
        sqlx::query_as("SELECT mail_id, secret FROM outbox").fetch_one(&test.db).await.unwrap();
    let code = String::from_utf8(
        test.seal.open(userdocks::domain::credentials::secret_key::Purpose::Code, id, &sealed).unwrap(),
    )
    .unwrap();
    let (id, sealed) = apps::private_key(&test.db, test.app.id).await.unwrap().unwrap();
    let private = hex::encode(
        test.seal.open(userdocks::domain::credentials::secret_key::Purpose::SigningKey, id, &sealed).unwrap(),
    );

    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT relname::text FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace",
    )
    .fetch_all(&test.db)
    .await
    .unwrap();
    let mut store = String::new();
    for table in tables {
        let query = format!("SELECT COALESCE(string_agg(t::text, ' '), '') FROM {table} t");
        let rows: String = sqlx::query_scalar(sqlx::AssertSqlSafe(query)).fetch_one(&test.db).await.unwrap();
        store += &rows;
    }
    assert!(store.contains("eve@example.com") && store.contains(&hex::encode(&sealed)));
    let plain = [&test.app.read_key, &test.app.write_key, &code, SECRET_KEY];
    for secret in plain {
        assert!(!store.contains(secret) && !store.contains(&hex::encode(secret)), "{secret}");
    }
    // The public half of a private key occurs in both; the private part is not in the database.
    assert!(!store.contains(&private) && !store.contains(&private[private.len() - 64..]));
    test.smtp.script(|_| None);
    test.sql("UPDATE outbox SET due_at = now()").await;
    assert_eq!(test.mail().await.to, ["eve@example.com"]);
    test.finish().await;
}
