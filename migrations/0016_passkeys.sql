-- Passkeys (WebAuthn) of operators, and the challenges of ceremonies that are not finished.

-- challenge_hash: SHA-256 of the challenge's text. operator_id: who adds a passkey; NULL: somebody who signs in.
CREATE TABLE operator_challenges (
    challenge_hash bytea PRIMARY KEY,
    operator_id uuid REFERENCES operators ON DELETE CASCADE,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX operator_challenges_created_at ON operator_challenges (created_at);
CREATE INDEX operator_challenges_operator ON operator_challenges (operator_id, created_at);

-- public_key: the COSE key as received. sign_count: the signature counter of the last use.
CREATE TABLE operator_passkeys (
    credential_id bytea PRIMARY KEY,
    operator_id uuid NOT NULL REFERENCES operators ON DELETE CASCADE,
    name text NOT NULL,
    public_key bytea NOT NULL,
    sign_count bigint NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    used_at timestamptz
);
CREATE INDEX operator_passkeys_operator ON operator_passkeys (operator_id);
