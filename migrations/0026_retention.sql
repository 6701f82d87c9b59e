-- Mails and invites that ended long ago are looked for by when that was. What is not NULL makes the indexes of use only to
-- statements that ask about it, as in 0030_statistics.sql.
CREATE INDEX outbox_finished ON outbox (finished_at) WHERE state <> 'queued' AND finished_at IS NOT NULL;
CREATE INDEX invites_ended ON invites (COALESCE(accepted_at, revoked_at, expires_at))
    WHERE COALESCE(accepted_at, revoked_at, expires_at) IS NOT NULL;
