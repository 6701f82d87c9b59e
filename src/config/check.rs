//! Checks the value of each setting, and the additional requirements in production.

use secrecy::ExposeSecret;
use url::Url;

use super::{Config, Error, LONGEST};
use crate::domain::mail::{sendgrid_key, sns_topic};
use crate::domain::network::is_protected;

impl Config {
    /// Returns one sentence about the first invalid setting.
    pub(super) fn check(&self) -> Result<(), Error> {
        let fail = |text: &str| Err(Error(text.to_owned()));
        if self.data_dir.as_os_str().is_empty() {
            return fail("USERDOCKS_DATA_DIR must be the path of a folder");
        }
        for (secret, name) in [
            (&self.secret_key, "USERDOCKS_SECRET_KEY"),
            (&self.other_secret_key, "USERDOCKS_OTHER_SECRET_KEY"),
        ] {
            if !secret.0.expose_secret().is_empty() && secret.key().is_none() {
                return fail(&format!("{name} must be 64 hex digits, as `openssl rand -hex 32` prints"));
            }
        }
        for (url, name) in [
            (&self.server.public_url, "USERDOCKS_SERVER__PUBLIC_URL"),
            (&self.admin.public_url, "USERDOCKS_ADMIN__PUBLIC_URL"),
        ] {
            if let Some(url) = url
                && (!matches!(url.scheme(), "http" | "https")
                    || url.query().is_some()
                    || url.fragment().is_some())
            {
                return fail(&format!("{name} must be an http or https address without ? or #"));
            }
        }
        // The cookies of the console are for a whole host.
        if self.admin.public_url.as_ref().is_some_and(|url| url.path() != "/") {
            return fail(
                "USERDOCKS_ADMIN__PUBLIC_URL must have no path: the console needs a host of its own",
            );
        }
        for (url, name) in [
            (&self.database.url, "DATABASE_URL"),
            (&self.database.direct_url, "USERDOCKS_DATABASE__DIRECT_URL"),
        ] {
            if url.as_ref().is_some_and(|url| !matches!(url.scheme(), "postgres" | "postgresql")) {
                return fail(&format!("{name} must start with postgres://"));
            }
        }
        if !self.mail.token_file.is_empty() && !self.mail.token_command.is_empty() {
            return Err(Error(
                "set USERDOCKS_MAIL__TOKEN_FILE or USERDOCKS_MAIL__TOKEN_COMMAND, not both".to_owned(),
            ));
        }
        if self.mail.smtp_url.as_ref().is_some_and(|url| !matches!(url.scheme(), "smtp" | "smtps")) {
            return fail("USERDOCKS_MAIL__SMTP_URL must start with smtp:// or smtps://");
        }
        for (value, name) in [
            (self.server.head_timeout, "USERDOCKS_SERVER__HEAD_TIMEOUT"),
            (self.server.body_timeout, "USERDOCKS_SERVER__BODY_TIMEOUT"),
            (self.server.request_timeout, "USERDOCKS_SERVER__REQUEST_TIMEOUT"),
            (self.mail.retry_after, "USERDOCKS_MAIL__RETRY_AFTER"),
            (self.mail.timeout, "USERDOCKS_MAIL__TIMEOUT"),
            (self.token.expires_after, "USERDOCKS_TOKEN__EXPIRES_AFTER"),
            (self.invite.expires_after, "USERDOCKS_INVITE__EXPIRES_AFTER"),
            (self.webhook.retry_after, "USERDOCKS_WEBHOOK__RETRY_AFTER"),
            (self.webhook.timeout, "USERDOCKS_WEBHOOK__TIMEOUT"),
        ] {
            if value.is_zero() || value > LONGEST {
                return fail(&format!("{name} must be more than 0s and at most 10years"));
            }
        }
        for (value, name) in [
            (self.mail.give_up_after, "USERDOCKS_MAIL__GIVE_UP_AFTER"),
            (self.invite.resend_after, "USERDOCKS_INVITE__RESEND_AFTER"),
            (self.retention.mails, "USERDOCKS_RETENTION__MAILS"),
            (self.retention.invites, "USERDOCKS_RETENTION__INVITES"),
            (self.retention.audit, "USERDOCKS_RETENTION__AUDIT"),
            (self.webhook.give_up_after, "USERDOCKS_WEBHOOK__GIVE_UP_AFTER"),
        ] {
            if value > LONGEST {
                return fail(&format!("{name} must be at most 10years"));
            }
        }
        for (value, name) in [
            (self.database.max_connections as usize, "USERDOCKS_DATABASE__MAX_CONNECTIONS"),
            (self.mail.connections as usize, "USERDOCKS_MAIL__CONNECTIONS"),
            (self.server.max_connections, "USERDOCKS_SERVER__MAX_CONNECTIONS"),
        ] {
            if !(1..=1_000_000).contains(&value) {
                return fail(&format!("{name} must be at least 1 and at most 1000000"));
            }
        }
        for (value, name) in [
            (self.limits.referrals_per_user_per_day, "USERDOCKS_LIMITS__REFERRALS_PER_USER_PER_DAY"),
            (
                self.limits.referrals_per_recipient_per_day,
                "USERDOCKS_LIMITS__REFERRALS_PER_RECIPIENT_PER_DAY",
            ),
        ] {
            if value < 0 {
                return fail(&format!("{name} must not be negative"));
            }
        }
        self.check_openid()?;
        self.check_dkim()?;
        self.check_mail_reports()?;
        if self.production() { self.check_production() } else { Ok(()) }
    }

