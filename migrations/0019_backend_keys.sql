-- A user may have the nil UUID, which stood for the backend.
ALTER TABLE idempotency_keys ADD COLUMN backend boolean NOT NULL DEFAULT false;
UPDATE idempotency_keys SET backend = caller = '00000000-0000-0000-0000-000000000000';
ALTER TABLE idempotency_keys DROP CONSTRAINT idempotency_keys_pkey, ADD PRIMARY KEY (app_id, caller, backend, key);

-- Recipients are counted by the keyed hash of their address, as in `invites`.
DELETE FROM referral_quotas WHERE scope = 'recipient';
