//! `POST /v1/users/{userId}`

use serde_json::json;

use crate::support::{As, Test, new_id};

#[tokio::test]
async fn an_unknown_id_becomes_the_new_user() {
    let test = Test::start().await;
    let id = new_id();
    let body = json!({ "email": "Ada@Example.com", "language": "de-at" });
    let answer = test.call("POST", &format!("/v1/users/{id}"), As::Write(&test.app), Some(body)).await;
    let tenant = answer.user()["tenantId"].clone();
    assert_eq!(
        answer.success(),
        (
            200,
            "the user was invited",
            &json!({ "user": {
                "id": id, "appId": test.app.id, "language": "de-AT", "salutation": null, "salutationOther": null,
                "acceptedNewsletter": false, "acceptedNewsletterDate": null, "lastAskedNewsletterSignUp": null,
                "mailchimpMemberId": null, "name": null, "given_name": null, "family_name": null,
                "middle_name": null, "nickname": null, "preferred_username": null, "profile": null,
                "picture": null, "website": null, "email": "Ada@Example.com", "email_verified": false,
                "gender": null, "other_gender": null, "birthdate": null, "zoneinfo": null, "locale": null,
                "phone_number": null, "phone_number_verified": false, "freezed": false, "deleted": false,
                "tenantId": tenant,
            } })
        )
    );
    let mail = test.mail().await;
    assert_eq!(mail.to, ["Ada@Example.com"]);
    test.finish().await;
}
