-- An invite ends once: accepted, or revoked. One that was revoked is opened again by being asked for again.
ALTER TABLE invites ADD COLUMN revoked_at timestamptz;
ALTER TABLE invites ADD CONSTRAINT invites_end_check CHECK (accepted_at IS NULL OR revoked_at IS NULL);