    fn check_openid(&self) -> Result<(), Error> {
        let fail = |text: &str| Err(Error(text.to_owned()));
        let admin = &self.admin;
        let secret = admin.oidc_client_secret.0.expose_secret();
        let set = [&*admin.oidc_issuer, &*admin.oidc_client_id, secret].map(|value| !value.is_empty());
        if set != [set[0]; 3] {
            return fail(
                "USERDOCKS_ADMIN__OIDC_ISSUER, USERDOCKS_ADMIN__OIDC_CLIENT_ID and USERDOCKS_ADMIN__OIDC_CLIENT_SECRET go \
                 together",
            );
        }
        let is_issuer = |url: &Url| {
            is_protected(url, self.production()) && url.query().is_none() && url.fragment().is_none()
        };
        if set[0] && !Url::parse(&admin.oidc_issuer).is_ok_and(|url| is_issuer(&url)) {
            return fail(
                "USERDOCKS_ADMIN__OIDC_ISSUER must be an https address without ? or #; in a trial it may be http on \
                 this machine",
            );
        }
        Ok(())
    }

    fn check_dkim(&self) -> Result<(), Error> {
        let fail = |text: &str| Err(Error(text.to_owned()));
        let dkim = &self.mail.dkim;
        let set = [&dkim.domain, &dkim.selector, &dkim.private_key_file].map(|value| !value.is_empty());
        if set != [set[0]; 3] {
            return fail(
                "USERDOCKS_MAIL__DKIM__DOMAIN, USERDOCKS_MAIL__DKIM__SELECTOR and USERDOCKS_MAIL__DKIM__PRIVATE_KEY_FILE go \
                 together",
            );
        }
        for (value, name) in [
            (&dkim.domain, "USERDOCKS_MAIL__DKIM__DOMAIN"),
            (&dkim.selector, "USERDOCKS_MAIL__DKIM__SELECTOR"),
        ] {
            let letter =
                |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.' | '_');
            if !value.chars().all(letter) {
                return fail(&format!("{name} must be a name in DNS, in lower case"));
            }
        }
        Ok(())
    }

    fn check_mail_reports(&self) -> Result<(), Error> {
        let reports = &self.mail.reports;
        let fail =
            |name: &str, what: &str| Err(Error(format!("USERDOCKS_MAIL__REPORTS__{name} must be {what}")));
        let key = &reports.sendgrid_public_key;
        if !key.is_empty() && sendgrid_key::parse(key).is_none() {
            return fail("SENDGRID_PUBLIC_KEY", "the verification key that SendGrid shows, base64");
        }
        let password = reports.postmark_password.0.expose_secret();
        if !password.is_empty() && password.len() < 16 {
            return fail("POSTMARK_PASSWORD", "at least 16 characters long");
        }
        let topic = &reports.ses_topic_arn;
        if !topic.is_empty() && sns_topic::Topic::parse(topic).is_none() {
            return fail("SES_TOPIC_ARN", "like arn:aws:sns:eu-west-1:123456789012:NAME");
        }
        Ok(())
    }

