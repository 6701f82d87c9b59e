-- What is over is looked for by its day.
CREATE INDEX referral_quotas_day ON referral_quotas (day);
CREATE INDEX mail_quotas_day ON mail_quotas (day);
