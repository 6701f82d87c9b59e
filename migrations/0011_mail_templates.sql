-- Mails that an app has written itself, one for each kind and language. html: a template, as checked by
-- `userdocks app template set`.
CREATE TABLE mail_templates (
    app_id uuid NOT NULL REFERENCES apps,
    kind text NOT NULL,
    language text NOT NULL,
    html text NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (app_id, kind, language)
);
