-- The newest address that a user was asked to confirm: their own (users.email), or one that replaces it once it is
-- confirmed. Until then it may be another user's, and several users may wait for it. A newer row's code replaces the old.
-- code_hash: SHA-256 of the code in the newest mail; the code itself is not stored. created_at: of the newest request.
CREATE TABLE email_confirmations (
    app_id uuid NOT NULL,
    user_id uuid NOT NULL,
    email text NOT NULL,
    code_hash bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    confirmed_at timestamptz,
    PRIMARY KEY (app_id, user_id),
    FOREIGN KEY (app_id, user_id) REFERENCES users
);
CREATE UNIQUE INDEX email_confirmations_code_hash_key ON email_confirmations (app_id, code_hash)
    WHERE code_hash IS NOT NULL;
