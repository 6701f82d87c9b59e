-- What the role that serves may do: what the statements of requests and of the worker need, and nothing else.
-- Run by the owner of the tables after migrating, with the role's name in the setting userdocks.role.
DO $rights$
DECLARE
    server text := current_setting('userdocks.role');
    this record;
BEGIN
    -- Several servers start at once.
    PERFORM pg_advisory_xact_lock(hashtextextended('userdocks rights', 0));
    EXECUTE format('REVOKE CREATE ON SCHEMA %I FROM PUBLIC, %I', current_schema(), server);
    EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC, %I', current_database(), server);
    EXECUTE format('REVOKE ALL ON ALL TABLES IN SCHEMA %I FROM %I', current_schema(), server);
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', current_schema(), server);
    FOR this IN
        SELECT * FROM (VALUES
            ('_sqlx_migrations', 'SELECT'),
            ('secret_key_check', 'SELECT'),
            ('apps', 'SELECT'),
            ('mail_templates', 'SELECT'),
            ('signing_keys', 'SELECT'),
            ('api_keys', 'SELECT'),
            -- FOR UPDATE wants the right to change some column.
            ('tenants', 'SELECT, INSERT, DELETE, UPDATE (created_at)'),
            ('users', 'SELECT, INSERT, UPDATE'),
            ('invites', 'SELECT, INSERT, UPDATE, DELETE'),
            ('invite_events', 'SELECT, INSERT'),
            ('email_confirmations', 'SELECT, INSERT, UPDATE, DELETE'),
            ('webhooks', 'SELECT, UPDATE (disabled_at)'),
            ('webhook_secrets', 'SELECT'),
            ('webhook_deliveries', 'SELECT, INSERT, UPDATE, DELETE'),
            ('referral_quotas', 'SELECT, INSERT, UPDATE, DELETE'),
            ('referral_counts', 'SELECT, INSERT, UPDATE'),
            ('mail_quotas', 'SELECT, INSERT, UPDATE, DELETE'),
            ('opt_out_keys', 'SELECT, INSERT'),
            ('opt_outs', 'SELECT, INSERT, DELETE'),
            ('outbox', 'SELECT, INSERT, UPDATE, DELETE'),
            ('idempotency_keys', 'SELECT, INSERT, UPDATE, DELETE')
        ) AS listed (name, rights)
    LOOP
        EXECUTE format('GRANT %s ON %I TO %I', this.rights, this.name, server);
    END LOOP;
END
$rights$;
