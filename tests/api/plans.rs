//! PostgreSQL's plans for the statements of the API and of the worker, on tables that are empty or too new to
//! be analyzed.

use std::time::Duration;

use serde_json::Value;
use sqlx::AssertSqlSafe;
use userdocks::db::Pool;

use crate::support;

/// Tables with at most a few rows per app, which may be read whole.
const SMALL: [&str; 13] = [
    "apps",
    "api_keys",
    "imports",
    "mail_templates",
    "operator_challenges",
    "operator_passkeys",
    "operator_sessions",
    "operators",
    "opt_out_keys",
    "secret_key_check",
    "signing_keys",
    "webhooks",
    "webhook_secrets",
];

/// Statements that may read all rows of an app or a table: a unique part of their text, and the reason.
const WHOLE: [(&str, &str); 3] = [
    (
        "WHERE ($1::uuid IS NULL OR app_id = $1) AND ($2::uuid IS NULL OR invite_id = $2)",
        "an operator's command",
    ),
    ("WHERE ($1::uuid IS NULL OR app_id = $1) AND ($2::text IS NULL OR state = $2)", "an operator's command"),
    ("FROM (SELECT due_at FROM webhook_deliveries WHERE state = 'queued' LIMIT 100000) d", "metrics"),
];

/// The nodes of a plan that read a whole table, or all rows of an app by an index.
fn whole_reads(plan: &Value, found: &mut Vec<String>) {
    let text = |key: &str| plan[key].as_str().unwrap_or_default();
    let table = plan["Relation Name"].as_str().or(plan["Index Name"].as_str()).unwrap_or_default();
    let condition = text("Index Cond");
    let whole = match text("Node Type") {
        "Seq Scan" | "Hash Join" | "Merge Join" => true,
        "Index Scan" | "Index Only Scan" | "Bitmap Index Scan" => {
            condition.is_empty() || condition.contains("app_id = ") && !condition.contains(" AND ")
        }
        _ => false,
    };
    let small = SMALL.iter().any(|small| table == *small || table.strip_prefix(small) == Some("_pkey"));
    if whole && !small {
        found.push(format!("{} of {table} by {} {condition}", text("Node Type"), text("Index Name")));
    }
    for part in plan["Plans"].as_array().into_iter().flatten() {
        whole_reads(part, found);
    }
}

/// The statements whose generic plan reads too much, with the nodes that do.
async fn faults(db: &Pool) -> String {
    let mut connection = db.acquire().await.unwrap();
    let mut statements: Vec<String> = std::fs::read_dir(".sqlx")
        .unwrap()
        .map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap())
        .collect();
    statements.sort();
    let mut faults = Vec::new();
    let mut allowed = [false; WHOLE.len()];
    for statement in statements {
        let statement: Value = serde_json::from_str(&statement).unwrap();
        let text = statement["query"].as_str().unwrap().trim();
        let verb = text.split_whitespace().next().unwrap();
        if !["SELECT", "INSERT", "UPDATE", "DELETE", "WITH"].contains(&verb)
            || text.contains("_sqlx_migrations")
        {
            continue;
        }
        let arguments = match statement["describe"]["parameters"]["Left"].as_array().unwrap().len() {
            0 => String::new(),
            many => format!("({})", vec!["NULL"; many].join(", ")),
        };
        let prepare = format!("DEALLOCATE ALL; PREPARE planned AS {text}");
        sqlx::raw_sql(AssertSqlSafe(prepare)).execute(&mut *connection).await.unwrap();
        let explain = format!("EXPLAIN (COSTS OFF, FORMAT JSON) EXECUTE planned {arguments}");
        let plan = sqlx::raw_sql(AssertSqlSafe(explain)).fetch_one(&mut *connection).await.unwrap();
        let plan: Value = sqlx::Row::get(&plan, 0);
        let mut found = Vec::new();
        whole_reads(&plan[0]["Plan"], &mut found);
        if found.is_empty() {
            continue;
        }
        match WHOLE.iter().position(|(part, _)| text.contains(part)) {
            Some(at) => allowed[at] = true,
            None => faults.push(format!("{}\n  {text}", found.join("\n"))),
        }
    }
    connection.release();
    for ((part, _), used) in WHOLE.iter().zip(allowed) {
        if !used {
            faults.push(format!("no statement has this or needs to be allowed: {part}"));
        }
    }
    faults.join("\n\n")
}

