use super::*;

const SECRET: &str = "8f3b1c5d7e9a0246813579bdf02468ace13579bd02468ace8f3b1c5d7e9a0f1e";

fn load(variables: &[(&str, &str)]) -> Result<Config, String> {
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Config::from_variables(variables).map_err(|error| error.to_string())
}

/// Loads `content` as the file named by `USERDOCKS_CONFIG`.
fn load_file(content: &str, more: &[(&str, &str)]) -> Result<Config, String> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    std::io::Write::write_all(&mut file, content.as_bytes()).unwrap();
    let path = file.path().to_str().unwrap();
    load(&[&[("USERDOCKS_CONFIG", path)], more].concat())
}

#[test]
fn duration_of_10_years_is_the_longest_accepted() {
    assert_eq!(load(&[("USERDOCKS_MAIL__GIVE_UP_AFTER", "10years")]).unwrap().mail.give_up_after, LONGEST);
}

#[test]
fn empty_environment_gives_the_documented_defaults() {
    let config = load(&[]).unwrap();
    assert_eq!((config.env, config.data_dir.to_str()), (Environment::Trial, Some("./.userdocks")));
    assert_eq!(config.server.listen, "127.0.0.1:8080".parse().unwrap());
    assert_eq!(config.server.metrics_listen, "127.0.0.1:9090".parse().ok());
    let server = &config.server;
    assert_eq!(
        [server.head_timeout, server.body_timeout, server.request_timeout].map(|time| time.as_secs()),
        [10, 15, 30]
    );
    let mail = &config.mail;
    assert_eq!(
        [mail.retry_after, mail.give_up_after, mail.timeout].map(|time| time.as_secs()),
        [15, 72 * 3600, 30]
    );
    let invite = &config.invite;
    assert_eq!([invite.resend_after, invite.expires_after].map(|time| time.as_secs()), [60, 7 * 86_400]);
    let retention = &config.retention;
    let kept = [retention.mails, retention.invites, retention.audit];
    assert_eq!(kept.map(|time| time.as_secs() / 86_400), [90, 365, 365]);
    let limits = &config.limits;
    assert_eq!(
        (
            limits.referrals_per_user_per_day,
            limits.referrals_per_recipient_per_day,
            limits.requests_per_key_per_second.get(),
            limits.failures_per_address_per_second.get(),
            limits.mails_per_app_per_day.get()
        ),
        (50, 3, 1000, 500, 10_000_000)
    );
    assert!(config.database.url.is_none() && config.database.direct_url.is_none());
    assert!(config.mail.smtp_url.is_none() && config.server.public_url.is_none());
    assert!(config.secret_key().is_none());
    assert_eq!(config.issuer(), "userdocks");
}

#[test]
fn default_config_file_loads_as_the_defaults() {
    assert_eq!(format!("{:?}", load_file(DEFAULTS, &[]).unwrap()), format!("{:?}", load(&[]).unwrap()));
}

#[test]
fn environment_overrides_file_and_file_overrides_defaults() {
    let file =
        "[mail]\nretry_after = '20s'\ntimeout = '25s'\n[database]\nurl = 'postgres://file.example/x'\n";
    let config = load_file(file, &[("USERDOCKS_MAIL__TIMEOUT", "10s")]).unwrap();
    assert_eq!(
        [config.mail.retry_after, config.mail.timeout, config.mail.give_up_after].map(|time| time.as_secs()),
        [20, 10, 72 * 3600]
    );
    assert_eq!(config.database.url.unwrap().expose(), "postgres://file.example/x");
    let over = [("USERDOCKS_DATABASE__URL", "postgres://ours.example/x")];
    assert_eq!(load_file(file, &over).unwrap().database.url.unwrap().expose(), over[0].1);
    let both = [over[0], ("DATABASE_URL", "postgresql://common.example/x")];
    assert_eq!(load_file(file, &both).unwrap().database.url.unwrap().expose(), both[1].1);
    // An empty variable, as compose files set it, counts as not set.
    let nothing = [("DATABASE_URL", ""), ("USERDOCKS_CONFIG", ""), ("USERDOCKS_SERVER__METRICS_LISTEN", "")];
    let config = load(&nothing).unwrap();
    assert!(config.database.url.is_none() && config.server.metrics_listen.is_none());
    // Variables of other programs are ignored.
    assert!(load(&[("USER", "x"), ("DATABASE", "x"), ("USERDOCK_X", "x")]).is_ok());
}

