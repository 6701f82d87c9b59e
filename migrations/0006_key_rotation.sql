-- From when on a key signs tokens. It verifies from the beginning, so that whoever caches the JWK set knows it
-- before the first token that it signed.
ALTER TABLE signing_keys ADD COLUMN signs_from timestamptz NOT NULL DEFAULT now();
UPDATE signing_keys SET signs_from = created_at;

-- One row: a text sealed under USERDOCKS_SECRET_KEY. What cannot open it has another key, and does not start.
CREATE TABLE secret_key_check (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    sealed bytea NOT NULL
);
