-- Without statistics PostgreSQL assumes that `app_id = $1` is as selective as a whole key, and may look one row up in an
-- index by reading all rows of an app, until autovacuum comes. So the statistics say from the first row on that app_id
-- distinguishes nothing: each table is analysed once with sample rows, which are deleted again. Where PostgreSQL takes a
-- table for nearly empty all the same, every index that begins with app_id costs the same to it. So each index beside a
-- primary key is partial (`… IS NOT NULL`), and usable only for a statement that asks about its columns.
-- This has to be the last migration of a new database: CREATE INDEX on a table without rows sets statistics that say so.
ALTER TABLE users ALTER COLUMN app_id SET (n_distinct = 1);
ALTER TABLE tenants ALTER COLUMN app_id SET (n_distinct = 1);
ALTER TABLE invites ALTER COLUMN app_id SET (n_distinct = 1);
ALTER TABLE invite_events ALTER COLUMN app_id SET (n_distinct = 1);
ALTER TABLE outbox ALTER COLUMN app_id SET (n_distinct = 1);
ALTER TABLE idempotency_keys ALTER COLUMN app_id SET (n_distinct = 1);
ALTER TABLE email_confirmations ALTER COLUMN app_id SET (n_distinct = 1);
ALTER TABLE referral_counts ALTER COLUMN app_id SET (n_distinct = 1);
ALTER TABLE webhooks ALTER COLUMN app_id SET (n_distinct = 1);
ALTER TABLE webhook_deliveries ALTER COLUMN app_id SET (n_distinct = 1);
ALTER TABLE webhook_secrets ALTER COLUMN app_id SET (n_distinct = 1);
ALTER TABLE api_keys ALTER COLUMN app_id SET (n_distinct = 1);
ALTER TABLE signing_keys ALTER COLUMN app_id SET (n_distinct = 1);

-- Autovacuum does not analyse a table again before it has real rows.
ALTER TABLE users SET (autovacuum_vacuum_threshold = 1000, autovacuum_analyze_threshold = 1000);
ALTER TABLE tenants SET (autovacuum_vacuum_threshold = 1000, autovacuum_analyze_threshold = 1000);
ALTER TABLE invites SET (autovacuum_vacuum_threshold = 1000, autovacuum_analyze_threshold = 1000);
ALTER TABLE invite_events SET (autovacuum_vacuum_threshold = 1000, autovacuum_analyze_threshold = 1000);
ALTER TABLE outbox SET (autovacuum_vacuum_threshold = 1000, autovacuum_analyze_threshold = 1000);
ALTER TABLE idempotency_keys SET (autovacuum_vacuum_threshold = 1000, autovacuum_analyze_threshold = 1000);
ALTER TABLE email_confirmations SET (autovacuum_vacuum_threshold = 1000, autovacuum_analyze_threshold = 1000);
ALTER TABLE referral_counts SET (autovacuum_vacuum_threshold = 1000, autovacuum_analyze_threshold = 1000);
ALTER TABLE webhooks SET (autovacuum_vacuum_threshold = 1000, autovacuum_analyze_threshold = 1000);
ALTER TABLE webhook_deliveries SET (autovacuum_vacuum_threshold = 1000, autovacuum_analyze_threshold = 1000);
ALTER TABLE webhook_secrets SET (autovacuum_vacuum_threshold = 1000, autovacuum_analyze_threshold = 1000);
ALTER TABLE api_keys SET (autovacuum_vacuum_threshold = 1000, autovacuum_analyze_threshold = 1000);
ALTER TABLE signing_keys SET (autovacuum_vacuum_threshold = 1000, autovacuum_analyze_threshold = 1000);

CREATE TEMPORARY TABLE sample ON COMMIT DROP AS
    SELECT n, '6f1c9f0e-5f0b-4b0c-9a53-3d9a3a3d7c11'::uuid AS app_id, gen_random_uuid() AS id FROM generate_series(1, 300) n;
