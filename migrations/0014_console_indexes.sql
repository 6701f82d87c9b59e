-- Indexes for lists of the console, newest first: reports about mails, mails that failed, deliveries of a webhook.
CREATE INDEX invite_events_reports ON invite_events (app_id, event_id)
    WHERE kind IN ('bounced', 'delayed', 'complained') AND event_id IS NOT NULL;
CREATE INDEX outbox_failed ON outbox (app_id, mail_id) WHERE state = 'failed' AND mail_id IS NOT NULL;
-- delivery_id is a hash, so the time orders them.
CREATE INDEX webhook_deliveries_newest ON webhook_deliveries (app_id, webhook_id, created_at, delivery_id)
    WHERE webhook_id IS NOT NULL AND created_at IS NOT NULL;

-- CREATE INDEX on a table without rows says so in its statistics: the sample rows of 0009_statistics.sql again, for
-- these tables.
CREATE TEMPORARY TABLE sample ON COMMIT DROP AS
    SELECT n, '6f1c9f0e-5f0b-4b0c-9a53-3d9a3a3d7c11'::uuid AS app_id, gen_random_uuid() AS id FROM generate_series(1, 300) n;
INSERT INTO apps (app_id, name, language) SELECT app_id, 'sample', 'en' FROM sample WHERE n = 1;
INSERT INTO tenants (app_id, tenant_id) SELECT app_id, id FROM sample;
INSERT INTO users (app_id, user_id, tenant_id, email, language, referral_code)
    SELECT app_id, id, id, id || '@sample.invalid', 'en', id FROM sample;
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
INSERT INTO webhooks (app_id, webhook_id, url, events) SELECT app_id, id, '', '{}' FROM sample;
INSERT INTO webhook_deliveries (app_id, delivery_id, webhook_id, type, payload, state, finished_at)
    SELECT app_id, id, id, '', '', CASE WHEN n % 2 = 0 THEN 'queued' ELSE 'delivered' END,
        CASE WHEN n % 2 = 1 THEN now() END
    FROM sample;

ANALYZE invite_events, outbox, webhook_deliveries;

DELETE FROM webhook_deliveries WHERE app_id = (SELECT app_id FROM sample WHERE n = 1);
DELETE FROM webhooks WHERE app_id = (SELECT app_id FROM sample WHERE n = 1);
DELETE FROM outbox WHERE app_id = (SELECT app_id FROM sample WHERE n = 1);
DELETE FROM invite_events WHERE app_id = (SELECT app_id FROM sample WHERE n = 1);
DELETE FROM invites WHERE app_id = (SELECT app_id FROM sample WHERE n = 1);
DELETE FROM users WHERE app_id = (SELECT app_id FROM sample WHERE n = 1);
DELETE FROM tenants WHERE app_id = (SELECT app_id FROM sample WHERE n = 1);
DELETE FROM apps WHERE app_id = (SELECT app_id FROM sample WHERE n = 1);
