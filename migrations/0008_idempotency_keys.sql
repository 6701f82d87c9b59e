-- The first response to a call with an Idempotency-Key, kept for a day. caller: the user of the token, or with `backend`
-- the nil UUID. request: SHA-256 of the request. user_id: the user that the response shows.
CREATE TABLE idempotency_keys (
    app_id uuid NOT NULL,
    caller uuid NOT NULL,
    backend boolean NOT NULL DEFAULT false,
    key text NOT NULL,
    request bytea NOT NULL,
    status smallint NOT NULL,
    body bytea NOT NULL,
    user_id uuid,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (app_id, caller, backend, key)
);
CREATE INDEX idempotency_keys_created_at ON idempotency_keys (created_at);
CREATE INDEX idempotency_keys_user ON idempotency_keys (app_id, user_id) WHERE user_id IS NOT NULL;
