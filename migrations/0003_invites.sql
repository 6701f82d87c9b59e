-- Invites, and the events of their mails.

-- kind `invite`: user_id is the invited user, inviter_id the inviter, if that is a user.
-- kind `referral`: inviter_id is the referrer, user_id the user that the acceptance created.
-- code_hash: SHA-256 of the code in the newest mail; the code itself is not stored.
-- address_hash: of a referral, the keyed hash of its address, as in `opt_outs`.
-- expires_in: seconds, as the call asked for. An invite ends once: accepted, or revoked; inviting again reopens a revoked
-- one.
CREATE TABLE invites (
    app_id uuid NOT NULL,
    invite_id uuid NOT NULL,
    kind text NOT NULL CHECK (kind IN ('invite', 'referral')),
    user_id uuid,
    inviter_id uuid,
    email text NOT NULL,
    language text NOT NULL,
    code_hash bytea NOT NULL,
    address_hash bytea,
    expires_in integer,
    created_at timestamptz NOT NULL DEFAULT now(),
    mailed_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    accepted_at timestamptz,
    revoked_at timestamptz,
    PRIMARY KEY (app_id, invite_id),
    FOREIGN KEY (app_id, user_id) REFERENCES users,
    FOREIGN KEY (app_id, inviter_id) REFERENCES users,
    CONSTRAINT invites_user_check CHECK (kind <> 'invite' OR user_id IS NOT NULL),
    CONSTRAINT invites_inviter_check CHECK (kind <> 'referral' OR inviter_id IS NOT NULL),
    CONSTRAINT invites_end_check CHECK (accepted_at IS NULL OR revoked_at IS NULL)
);
CREATE UNIQUE INDEX invites_code_hash_key ON invites (app_id, code_hash) WHERE code_hash IS NOT NULL;
CREATE UNIQUE INDEX invites_user_key ON invites (app_id, user_id) WHERE kind = 'invite' AND user_id IS NOT NULL;
-- For the erasure of a user that a referral brought.
CREATE INDEX invites_referred ON invites (app_id, user_id) WHERE kind = 'referral' AND user_id IS NOT NULL;
CREATE UNIQUE INDEX invites_referral_key ON invites (app_id, inviter_id, lower(email))
    WHERE kind = 'referral' AND accepted_at IS NULL AND inviter_id IS NOT NULL;
-- For pages of a user's referrals, and of what was mailed to an address.
CREATE INDEX invites_inviter ON invites (app_id, inviter_id, invite_id) WHERE inviter_id IS NOT NULL;
CREATE INDEX invites_email ON invites (app_id, lower(email), invite_id) WHERE email IS NOT NULL;
-- For the retention of invites that ended.
CREATE INDEX invites_ended ON invites (COALESCE(accepted_at, revoked_at, expires_at))
    WHERE COALESCE(accepted_at, revoked_at, expires_at) IS NOT NULL;

CREATE FUNCTION invite_state(accepted_at timestamptz, revoked_at timestamptz, expires_at timestamptz) RETURNS text
    LANGUAGE sql STABLE
    RETURN CASE WHEN accepted_at IS NOT NULL THEN 'accepted' WHEN revoked_at IS NOT NULL THEN 'revoked'
        WHEN expires_at <= now() THEN 'expired' ELSE 'open' END;

-- Events that neither `outbox` nor `invites` records: replies before the last one (refused), later reports (bounced,
-- delayed, complained), the first visit of the page (viewed), and for a mail that an operator retried, what became of it
-- before (queued, failed). They are about a person and are deleted with the invite.
CREATE TABLE invite_events (
    app_id uuid NOT NULL,
    invite_id uuid NOT NULL,
    event_id uuid NOT NULL,
    mail_id uuid NOT NULL,
    kind text NOT NULL
        CHECK (kind IN ('queued', 'refused', 'failed', 'bounced', 'delayed', 'complained', 'viewed')),
    detail text,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (app_id, invite_id, event_id),
    FOREIGN KEY (app_id, invite_id) REFERENCES invites ON DELETE CASCADE
);
-- A repeated report is recorded once.
CREATE UNIQUE INDEX invite_events_once ON invite_events (app_id, mail_id, kind)
    WHERE kind IN ('bounced', 'delayed', 'complained', 'viewed') AND mail_id IS NOT NULL;
