-- Tenants, and the users in them.

CREATE TABLE tenants (
    app_id uuid NOT NULL,
    tenant_id uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (app_id, tenant_id)
);

-- Columns of the profile have the names of OpenID Connect Core 5.1, else those of Userdocks. Unset text is NULL, never ''.
-- An address is ASCII, so lower() is the same in every locale.
-- version: counts the changes of a user, for the ETag; PostgreSQL's transaction ids would show what other apps do.
-- external_subject: `sub` of the app's own issuer, where that is not the user's id.
-- A deleted user keeps a row that history refers to, with no name, address or tenant.
CREATE TABLE users (
    app_id uuid NOT NULL,
    user_id uuid NOT NULL,
    tenant_id uuid,
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
    external_subject text,
    version bigint NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    accepted_at timestamptz,
    PRIMARY KEY (app_id, user_id),
    FOREIGN KEY (app_id, tenant_id) REFERENCES tenants,
    FOREIGN KEY (app_id, referrer_id) REFERENCES users,
    CONSTRAINT users_email_check CHECK (deleted OR email IS NOT NULL),
    CONSTRAINT users_tenant_check CHECK (deleted OR tenant_id IS NOT NULL),
    CONSTRAINT users_referrer_self_check CHECK (referrer_id <> user_id)
);
CREATE INDEX users_tenant ON users (app_id, tenant_id) WHERE tenant_id IS NOT NULL;
CREATE UNIQUE INDEX users_email_key ON users (app_id, lower(email)) WHERE email IS NOT NULL;
CREATE UNIQUE INDEX users_external_subject_key ON users (app_id, external_subject) WHERE external_subject IS NOT NULL;
CREATE UNIQUE INDEX users_referral_code_key ON users (app_id, referral_code) WHERE referral_code IS NOT NULL;
CREATE INDEX users_referrer ON users (app_id, referrer_id, user_id) WHERE referrer_id IS NOT NULL;