INSERT INTO apps (app_id, name, language) SELECT app_id, 'sample', 'en' FROM sample WHERE n = 1;
INSERT INTO api_keys (app_id, key_id, type, hash) SELECT app_id, id, 'read', '' FROM sample;
INSERT INTO tenants (app_id, tenant_id) SELECT app_id, id FROM sample;
INSERT INTO users (app_id, user_id, tenant_id, email, language, referral_code)
    SELECT app_id, id, id, id || '@sample.invalid', 'en', id FROM sample;
INSERT INTO email_confirmations (app_id, user_id, email, code_hash, expires_at)
    SELECT app_id, id, id || '@sample.invalid', uuid_send(id), now() FROM sample;
INSERT INTO referral_counts (app_id, user_id, accepted) SELECT app_id, id, n FROM sample;
INSERT INTO invites (app_id, invite_id, kind, user_id, inviter_id, email, language, code_hash, expires_at)
    SELECT app_id, id, CASE WHEN n % 2 = 0 THEN 'invite' ELSE 'referral' END, id, id, id || '@sample.invalid', 'en',
        uuid_send(id), now()
    FROM sample;
INSERT INTO invite_events (app_id, invite_id, event_id, mail_id, kind)
    SELECT app_id, id, id, id, CASE WHEN n % 2 = 0 THEN 'queued' ELSE 'bounced' END FROM sample;
INSERT INTO outbox (app_id, mail_id, invite_id, kind, recipient, language, secret, message_id, state, finished_at)
    SELECT app_id, id, id, 'invite', id || '@sample.invalid', 'en', CASE WHEN n % 2 = 0 THEN uuid_send(id) END, id,
        CASE WHEN n % 2 = 0 THEN 'queued' ELSE 'sent' END, CASE WHEN n % 2 = 1 THEN now() END
    FROM sample;
INSERT INTO idempotency_keys (app_id, caller, key, request, status, body, user_id)
    SELECT app_id, id, id, '', 200, '', id FROM sample;
INSERT INTO webhooks (app_id, webhook_id, url, events) SELECT app_id, id, '', '{}' FROM sample;
INSERT INTO webhook_deliveries (app_id, delivery_id, webhook_id, type, payload, state, finished_at)
    SELECT app_id, id, id, '', '', CASE WHEN n % 2 = 0 THEN 'queued' ELSE 'delivered' END,
        CASE WHEN n % 2 = 1 THEN now() END
    FROM sample;

ANALYZE users, tenants, invites, invite_events, outbox, idempotency_keys, email_confirmations, referral_counts,
    webhooks, webhook_deliveries, webhook_secrets, api_keys, signing_keys;

DELETE FROM webhook_deliveries WHERE app_id = (SELECT app_id FROM sample WHERE n = 1);
DELETE FROM webhooks WHERE app_id = (SELECT app_id FROM sample WHERE n = 1);
DELETE FROM idempotency_keys WHERE app_id = (SELECT app_id FROM sample WHERE n = 1);
DELETE FROM outbox WHERE app_id = (SELECT app_id FROM sample WHERE n = 1);
DELETE FROM invite_events WHERE app_id = (SELECT app_id FROM sample WHERE n = 1);
DELETE FROM invites WHERE app_id = (SELECT app_id FROM sample WHERE n = 1);
DELETE FROM referral_counts WHERE app_id = (SELECT app_id FROM sample WHERE n = 1);
DELETE FROM email_confirmations WHERE app_id = (SELECT app_id FROM sample WHERE n = 1);
DELETE FROM users WHERE app_id = (SELECT app_id FROM sample WHERE n = 1);
DELETE FROM tenants WHERE app_id = (SELECT app_id FROM sample WHERE n = 1);
DELETE FROM api_keys WHERE app_id = (SELECT app_id FROM sample WHERE n = 1);
DELETE FROM apps WHERE app_id = (SELECT app_id FROM sample WHERE n = 1);
