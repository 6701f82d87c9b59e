//! `userdocks invite import`: imports a file of people.

use std::process::Command;

use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};

use crate::audit::events;
use crate::cli::bounces::with_input;
use crate::cli::commands::create_app;
use crate::support::child::Place;
use crate::support::{self, SECRET_KEY, new_id};

#[tokio::test(flavor = "multi_thread")]
async fn repeated_csv_import_invites_each_user_once() {
    let url = support::database(false).await;
    let place = Place::new(&[
        ("DATABASE_URL", &url),
        ("USERDOCKS_SECRET_KEY", SECRET_KEY),
        ("USERDOCKS_LIMITS__MAILS_PER_APP_PER_DAY", "504"),
    ]);
    let app = create_app(&place, &["--language", "de"]);
    let id = new_id();
    // A byte order mark, quotes with a comma and a line break inside, an empty line, both line endings, invalid UTF-8.
    let mut file = format!(
        "\u{feff}\"Email\",language,userId,referralCode,expiresIn\r\n\
         carl@example.com,en,{id},,3600\r\n\
         \r\n\
         \"dora@example.com\",\"\",,,\r\n\
         \"eve\n,@example.com\",en,,,\n\
         nobody,en,,,1h\n\
         CARL@example.com,en,,,\n\
         fay@example.com,en,,K7QF2M9X,\n\
         gus@example.com,en\n"
    )
    .into_bytes();
    file.extend(b"hal@example.com,\xff\xfe,,,\n");
    file.extend((0..501).flat_map(|n| format!("u{n}@example.com,en,,,\n").into_bytes()));
    file.extend(b"Carl@example.com,en,,,\nu7@example.com,en,,,");
    let path = place.file("people.csv");
    std::fs::write(&path, &file).unwrap();
    let path = path.to_str().unwrap();
    let import = |more: &[&str]| {
        let ended = place.run(&[&["invite", "import", path, "--app", &app.id, "--json"], more].concat());
        assert_eq!(ended.status, 0, "{ended:?}");
        (serde_json::from_str::<Value>(&ended.stdout).unwrap(), ended.stderr)
    };
    let counted = |dry_run: bool, created: usize, exists: usize, result: &Value| {
        let rejected = &result["rejected"];
        let expected = json!({
            "dryRun": dry_run, "encoding": "UTF-8", "delimiter": ",",
            "columns": ["email", "language", "userId", "referralCode", "expiresIn"], "ignoredColumns": [],
            "lines": 511, "created": created, "exists": exists, "rejected": rejected, "rejectedCount": 5,
        });
        assert_eq!(result, &expected);
        let of = |item: &Value| (item["line"].as_u64().unwrap(), item["code"].as_str().unwrap().to_owned());
        let rejected: Vec<_> = rejected.as_array().unwrap().iter().map(of).collect();
        let bad = |line| (line, "invalid_fields".to_owned());
        let unknown = (9, "unknown_referral_code".to_owned());
        assert_eq!(rejected, [bad(5), bad(7), unknown, bad(10), bad(11)]);
    };

    let (result, said) = import(&["--dry-run"]);
    counted(true, 503, 3, &result);
    assert_eq!(said, "");
    let sentence = result["rejected"][4]["error"].as_str();
    assert_eq!(sentence, Some("`language` must be UTF-8"));
    assert_eq!(place.json(&["invite", "list"]), json!([]));

    let (result, said) = import(&[]);
    counted(false, 503, 3, &result);
    let told = events(&said);
    assert_eq!(
        (told.len(), &told[0]["action"], &told[0]["app"]),
        (1, &json!("importInvites"), &json!(app.id))
    );
    let to = |email: &str| place.json(&["invite", "list", "--email", email]);
    assert_eq!(to("carl@example.com")[0]["userId"], json!(id));
    assert_eq!(to("dora@example.com")[0]["language"], json!("de"));

    // A second import invites nobody and counts no mail.
    let (result, said) = import(&[]);
    counted(false, 0, 506, &result);
    assert!(events(&said).is_empty());
    let more = "email\nv1@example.com\nv2@example.com\n";
    let command = || place.command(&["invite", "import", "-", "--app", &app.id, "--json"]);
    let (result, _) = with_input(command(), more);
    assert_eq!((&result["created"], &result["rejected"][0]["line"]), (&json!(1), &json!(3)));
    assert_eq!(result["rejected"][0]["code"], json!("mail_quota_exceeded"));
    assert_eq!(place.json(&["invite", "list"]).as_array().unwrap().len(), 504);

    for (file, problem) in [
        (
            "name,language\n",
            "must name the column email: read as UTF-8, with commas between the fields, it has `name`",
        ),
        ("email,E-Mail\n", "must name each of its columns once, and `email` and `E-Mail` both mean email"),
        ("PK\u{3}\u{4}\u{14}", "it is a spreadsheet"),
        ("", "it is empty: its header line must name the column email"),
    ] {
        std::fs::write(path, file).unwrap();
        let failed = place.failure(&["invite", "import", path, "--app", &app.id]);
        assert!(failed.starts_with(path) && failed.contains(problem), "{failed}");
    }
    let nobody = place.failure(&["invite", "import", path, "--app", &new_id().to_string()]);
    assert!(nobody.starts_with("there is no app "), "{nobody}");
}

