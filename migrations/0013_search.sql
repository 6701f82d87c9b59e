-- Searches of the console: users of an app whose address or name begins with a text, and users newest first.

-- text_pattern_ops compares bytes, so that an index finds prefixes in every locale (`~>=~`, `~<~`). The index still serves
-- `lower(email) = …` and ON CONFLICT. An address is ASCII.
DROP INDEX users_email_key;
CREATE UNIQUE INDEX users_email_key ON users (app_id, lower(email) text_pattern_ops) WHERE email IS NOT NULL;
-- Many users may have one name, so that pages of equal names continue at the id. COLLATE "C" compares bytes, too, and has
-- comparisons of rows: (name, id) > (…, …).
CREATE INDEX users_name_prefix ON users (app_id, (lower(name) COLLATE "C"), user_id) WHERE name IS NOT NULL;
-- Ids of users are random, so that the newest are found by time.
CREATE INDEX users_newest ON users (app_id, created_at, user_id) WHERE created_at IS NOT NULL AND NOT deleted;
CREATE INDEX users_frozen ON users (app_id, created_at, user_id) WHERE freezed AND NOT deleted;

-- CREATE INDEX on a table without rows sets statistics that say so (migrations/0009_statistics.sql): set them again.
CREATE TEMPORARY TABLE sample ON COMMIT DROP AS
    SELECT n, '6f1c9f0e-5f0b-4b0c-9a53-3d9a3a3d7c11'::uuid AS app_id, gen_random_uuid() AS id FROM generate_series(1, 300) n;
INSERT INTO tenants (app_id, tenant_id) SELECT app_id, id FROM sample;
INSERT INTO users (app_id, user_id, tenant_id, email, name, language, referral_code, created_at)
    SELECT app_id, id, id, id || '@sample.invalid', id, 'en', id, now() - make_interval(mins => n) FROM sample;
ANALYZE users, tenants;
DELETE FROM users WHERE app_id = (SELECT app_id FROM sample WHERE n = 1);
DELETE FROM tenants WHERE app_id = (SELECT app_id FROM sample WHERE n = 1);
