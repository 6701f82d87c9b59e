//! `userdocks app template` and the design of an app.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::Ed25519KeyPair;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::json;

use crate::cli::commands::create_app;
use crate::support::child::Place;
use crate::support::smtp::Smtp;
use crate::support::{self, DEADLINE, SECRET_KEY};

const TEMPLATE: &str = "<title>Komm zu {{ app }}</title>\n<h1>Hallo!</h1>\n<a href=\"{{ link }}\">Hier</a>\n";

fn strs(arguments: &[String]) -> Vec<&str> {
    arguments.iter().map(String::as_str).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn template_is_checked_set_shown_sent_and_reset() {
    let smtp = Smtp::start().await;
    let url = support::database(true).await;
    let place = Place::new(&[
        ("DATABASE_URL", &url),
        ("USERDOCKS_SECRET_KEY", SECRET_KEY),
        ("USERDOCKS_MAIL__SMTP_URL", &smtp.url()),
    ]);
    let app = create_app(&place, &[]).id;
    let file = place.file("invite.html");
    let write = |html: &str| std::fs::write(&file, html).unwrap();
    let of = |command, more: &[&'static str]| {
        let command = ["app", "template", command, app.as_str(), "--kind", "invite", "--language", "DE"];
        [&command[..], more].concat().into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let path = file.to_str().unwrap().to_owned();
    let set = |more: &[&'static str]| [of("set", more), vec![path.clone()]].concat();

    assert_eq!(
        place.failure(&strs(&set(&[]))),
        format!("{path} cannot be read: No such file or directory (os error 2)")
    );
    write("<title>x</title>\n<a href=\"{{ link }}\">y</a>\n<script>alert(1)</script>");
    assert_eq!(place.failure(&strs(&set(&[]))), format!("{path}, line 3: <script> is not allowed"));
    write(TEMPLATE);
    let link = "https://id.example/invites/a-sample-that-leads-nowhere";
    let mail = json!({ "subject": "Komm zu Acme", "text": format!("Hallo!\n\nHier\n{link}\n") });
    assert_eq!(place.json(&strs(&set(&["--dry-run"]))), mail);
    assert_eq!(place.json(&["app", "template", "list", &app]), json!([]));
    let none = "the app has no template for invite mails in de";
    assert_eq!(place.failure(&strs(&of("show", &[]))), none);
    assert_eq!(place.failure(&strs(&of("reset", &[]))), none);

    assert_eq!(place.text(&strs(&set(&[]))), "invite mails in de use this template now.\n");
    let listed = place.json(&["app", "template", "list", &app]);
    assert_eq!((&listed[0]["kind"], &listed[0]["language"]), (&json!("invite"), &json!("de")));
    assert_eq!(place.text(&strs(&of("show", &[]))).trim_end(), TEMPLATE.trim_end());
    let preview = |language| {
        place.json(&["mail", "preview", "--app", &app, "--kind", "invite", "--language", language])
    };
    assert_eq!(preview("de-CH")[0]["subject"], "Komm zu Acme");
    assert_ne!(preview("en")[0]["subject"], "Komm zu Acme");

    place.text(&strs(&of("send", &["--to", "me@acme.example"])));
    let [mail] = <[_; 1]>::try_from(smtp.wait_for(1, DEADLINE).await).unwrap();
    assert_eq!(
        (mail.to.clone(), mail.subject()),
        (vec!["me@acme.example".to_owned()], "Komm zu Acme".to_owned())
    );

    assert_eq!(
        place.text(&strs(&of("reset", &[]))),
        "invite mails in de look as those of every app again.\n"
    );
    assert_eq!(preview("de")[0]["subject"], "Ada Lovelace lädt Sie zu Acme ein");
}

/// A mail from the domain of the key is signed, whoever sends it.
#[tokio::test(flavor = "multi_thread")]
async fn mail_is_signed_with_the_dkim_key_of_the_settings() {
    let smtp = Smtp::start().await;
    let url = support::database(true).await;
    let mut place = Place::new(&[
        ("DATABASE_URL", &url),
        ("USERDOCKS_SECRET_KEY", SECRET_KEY),
        ("USERDOCKS_MAIL__SMTP_URL", &smtp.url()),
        ("USERDOCKS_MAIL__FROM", "no-reply@mail.acme.example"),
        ("USERDOCKS_MAIL__DKIM__DOMAIN", "acme.example"),
        ("USERDOCKS_MAIL__DKIM__SELECTOR", "s1"),
    ]);
    let file = place.file("dkim.pem");
    place.set("USERDOCKS_MAIL__DKIM__PRIVATE_KEY_FILE", file.to_str().unwrap());
    let app = create_app(&place, &[]).id;
    let send =
        ["app", "template", "send", &app, "--kind", "invite", "--language", "en", "--to", "me@acme.example"];
    std::fs::write(&file, "no key").unwrap();
    assert_eq!(
        place.failure(&send),
        format!(
            "USERDOCKS_MAIL__DKIM__PRIVATE_KEY_FILE: {} must be a private key in PEM form, RSA of 2048 bits or more or \
             Ed25519",
            file.display()
        )
    );
    let key = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
    let pem = BASE64_STANDARD.encode(key);
    std::fs::write(&file, format!("-----BEGIN PRIVATE KEY-----\n{pem}\n-----END PRIVATE KEY-----\n"))
        .unwrap();
    place.text(&send);
    let [mail] = <[_; 1]>::try_from(smtp.wait_for(1, DEADLINE).await).unwrap();
    let raw = String::from_utf8_lossy(&mail.raw).into_owned();
    let signed = "\r\nDKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed; d=acme.example;\r\n s=s1; h=from:from:to:subject:";
    assert!(raw.contains(signed), "{raw}");
}

/// A color that a person would not see is corrected and said, on stderr.
#[tokio::test(flavor = "multi_thread")]
async fn color_without_contrast_is_corrected_and_said() {
    let url = support::database(true).await;
    let place = Place::new(&[("DATABASE_URL", &url), ("USERDOCKS_SECRET_KEY", SECRET_KEY)]);
    let app = create_app(&place, &[]).id;
    let said = |color| {
        let ended = place.run(&["app", "update", &app, "--color", color]);
        assert_eq!(ended.status, 0, "{}", ended.stderr);
        let notes = ended.stderr.lines().filter(|line| line.starts_with("userdocks: "));
        notes.map(str::to_owned).collect::<Vec<_>>()
    };
    let note = |color, contrast, mode, edge| {
        format!(
            "userdocks: the contrast of {color} is {contrast} in {mode} mode, less than 3: there buttons get an edge in {edge}"
        )
    };
    assert_eq!(said("#facc15"), [note("#facc15", "1.5", "light", "#af8e0e")]);
    assert_eq!(said("#facc15"), <[String; 0]>::default());
    assert_eq!(said("#1e293b"), [note("#1e293b", "1.0", "dark", "#6c737f")]);
    assert_eq!(said("#0891b2"), <[String; 0]>::default());
}
