-- Mails, and how many an app may send in a day.

-- One row per mail, written by the transaction that causes it: of an invite, or of a user.
-- due_at: when to try next, or, while a worker has it (claimed), when the worker's lease ends.
-- secret: the code in the link, encrypted; deleted once the row is final.
CREATE TABLE outbox (
    app_id uuid NOT NULL,
    mail_id uuid NOT NULL,
    invite_id uuid,
    user_id uuid,
    kind text NOT NULL,
    recipient text NOT NULL,
    language text NOT NULL,
    secret bytea,
    message_id text NOT NULL,
    state text NOT NULL DEFAULT 'queued' CHECK (state IN ('queued', 'sent', 'failed')),
    attempts integer NOT NULL DEFAULT 0,
    due_at timestamptz NOT NULL DEFAULT now(),
    claimed boolean NOT NULL DEFAULT false,
    last_reply text,
    created_at timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz,
    PRIMARY KEY (app_id, mail_id),
    FOREIGN KEY (app_id, invite_id) REFERENCES invites,
    FOREIGN KEY (app_id, user_id) REFERENCES users,
    CONSTRAINT outbox_secret_check CHECK ((state = 'queued') = (secret IS NOT NULL)),
    CONSTRAINT outbox_kind_check CHECK (CASE kind
        WHEN 'invite' THEN invite_id IS NOT NULL AND user_id IS NULL
        WHEN 'referral' THEN invite_id IS NOT NULL AND user_id IS NULL
        WHEN 'confirmation' THEN invite_id IS NULL AND user_id IS NOT NULL
        WHEN 'notice' THEN invite_id IS NULL AND user_id IS NOT NULL
        WHEN 'taken' THEN invite_id IS NULL AND user_id IS NOT NULL
        ELSE false END)
);
CREATE INDEX outbox_due ON outbox (due_at) WHERE state = 'queued' AND due_at IS NOT NULL;
-- Workers claim the mails of an app in the order in which they are due, app by app.
CREATE INDEX outbox_turns ON outbox (app_id, due_at) WHERE state = 'queued';
CREATE INDEX outbox_invite ON outbox (app_id, invite_id) WHERE invite_id IS NOT NULL;
CREATE INDEX outbox_user ON outbox (app_id, user_id) WHERE user_id IS NOT NULL;
-- For bounces that name only the recipient: whether exactly one mail went there in the last days.
CREATE INDEX outbox_recipient ON outbox (lower(recipient), finished_at) WHERE state = 'sent' AND recipient IS NOT NULL;
-- For the retention of mails that ended.
CREATE INDEX outbox_finished ON outbox (finished_at) WHERE state <> 'queued' AND finished_at IS NOT NULL;

-- Mails of an app in a day (UTC) that servers have leased, a part at a time.
CREATE TABLE mail_quotas (
    app_id uuid NOT NULL,
    day date NOT NULL,
    used bigint NOT NULL,
    PRIMARY KEY (app_id, day)
);
CREATE INDEX mail_quotas_day ON mail_quotas (day);
