-- People who may use the console, their sessions, and what they and commands changed. Operators are not of an app.

-- apps: the apps that the operator may see; NULL: all. link_hash: SHA-256 of the code in the newest sign-in link, which
-- works once, until link_expires_at.
CREATE TABLE operators (
    operator_id uuid PRIMARY KEY,
    email text NOT NULL,
    role text NOT NULL CHECK (role IN ('admin', 'viewer')),
    apps uuid[],
    created_at timestamptz NOT NULL DEFAULT now(),
    disabled_at timestamptz,
    signed_in_at timestamptz,
    link_hash bytea,
    link_expires_at timestamptz,
    CONSTRAINT operators_link_check CHECK ((link_hash IS NULL) = (link_expires_at IS NULL))
);
CREATE UNIQUE INDEX operators_email_key ON operators (lower(email));
CREATE UNIQUE INDEX operators_link_hash_key ON operators (link_hash);

-- session_hash: SHA-256 of the token in the cookie; the token itself is not stored.
CREATE TABLE operator_sessions (
    session_hash bytea PRIMARY KEY,
    operator_id uuid NOT NULL REFERENCES operators ON DELETE CASCADE,
    created_at timestamptz NOT NULL DEFAULT now(),
    seen_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX operator_sessions_operator ON operator_sessions (operator_id);

-- app_id: the nil UUID for an event that is of no app. operator_id: NULL for a command. fields: names of what changed.
CREATE TABLE audit_events (
    app_id uuid NOT NULL,
    event_id uuid NOT NULL,
    operator_id uuid,
    action text NOT NULL,
    outcome text NOT NULL,
    subject uuid,
    fields text[] NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (app_id, event_id)
);
CREATE INDEX audit_events_created_at ON audit_events (created_at);

-- Files of people that operators import in the console. names: the column of each header, NULL: ignored. state `checking`:
-- a dry run. file: NULL once the import is done. rejected: [{line, code, error}]. updated_at: of the last step; an import
-- that is at work and stands still for a minute was interrupted.
CREATE TABLE imports (
    app_id uuid NOT NULL REFERENCES apps,
    import_id uuid NOT NULL,
    file_name text NOT NULL,
    file bytea,
    names text[] NOT NULL,
    state text NOT NULL DEFAULT 'new' CHECK (state IN ('new', 'checking', 'checked', 'running', 'done')),
    lines bigint NOT NULL DEFAULT 0,
    total bigint NOT NULL DEFAULT 0,
    created bigint NOT NULL DEFAULT 0,
    existing bigint NOT NULL DEFAULT 0,
    rejected_count bigint NOT NULL DEFAULT 0,
    rejected jsonb NOT NULL DEFAULT '[]',
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (app_id, import_id)
);
