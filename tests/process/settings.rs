//! Settings from the environment and a file, as the program reads them; unit tests of each rule are beside
//! `src/config/mod.rs`.

use serde_json::json;

use crate::support::SECRET_KEY;
use crate::support::child::Place;

const PRODUCTION: [(&str, &str); 6] = [
    ("USERDOCKS_ENV", "production"),
    ("DATABASE_URL", "postgres://ada:pa55word@db.example/userdocks"),
    ("USERDOCKS_SECRET_KEY", SECRET_KEY),
    ("USERDOCKS_SERVER__PUBLIC_URL", "https://id.example"),
    ("USERDOCKS_MAIL__SMTP_URL", "smtps://ada:pa55word@mail.example"),
    ("USERDOCKS_MAIL__FROM", "Userdocks <no-reply@id.example>"),
];

#[test]
fn config_check_prints_effective_settings_with_masked_secrets() {
    let mut place = Place::new(&PRODUCTION);
    let file = place.file("userdocks.toml");
    let content = format!(
        "secret_key = '{}'\n[mail]\nretry_after = '20s'\ntimeout = '25s'\n[invite]\nexpires_after = '3d'\n",
        "f".repeat(64)
    );
    std::fs::write(&file, content).unwrap();
    place.set("USERDOCKS_CONFIG", file.to_str().unwrap());
    place.set("USERDOCKS_MAIL__TIMEOUT", "10s");
    place.set("USERDOCKS_OTHER_SECRET_KEY", &"e".repeat(64));
    place.set("USERDOCKS_MAIL__REPORTS__MAILGUN_SIGNING_KEY", "pa55word");
    place.set("USERDOCKS_MAIL__REPORTS__POSTMARK_PASSWORD", "pa55word-of-postmark");
    place.set("USERDOCKS_DATABASE__DIRECT_URL", "postgres:///userdocks?user=ada&password=pa55word&host=/tmp");
    let shown = place.json(&["config", "check"]);
    assert_eq!(
        shown,
        json!({
            "env": "production",
            "data_dir": place.data(),
            "offline": false,
            "secret_key": "***",
            "other_secret_key": "***",
            "server": {
                "listen": "127.0.0.1:0", "public_url": "https://id.example/", "metrics_listen": "",
                "max_connections": 10000, "trusted_proxies": "", "ca_file": "", "head_timeout": "10s", "body_timeout": "15s", "request_timeout": "30s",
            },
            "admin": {
                "listen": "off", "public_url": "", "oidc_issuer": "", "oidc_client_id": "", "oidc_client_secret": "",
            },
            "database": {
                "url": "postgres://ada:***@db.example/userdocks", "direct_url": "postgres:///userdocks?***",
                "max_connections": 16,
            },
            "mail": {
                "smtp_url": "smtps://ada:***@mail.example", "from": "Userdocks <no-reply@id.example>",
                // The file overrides the default, and the environment overrides the file.
                "retry_after": "20s", "timeout": "10s",
                "give_up_after": "3days", "connections": 8, "return_path": "", "token_command": "", "token_file": "",
                "dkim": { "domain": "", "selector": "", "private_key_file": "" },
                "reports": {
                    "sendgrid_public_key": "", "mailgun_signing_key": "***", "postmark_password": "***",
                    "ses_topic_arn": "", "ses_test_url": "",
                },
            },
            "limits": {
                "referrals_per_user_per_day": 50, "referrals_per_recipient_per_day": 3,
                "requests_per_key_per_second": 1000, "failures_per_address_per_second": 500,
                "mails_per_app_per_day": 10_000_000,
            },
            "token": { "issuer": "", "expires_after": "1h" },
            "invite": { "resend_after": "1m", "expires_after": "3days" },
            "retention": { "mails": "90days", "invites": "365days", "audit": "365days" },
            "webhook": {
                "retry_after": "5s", "give_up_after": "3days", "timeout": "10s", "allow_private_addresses": false,
            },
            "log": { "format": "auto" },
        })
    );
    let text = place.text(&["config", "check"]);
    assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), shown);
    assert!(!place.data().exists(), "looking at the settings makes nothing");
}

