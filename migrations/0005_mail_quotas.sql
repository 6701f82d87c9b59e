-- Mails of an app in a day (UTC): those that servers have leased, each a part at a time.
CREATE TABLE mail_quotas (
    app_id uuid NOT NULL REFERENCES apps,
    day date NOT NULL,
    used bigint NOT NULL,
    PRIMARY KEY (app_id, day)
);
