-- What befell the mails of an invite beside what `outbox` and `invites` tell themselves: replies before the last one
-- (refused), what was reported later (bounced, delayed, complained), the first look at the page (viewed), and of a mail
-- that an operator revived, how it went before (queued, failed).
CREATE TABLE invite_events (
    app_id uuid NOT NULL REFERENCES apps,
    invite_id uuid NOT NULL,
    event_id uuid NOT NULL,
    mail_id uuid NOT NULL,
    kind text NOT NULL
        CHECK (kind IN ('queued', 'refused', 'failed', 'bounced', 'delayed', 'complained', 'viewed')),
    detail text,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (app_id, invite_id, event_id),
    -- They say something of a person: with the invite they are erased.
    FOREIGN KEY (app_id, invite_id) REFERENCES invites ON DELETE CASCADE
);
-- However often it is reported.
CREATE UNIQUE INDEX invite_events_once ON invite_events (app_id, mail_id, kind)
    WHERE kind IN ('bounced', 'delayed', 'complained', 'viewed');
