ALTER TABLE apps ADD COLUMN return_path text;
