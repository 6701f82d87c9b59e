-- Who wants no referral mails of an app. address_hash: HMAC-SHA-256 of the address in lower case under the app's key
-- here, so that neither an address nor a guess of one can be read from it. hash_key: sealed under USERDOCKS_SECRET_KEY,
-- made once and never changed, since the hashes and the links in mails that were sent depend on it.
CREATE TABLE opt_out_keys (
    app_id uuid PRIMARY KEY REFERENCES apps,
    key_id uuid NOT NULL,
    hash_key bytea NOT NULL
);
CREATE TABLE opt_outs (
    app_id uuid NOT NULL REFERENCES apps,
    address_hash bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (app_id, address_hash)
);
-- Of a referral, that of the address: what is looked for before a mail is sent, and the link to opt out is made of.
ALTER TABLE invites ADD COLUMN address_hash bytea;