#[tokio::test]
async fn no_full_app_scan_with_3000_unanalyzed_rows() {
    let db = Pool::new(support::database(true).await.parse().unwrap(), 1, Duration::from_mins(1));
    for table in
        ["users", "tenants", "invites", "invite_events", "outbox", "idempotency_keys", "referral_counts"]
    {
        let off = format!("ALTER TABLE {table} SET (autovacuum_enabled = false)");
        sqlx::raw_sql(AssertSqlSafe(off)).execute(&db).await.unwrap();
    }
    let fresh = "
        INSERT INTO apps (app_id, name, language) VALUES (gen_random_uuid(), 'Acme', 'en');
        CREATE TEMPORARY TABLE made AS
            SELECT app_id, gen_random_uuid() AS id, n FROM apps, generate_series(1, 3000) n;
        INSERT INTO tenants (app_id, tenant_id) SELECT app_id, id FROM made;
        INSERT INTO users (app_id, user_id, tenant_id, email, language, referral_code)
            SELECT app_id, id, id, 'u' || n || '@example.com', 'en', 'c' || n FROM made;
        INSERT INTO invites (app_id, invite_id, kind, user_id, email, language, code_hash, expires_at)
            SELECT app_id, id, 'invite', id, 'u' || n || '@example.com', 'en', uuid_send(id), now() FROM made;
        INSERT INTO outbox (app_id, mail_id, invite_id, kind, recipient, language, secret, message_id)
            SELECT app_id, id, id, 'invite', 'u' || n || '@example.com', 'en', '', 'm' || n FROM made;
        INSERT INTO invite_events (app_id, invite_id, event_id, mail_id, kind)
            SELECT app_id, id, id, id, 'queued' FROM made;
        INSERT INTO idempotency_keys (app_id, caller, key, request, status, body)
            SELECT app_id, app_id, 'k' || n, '', 200, '' FROM made";
    sqlx::raw_sql(fresh).execute(&db).await.unwrap();
    let faults = faults(&db).await;
    assert!(faults.is_empty(), "3,000 new rows:\n{faults}");
    db.close().await;
}

/// Autovacuum would replace the sample statistics of the last migration by those of empty tables.
#[tokio::test]
async fn tables_with_sample_statistics_have_autovacuum_threshold_1000() {
    let db = Pool::new(support::database(true).await.parse().unwrap(), 1, Duration::from_mins(1));
    let vacuumed: Vec<String> = sqlx::query_scalar(
        "SELECT c.relname FROM pg_class c JOIN pg_stat_user_tables s ON s.relid = c.oid
        WHERE c.reltuples > 0 AND c.relname NOT IN ('apps', '_sqlx_migrations')
            AND NOT COALESCE(c.reloptions, '{}') @> ARRAY['autovacuum_vacuum_threshold=1000', 'autovacuum_analyze_threshold=1000']
        ORDER BY 1",
    )
    .fetch_all(&db)
    .await
    .unwrap();
    assert_eq!(vacuumed, Vec::<String>::new());
    db.close().await;
}

/// With such a key each call would lock its app's row, and each lock that two calls share would use up a multixact.
#[tokio::test]
async fn only_configuration_tables_have_a_foreign_key_to_apps() {
    let db = Pool::new(support::database(true).await.parse().unwrap(), 1, Duration::from_mins(1));
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT conrelid::regclass::text FROM pg_constraint WHERE contype = 'f' AND confrelid = 'apps'::regclass
        ORDER BY 1",
    )
    .fetch_all(&db)
    .await
    .unwrap();
    assert_eq!(
        tables,
        [
            "api_keys",
            "imports",
            "mail_templates",
            "opt_out_keys",
            "signing_keys",
            "webhook_secrets",
            "webhooks"
        ]
    );
    db.close().await;
}

#[tokio::test]
async fn no_full_app_scan_in_empty_tables() {
    let db = Pool::new(support::database(true).await.parse().unwrap(), 1, Duration::from_mins(1));
    let faults = faults(&db).await;
    assert!(faults.is_empty(), "empty tables:\n{faults}");
    db.close().await;
}
