-- For how many seconds an invite can be accepted: the app's, where it has a say, and what the call asked for.
ALTER TABLE apps ADD COLUMN invite_expires_in integer;
ALTER TABLE invites ADD COLUMN expires_in integer;

-- Whose referrals these are, and what was mailed to an address, a page at a time.
CREATE INDEX invites_inviter ON invites (app_id, inviter_id, invite_id) WHERE inviter_id IS NOT NULL;
CREATE INDEX invites_email ON invites (app_id, lower(email), invite_id);

CREATE FUNCTION invite_state(accepted_at timestamptz, revoked_at timestamptz, expires_at timestamptz) RETURNS text
    LANGUAGE sql STABLE
    RETURN CASE WHEN accepted_at IS NOT NULL THEN 'accepted' WHEN revoked_at IS NOT NULL THEN 'revoked'
        WHEN expires_at <= now() THEN 'expired' ELSE 'open' END;