#[test]
fn invalid_setting_fails_every_command_and_is_named() {
    for arguments in [&["config", "check"][..], &["serve"], &[], &["app", "list"], &["migrate"]] {
        let mut place = Place::new(&PRODUCTION);
        place.variables.retain(|(name, _)| *name != "USERDOCKS_SECRET_KEY");
        assert_eq!(
            place.failure(arguments),
            "in production USERDOCKS_SECRET_KEY must be 64 random hex digits, as `openssl rand -hex 32` prints"
        );
        let place = Place::new(&[("USERDOCKS_SERVER_LISTEN", "127.0.0.1:0")]);
        assert_eq!(
            place.failure(arguments),
            "USERDOCKS_SERVER_LISTEN is not a setting; without it, `userdocks config check` shows all of them"
        );
        assert!(!place.data().exists());
    }
}

#[test]
fn kubernetes_service_variables_are_ignored() {
    let mut place = Place::new(&[
        ("USERDOCKS_SERVICE_HOST", "10.0.0.7"),
        ("USERDOCKS_SERVICE_PORT", "8080"),
        ("USERDOCKS_SERVICE_PORT_HTTP", "8080"),
        ("USERDOCKS_PORT", "tcp://10.0.0.7:8080"),
        ("USERDOCKS_PORT_8080_TCP", "tcp://10.0.0.7:8080"),
        ("USERDOCKS_PORT_8080_TCP_ADDR", "10.0.0.7"),
        ("USERDOCKS_PORT_8080_TCP_PORT", "8080"),
        ("USERDOCKS_PORT_8080_TCP_PROTO", "tcp"),
        ("USERDOCKS_DB_SERVICE_HOST", "10.0.0.8"),
        ("USERDOCKS_MAIL_PORT", "tcp://10.0.0.9:25"),
    ]);
    place.text(&["config", "check"]);
    place.set("USERDOCKS_PORT", "8080");
    assert_eq!(
        place.failure(&["config", "check"]),
        "USERDOCKS_PORT is not a setting; without it, `userdocks config check` shows all of them"
    );
}

#[test]
fn secrets_are_read_from_file_variables() {
    let mut place = Place::new(&[]);
    for (name, content) in [
        ("DATABASE_URL_FILE", "postgres://ada:pa55word@db.example/x\n"),
        ("USERDOCKS_DATABASE__DIRECT_URL_FILE", "postgres://bob:pa55word@db.example/x"),
        ("USERDOCKS_MAIL__SMTP_URL_FILE", "smtps://ada:pa55word@mail.example\r\n"),
        ("USERDOCKS_SECRET_KEY_FILE", SECRET_KEY),
        ("USERDOCKS_OTHER_SECRET_KEY_FILE", &("e".repeat(64) + "\n")),
    ] {
        let file = place.file(name);
        std::fs::write(&file, content).unwrap();
        place.set(name, file.to_str().unwrap());
    }
    let shown = place.json(&["config", "check"]);
    assert_eq!(shown["database"]["url"], "postgres://ada:***@db.example/x");
    assert_eq!(shown["database"]["direct_url"], "postgres://bob:***@db.example/x");
    assert_eq!(shown["mail"]["smtp_url"], "smtps://ada:***@mail.example");
    assert_eq!([&shown["secret_key"], &shown["other_secret_key"]], ["***", "***"]);
    // An empty variable counts as not set.
    place.set("USERDOCKS_SECRET_KEY", "");
    assert_eq!(place.json(&["config", "check"]), shown);
}

