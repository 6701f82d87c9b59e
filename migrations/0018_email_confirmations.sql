-- The address of a user that is to be confirmed: the newest that was asked about; its code replaces that of an earlier
-- one. It is the user's own (users.email), or one that replaces it once it is confirmed; until then it may be
-- another user's, and several may wait for it. code_hash: SHA-256 of the code in the newest mail; the code itself is
-- nowhere. created_at: when the address was last asked for.
CREATE TABLE email_confirmations (
    app_id uuid NOT NULL REFERENCES apps,
    user_id uuid NOT NULL,
    email text NOT NULL,
    code_hash bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    confirmed_at timestamptz,
    PRIMARY KEY (app_id, user_id),
    FOREIGN KEY (app_id, user_id) REFERENCES users,
    CONSTRAINT email_confirmations_code_hash_key UNIQUE (app_id, code_hash)
);

-- A mail is of an invite, or of a user.
ALTER TABLE outbox ALTER COLUMN invite_id DROP NOT NULL;
ALTER TABLE outbox ADD COLUMN user_id uuid;
ALTER TABLE outbox ADD FOREIGN KEY (app_id, user_id) REFERENCES users;
ALTER TABLE outbox DROP CONSTRAINT outbox_kind_check;
ALTER TABLE outbox ADD CONSTRAINT outbox_kind_check CHECK (CASE kind
    WHEN 'invite' THEN invite_id IS NOT NULL AND user_id IS NULL
    WHEN 'referral' THEN invite_id IS NOT NULL AND user_id IS NULL
    WHEN 'confirmation' THEN invite_id IS NULL AND user_id IS NOT NULL
    WHEN 'notice' THEN invite_id IS NULL AND user_id IS NOT NULL
    WHEN 'taken' THEN invite_id IS NULL AND user_id IS NOT NULL
    ELSE false END);
CREATE INDEX outbox_user ON outbox (app_id, user_id) WHERE user_id IS NOT NULL;

-- Of one day, too: changes of address that a user asked for (changer), confirmations to an address (address), and
-- notices to who holds an address that others asked for (holder).
ALTER TABLE referral_quotas DROP CONSTRAINT referral_quotas_scope_check;
ALTER TABLE referral_quotas ADD CONSTRAINT referral_quotas_scope_check
    CHECK (scope IN ('referrer', 'recipient', 'changer', 'address', 'holder'));
