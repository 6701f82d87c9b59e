-- Without statistics PostgreSQL takes `app_id = $1` for as selective as a whole key, and may find one row by an index
-- that reads all of an app, until autovacuum comes. So `app_id` is said to tell rows apart by nothing, from the first
-- row on: each table is analysed once with sample rows, which go again. This is the last of a new database's
-- migrations: CREATE INDEX on a table with no rows would make PostgreSQL believe that it stays so.
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

-- Until there are real rows to learn from, autovacuum does not learn that the sample has gone.
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

-- Where PostgreSQL takes a table for nearly empty all the same, every index that begins with `app_id` seems as good as
-- another to it. So each beside the primary key is partial, and of use only to a statement that asks about its columns.
ALTER TABLE users DROP CONSTRAINT users_referral_code_key;
ALTER TABLE invites DROP CONSTRAINT invites_code_hash_key;
ALTER TABLE email_confirmations DROP CONSTRAINT email_confirmations_code_hash_key;
DROP INDEX users_tenant, users_email_key, invites_email, invites_user_key, invites_referral_key, outbox_due, outbox_invite,
    outbox_recipient, idempotency_keys_user, referral_counts_most, webhook_deliveries_due, invite_events_once;
CREATE INDEX users_tenant ON users (app_id, tenant_id) WHERE tenant_id IS NOT NULL;
CREATE UNIQUE INDEX users_email_key ON users (app_id, lower(email)) WHERE email IS NOT NULL;
CREATE UNIQUE INDEX users_referral_code_key ON users (app_id, referral_code) WHERE referral_code IS NOT NULL;
CREATE INDEX invites_email ON invites (app_id, lower(email), invite_id) WHERE email IS NOT NULL;
CREATE UNIQUE INDEX invites_code_hash_key ON invites (app_id, code_hash) WHERE code_hash IS NOT NULL;
CREATE UNIQUE INDEX invites_user_key ON invites (app_id, user_id) WHERE kind = 'invite' AND user_id IS NOT NULL;
-- Whom a referral brought, for their erasure.
CREATE INDEX invites_referred ON invites (app_id, user_id) WHERE kind = 'referral' AND user_id IS NOT NULL;
CREATE UNIQUE INDEX invites_referral_key ON invites (app_id, inviter_id, lower(email))
    WHERE kind = 'referral' AND accepted_at IS NULL AND inviter_id IS NOT NULL;
CREATE INDEX outbox_due ON outbox (due_at) WHERE state = 'queued' AND due_at IS NOT NULL;
CREATE INDEX outbox_invite ON outbox (app_id, invite_id) WHERE invite_id IS NOT NULL;
CREATE INDEX outbox_recipient ON outbox (lower(recipient), finished_at) WHERE state = 'sent' AND recipient IS NOT NULL;
CREATE INDEX idempotency_keys_user ON idempotency_keys (app_id, user_id) WHERE user_id IS NOT NULL;
CREATE UNIQUE INDEX email_confirmations_code_hash_key ON email_confirmations (app_id, code_hash)
    WHERE code_hash IS NOT NULL;
CREATE INDEX referral_counts_most ON referral_counts (app_id, accepted DESC, user_id) WHERE accepted IS NOT NULL;
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (app_id, webhook_id, due_at)
    WHERE state = 'queued' AND webhook_id IS NOT NULL;
CREATE UNIQUE INDEX invite_events_once ON invite_events (app_id, mail_id, kind)
    WHERE kind IN ('bounced', 'delayed', 'complained', 'viewed') AND mail_id IS NOT NULL;

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