    fn check_production(&self) -> Result<(), Error> {
        let fail = |name: &str, what: &str| Err(Error(format!("in production {name} must be {what}")));
        if self.database.url.is_none() {
            return fail("DATABASE_URL", "set: the address of a PostgreSQL server");
        }
        match self.secret_key() {
            Some(key) if is_random(&key) => {}
            _ => {
                return fail(
                    "USERDOCKS_SECRET_KEY",
                    "64 random hex digits, as `openssl rand -hex 32` prints",
                );
            }
        }
        if self.server.public_url.as_ref().is_none_or(|url| url.scheme() != "https") {
            return fail("USERDOCKS_SERVER__PUBLIC_URL", "an https address");
        }
        if self.admin_listen().is_some()
            && self.admin.public_url.as_ref().is_none_or(|url| url.scheme() != "https")
        {
            return fail(
                "USERDOCKS_ADMIN__PUBLIC_URL",
                "an https address, since USERDOCKS_ADMIN__LISTEN is set",
            );
        }
        let Some(smtp) = &self.mail.smtp_url else {
            return fail("USERDOCKS_MAIL__SMTP_URL", "set: the address of a mail server");
        };
        if smtp.scheme() == "smtp" && !smtp.has_pair("tls", "required") {
            return fail("USERDOCKS_MAIL__SMTP_URL", "smtps://… or smtp://…?tls=required");
        }
        if self.mail.reports.ses_test_url.is_some() {
            return fail("USERDOCKS_MAIL__REPORTS__SES_TEST_URL", "empty");
        }
        if self.mail.from.email.domain() == "localhost.localdomain" {
            return fail("USERDOCKS_MAIL__FROM", "set: the sender of your mails");
        }
        Ok(())
    }
}

/// Rejects constants and counting patterns typed by hand: they repeat few byte values.
fn is_random(key: &[u8; 32]) -> bool {
    key.iter().collect::<std::collections::BTreeSet<_>>().len() > 16
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRODUCTION: [(&str, &str); 6] = [
        ("USERDOCKS_ENV", "production"),
        ("DATABASE_URL", "postgres://db.example/x"),
        ("USERDOCKS_SECRET_KEY", "8f3b1c5d7e9a0246813579bdf02468ace13579bd02468ace8f3b1c5d7e9a0f1e"),
        ("USERDOCKS_SERVER__PUBLIC_URL", "https://docks.example"),
        ("USERDOCKS_MAIL__SMTP_URL", "smtps://mail.example"),
        ("USERDOCKS_MAIL__FROM", "Docks <docks@example.com>"),
    ];

    fn load(provider: [&str; 3], more: &[(&str, &str)]) -> Result<Config, String> {
        let names =
            ["ISSUER", "CLIENT_ID", "CLIENT_SECRET"].map(|name| format!("USERDOCKS_ADMIN__OIDC_{name}"));
        let provider = names.into_iter().zip(provider.map(str::to_owned));
        let more = more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Config::from_variables(provider.chain(more)).map_err(|error| error.to_string())
    }

    #[test]
    fn openid_provider_has_issuer_client_and_secret_or_none_of_them() {
        assert!(load(["", "", ""], &[]).is_ok());
        let config = load(["https://id.example/realms/a", "console", "s3cret-value"], &PRODUCTION).unwrap();
        assert_eq!(config.admin.oidc_issuer, "https://id.example/realms/a");
        let shown = format!("{config:?}{}", serde_json::to_string(&config).unwrap());
        assert!(!shown.contains("s3cret-value"), "{shown}");
        for part in
            [["https://id.example", "", ""], ["", "console", "s"], ["https://id.example", "console", ""]]
        {
            assert!(load(part, &[]).unwrap_err().ends_with("go together"), "{part:?}");
        }
    }

    #[test]
    fn issuer_is_https_or_in_a_trial_on_loopback() {
        for (issuer, trial, production) in [
            ("https://id.example", true, true),
            ("http://localhost:9000", true, false),
            ("http://id.example", false, false),
            ("https://id.example?x", false, false),
            ("https://id.example#x", false, false),
            ("id.example", false, false),
        ] {
            let provider = [issuer, "console", "secret"];
            let found = (load(provider, &[]).is_ok(), load(provider, &PRODUCTION).is_ok());
            assert_eq!(found, (trial, production), "{issuer}");
        }
    }
}
