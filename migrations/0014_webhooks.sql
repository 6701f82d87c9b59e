-- Where an app's backend is told what happens. events: the types that it wants; empty: all. disabled_at: it answered
-- that it is gone (410).
CREATE TABLE webhooks (
    app_id uuid NOT NULL REFERENCES apps,
    webhook_id uuid NOT NULL,
    url text NOT NULL,
    events text[] NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    disabled_at timestamptz,
    PRIMARY KEY (app_id, webhook_id)
);

-- What signs. secret: sealed under USERDOCKS_SECRET_KEY. While a secret is changed, the one before signs beside it.
CREATE TABLE webhook_secrets (
    app_id uuid NOT NULL REFERENCES apps,
    secret_id uuid NOT NULL,
    webhook_id uuid NOT NULL,
    secret bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz,
    PRIMARY KEY (app_id, secret_id),
    FOREIGN KEY (app_id, webhook_id) REFERENCES webhooks ON DELETE CASCADE
);
CREATE INDEX webhook_secrets_webhook ON webhook_secrets (app_id, webhook_id);

-- One row per event and webhook, written by the transaction that causes it. payload: the body, the same at every try.
-- due_at, claimed, attempts as in `outbox`; begun: the attempts before it was last queued; queued_at: when that was.
CREATE TABLE webhook_deliveries (
    app_id uuid NOT NULL REFERENCES apps,
    delivery_id uuid NOT NULL,
    webhook_id uuid NOT NULL,
    type text NOT NULL,
    payload text NOT NULL,
    state text NOT NULL DEFAULT 'queued' CHECK (state IN ('queued', 'delivered', 'failed')),
    attempts integer NOT NULL DEFAULT 0,
    begun integer NOT NULL DEFAULT 0,
    due_at timestamptz NOT NULL DEFAULT now(),
    claimed boolean NOT NULL DEFAULT false,
    last_answer text,
    created_at timestamptz NOT NULL DEFAULT now(),
    queued_at timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz,
    PRIMARY KEY (app_id, delivery_id),
    FOREIGN KEY (app_id, webhook_id) REFERENCES webhooks ON DELETE CASCADE
);
-- Webhook by webhook, so that one with many rows due hides no other.
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (app_id, webhook_id, due_at) WHERE state = 'queued';
CREATE INDEX webhook_deliveries_finished ON webhook_deliveries (finished_at) WHERE state <> 'queued';
