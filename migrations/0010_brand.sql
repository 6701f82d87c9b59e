-- Where the pages behind the links of mails lead on, and what stands below mails and pages. footer: one line, such as
-- company and postal address. The URLs are absolute.
ALTER TABLE apps
    ADD COLUMN home_url text,
    ADD COLUMN footer text,
    ADD COLUMN imprint_url text,
    ADD COLUMN privacy_url text;
