-- Apps, their keys, and the check of the secret key.
-- Every table of an app has app_id first in its primary key and its unique constraints, and foreign keys carry it: a row
-- of one app cannot refer to another's, and the schema can be spread over servers by app_id.
-- Tables that API calls write have no foreign key to `apps`. It would lock the app's one row in each call, and a lock that
-- two calls hold at once is a multixact, of which there are no more than of transactions. Apps are never deleted, and
-- app_id comes from the credentials.
-- Indexes beside primary keys are partial even where no row is left out: 0009_statistics.sql says why.

-- color: `#rrggbb`. invite_expires_in: seconds for which an invite can be accepted; NULL: as configured.
CREATE TABLE apps (
    app_id uuid PRIMARY KEY,
    name text NOT NULL,
    language text NOT NULL,
    mail_from text,
    reply_to text,
    return_path text,
    logo_url text,
    color text CONSTRAINT apps_color_check CHECK (color ~ '^#[0-9a-f]{6}$'),
    invite_url text,
    invite_expires_in integer,
    origins text[] NOT NULL DEFAULT '{}',
    issuer text,
    jwks_url text,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT apps_issuer_check CHECK ((issuer IS NULL) = (jwks_url IS NULL))
);
-- A pre-flight request asks whether any app lists an origin.
CREATE INDEX apps_origins ON apps USING gin (origins);

-- RS256 key pairs. private_key: PKCS #8, encrypted under USERDOCKS_SECRET_KEY. A key verifies from the beginning and signs
-- from signs_from on, so that a client that caches the JWK set knows it before the first token it signs.
CREATE TABLE signing_keys (
    app_id uuid NOT NULL REFERENCES apps,
    key_id uuid NOT NULL,
    public_key bytea NOT NULL,
    private_key bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    signs_from timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (app_id, key_id)
);

-- hash: SHA-256 of the whole key, which contains key_id.
CREATE TABLE api_keys (
    app_id uuid NOT NULL REFERENCES apps,
    key_id uuid NOT NULL,
    type text NOT NULL CHECK (type IN ('read', 'write')),
    hash bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz,
    revoked_at timestamptz,
    PRIMARY KEY (app_id, key_id)
);

-- One row: a text encrypted under USERDOCKS_SECRET_KEY. A server that cannot decrypt it has another key and does not start.
CREATE TABLE secret_key_check (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    sealed bytea NOT NULL
);
