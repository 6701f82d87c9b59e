//! End-to-end test of invites from every point of view: a backend, an operator, recipients with mails and browsers, and
//! the mail server.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tokio::time::{Duration, Instant, sleep};
use userdocks::domain::id::UserId;

use crate::browser::Browser;
use crate::pages::serve_page;
use crate::support::child::Place;
use crate::support::smtp::{Act, Mail, Stage};
use crate::support::{Answer, As, DEADLINE, SECRET_KEY, Test, code, create_app, new_app, new_id, secrets};

const TAKEN: &str = "250 2.0.0 Ok: queued";
const LATER: &str = "451 4.7.1 greylisted, come again";

/// A recipient reads a mail in a browser.
async fn read(browser: &Browser, mail: &Mail) {
    browser.go(&format!("data:text/html;base64,{}", STANDARD.encode(mail.html()))).await;
}

/// Waits for a page with this heading and returns its language, direction and heading.
async fn shows(browser: &Browser, language: &str, dir: &str, heading: &str) {
    let script = "const page = document.documentElement;
        return [page.lang, page.dir, document.querySelector('h1')?.textContent, innerWidth, page.scrollWidth]";
    let deadline = Instant::now() + DEADLINE;
    loop {
        let shown = browser.run(script, &[]).await;
        if shown == json!([language, dir, heading, 375, 375]) {
            return;
        }
        assert!(Instant::now() < deadline, "not {heading}: {shown}");
        sleep(Duration::from_millis(20)).await;
    }
}

/// Returns the API response that the app's own page receives.
async fn fetch(browser: &Browser, method: &str, url: &str, token: &str, body: Value) -> Value {
    let script = "
        const [method, url, token, body] = arguments;
        const headers = { 'Content-Type': 'application/json' };
        if (token) headers.Authorization = `Bearer ${token}`;
        return fetch(url, { method, headers, body: body === 'null' ? undefined : body })
            .then(async answer => [answer.status, await answer.json()], error => error.message)";
    let answer = browser.run(script, &[method, url, token, &body.to_string()]).await;
    let token = &answer[1]["data"]["accessToken"];
    token.as_str().into_iter().for_each(secrets::keep_token);
    answer
}

fn success(status: u16, message: &str, data: Value) -> Value {
    json!([status, { "success": true, "message": message, "error": null, "data": data }])
}

/// Returns the next mail, after the server has recorded that it was sent.
async fn mail(test: &Test, to: &str, subject: &str) -> Mail {
    let mail = test.mail().await;
    assert_eq!((mail.to.clone(), mail.subject()), (vec![to.to_owned()], subject.to_owned()));
    code(&mail);
    test.idle().await;
    mail
}

/// The backend invites a new user.
async fn invite(test: &Test, email: &str) -> (UserId, Mail) {
    let user = UserId(new_id());
    let body = json!({ "email": email, "language": "en" });
    let answer = test.call("POST", &format!("/v1/users/{user}"), As::Write(&test.app), Some(body)).await;
    let expected = json!({ "user": test.stored(user).await });
    assert_eq!(answer.success(), (200, "the user was invited", &expected));
    (user, mail(test, email, "You have been invited to join Acme").await)
}

/// The backend issues a token for a signed-in user.
async fn token(test: &Test, user: UserId) -> String {
    let answer = test.call("POST", &format!("/v1/users/{user}/tokens"), As::Write(&test.app), None).await;
    let token = answer.body["data"]["accessToken"].as_str().unwrap().to_owned();
    let data = json!({ "accessToken": token, "tokenType": "Bearer", "expiresIn": 3600 });
    assert_eq!(answer.success(), (200, "an access token was issued", &data));
    secrets::keep_token(&token);
    token
}

