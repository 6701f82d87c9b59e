-- Every table of an app has app_id first in its primary key and its unique constraints, and foreign keys
-- carry it: a row of one app cannot refer to another's, and the schema can be spread over nodes by app_id.

CREATE TABLE apps (
    app_id uuid PRIMARY KEY,
    name text NOT NULL,
    language text NOT NULL,
    mail_from text,
    invite_url text,
    origins text[] NOT NULL DEFAULT '{}',
    issuer text,
    jwks_url text,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT apps_issuer_check CHECK ((issuer IS NULL) = (jwks_url IS NULL))
);

-- RS256 key pairs of the apps. private_key: PKCS #8, sealed under USERDOCKS_SECRET_KEY.
CREATE TABLE signing_keys (
    app_id uuid NOT NULL REFERENCES apps,
    key_id uuid NOT NULL,
    public_key bytea NOT NULL,
    private_key bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (app_id, key_id)
);

-- hash: SHA-256 of the whole key, which names its key_id.
CREATE TABLE api_keys (
    app_id uuid NOT NULL REFERENCES apps,
    key_id uuid NOT NULL,
    type text NOT NULL CHECK (type IN ('read', 'write')),
    hash bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz,
    revoked_at timestamptz,
    PRIMARY KEY (app_id, key_id)
);

CREATE TABLE tenants (
    app_id uuid NOT NULL REFERENCES apps,
    tenant_id uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (app_id, tenant_id)
);

-- Columns of the profile are named as OpenID Connect Core 5.1 names its claims, else as Userdocks does.
-- Text is NULL where unset, never ''. An address is ASCII: lower() makes one of it in every locale.
CREATE TABLE users (
    app_id uuid NOT NULL REFERENCES apps,
    user_id uuid NOT NULL,
    tenant_id uuid NOT NULL,
    email text,
    email_verified boolean NOT NULL DEFAULT false,
    language text NOT NULL,
    salutation text,
    salutation_other text,
    accepted_newsletter boolean NOT NULL DEFAULT false,
    accepted_newsletter_date timestamptz,
    last_asked_newsletter_sign_up timestamptz,
    mailchimp_member_id text,
    name text,
    given_name text,
    family_name text,
    middle_name text,
    nickname text,
    preferred_username text,
    profile text,
    picture text,
    website text,
    gender text,
    other_gender text,
    birthdate text,
    zoneinfo text,
    locale text,
    phone_number text,
    phone_number_verified boolean NOT NULL DEFAULT false,
    freezed boolean NOT NULL DEFAULT false,
    deleted boolean NOT NULL DEFAULT false,
    referral_code text NOT NULL,
    referrer_id uuid,
    created_at timestamptz NOT NULL DEFAULT now(),
    accepted_at timestamptz,
    PRIMARY KEY (app_id, user_id),
    FOREIGN KEY (app_id, tenant_id) REFERENCES tenants,
    FOREIGN KEY (app_id, referrer_id) REFERENCES users,
    CONSTRAINT users_referral_code_key UNIQUE (app_id, referral_code),
    CONSTRAINT users_email_check CHECK (deleted OR email IS NOT NULL)
);
CREATE UNIQUE INDEX users_email_key ON users (app_id, lower(email));

-- kind `invite`: user_id is the invited user, inviter_id who invited, if a user did.
-- kind `referral`: inviter_id is the referrer, user_id the user that acceptance made.
-- code_hash: SHA-256 of the code in the newest mail; the code itself is nowhere.
CREATE TABLE invites (
    app_id uuid NOT NULL REFERENCES apps,
    invite_id uuid NOT NULL,
    kind text NOT NULL CHECK (kind IN ('invite', 'referral')),
    user_id uuid,
    inviter_id uuid,
    email text NOT NULL,
    language text NOT NULL,
    code_hash bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    mailed_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    accepted_at timestamptz,
    PRIMARY KEY (app_id, invite_id),
    FOREIGN KEY (app_id, user_id) REFERENCES users,
    FOREIGN KEY (app_id, inviter_id) REFERENCES users,
    CONSTRAINT invites_code_hash_key UNIQUE (app_id, code_hash),
    CONSTRAINT invites_user_check CHECK (kind <> 'invite' OR user_id IS NOT NULL),
    CONSTRAINT invites_inviter_check CHECK (kind <> 'referral' OR inviter_id IS NOT NULL)
);
CREATE UNIQUE INDEX invites_user_key ON invites (app_id, user_id) WHERE kind = 'invite';
CREATE UNIQUE INDEX invites_referral_key ON invites (app_id, inviter_id, lower(email))
    WHERE kind = 'referral' AND accepted_at IS NULL;

-- Referral mails of one day (UTC): of a referrer (subject: the user's id), to a recipient (subject: the
-- address in lower case). The check is the bound: who would cross it loses the whole statement.
CREATE TABLE referral_quotas (
    app_id uuid NOT NULL REFERENCES apps,
    scope text NOT NULL CHECK (scope IN ('referrer', 'recipient')),
    subject text NOT NULL,
    day date NOT NULL,
    used integer NOT NULL,
    allowed integer NOT NULL,
    PRIMARY KEY (app_id, scope, subject, day),
    CONSTRAINT referral_quotas_allowed_check CHECK (used <= allowed)
);

-- One row per mail, written by the transaction that causes it. due_at: when to try next, or, while a
-- worker has it (claimed), when its lease ends. secret: the code in the link, sealed; gone once the row is final.
CREATE TABLE outbox (
    app_id uuid NOT NULL REFERENCES apps,
    mail_id uuid NOT NULL,
    invite_id uuid NOT NULL,
    kind text NOT NULL CHECK (kind IN ('invite', 'referral')),
    recipient text NOT NULL,
    language text NOT NULL,
    secret bytea,
    message_id text NOT NULL,
    state text NOT NULL DEFAULT 'queued' CHECK (state IN ('queued', 'sent', 'failed')),
    attempts integer NOT NULL DEFAULT 0,
    due_at timestamptz NOT NULL DEFAULT now(),
    claimed boolean NOT NULL DEFAULT false,
    last_reply text,
    created_at timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz,
    PRIMARY KEY (app_id, mail_id),
    FOREIGN KEY (app_id, invite_id) REFERENCES invites,
    CONSTRAINT outbox_secret_check CHECK ((state = 'queued') = (secret IS NOT NULL))
);
CREATE INDEX outbox_due ON outbox (due_at) WHERE state = 'queued';
CREATE INDEX outbox_invite ON outbox (app_id, invite_id);