#[test]
fn secret_key_of_digits_only_is_read_as_text() {
    let digits = "0123456789".repeat(7)[..64].to_owned();
    let expected = hex::decode(&digits).unwrap();
    let from_environment = load(&[("USERDOCKS_SECRET_KEY", &digits)]).unwrap();
    assert_eq!(from_environment.secret_key().unwrap().as_slice(), expected);
    let from_file = load_file(&format!("secret_key = '{digits}'"), &[]).unwrap();
    assert_eq!(from_file.secret_key().unwrap().as_slice(), expected);
}

/// A setting, an invalid value, and the expected error.
const REFUSED: &[(&str, &str, &str)] = &[
    (
        "USERDOCKS_X",
        "1",
        "USERDOCKS_X is not a setting; without it, `userdocks config check` shows all of them",
    ),
    (
        "USERDOCKS_",
        "1",
        "USERDOCKS_ is not a setting; without it, `userdocks config check` shows all of them",
    ),
    (
        "USERDOCKS_SERVER_LISTEN",
        "127.0.0.1:1",
        "USERDOCKS_SERVER_LISTEN is not a setting; without it, `userdocks config check` shows all of them",
    ),
    (
        "USERDOCKS_MAIL__REPORTS__SENDGRID_PUBLIC_KEY",
        "MFkw",
        "USERDOCKS_MAIL__REPORTS__SENDGRID_PUBLIC_KEY must be the verification key that SendGrid shows, base64",
    ),
    (
        "USERDOCKS_MAIL__REPORTS__POSTMARK_PASSWORD",
        "fifteen-letters",
        "USERDOCKS_MAIL__REPORTS__POSTMARK_PASSWORD must be at least 16 characters long",
    ),
    (
        "USERDOCKS_MAIL__REPORTS__SES_TOPIC_ARN",
        "arn:aws:sqs:eu-west-1:123456789012:bounces",
        "USERDOCKS_MAIL__REPORTS__SES_TOPIC_ARN must be like arn:aws:sns:eu-west-1:123456789012:NAME",
    ),
    (
        "USERDOCKS_LIMITS__NOPE",
        "1",
        "unknown field `nope`, expected one of `referrals_per_user_per_day`, \
            `referrals_per_recipient_per_day`, `requests_per_key_per_second`, `failures_per_address_per_second`, \
            `mails_per_app_per_day` for key `limits`",
    ),
    (
        "USERDOCKS_NOPE__LISTEN",
        "1",
        "unknown field `nope`, expected one of `env`, `data_dir`, `offline`, `secret_key`, `other_secret_key`, \
            `server`, `admin`, `database`, `mail`, `limits`, `token`, `invite`, `webhook`, `retention`, `log`",
    ),
    ("USERDOCKS_DATA_DIR", "", "USERDOCKS_DATA_DIR must be the path of a folder"),
    ("USERDOCKS_ENV", "prod", "expected trial or production for key `env`"),
    ("USERDOCKS_LOG__FORMAT", "xml", "expected auto, text or json for key `log.format`"),
    ("USERDOCKS_SERVER__LISTEN", "8080", "invalid socket address syntax for key `server.listen`"),
    ("USERDOCKS_SERVER__LISTEN", "", "invalid socket address syntax for key `server.listen`"),
    (
        "USERDOCKS_SERVER__METRICS_LISTEN",
        "x",
        "invalid socket address syntax for key `server.metrics_listen`",
    ),
    ("USERDOCKS_SERVER__PUBLIC_URL", "id.example", "relative URL without a base for key `server.public_url`"),
    (
        "USERDOCKS_SERVER__PUBLIC_URL",
        "ftp://id.example",
        "USERDOCKS_SERVER__PUBLIC_URL must be an http or https address without ? or #",
    ),
    (
        "USERDOCKS_SERVER__PUBLIC_URL",
        "https://id.example/?x",
        "USERDOCKS_SERVER__PUBLIC_URL must be an http or https address without ? or #",
    ),
    (
        "USERDOCKS_SERVER__MAX_CONNECTIONS",
        "0",
        "USERDOCKS_SERVER__MAX_CONNECTIONS must be at least 1 and at most 1000000",
    ),
    (
        "USERDOCKS_DATABASE__MAX_CONNECTIONS",
        "0",
        "USERDOCKS_DATABASE__MAX_CONNECTIONS must be at least 1 and at most 1000000",
    ),
    (
        "USERDOCKS_DATABASE__MAX_CONNECTIONS",
        "many",
        "invalid type: string \"many\", expected an integer for key `database.max_connections` in the environment",
    ),
    (
        "USERDOCKS_MAIL__CONNECTIONS",
        "1000001",
        "USERDOCKS_MAIL__CONNECTIONS must be at least 1 and at most 1000000",
    ),
    ("DATABASE_URL", "localhost", "relative URL without a base for key `database.url`"),
    ("DATABASE_URL", "mysql://localhost/x", "DATABASE_URL must start with postgres://"),
    (
        "USERDOCKS_DATABASE__DIRECT_URL",
        "http://localhost/x",
        "USERDOCKS_DATABASE__DIRECT_URL must start with postgres://",
    ),
    (
        "USERDOCKS_MAIL__SMTP_URL",
        "mail.example:25",
        "USERDOCKS_MAIL__SMTP_URL must start with smtp:// or smtps://",
    ),
    ("USERDOCKS_MAIL__FROM", "Acme", "expected `Name <address>` for key `mail.from`"),
    ("USERDOCKS_MAIL__FROM", "", "expected `Name <address>` for key `mail.from`"),
    (
        "USERDOCKS_MAIL__RETRY_AFTER",
        "soon",
        "invalid value: string \"soon\", expected a duration for key `mail.retry_after`",
    ),
    (
        "USERDOCKS_MAIL__RETRY_AFTER",
        "15",
        "invalid value: string \"15\", expected a duration for key `mail.retry_after`",
    ),
    (
        "USERDOCKS_MAIL__RETRY_AFTER",
        "0s",
        "USERDOCKS_MAIL__RETRY_AFTER must be more than 0s and at most 10years",
    ),
    (
        "USERDOCKS_MAIL__TIMEOUT",
        "500years",
        "USERDOCKS_MAIL__TIMEOUT must be more than 0s and at most 10years",
    ),
    ("USERDOCKS_MAIL__GIVE_UP_AFTER", "11years", "USERDOCKS_MAIL__GIVE_UP_AFTER must be at most 10years"),
    (
        "USERDOCKS_INVITE__EXPIRES_AFTER",
        "0s",
        "USERDOCKS_INVITE__EXPIRES_AFTER must be more than 0s and at most 10years",
    ),
    ("USERDOCKS_INVITE__RESEND_AFTER", "11years", "USERDOCKS_INVITE__RESEND_AFTER must be at most 10years"),
    ("USERDOCKS_RETENTION__INVITES", "11years", "USERDOCKS_RETENTION__INVITES must be at most 10years"),
    (
        "USERDOCKS_RETENTION__INVITES",
        "for ever",
        "invalid value: string \"for ever\", expected a duration for key `retention.invites`",
    ),
    (
        "USERDOCKS_LIMITS__REFERRALS_PER_USER_PER_DAY",
        "-1",
        "USERDOCKS_LIMITS__REFERRALS_PER_USER_PER_DAY must not be negative",
    ),
    (
        "USERDOCKS_LIMITS__REFERRALS_PER_RECIPIENT_PER_DAY",
        "-1",
        "USERDOCKS_LIMITS__REFERRALS_PER_RECIPIENT_PER_DAY must not be negative",
    ),
    (
        "USERDOCKS_SECRET_KEY",
        "s3cret",
        "USERDOCKS_SECRET_KEY must be 64 hex digits, as `openssl rand -hex 32` prints",
    ),
    (
        "USERDOCKS_SECRET_KEY",
        "8f3b1c5d",
        "USERDOCKS_SECRET_KEY must be 64 hex digits, as `openssl rand -hex 32` prints",
    ),
    (
        "USERDOCKS_MAIL__DKIM__SELECTOR",
        "s1",
        "USERDOCKS_MAIL__DKIM__DOMAIN, USERDOCKS_MAIL__DKIM__SELECTOR and USERDOCKS_MAIL__DKIM__PRIVATE_KEY_FILE go together",
    ),
];

