-- Webhooks, their secrets, and their deliveries.

-- events: the types that it subscribes to; empty: all. disabled_at: it answered that it is gone (410).
CREATE TABLE webhooks (
    app_id uuid NOT NULL REFERENCES apps,
    webhook_id uuid NOT NULL,
    url text NOT NULL,
    events text[] NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    disabled_at timestamptz,
    PRIMARY KEY (app_id, webhook_id)
);

-- secret: signs deliveries; encrypted under USERDOCKS_SECRET_KEY. During a rotation the old secret signs beside the new.
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

-- One row per event and webhook, written by the transaction that causes it. payload: the body, the same at every attempt.
-- due_at, claimed, attempts: as in `outbox`. queued_at: when it was last queued; begun: its attempts before that.
CREATE TABLE webhook_deliveries (
    app_id uuid NOT NULL,
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
-- Webhook by webhook, so that one with many due rows does not delay the others.
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (app_id, webhook_id, due_at)
    WHERE state = 'queued' AND webhook_id IS NOT NULL;
CREATE INDEX webhook_deliveries_finished ON webhook_deliveries (finished_at) WHERE state <> 'queued';
