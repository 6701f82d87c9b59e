-- Counts the changes of a user: the ETag. PostgreSQL's own count of transactions would tell what other apps do.
ALTER TABLE users ADD COLUMN version bigint NOT NULL DEFAULT 1;