#[test]
fn invalid_setting_is_refused_by_name() {
    const START: &str = "the settings cannot be used: ";
    for (name, value, sentence) in REFUSED {
        let error = load(&[(name, value)]).unwrap_err();
        assert_eq!(error.strip_prefix(START).unwrap_or(&error), *sentence, "{name}={value}");
    }
    // Zero is valid: it means immediate resends, or a single attempt.
    load(&[("USERDOCKS_INVITE__RESEND_AFTER", "0s"), ("USERDOCKS_MAIL__GIVE_UP_AFTER", "0s")]).unwrap();
    for (text, days) in [("0", 0), ("0s", 0), ("7d", 7), ("10years", 3652)] {
        let (mails, invites) = (("USERDOCKS_RETENTION__MAILS", text), ("USERDOCKS_RETENTION__INVITES", text));
        let kept = load(&[mails, invites]).unwrap().retention;
        assert_eq!([kept.mails, kept.invites].map(|time| time.as_secs() / 86_400), [days, days], "{text}");
    }
    let short = load(&[("USERDOCKS_RETENTION__MAILS", "1s"), ("USERDOCKS_RETENTION__INVITES", "0")]).unwrap();
    let kept = short.retention();
    assert_eq!([kept.mails, kept.invites].map(|time| time.as_secs()), [60, 0]);
    let error = load(&[("USERDOCKS_LIMITS__REQUESTS_PER_KEY_PER_SECOND", "0")]).unwrap_err();
    assert!(error.contains("limits.requests_per_key_per_second"), "{error}");
}