/// The result of importing these bytes.
fn import(place: &Place, app: &str, file: &[u8]) -> Value {
    let path = place.file("people.csv");
    std::fs::write(&path, file).unwrap();
    place.json(&["invite", "import", path.to_str().unwrap(), "--app", app])
}

#[tokio::test(flavor = "multi_thread")]
async fn import_detects_csv_encoding_and_delimiter() {
    let url = support::database(false).await;
    let place = Place::new(&[("DATABASE_URL", &url), ("USERDOCKS_SECRET_KEY", SECRET_KEY)]);
    let semicolons = "email;language\r\nanna@example.com;de\r\nben@example.com;en\r\n";
    let german = "\u{feff}E-Mail;Language;First name;Last name\r\nanna@example.com;de;Anna;Kowalska\r\n\
        \"ben@example.com\";en;Ben;\"O\"\"Neil; Jr.\"\r\n";
    let blank = "email , language\n\n anna@example.com , de\n\nben@example.com,en\n,\n";
    let names = [("anna@example.com", "Anna", "Kowalska"), ("ben@example.com", "Ben", "O\"Neil; Jr.")];
    let utf_16: Vec<u8> = [0xFF, 0xFE]
        .into_iter()
        .chain(german.trim_start_matches('\u{feff}').encode_utf16().flat_map(u16::to_le_bytes))
        .collect();
    for (file, encoding, delimiter, named) in [
        (semicolons.as_bytes(), "UTF-8", ";", false),
        (german.as_bytes(), "UTF-8", ";", true),
        (blank.as_bytes(), "UTF-8", ",", false),
        (utf_16.as_slice(), "UTF-16LE", ";", true),
    ] {
        let app = create_app(&place, &[]);
        let result = import(&place, &app.id, file);
        assert_eq!(
            (&result["created"], &result["lines"], &result["encoding"], &result["delimiter"]),
            (&json!(2), &json!(2), &json!(encoding), &json!(delimiter)),
            "{result}"
        );
        let expected = names.map(|(email, given, family)| {
            let language = if email.starts_with("anna") { "de" } else { "en" };
            let name = |name: &str| named.then(|| name.to_owned());
            (email.to_owned(), language.to_owned(), name(given), name(family))
        });
        assert_eq!(profiles(&url, &app.id).await, expected);
    }
}

