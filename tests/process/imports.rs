//! `userdocks invite import`: a file of people.

use serde_json::{Value, json};

use crate::audit::events;
use crate::bounces::with_input;
use crate::commands::create_app;
use crate::support::child::Place;
use crate::support::{self, SECRET_KEY, new_id};

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_people_is_invited_once() {
    let url = support::database(false).await;
    let place = Place::new(&[
        ("DATABASE_URL", &url),
        ("USERDOCKS_SECRET_KEY", SECRET_KEY),
        ("USERDOCKS_LIMITS__MAILS_PER_APP_PER_DAY", "504"),
    ]);
    let app = create_app(&place, &["--language", "de"]);
    let id = new_id();
    // A mark, quotes, a comma and a line's end inside them, an empty line, both ends of lines, bytes that are no text.
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
            "dryRun": dry_run, "lines": 511, "created": created, "exists": exists, "rejected": rejected,
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
    assert_eq!(said, "500 of 511 lines\n511 of 511 lines\n");
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

    // Again nobody is invited, and no mail counted.
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
            "name,email\n",
            "must name each of its columns once, of email, language, userId, referralCode, expiresIn",
        ),
        ("email,email\n", "must name each of its columns once"),
        ("language\nen\n", "must name the column email"),
        ("", "must name the column email"),
    ] {
        std::fs::write(path, file).unwrap();
        let failed = place.failure(&["invite", "import", path, "--app", &app.id]);
        assert!(failed.starts_with(path) && failed.contains(problem), "{failed}");
    }
    let nobody = place.failure(&["invite", "import", path, "--app", &new_id().to_string()]);
    assert!(nobody.starts_with("there is no app "), "{nobody}");
}