/// The ids of the invites to an address, as the backend lists them.
async fn invites_to(test: &Test, email: &str) -> Vec<String> {
    let found = test.call("GET", &format!("/v1/invites?email={email}"), As::Read(&test.app), None).await;
    let (status, message, data) = found.success();
    assert_eq!((status, message, &data["nextCursor"]), (200, "invites", &Value::Null));
    let items = data["items"].as_array().unwrap();
    items.iter().map(|invite| invite["id"].as_str().unwrap().to_owned()).collect()
}

/// A timeline entry of an invite: the event, its mail and the detail.
type Event<'a> = (&'a str, Option<&'a Mail>, Option<&'a str>);

/// Checks that the backend and the operator see the same invite: `expected`, apart from its times, and this timeline,
/// with times in order.
async fn lives(test: &Test, operator: &Place, mut expected: Value, life: &[Event<'_>]) {
    let id = expected["id"].as_str().unwrap().to_owned();
    let answer = test.call("GET", &format!("/v1/invites/by-id/{id}"), As::Read(&test.app), None).await;
    let (status, message, shown) = answer.success();
    assert_eq!((status, message), (200, "the invite"));
    assert_eq!(&operator.json(&["invite", "show", &id]), shown);

    for time in ["createdAt", "mailedAt", "expiresAt", "acceptedAt", "revokedAt"] {
        let given = &shown[time];
        assert!(given.as_str().is_none_or(|at| at.parse::<jiff::Timestamp>().is_ok()), "{time}: {given}");
        expected[time] = given.clone();
    }
    let told = shown["timeline"].as_array().unwrap();
    let times: Vec<&str> = told.iter().map(|event| event["at"].as_str().unwrap()).collect();
    assert!(times.is_sorted() && times.iter().all(|at| at.len() == 24), "{times:?}");
    let events = life.iter().zip(&times).map(|((event, mail, detail), at)| {
        let mail_id = mail.map(|mail| mail.message_id().split_once('@').unwrap().0.to_owned());
        json!({ "at": at, "event": event, "mailId": mail_id, "detail": detail })
    });
    expected["timeline"] = events.collect();
    assert_eq!((shown, told.len()), (&expected, life.len()));
    assert!(times.first().is_none_or(|first| shown["createdAt"] == *first), "{shown}");
    let accepted = told.last().filter(|event| event["event"] == "accepted").map(|event| &event["at"]);
    assert_eq!(shown["acceptedAt"].as_str(), accepted.and_then(Value::as_str));
}

/// The POST of a mail program to the address in `List-Unsubscribe` (RFC 8058).
async fn one_click(test: &Test, mail: &Mail) -> Answer {
    let raw = String::from_utf8(mail.raw.clone()).unwrap();
    let head = raw.split_once("\r\n\r\n").unwrap().0.replace("\r\n ", " ");
    assert!(head.lines().any(|line| line == "List-Unsubscribe-Post: List-Unsubscribe=One-Click"), "{head}");
    let listed = head.lines().find_map(|line| line.strip_prefix("List-Unsubscribe: <")?.strip_suffix('>'));
    let path = listed.unwrap().strip_prefix(&test.url).unwrap();
    let form = [("content-type", "application/x-www-form-urlencoded".to_owned())];
    test.raw("POST", path, As::Nobody, &form, b"List-Unsubscribe=One-Click".to_vec()).await
}

/// The response to a referral by a page, without the parts that differ between any two calls.
async fn referred(test: &Test, origin: &str, token: &str, email: &str) -> Answer {
    let headers = [("content-type", "application/json".to_owned()), ("origin", origin.to_owned())];
    let body = json!({ "email": email, "language": "ja" }).to_string().into_bytes();
    let path = "/v1/users/me/referral-invites";
    let mut answer = test.raw("POST", path, As::Token(token.to_owned()), &headers, body).await;
    assert_eq!(answer.success(), (201, "the referral invite was taken", &Value::Null));
    for name in ["date", "x-request-id"] {
        assert!(answer.headers.remove(name).is_some(), "{name}");
    }
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn invite_and_referral_lifecycle_in_a_browser() {
    let mut test = Test::with(&[
        ("USERDOCKS_SERVER__PUBLIC_URL", ""),
        ("USERDOCKS_MAIL__RETRY_AFTER", "200ms"),
        ("USERDOCKS_INVITE__RESEND_AFTER", "1ms"),
    ])
    .await;
    let origin = serve_page().await;
    let mut app = new_app("Acme");
    app.origins = vec![origin.clone()];
    test.app = create_app(&test.db, &test.seal, &app).await;
    let url = test.url.clone();
    let v1 = |path: &str| format!("{url}/v1{path}");
    let operator = Place::new(&[("DATABASE_URL", &test.database_url), ("USERDOCKS_SECRET_KEY", SECRET_KEY)]);
    test.smtp.script(|seen| {
        let greylisted = seen.recipient == "bob@example.com" && seen.attempt == 1;
        (seen.stage == Stage::Rcpt && greylisted).then(|| Act::Reply(LATER.to_owned()))
    });
    let browser = Browser::phone(375, 720).await;

    // A backend invites Ada, who opens the link in her mail and presses the button on the page.
    let (ada, to_ada) = invite(&test, "ada@example.com").await;
    read(&browser, &to_ada).await;
    browser.picture("story-1-invite-mail").await;
    browser.click(".button a").await;
    shows(&browser, "en", "ltr", "Your invitation to Acme").await;
    browser.picture("story-2-accept").await;
    browser.click("button").await;
    shows(&browser, "en", "ltr", "Thank you!").await;
    browser.picture("story-3-accepted").await;

    // After signing in to the app, Ada fills in her profile and refers Bob, who reads Arabic.
    browser.go(&origin).await;
    let ada_token = token(&test, ada).await;
    let name = json!({ "user": { "given_name": "Ada" } });
    let done = fetch(&browser, "PUT", &v1("/users/me"), &ada_token, name).await;
    assert_eq!(done, success(200, "the user was updated", Value::Null));
    let refer = json!({ "email": "bob@example.com", "language": "ar" });
    let done = fetch(&browser, "POST", &v1("/users/me/referral-invites"), &ada_token, refer).await;
    assert_eq!(done, success(201, "the referral invite was taken", Value::Null));
    let to_bob =
        mail(&test, "bob@example.com", "توصية من \u{2068}Ada\u{2069} بتجربة \u{2068}Acme\u{2069}").await;
    read(&browser, &to_bob).await;
    let root = "const page = document.documentElement; return [page.lang, page.dir, document.title]";
    assert_eq!(browser.run(root, &[]).await, json!(["ar", "rtl", to_bob.subject()]));
    browser.picture("story-4-referral-mail").await;
    browser.click(".button a").await;
    shows(&browser, "ar", "rtl", "دعوتك للانضمام إلى \u{2068}Acme\u{2069}").await;
    browser.picture("story-5-accept-ar").await;
    browser.click("button").await;
    shows(&browser, "ar", "rtl", "شكرًا جزيلًا!").await;

    // Ada sees that Bob accepted, and only the data that she may see.
    browser.go(&origin).await;
    let board = v1("/users/me/referrals");
    let shown = fetch(&browser, "GET", &board, &ada_token, Value::Null).await;
    let (text, data) = (to_bob.text(), &shown[1]["data"]);
    let (_, referral_code) = text.lines().find_map(|line| line.split_once("?referral_code=")).unwrap();
    let [of_bob] = invites_to(&test, "bob@example.com").await.try_into().unwrap();
    let came = json!({
        "id": of_bob, "by": "invite", "state": "accepted", "email": "b…@e…", "userId": null,
        "createdAt": data["items"][0]["createdAt"], "acceptedAt": data["items"][0]["acceptedAt"],
    });
    let counts = json!({ "open": 0, "accepted": 1, "expired": 0, "revoked": 0 });
    let expected = json!({
        "kind": "referrals", "referralCode": referral_code, "counts": counts, "itemsLength": 1, "items": [&came],
        "nextCursor": null,
    });
    assert_eq!(shown, success(200, "the referrals of the user", expected));

    // Bob opts out of referral mails.
    read(&browser, &to_bob).await;
    browser.click("a[href*='/opt-out/']").await;
    shows(&browser, "ar", "rtl", "إيقاف الدعوات إلى \u{2068}Acme\u{2069}؟").await;
    browser.picture("story-6-opt-out").await;
    assert_eq!(test.count("SELECT count(*) FROM opt_outs").await, 0);
    browser.click("button").await;
    shows(&browser, "ar", "rtl", "لن تصلك دعوات بعد الآن").await;
    browser.picture("story-7-opted-out").await;

    // So does Carl, who has no account, through his mail program.
    browser.go(&origin).await;
    let refer = json!({ "email": "carl@example.com", "language": "de" });
    let done = fetch(&browser, "POST", &v1("/users/me/referral-invites"), &ada_token, refer).await;
    assert_eq!(done, success(201, "the referral invite was taken", Value::Null));
    let to_carl = mail(&test, "carl@example.com", "Ada empfiehlt Ihnen Acme").await;
    let clicked = one_click(&test, &to_carl).await;
    assert_eq!((clicked.status, clicked.header("location")), (200, None));
    assert_eq!(test.count("SELECT count(*) FROM opt_outs").await, 2);

    // Dora's link has expired: she requests another mail and accepts on the app's own page.
    let (dora, too_late) = invite(&test, "dora@example.com").await;
    test.sql("UPDATE invites SET expires_at = now() WHERE email = 'dora@example.com'").await;
    read(&browser, &too_late).await;
    browser.click(".button a").await;
    shows(&browser, "en", "ltr", "This invitation has expired").await;
    browser.picture("story-8-expired").await;
    browser.click("button").await;
    shows(&browser, "en", "ltr", "Check your inbox").await;
    browser.picture("story-9-renewed").await;
    let in_time = mail(&test, "dora@example.com", "You have been invited to join Acme").await;
    browser.go(&origin).await;
    let offer = v1(&format!("/invites/{}", code(&in_time)));
    let seen = fetch(&browser, "GET", &offer, "", Value::Null).await;
    let offered = json!({
        "kind": "invite", "state": "open", "appName": "Acme", "inviter": null, "language": "en", "email": "d…@e…",
        "expiresAt": seen[1]["data"]["expiresAt"],
    });
    assert_eq!(seen, success(200, "the invite", offered));
    let joined = fetch(&browser, "POST", &format!("{offer}/accept"), "", Value::Null).await;
    let dora_token = joined[1]["data"]["accessToken"].as_str().unwrap().to_owned();
    let welcome = json!({
        "user": test.stored(dora).await, "accessToken": dora_token, "tokenType": "Bearer", "expiresIn": 3600,
        "homeUrl": null,
    });
    assert_eq!(joined, success(200, "the invite was accepted", welcome));

    // Dora refers a new person, Bob and Carl; the responses do not reveal which of them got a mail.
    let new = referred(&test, &origin, &dora_token, "eve@example.com").await;
    assert_eq!(referred(&test, &origin, &dora_token, "bob@example.com").await, new);
    assert_eq!(referred(&test, &origin, &dora_token, "carl@example.com").await, new);
    assert_eq!(new.header("access-control-allow-origin"), Some(origin.as_str()));
    let to_eve = mail(&test, "eve@example.com", "Acmeの利用者から招待が届いています").await;
    assert!(to_eve.html().contains("<html lang=\"ja\" dir=\"ltr\">"));

    // Neither do her lists, in which the three differ only in name and time.
    let counts = json!({ "open": 3, "accepted": 0, "expired": 0, "revoked": 0 });
    let shown = fetch(&browser, "GET", &board, &dora_token, Value::Null).await;
    let data = &shown[1]["data"];
    assert_eq!(
        (&data["counts"], &data["itemsLength"], &data["nextCursor"]),
        (&counts, &json!(3), &Value::Null)
    );
    let listed = fetch(&browser, "GET", &v1("/invites?inviterId=me"), &dora_token, Value::Null).await;
    let mut emails = Vec::new();
    for list in [data, &listed[1]["data"]] {
        let mut items = list["items"].as_array().unwrap().clone();
        for item in &mut items {
            emails.push(item["email"].take());
            assert!(item["userId"].is_null() && item["state"] == "open", "{item}");
            for name in ["id", "createdAt", "mailedAt", "expiresAt"] {
                item.as_object_mut().unwrap().remove(name);
            }
        }
        assert!(items.windows(2).all(|two| two[0] == two[1]) && items.len() == 3, "{items:?}");
    }
    assert_eq!(json!(emails), json!(["e…@e…", "b…@e…", "c…@e…", "e…@e…", "b…@e…", "c…@e…"]));

    // The audit data covers all of it, and contains nothing about mails that were not sent.
    let [of_ada] = invites_to(&test, "ada@example.com").await.try_into().unwrap();
    let [_, bob_again] = invites_to(&test, "bob@example.com").await.try_into().unwrap();
    let [of_carl, carl_again] = invites_to(&test, "carl@example.com").await.try_into().unwrap();
    let [of_dora] = invites_to(&test, "dora@example.com").await.try_into().unwrap();
    let bob =
        test.call("GET", "/v1/users/bob@example.com", As::Read(&test.app), None).await.success().2["id"]
            .clone();
    let row = |id: &str, email: &str, language: &str, user: Value, inviter: Option<UserId>| {
        json!({
            "id": id, "appId": test.app.id, "kind": if inviter.is_some() { "referral" } else { "invite" },
            "state": if user.is_null() { "open" } else { "accepted" }, "email": email, "language": language,
            "userId": user, "inviterId": inviter,
        })
    };
    let taken = |mail| ("accepted_by_server", Some(mail), Some(TAKEN));
    let plain = |event, mail| (event, Some(mail), None);
    let accepted = ("accepted", None, None);
    let life = [plain("queued", &to_ada), taken(&to_ada), plain("viewed", &to_ada), accepted];
    let shown = row(&of_ada, "ada@example.com", "en", json!(ada), None);
    lives(&test, &operator, shown, &life).await;
    let refused = ("refused", Some(&to_bob), Some(LATER));
    let life = [plain("queued", &to_bob), refused, taken(&to_bob), plain("viewed", &to_bob), accepted];
    let backend = test.call("GET", &format!("/v1/users/{ada}/referrals"), As::Read(&test.app), None).await;
    let data = backend.success().2;
    let (mut came, counts) = (came, json!({ "open": 1, "accepted": 1, "expired": 0, "revoked": 0 }));
    (came["email"], came["userId"]) = (json!("bob@example.com"), bob.clone());
    assert_eq!((&data["counts"], &data["items"][0]), (&counts, &came));
    let shown = row(&of_bob, "bob@example.com", "ar", bob, Some(ada));
    lives(&test, &operator, shown, &life).await;
    let shown = row(&of_carl, "carl@example.com", "de", Value::Null, Some(ada));
    lives(&test, &operator, shown, &[plain("queued", &to_carl), taken(&to_carl)]).await;
    let life = [
        plain("queued", &too_late),
        taken(&too_late),
        plain("viewed", &too_late),
        plain("resent", &in_time),
        taken(&in_time),
        accepted,
    ];
    let shown = row(&of_dora, "dora@example.com", "en", json!(dora), None);
    lives(&test, &operator, shown, &life).await;
    for (id, email) in [(bob_again, "bob@example.com"), (carl_again, "carl@example.com")] {
        lives(&test, &operator, row(&id, email, "ja", Value::Null, Some(dora)), &[]).await;
    }
    test.finish().await;
}