const PRODUCTION: [(&str, &str); 6] = [
    ("USERDOCKS_ENV", "production"),
    ("DATABASE_URL", "postgres://db.example/userdocks"),
    ("USERDOCKS_SECRET_KEY", SECRET),
    ("USERDOCKS_SERVER__PUBLIC_URL", "https://id.example"),
    ("USERDOCKS_MAIL__SMTP_URL", "smtps://mail.example"),
    ("USERDOCKS_MAIL__FROM", "Userdocks <no-reply@id.example>"),
];

#[test]
fn production_refuses_trial_settings() {
    let config = load(&PRODUCTION).unwrap();
    assert!(config.production());
    assert_eq!(config.issuer(), "https://id.example");
    load(
        &[&PRODUCTION[..], &[("USERDOCKS_MAIL__SMTP_URL", "smtp://mail.example:587?tls=required")]].concat(),
    )
    .unwrap();

    let stand_in = ("USERDOCKS_MAIL__REPORTS__SES_TEST_URL", "http://127.0.0.1:1");
    assert!(load(&[stand_in]).is_ok());
    assert_eq!(
        load(&[&PRODUCTION[..], &[stand_in]].concat()).unwrap_err(),
        "in production USERDOCKS_MAIL__REPORTS__SES_TEST_URL must be empty"
    );

    let secret = "64 random hex digits, as `openssl rand -hex 32` prints";
    let smtp = "smtps://… or smtp://…?tls=required";
    for (name, values, must_be) in [
        ("DATABASE_URL", &[""][..], "set: the address of a PostgreSQL server"),
        (
            "USERDOCKS_SECRET_KEY",
            &["", &"0".repeat(64), &"0123456789abcdef".repeat(4), &"deadbeef".repeat(8)],
            secret,
        ),
        (
            "USERDOCKS_SERVER__PUBLIC_URL",
            &["", "http://id.example", "http://127.0.0.1:8080"],
            "an https address",
        ),
        ("USERDOCKS_MAIL__SMTP_URL", &[""], "set: the address of a mail server"),
        (
            "USERDOCKS_MAIL__SMTP_URL",
            &["smtp://mail.example", "smtp://mail.example?tls=opportunistic", "smtp://mail.example?tls=none"],
            smtp,
        ),
        (
            "USERDOCKS_MAIL__FROM",
            &["Userdocks <no-reply@localhost.localdomain>"],
            "set: the sender of your mails",
        ),
    ] {
        let without: Vec<_> = PRODUCTION.into_iter().filter(|(other, _)| *other != name).collect();
        let refusal = format!("in production {name} must be {must_be}");
        if !must_be.contains("tls") {
            assert_eq!(load(&without).unwrap_err(), refusal);
        }
        for value in values {
            let with = [&without[..], &[(name, value)]].concat();
            assert_eq!(load(&with).unwrap_err(), refusal, "{value}");
        }
    }
}

