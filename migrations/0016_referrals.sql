-- Who referred a user is set once, to another user, while the user has referred nobody. So nobody can be their own
-- referrer over however many others: of a circle, the user whose referrer was set last had been referred to already.
-- What is checked holds when others act at the same time: who sets the referrer of a user that is there locks the
-- row, waits so for whoever refers to it (foreign keys lock it, too), and then looks. Two who wait for each other
-- are told apart by PostgreSQL, which ends one. After the change, not before: a BEFORE trigger would lock the row of
-- every update of a profile, these are asked about their own columns alone.
ALTER TABLE users ADD CONSTRAINT users_referrer_self_check CHECK (referrer_id <> user_id);
CREATE INDEX users_referrer ON users (app_id, referrer_id, user_id) WHERE referrer_id IS NOT NULL;

CREATE FUNCTION check_referrer() RETURNS trigger LANGUAGE plpgsql AS $check$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        IF OLD.referrer_id IS NOT NULL THEN
            RAISE check_violation USING MESSAGE = 'a referrer is set once', CONSTRAINT = 'users_referrer_once_check';
        END IF;
        PERFORM FROM users WHERE app_id = NEW.app_id AND user_id = NEW.user_id FOR UPDATE;
    END IF;
    IF EXISTS (SELECT FROM users WHERE app_id = NEW.app_id AND referrer_id = NEW.user_id) THEN
        RAISE check_violation USING MESSAGE = 'who has referred others gets no referrer',
            CONSTRAINT = 'users_referrer_leaf_check';
    END IF;
    RETURN NULL;
END
$check$;
CREATE TRIGGER users_referrer_made AFTER INSERT ON users
    FOR EACH ROW WHEN (NEW.referrer_id IS NOT NULL) EXECUTE FUNCTION check_referrer();
CREATE TRIGGER users_referrer_set AFTER UPDATE OF referrer_id ON users
    FOR EACH ROW WHEN (NEW.referrer_id IS DISTINCT FROM OLD.referrer_id) EXECUTE FUNCTION check_referrer();

-- How many users came by a user's referrals and accepted, those who were erased since included.
CREATE TABLE referral_counts (
    app_id uuid NOT NULL REFERENCES apps,
    user_id uuid NOT NULL,
    accepted bigint NOT NULL,
    PRIMARY KEY (app_id, user_id),
    FOREIGN KEY (app_id, user_id) REFERENCES users
);
CREATE INDEX referral_counts_most ON referral_counts (app_id, accepted DESC, user_id);
INSERT INTO referral_counts (app_id, user_id, accepted)
SELECT app_id, referrer_id, count(*) FROM users
WHERE referrer_id IS NOT NULL AND accepted_at IS NOT NULL GROUP BY app_id, referrer_id;

CREATE FUNCTION count_referral() RETURNS trigger LANGUAGE plpgsql AS $count$
BEGIN
    INSERT INTO referral_counts (app_id, user_id, accepted) VALUES (NEW.app_id, NEW.referrer_id, 1)
    ON CONFLICT (app_id, user_id) DO UPDATE SET accepted = referral_counts.accepted + 1;
    RETURN NULL;
END
$count$;
CREATE TRIGGER users_referral_made AFTER INSERT ON users
    FOR EACH ROW WHEN (NEW.referrer_id IS NOT NULL AND NEW.accepted_at IS NOT NULL)
    EXECUTE FUNCTION count_referral();
CREATE TRIGGER users_referral_accepted AFTER UPDATE OF referrer_id, accepted_at ON users
    FOR EACH ROW WHEN (NEW.referrer_id IS NOT NULL AND NEW.accepted_at IS NOT NULL
        AND (OLD.referrer_id IS NULL OR OLD.accepted_at IS NULL))
    EXECUTE FUNCTION count_referral();
