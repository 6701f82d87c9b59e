//! Branding and language of an app's mails.

use serde_json::json;
use userdocks::db::outbox::templates;
use userdocks::domain::id;
use userdocks::domain::mail::kind::MailKind;

use crate::support::{As, Test, code};

#[tokio::test]
async fn mail_has_reply_to_logo_and_color_of_its_app() {
    let test = Test::start().await;
    let app = test.another_app().await;
    sqlx::query(
        "UPDATE apps SET reply_to = 'Help <help@acme.example>', logo_url = 'https://cdn.acme.example/logo.png?v=2',
            color = '#facc15' WHERE app_id = $1",
    )
    .bind(app.id.0)
    .execute(&test.db)
    .await
    .unwrap();
    for (who, replies, logo, fill) in [
        (&app, Some("help@acme.example"), true, "background:#facc15;color:#000000;"),
        (&test.app, None, false, "background:#1d4ed8;color:#ffffff;"),
    ] {
        let body = json!({ "email": "ada@example.com", "language": "en" });
        let path = format!("/v1/users/{}", id::public());
        assert_eq!(test.call("POST", &path, As::Write(who), Some(body)).await.status, 200);
        let mail = test.mail().await;
        let read = mail_parser::MessageParser::new().parse(&mail.raw).unwrap();
        let reply_to = read.reply_to().and_then(|to| to.first()).and_then(|to| to.address());
        assert_eq!(reply_to, replies);
        let html = mail.html();
        assert!(html.contains(fill), "{html}");
        assert_eq!(html.contains("src=\"https://cdn.acme.example/logo.png?v=2\""), logo);
    }
    test.finish().await;
}

/// The app of the test and no other, in German and in no other language, for invites and no other kind.
#[tokio::test]
async fn own_template_replaces_the_mails_of_one_app_kind_and_language() {
    let test = Test::start().await;
    let other = test.another_app().await;
    let html =
        "<title>Komm zu {{ app }}, {{ address }}</title><p>Hallo!</p><p><a href=\"{{ link }}\">Hier</a></p>";
    let invited = async |app: &crate::support::App, language: &str| {
        let body = json!({ "email": format!("{language}@example.com"), "language": language });
        let path = format!("/v1/users/{}", id::public());
        assert_eq!(test.call("POST", &path, As::Write(app), Some(body)).await.status, 200);
        test.mail().await
    };
    templates::set(&test.db, test.app.id, MailKind::Invite, "de", html).await.unwrap();
    let own = invited(&test.app, "de-AT").await;
    assert_eq!(own.subject(), "Komm zu Acme, de-AT@example.com");
    let link = format!("https://id.example/invites/{}", code(&own));
    assert_eq!(own.text().replace("\r\n", "\n").trim_end(), format!("Hallo!\n\nHier\n{link}"));
    assert!(
        own.html().contains(&format!("<p>Hallo!</p><p><a href=\"{link}\">Hier</a></p>")),
        "{}",
        own.html()
    );
    let page = test.call("GET", &format!("/invites/{}", code(&own)), As::Nobody, None).await;
    assert_eq!(page.status, 200, "{page:?}");
    assert_eq!(invited(&test.app, "en").await.subject(), "You have been invited to join Acme");
    assert_eq!(invited(&other, "de").await.subject(), "Ihre Einladung zu Other");
    test.finish().await;
}

#[tokio::test]
async fn mail_and_page_use_the_language_of_the_invite() {
    let test = Test::start().await;
    for (language, tag, subject) in [
        ("fr-CA", "fr", "Votre invitation à rejoindre Acme"),
        ("BR", "pt", "Seu convite para Acme"),
        ("pl", "pl", "Zaproszenie do serwisu Acme"),
        ("TR", "tr", "Acme için davetiniz"),
        ("uk", "uk", "Ваше запрошення до сервісу Acme"),
        ("ar-EG", "ar", "دعوة للانضمام إلى \u{2068}Acme\u{2069}"),
        ("JP", "ja", "Acmeへの招待が届いています"),
        ("zh-CN", "zh-Hans", "邀请您加入 Acme"),
        ("TW", "zh-Hant", "邀請您加入 Acme"),
        ("ko", "en", "You have been invited to join Acme"),
    ] {
        let body = json!({ "email": format!("{language}@example.com"), "language": language });
        let path = format!("/v1/users/{}", id::public());
        assert_eq!(test.call("POST", &path, As::Write(&test.app), Some(body)).await.status, 200);
        let mail = test.mail().await;
        assert_eq!(mail.subject(), subject);
        let read = mail_parser::MessageParser::new().parse(&mail.raw).unwrap();
        assert_eq!(read.header_raw("Content-Language").unwrap().trim(), tag);
        let page = test.call("GET", &format!("/invites/{}", code(&mail)), As::Nobody, None).await;
        assert!(page.body.as_str().unwrap().contains(&format!("<html lang=\"{tag}\"")), "{page:?}");
    }
    test.finish().await;
}