#[test]
fn secrets_are_redacted_in_debug_and_json() {
    let config = load(&[
        ("DATABASE_URL", "postgres://ada:pa55word@db.example/x"),
        ("USERDOCKS_DATABASE__DIRECT_URL", "postgres:///x?user=ada&password=pa55word"),
        ("USERDOCKS_MAIL__SMTP_URL", "smtps://ada:pa55word@mail.example"),
        ("USERDOCKS_SECRET_KEY", SECRET),
        ("USERDOCKS_MAIL__REPORTS__MAILGUN_SIGNING_KEY", "key-pa55word"),
        ("USERDOCKS_MAIL__REPORTS__POSTMARK_PASSWORD", "pa55word-of-postmark"),
    ])
    .unwrap();
    for printed in [format!("{config:?}"), format!("{config:#?}"), serde_json::to_string(&config).unwrap()] {
        assert!(!printed.contains("pa55word") && !printed.contains(SECRET), "{printed}");
    }
    assert_eq!(config.database.url.unwrap().expose(), "postgres://ada:pa55word@db.example/x");
}

#[test]
fn concurrent_trial_starts_share_one_generated_secret_key() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let config = load(&[("USERDOCKS_DATA_DIR", data.to_str().unwrap())]).unwrap();
    // If many threads start at the same time, one creates the key and all read it.
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let config = config.clone();
            std::thread::spawn(move || secret_key(&config).unwrap())
        })
        .collect();
    let mut keys: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    keys.push(secret_key(&config).unwrap());
    keys.dedup();
    assert_eq!(keys.len(), 1);
    assert_ne!(keys[0], [0; 32]);
    let files: Vec<_> = std::fs::read_dir(&data).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert_eq!(files, ["secret-key"]);
    let path = data.join("secret-key");
    #[cfg(unix)]
    assert_eq!(std::os::unix::fs::MetadataExt::mode(&path.metadata().unwrap()) & 0o777, 0o600);

    // A damaged key file is not replaced: data encrypted with the old key would be lost.
    for damaged in ["", "s3cret"] {
        std::fs::write(&path, damaged).unwrap();
        assert_eq!(
            secret_key(&config).unwrap_err().to_string(),
            format!(
                "the secret key of the trial cannot be kept in {}: the file secret-key is damaged; \
                 set USERDOCKS_SECRET_KEY or USERDOCKS_DATA_DIR",
                data.display()
            )
        );
    }
    let set = load(&[("USERDOCKS_SECRET_KEY", SECRET)]).unwrap();
    assert_eq!(hex::encode(secret_key(&set).unwrap()), SECRET);
}
