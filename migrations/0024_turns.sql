-- The mails of an app in the order they are due: workers claim them app by app.
CREATE INDEX outbox_turns ON outbox (app_id, due_at) WHERE state = 'queued';
