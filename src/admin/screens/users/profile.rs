//! The profile form of a user. It has the fields and the rules of `PUT /v1/users/{userId}` with an API key, and is saved
//! by the same function of `db`. A form whose user has changed since it was loaded is not saved.

use jiff::tz::TimeZone;
use maud::{Markup, html};
use serde_json::{Map, Value, json};

use crate::admin::layout::token;
use crate::admin::parts::Field;
use crate::admin::session::Item;
use crate::domain::fields::FieldErrors;
use crate::domain::users::User;
use crate::domain::users::profile::ProfilePatch;

const NEWSLETTER: &str = "acceptedNewsletter";

/// A group of fields: the title, and name, label and help of each.
type Group = (&'static str, &'static [(&'static str, &'static str, &'static str)]);

/// The fields that an API key may change, named as in the API.
const GROUPS: [Group; 4] = [
    (
        "Name",
        &[
            ("name", "Name", ""),
            ("salutation", "Salutation", ""),
            ("salutationOther", "Other salutation", ""),
            ("given_name", "Given name", ""),
            ("middle_name", "Middle name", ""),
            ("family_name", "Family name", ""),
            ("nickname", "Nickname", ""),
            ("preferred_username", "Preferred user name", ""),
        ],
    ),
    (
        "Contact",
        &[
            (
                "email",
                "E-mail address",
                "A new address takes effect at once and is not verified. It gets a mail that asks to confirm it.",
            ),
            ("phone_number", "Phone number", "Such as +49 30 123456."),
            (NEWSLETTER, "Newsletter", "Whether the person has agreed to it."),
        ],
    ),
    (
        "Language and place",
        &[
            ("language", "Language", "Such as de or en-US."),
            ("locale", "Locale", "Such as en-GB."),
            ("zoneinfo", "Time zone", "Such as Europe/Berlin."),
        ],
    ),
    (
        "About",
        &[
            ("birthdate", "Date of birth", "YYYY-MM-DD, 0000-MM-DD or YYYY."),
            ("gender", "Gender", ""),
            ("other_gender", "Other gender", ""),
            ("profile", "Profile page", "A web address, beginning with https://."),
            ("picture", "Picture", "The web address of a picture."),
            ("website", "Website", "A web address, beginning with https://."),
        ],
    ),
];

/// What the form shows: values, and why they were not saved.
pub struct ProfileForm {
    /// By the name of the field.
    pub values: Map<String, Value>,
    pub errors: Vec<(&'static str, String)>,
    /// Label, what was typed and what is stored, of a form whose user has changed since.
    pub conflict: Option<Vec<(&'static str, String, String)>>,
}

impl ProfileForm {
    /// The stored values.
    #[must_use]
    pub fn of(user: &User) -> Self {
        Self { values: stored(user), errors: Vec::new(), conflict: None }
    }

    /// Why the form was not saved.
    #[must_use]
    pub fn problem(&self) -> Markup {
        let differences = self.conflict.as_deref().unwrap_or_default();
        html! {
            @if !self.errors.is_empty() {
                p .notice .bad role="alert" {
                    "Nothing was saved yet. Correct: "
                    @for (index, (name, label)) in fields().filter(|(name, _)| self.error(name).is_some()).enumerate() {
                        @if index > 0 { ", " }
                        a href={ "#field-" (name) } { (label) }
                    }
                    "."
                }
            }
            @if self.conflict.is_some() {
                p .notice .bad role="alert" {
                    "Nothing was saved: the user has changed since you loaded the page. "
                    "The form below shows the user as they are now; enter again what you want to change."
                }
            }
            @if !differences.is_empty() {
                section .box .flush {
                    h2 .box-head { "What you typed" }
                    div .scroll tabindex="0" role="region" aria-label="What you typed" {
                        table {
                            thead {
                                tr {
                                    th scope="col" { "Field" }
                                    th scope="col" { "You typed" }
                                    th scope="col" { "It is now" }
                                }
                            }
                            tbody {
                                @for (label, typed, now) in differences {
                                    tr { th scope="row" { (label) } td { (shown(typed)) } td { (shown(now)) } }
                                }
                            }
                        }
                    }
                }
            }
        }
    }

    fn error(&self, name: &str) -> Option<&str> {
        self.errors.iter().find(|(field, _)| *field == name).map(|(_, error)| error.as_str())
    }
}

/// The form for an admin, the values for a viewer. The profile of a frozen user cannot be changed.
#[must_use]
pub fn show(item: &Item, user: &User, form: &ProfileForm) -> Markup {
    let session = &item.at.session;
    let editable = session.writes() && !user.freezed;
    html! {
        @if user.freezed && session.writes() { p .quiet { "Unfreeze the user to change the profile." } }
        @if editable {
            form method="post" action=(item.at.path(&format!("/users/{}", item.id))) {
                (token(session))
                input type="hidden" name="version" value=(user.version);
                @for (title, fields) in GROUPS {
                    fieldset {
                        legend .profile-group { (title) }
                        div .profile-grid { @for (name, label, help) in fields { (field(form, name, label, help)) } }
                    }
                }
                button { "Save" }
            }
        } @else {
            dl {
                @for (name, label, _) in GROUPS.iter().flat_map(|(_, fields)| *fields) {
                    @let value = text(&form.values, name);
                    @if !value.is_empty() { dt { (label) } dd { bdi { (value) } } }
                }
            }
        }
    }
}

fn field(form: &ProfileForm, name: &'static str, label: &str, help: &str) -> Markup {
    let value = text(&form.values, name);
    let field = Field { name, label, help, value: &value, error: form.error(name) };
    if name == NEWSLETTER { field.select(&[("yes", "Yes"), ("no", "No")]) } else { field.input("text") }
}

fn shown(value: &str) -> Markup {
    html! { @if value.is_empty() { span .quiet { "empty" } } @else { bdi { (value) } } }
}

/// Name and label of every field.
pub fn fields() -> impl Iterator<Item = (&'static str, &'static str)> {
    GROUPS.iter().flat_map(|(_, fields)| *fields).map(|(name, label, _)| (*name, *label))
}

/// The fields of a user, as the API shows them.
pub fn stored(user: &User) -> Map<String, Value> {
    match serde_json::to_value(user) {
        Ok(Value::Object(map)) => map,
        _ => Map::new(),
    }
}

/// A value as text, in the words of the form.
pub fn text(values: &Map<String, Value>, name: &str) -> String {
    match values.get(name) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Bool(true)) => "yes".to_owned(),
        Some(Value::Bool(false)) => "no".to_owned(),
        _ => String::new(),
    }
}

/// The fields of a form that differ from the user's, as in the body of an update. `sent`: what the form has for a field; one
/// that it lacks is kept.
pub fn changes<'a>(
    sent: impl Fn(&'static str) -> Option<&'a str>,
    user: &Map<String, Value>,
) -> Map<String, Value> {
    let values = fields().filter_map(|(name, _)| sent(name).map(|value| (name, value)));
    values
        .filter(|(name, value)| text(user, name) != *value)
        .map(|(name, value)| {
            let value = match (name, value) {
                (NEWSLETTER, "yes") => json!(true),
                (NEWSLETTER, "no") => json!(false),
                _ => json!(value),
            };
            (name.to_owned(), value)
        })
        .collect()
}

/// Parses changes as the API parses the body of an update.
pub fn parse(changes: Map<String, Value>) -> Result<ProfilePatch, FieldErrors> {
    let today = crate::clock::now().to_zoned(TimeZone::UTC).date();
    ProfilePatch::parse(Map::from_iter([("user".to_owned(), Value::Object(changes))]), today)
}

/// The error of each invalid field, without the field's name.
pub fn errors(changes: &Map<String, Value>) -> Vec<(&'static str, String)> {
    let given = fields().filter_map(|(name, _)| changes.get(name).map(|value| (name, value)));
    given
        .filter_map(|(name, value)| {
            let error = parse(Map::from_iter([(name.to_owned(), value.clone())])).err()?.to_string();
            let problem = error.strip_prefix(&format!("`user.{name}` ")).unwrap_or(&error);
            Some((name, format!("This {problem}.")))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::users::profile::TEXT_FIELDS;

    fn user() -> Map<String, Value> {
        let values = json!({ "email": "ada@example.com", "language": "en", "name": "Ada", NEWSLETTER: false, "gender": null });
        values.as_object().cloned().unwrap()
    }

    #[test]
    fn the_form_has_every_field_that_an_api_key_may_change() {
        let mut names: Vec<&str> = fields().map(|(name, _)| name).collect();
        let mut expected = [&TEXT_FIELDS[..], &["email", "language", NEWSLETTER]].concat();
        names.sort_unstable();
        expected.sort_unstable();
        assert_eq!(names, expected);
    }

    #[test]
    fn only_what_differs_is_changed_and_an_empty_text_clears() {
        let form = [
            ("name", ""),
            ("gender", ""),
            ("language", "en"),
            ("email", "ada@example.com"),
            ("nickname", "A"),
            (NEWSLETTER, "yes"),
            ("id", "x"),
        ];
        let value = |name| form.iter().find(|(field, _)| *field == name).map(|(_, value)| *value);
        let changes = changes(value, &user());
        assert_eq!(Value::Object(changes.clone()), json!({ "name": "", "nickname": "A", NEWSLETTER: true }));
        let patch = parse(changes).unwrap();
        assert_eq!((patch.name.to_sql(), patch.nickname.to_sql()), (Some(""), Some("A")));
    }

    #[test]
    fn each_invalid_field_has_its_error() {
        let changes = json!({ "email": "x", "website": "y", "name": "z", "language": "" });
        let errors = errors(changes.as_object().unwrap());
        let names: Vec<&str> = errors.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["email", "language", "website"]);
        assert_eq!(errors[0].1, "This must be one e-mail address such as ada@example.com.");
    }
}
