-- How an app looks in its mails, and where answers to them go. color: `#rrggbb`.
ALTER TABLE apps
    ADD COLUMN reply_to text,
    ADD COLUMN logo_url text,
    ADD COLUMN color text,
    ADD CONSTRAINT apps_color_check CHECK (color ~ '^#[0-9a-f]{6}$');
