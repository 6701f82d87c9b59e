-- Referrals: who referred whom, counts, daily quotas, and addresses that opted out.

-- A referrer is set once, to another user, while the user has referred nobody. So nobody is their own referrer over any
-- number of others: in a circle, the user whose referrer was set last would have referred somebody before.
-- The check holds under concurrency: the trigger locks the user's row, which waits for every transaction that refers to it
-- (a foreign key locks the row, too), and then looks. PostgreSQL ends one of two transactions that wait for each other.
-- It runs after the change: a BEFORE trigger would lock the row of every update of a profile.
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

-- How many users a user referred who accepted, erased ones included.
CREATE TABLE referral_counts (
    app_id uuid NOT NULL,
    user_id uuid NOT NULL,
    accepted bigint NOT NULL,
    PRIMARY KEY (app_id, user_id),
    FOREIGN KEY (app_id, user_id) REFERENCES users
);
CREATE INDEX referral_counts_most ON referral_counts (app_id, accepted DESC, user_id) WHERE accepted IS NOT NULL;

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

-- Mails of one day (UTC). Scope and subject: referrals of a user (referrer; their id) and to an address (recipient; its
-- keyed hash), changes of address that a user asked for (changer; their id), confirmations to an address (address), and
-- notices to the holder of an address that others asked for (holder). The check is the limit: a statement that would
-- exceed it fails as a whole.
CREATE TABLE referral_quotas (
    app_id uuid NOT NULL,
    scope text NOT NULL CHECK (scope IN ('referrer', 'recipient', 'changer', 'address', 'holder')),
    subject text NOT NULL,
    day date NOT NULL,
    used integer NOT NULL,
    allowed integer NOT NULL,
    PRIMARY KEY (app_id, scope, subject, day),
    CONSTRAINT referral_quotas_allowed_check CHECK (used <= allowed)
);
CREATE INDEX referral_quotas_day ON referral_quotas (day);

-- Addresses that want no referral mails of an app. address_hash: HMAC-SHA-256 of the address in lower case under the app's
-- key, so that it reveals neither an address nor a guess of one. hash_key: encrypted under USERDOCKS_SECRET_KEY, created
-- once and never changed, since the hashes and the links in mails depend on it.
CREATE TABLE opt_out_keys (
    app_id uuid PRIMARY KEY REFERENCES apps,
    key_id uuid NOT NULL,
    hash_key bytea NOT NULL
);
CREATE TABLE opt_outs (
    app_id uuid NOT NULL,
    address_hash bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (app_id, address_hash)
);
