-- Operators may sign in with a password and a time-based code (TOTP, RFC 6238), and get sign-in links by mail.

-- password_hash: argon2id as a PHC string. totp_secret: sealed with the secret key. totp_step: the time step of the last
-- code that was accepted; a code works once. failed_tries: tries since the last success; the fifth sets locked_until.
-- link_sent_at: when the last link was mailed.
ALTER TABLE operators
    ADD COLUMN password_hash text,
    ADD COLUMN totp_secret bytea,
    ADD COLUMN totp_step bigint,
    ADD COLUMN failed_tries integer NOT NULL DEFAULT 0,
    ADD COLUMN locked_until timestamptz,
    ADD COLUMN link_sent_at timestamptz,
    ADD CONSTRAINT operators_password_check
        CHECK (num_nulls(password_hash, totp_secret, totp_step) IN (0, 3));
