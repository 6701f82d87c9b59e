-- Bounces that name nothing but the recipient: whether exactly one mail went there in the last days.
CREATE INDEX outbox_recipient ON outbox (lower(recipient), finished_at) WHERE state = 'sent';