/// Address, language, given name and family name of the users of an app.
async fn profiles(url: &str, app: &str) -> Vec<(String, String, Option<String>, Option<String>)> {
    let mut database = PgConnection::connect(url).await.unwrap();
    let users =
        "SELECT email, language, given_name, family_name FROM users WHERE app_id::text = $1 ORDER BY email";
    sqlx::query_as(users).bind(app).fetch_all(&mut database).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn import_sets_profile_fields_of_new_users_only() {
    let url = support::database(false).await;
    let place = Place::new(&[("DATABASE_URL", &url), ("USERDOCKS_SECRET_KEY", SECRET_KEY)]);
    let [app, other] = [create_app(&place, &[]), create_app(&place, &[])];
    let theirs = import(&place, &other.id, b"email,given_name\nanna@example.com,Other\n");
    assert_eq!(theirs["created"], json!(1));
    let file = "email;language;Vorname;Name;Geburtsdatum;acceptedNewsletter;Abteilung\n\
        anna@example.com;de;Anna;M\u{fc}ller;1990-05-01;yes;Vertrieb\n\
        ben@example.com;en;Ben;;31.12.1990;no;\n\
        nobody;en;;;;maybe;\n\
        \"carl@example.com;de;;;;;\n\
        anna@example.com;de;Second;;;;\n";
    // Windows-1252 equals Latin-1 for these characters.
    let file: Vec<u8> = file.chars().map(|c| u8::try_from(c).unwrap()).collect();
    let result = import(&place, &app.id, &file);
    assert_eq!(
        result,
        json!({
            "dryRun": false, "encoding": "windows-1252", "delimiter": ";",
            "columns": ["email", "language", "given_name", "family_name", "birthdate", "acceptedNewsletter"],
            "ignoredColumns": ["Abteilung"], "lines": 5, "created": 1, "exists": 1, "rejectedCount": 3,
            "rejected": [
                {
                    "line": 3, "code": "invalid_fields",
                    "error": "`Geburtsdatum (birthdate)` must be a real date, YYYY-MM-DD, 0000-MM-DD or YYYY, and not \
                              in the future",
                },
                {
                    "line": 4, "code": "invalid_fields",
                    "error": "`email` must be one e-mail address such as ada@example.com; `acceptedNewsletter` must be \
                              true or false",
                },
                {
                    "line": 5, "code": "invalid_fields",
                    "error": "a field begins with a quote that is not closed: expected another quote at its end",
                },
            ],
        })
    );
    let row = |given: &str, family: Option<&str>| {
        ("anna@example.com".to_owned(), "de".to_owned(), Some(given.to_owned()), family.map(str::to_owned))
    };
    assert_eq!(profiles(&url, &app.id).await, [row("Anna", Some("M\u{fc}ller"))]);
    let again = import(&place, &app.id, b"email,given_name\nanna@example.com,Third\n");
    assert_eq!((&again["created"], &again["exists"]), (&json!(0), &json!(1)));
    assert_eq!(profiles(&url, &app.id).await, [row("Anna", Some("M\u{fc}ller"))]);
    let others = profiles(&url, &other.id).await;
    assert_eq!((others.len(), others[0].2.as_deref()), (1, Some("Other")));
    let mut database = PgConnection::connect(&url).await.unwrap();
    let stored: (Option<String>, bool, bool) = sqlx::query_as(
        "SELECT birthdate, accepted_newsletter, accepted_newsletter_date IS NOT NULL FROM users WHERE app_id::text = $1",
    )
    .bind(&app.id)
    .fetch_one(&mut database)
    .await
    .unwrap();
    assert_eq!(stored, (Some("1990-05-01".to_owned()), true, true));

    let path = place.file("people.csv");
    std::fs::write(&path, &file).unwrap();
    let text = place.text(&["invite", "import", path.to_str().unwrap(), "--app", &app.id, "--dry-run"]);
    let head: Vec<&str> = text.lines().take(4).collect();
    assert_eq!(
        head,
        [
            "5 lines: 0 would be invited, 2 are users already, 3 are rejected.",
            "The file is not UTF-8 and was read as Windows-1252.",
            "Ignored columns: Abteilung",
            "line 3: `Geburtsdatum (birthdate)` must be a real date, YYYY-MM-DD, 0000-MM-DD or YYYY, and not in the future",
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn import_shows_progress_bar_on_terminal_without_json() {
    let url = support::database(false).await;
    let place = Place::new(&[("DATABASE_URL", &url), ("USERDOCKS_SECRET_KEY", SECRET_KEY)]);
    let app = create_app(&place, &[]);
    let path = place.file("people.csv");
    let people = (0..2000).fold("email\n".to_owned(), |people, n| people + &format!("u{n}@example.com\n"));
    std::fs::write(&path, people).unwrap();
    let on_terminal = |more: &str| {
        let program =
            place.command(&["invite", "import", path.to_str().unwrap(), "--app", &app.id, "--dry-run"]);
        let words = std::iter::once(program.get_program()).chain(program.get_args());
        let line = words.map(|word| word.to_str().unwrap()).collect::<Vec<_>>().join(" ");
        let mut script = Command::new("script");
        script.args(["--quiet", "--return", "--command", &format!("{line} {more}"), "/dev/null"]);
        script.env_clear().envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let output = script.env("TERM", "xterm").current_dir(place.file("")).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let said = on_terminal("");
    assert!(
        said.contains('[') && said.contains("% of ") && said.contains("/s") && said.contains(" left"),
        "{said}"
    );
    assert!(said.contains("2000 lines: 2000 would be invited"), "{said}");
    let said = on_terminal("--json");
    assert!(said.trim_end().starts_with('{') && said.lines().count() == 1, "{said}");
}
