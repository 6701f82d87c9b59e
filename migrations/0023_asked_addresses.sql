-- In `email_confirmations` stands the user's own address (users.email), or one that replaces it once it is confirmed;
-- until then it may be another user's, and several may wait for it. created_at: when it was last asked for. Mails of kind
-- `taken` tell who holds an address that others asked for it.
ALTER TABLE outbox DROP CONSTRAINT outbox_kind_check;
ALTER TABLE outbox ADD CONSTRAINT outbox_kind_check CHECK (CASE kind
    WHEN 'invite' THEN invite_id IS NOT NULL AND user_id IS NULL
    WHEN 'referral' THEN invite_id IS NOT NULL AND user_id IS NULL
    WHEN 'confirmation' THEN invite_id IS NULL AND user_id IS NOT NULL
    WHEN 'notice' THEN invite_id IS NULL AND user_id IS NOT NULL
    WHEN 'taken' THEN invite_id IS NULL AND user_id IS NOT NULL
    ELSE false END);

-- Of one day, too: changes of address that a user asked for (changer), confirmations to an address (address), and
-- notices to who holds an address that others asked for (holder).
ALTER TABLE referral_quotas DROP CONSTRAINT referral_quotas_scope_check;
ALTER TABLE referral_quotas ADD CONSTRAINT referral_quotas_scope_check
    CHECK (scope IN ('referrer', 'recipient', 'changer', 'address', 'holder'));
