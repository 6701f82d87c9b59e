use super::*;

fn rules(https_only: bool) -> Rules {
    Rules { https_only, own_issuer: "https://id.example".to_owned() }
}

#[test]
fn text_of_a_setting_parses_to_the_same_value() {
    let mut app = App::new(Uuid::nil());
    for (setting, text, stored) in [
        (Setting::Name, " Acme ", "Acme"),
        (Setting::Language, "DE-at", "de-AT"),
        (Setting::MailFrom, "Acme, Inc. <a@acme.example>", "\"Acme, Inc.\" <a@acme.example>"),
        (Setting::ReturnPath, "b+{mail}@acme.example", "b+{mail}@acme.example"),
        (Setting::Color, "#FACC15", "#facc15"),
        (Setting::HomeUrl, "http://acme.example", "http://acme.example/"),
        (Setting::InviteExpiresIn, "48h", "2d"),
        (Setting::InviteExpiresIn, "90m", "90m"),
        (Setting::InviteExpiresIn, "61s", "61s"),
        (
            Setting::Origins,
            "https://a.example/\r\n\n http://b.example:80",
            "https://a.example\nhttp://b.example",
        ),
    ] {
        app.set(setting, text, &rules(false)).unwrap();
        assert_eq!(app.text(setting), stored);
        let mut other = app.clone();
        other.set(setting, stored, &rules(false)).unwrap();
        assert_eq!(other, app);
    }
    for setting in Setting::ALL {
        let cleared = app.set(setting, "", &rules(true)).is_ok();
        assert_eq!(cleared, !matches!(setting, Setting::Name | Setting::Language), "{setting:?}");
    }
    let mut cleared = App::new(Uuid::nil());
    (cleared.name, cleared.language) = (app.name.clone(), app.language.clone());
    assert_eq!(app, cleared);
}

#[test]
fn invalid_text_leaves_the_setting_unchanged() {
    let mut app = App::new(Uuid::nil());
    for (setting, text, problem) in [
        (Setting::HomeUrl, "http://acme.example", "must be https in production"),
        (Setting::LogoUrl, "x", "must be an https URL of at most 2048 characters, without user and fragment"),
        (
            Setting::InviteUrl,
            "https://a.example/?code=1",
            "must have no `code` or `referral_code` in its query: they are added",
        ),
        (Setting::InviteExpiresIn, "91d", "must be a duration from 60s to 90d"),
        (
            Setting::Origins,
            "https://a.example/b",
            "must look like https://app.example.com, not https://a.example/b",
        ),
    ] {
        assert_eq!(app.set(setting, text, &rules(true)), Err(Problem(problem.to_owned())));
    }
    assert_eq!(app, App::new(Uuid::nil()));
}

#[test]
fn names_of_settings_are_those_of_the_json_form() {
    let app = App::new(Uuid::nil());
    let json = serde_json::to_value(&app).unwrap();
    let mut names: Vec<&str> = json.as_object().unwrap().keys().map(String::as_str).collect();
    names.retain(|name| *name != "appId");
    let mut settings = Setting::ALL.map(Setting::name).to_vec();
    names.sort_unstable();
    settings.sort_unstable();
    assert_eq!(names, settings);
}
