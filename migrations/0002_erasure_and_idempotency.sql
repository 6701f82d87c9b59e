-- What is left of a deleted user: the row that history refers to, with no name, address or tenant.
ALTER TABLE users ALTER COLUMN tenant_id DROP NOT NULL;
ALTER TABLE users ADD CONSTRAINT users_tenant_check CHECK (deleted OR tenant_id IS NOT NULL);
CREATE INDEX users_tenant ON users (app_id, tenant_id);

-- First answers to calls with an Idempotency-Key, for a day. caller: the user of the token, or the nil UUID
-- for the app's backend. request: SHA-256 of what was asked for. user_id: whom the answer shows.
CREATE TABLE idempotency_keys (
    app_id uuid NOT NULL REFERENCES apps,
    caller uuid NOT NULL,
    key text NOT NULL,
    request bytea NOT NULL,
    status smallint NOT NULL,
    body bytea NOT NULL,
    user_id uuid,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (app_id, caller, key)
);
CREATE INDEX idempotency_keys_created_at ON idempotency_keys (created_at);
CREATE INDEX idempotency_keys_user ON idempotency_keys (app_id, user_id);

-- A pre-flight asks whether any app lists an origin.
CREATE INDEX apps_origins ON apps USING gin (origins);