#[test]
fn unusable_secret_file_is_a_configuration_error() {
    let mut place = Place::new(&[]);
    let file = place.file("secret");
    let path = file.to_str().unwrap().to_owned();
    place.set("USERDOCKS_SECRET_KEY_FILE", &path);
    let start = format!("USERDOCKS_SECRET_KEY_FILE: {path} ");
    let missing = place.failure(&["config", "check"]);
    assert!(missing.starts_with(&format!("{start}cannot be read: No such file")), "{missing}");
    for (content, why) in [
        (&b""[..], "is empty"),
        (b"\n", "is empty"),
        (b"\xff\xfe", "is not UTF-8"),
        (b"pa55word\nx\n", "must hold one line without control characters"),
        (&[b'a'; 8193], "is longer than 8192 bytes"),
    ] {
        std::fs::write(&file, content).unwrap();
        assert_eq!(place.failure(&["config", "check"]), format!("{start}{why}"));
    }
    std::fs::write(&file, "s3cret").unwrap();
    assert_eq!(
        place.failure(&["serve"]),
        "USERDOCKS_SECRET_KEY must be 64 hex digits, as `openssl rand -hex 32` prints"
    );
    place.set("USERDOCKS_SECRET_KEY", SECRET_KEY);
    assert_eq!(
        place.failure(&["migrate"]),
        "USERDOCKS_SECRET_KEY and USERDOCKS_SECRET_KEY_FILE are both set; set one of them"
    );
    place.set("USERDOCKS_MAIL__FROM_FILE", &path);
    place.variables.retain(|(name, _)| !name.contains("SECRET"));
    assert!(place.failure(&["config", "check"]).contains("unknown field `from_file`"));
}

#[test]
fn sender_name_with_commas_and_brackets_is_quoted() {
    let mut place = Place::new(&[]);
    for name in ["ACME, Inc.", "ACME (EU): a;b @ [x]"] {
        place.set("USERDOCKS_MAIL__FROM", &format!("{name} <a@id.example>"));
        let shown = place.json(&["config", "check"]);
        assert_eq!(shown["mail"]["from"], format!("\"{name}\" <a@id.example>"));
        // The printed value is a valid setting.
        place.set("USERDOCKS_MAIL__FROM", shown["mail"]["from"].as_str().unwrap());
        assert_eq!(place.json(&["config", "check"]), shown);
    }
}

#[test]
fn openapi_servers_include_the_public_url_path() {
    let servers = |place: &Place| {
        let document = place.json(&["openapi"]);
        let urls = document["servers"].as_array().unwrap().iter().map(|server| server["url"].clone());
        urls.collect::<Vec<_>>()
    };
    assert_eq!(servers(&Place::new(&[])), ["/", "/api"]);
    let place = Place::new(&[("USERDOCKS_SERVER__PUBLIC_URL", "https://id.example/auth/")]);
    assert_eq!(servers(&place), ["/auth", "/auth/api"]);
}

/// An unreadable settings file is not quoted: the faulty line may contain the password.
#[test]
fn invalid_config_file_error_hides_its_content() {
    let mut place = Place::new(&[]);
    let file = place.file("userdocks.toml");
    place.set("USERDOCKS_CONFIG", file.to_str().unwrap());
    assert_eq!(
        place.failure(&["config", "check"]),
        format!("the settings cannot be used: configuration file \"{}\" not found", file.display())
    );
    for (content, names) in [
        ("secret_key = pa55word\n", "line 1, column 14"),
        ("[mail]\nsmtp_url = \"smtps://ada:pa55word@mail.example\n", "line 2"),
        ("[mail]\nsmtp_url = ['pa55word']\n", "mail.smtp_url"),
        ("[database]\nurl = 'postgres://ada:pa55word@db.example:port/x'\n", "database.url"),
        ("[database]\npassword = 'pa55word'\n", "`password`"),
        ("\u{0}pa55word", "line 1"),
    ] {
        std::fs::write(&file, content).unwrap();
        let sentence = place.failure(&["config", "check"]);
        assert!(sentence.contains(names) && !sentence.contains("pa55word"), "{sentence}");
    }
    std::fs::write(&file, b"\xff\xfe").unwrap();
    assert!(place.failure(&["config", "check"]).contains("userdocks.toml"));
}
