-- `sub` of the app's outside issuer, where it is not the user's id.
ALTER TABLE users ADD COLUMN external_subject text;
CREATE UNIQUE INDEX users_external_subject_key ON users (app_id, external_subject)
    WHERE external_subject IS NOT NULL;
