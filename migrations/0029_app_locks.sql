-- A foreign key to `apps` makes each call lock the app's one row, and each lock held by two calls at once is a
-- multixact, of which there are no more than there are of transactions. Apps are never deleted, and `app_id` comes from
-- the credentials, so tables that calls write have none.
DO $$
DECLARE
    this record;
BEGIN
    FOR this IN
        SELECT conrelid::regclass AS name, conname FROM pg_constraint
        WHERE contype = 'f' AND confrelid = 'apps'::regclass AND conrelid = ANY (ARRAY['tenants', 'users', 'invites',
            'invite_events', 'outbox', 'idempotency_keys', 'email_confirmations', 'referral_quotas', 'mail_quotas',
            'referral_counts', 'opt_outs', 'webhook_deliveries']::regclass[])
    LOOP
        EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', this.name, this.conname);
    END LOOP;
END
$$;
