//! The settings of an app as fields of a form, for the screens that edit them. A form carries a fingerprint of the settings
//! that it was made from, so that it does not undo what another operator saved meanwhile.

use std::collections::HashMap;

use maud::{Markup, html};

use super::error::Error;
use super::form::Fields;
use super::parts::Field;
use super::session::InApp;
use super::state::ConsoleState;
use crate::audit;
use crate::db::apps;
use crate::domain::app_settings::{App, IssuerError, Rules, Setting};
use crate::domain::credentials::api_key::sha256;
use crate::l10n::{LANGUAGES, Texts};

/// The hidden field with the fingerprint.
pub const BASE: &str = "from";
/// Hex digits of the fingerprint of one setting.
const DIGITS: usize = 16;

/// A form with settings: what is in its fields, and what is wrong with it.
pub struct Draft {
    /// The app with the typed values. A setting that is not valid, or not in the form, has its stored value.
    pub app: App,
    base: String,
    texts: HashMap<&'static str, String>,
    errors: HashMap<&'static str, String>,
}

impl Draft {
    /// The form with the stored settings.
    #[must_use]
    pub fn stored(app: &App) -> Self {
        Self { app: app.clone(), base: fingerprint(app), texts: HashMap::new(), errors: HashMap::new() }
    }

    /// The form with what was typed into the fields of these settings. A field that was not touched has the value that is
    /// stored now.
    #[must_use]
    pub fn typed(app: &App, settings: &[Setting], form: &Fields, rules: &Rules) -> Self {
        let mut draft = Self::stored(app);
        if !form.get(BASE).is_empty() {
            form.get(BASE).clone_into(&mut draft.base);
        }
        for setting in settings {
            let text = form.all(setting.name()).next().filter(|text| {
                // A new app has no name yet.
                let required = *setting == Setting::Name && text.is_empty();
                required || !draft.is_based_on(*setting, text)
            });
            let Some(text) = text else { continue };
            if let Err(error) = draft.app.set(*setting, text, rules) {
                draft.errors.insert(setting.name(), sentence(&error.0));
            }
            draft.texts.insert(setting.name(), text.to_owned());
        }
        let issuer = [Setting::Issuer, Setting::JwksUrl];
        if settings.contains(&Setting::Issuer)
            && !issuer.iter().any(|one| draft.errors.contains_key(one.name()))
        {
            match draft.app.check_issuer(rules) {
                Ok(()) => {}
                Err(IssuerError::Own) => {
                    draft
                        .errors
                        .insert(Setting::Issuer.name(), "Must not be this server's own issuer.".to_owned());
                }
                Err(IssuerError::Incomplete) => {
                    let missing = issuer.into_iter().filter(|one| draft.app.text(*one).is_empty());
                    let errors =
                        missing.map(|one| (one.name(), "The issuer and its keys go together.".to_owned()));
                    let errors: Vec<_> = errors.collect();
                    draft.errors.extend(errors);
                }
            }
        }
        draft
    }

    /// Whether the form was made from this value of a setting.
    fn is_based_on(&self, setting: Setting, text: &str) -> bool {
        let place = Setting::ALL.iter().position(|one| *one == setting).unwrap_or(0) * DIGITS;
        self.base.get(place..place + DIGITS) == Some(&*digits(text))
    }

    #[must_use]
    pub fn is_valid(&self) -> bool {
        self.errors.is_empty()
    }

    /// The text in the field of a setting.
    #[must_use]
    pub fn text(&self, setting: Setting) -> String {
        self.texts.get(setting.name()).cloned().unwrap_or_else(|| self.app.text(setting))
    }

    /// The hidden field with the fingerprint of the settings that the form was made from.
    #[must_use]
    pub fn base(&self) -> Markup {
        html! { input type="hidden" name=(BASE) value=(self.base); }
    }

    /// The field of a setting. `help`: what belongs there, in place of the usual line.
    #[must_use]
    pub fn field(&self, setting: Setting, help: Option<&str>) -> Markup {
        let (label, usual) = words(setting);
        let value = self.text(setting);
        let error = self.errors.get(setting.name()).map(String::as_str);
        let field = Field { name: setting.name(), label, help: help.unwrap_or(usual), value: &value, error };
        match setting {
            Setting::Language => language(&field),
            Setting::Origins => field.area(4),
            _ => field.input("text"),
        }
    }

    /// The settings that have changed since the form was made.
    fn conflicts(&self, stored: &App, settings: &[Setting]) -> Vec<Conflict> {
        let stale = settings.iter().filter(|setting| !self.is_based_on(**setting, &stored.text(**setting)));
        let all = stale.map(|setting| Conflict {
            label: words(*setting).0,
            yours: self.texts.get(setting.name()).cloned(),
            stored: stored.text(*setting),
        });
        all.filter(|conflict| conflict.yours.as_ref() != Some(&conflict.stored)).collect()
    }
}

/// A field for the language of an app.
fn language(field: &Field) -> Markup {
    let names: Vec<(&str, String)> = LANGUAGES.iter().map(|tag| (*tag, language_name(tag))).collect();
    let mut options: Vec<(&str, &str)> = names.iter().map(|(tag, name)| (*tag, name.as_str())).collect();
    if !LANGUAGES.contains(&field.value) {
        options.push((field.value, field.value));
    }
    field.select(&options)
}

/// What the people who speak a language call it. `language`: one of [`LANGUAGES`].
#[must_use]
pub fn language_name(language: &str) -> String {
    Texts::of(language).get("language-name", &[])
}

/// How the color of an app, if it has one, is corrected.
#[must_use]
pub fn color_notes(app: &App) -> Markup {
    html! {
        @if app.color.is_some() {
            @for note in app.color_notes() { p .quiet { "Note: " (note) "." } }
        }
    }
}

/// A setting that another operator changed meanwhile.
pub struct Conflict {
    label: &'static str,
    /// What was typed, if the field was touched.
    yours: Option<String>,
    stored: String,
}

/// What became of a form.
pub enum Saved {
    Done,
    /// Nothing is saved: some fields are not valid.
    Invalid(Draft),
    /// Nothing is saved: settings have changed since the page was made. The form can be saved over them.
    Stale(Draft, Vec<Conflict>),
}

/// Saves the settings of a form.
pub async fn save(
    console: &ConsoleState,
    at: &mut InApp,
    form: &Fields,
    settings: &[Setting],
) -> Result<Saved, Error> {
    if form.get(BASE).len() != Setting::ALL.len() * DIGITS {
        return Err(Error::BadForm);
    }
    let rules = console.server.config.app_rules();
    audit::record(|facts| facts.subject = Some(at.app.app_id));
    // The second round is for a change between reading and writing.
    for _ in 0..2 {
        let mut draft = Draft::typed(&at.app, settings, form, &rules);
        let changed = draft.app.changed(&at.app);
        audit::record(|facts| facts.fields.clone_from(&changed));
        let conflicts = draft.conflicts(&at.app, settings);
        if !conflicts.is_empty() {
            draft.base = fingerprint(&at.app);
            return Ok(Saved::Stale(draft, conflicts));
        }
        if !draft.is_valid() {
            return Ok(Saved::Invalid(draft));
        }
        if changed.is_empty() {
            audit::record(|facts| facts.unchanged = true);
            return Ok(Saved::Done);
        }
        if apps::update_if(console.db(), &at.app, &draft.app).await? {
            return Ok(Saved::Done);
        }
        at.app = apps::find(console.db(), at.id()).await?.ok_or(Error::NotFound)?;
    }
    Err(Error::Refused("These settings are being changed by others now. Try again in a moment.".to_owned()))
}

/// Says that a form was made from settings that have changed since.
#[must_use]
pub fn conflict_table(conflicts: &[Conflict]) -> Markup {
    html! {
        div .notice .bad role="alert" {
            p {
                "Nothing was saved: settings have changed since you opened the page. What you changed is still in the form, and the "
                "rest is as it is now. Save again to keep yours."
            }
            div .scroll tabindex="0" role="region" aria-label="Settings that have changed" {
                table {
                    thead { tr { th scope="col" { "Setting" } th scope="col" { "Yours" } th scope="col" { "Now" } } }
                    tbody {
                        @for conflict in conflicts {
                            tr { th scope="row" { (conflict.label) } td { @match &conflict.yours { Some(yours) => (shown(yours)), None => { span .quiet { "not changed by you" } } } } td { (shown(&conflict.stored)) } }
                        }
                    }
                }
            }
        }
    }
}

fn shown(text: &str) -> Markup {
    html! { @if text.is_empty() { span .quiet { "none" } } @else { (text) } }
}

/// A problem as a sentence of its own.
fn sentence(problem: &str) -> String {
    let mut letters = problem.chars();
    let first: String = letters.next().map(|c| c.to_uppercase().collect()).unwrap_or_default();
    format!("{first}{}.", letters.as_str().replace('`', ""))
}

/// The digits of each setting, in the order of [`Setting::ALL`].
fn fingerprint(app: &App) -> String {
    Setting::ALL.into_iter().map(|setting| digits(&app.text(setting))).collect()
}

fn digits(text: &str) -> String {
    // Browsers send lines with CR LF.
    hex::encode(&sha256(text.replace('\r', "").as_bytes())[..DIGITS / 2])
}

/// The label of a setting, and what belongs there.
fn words(setting: Setting) -> (&'static str, &'static str) {
    match setting {
        Setting::Name => ("Name", "How mails and pages call the app."),
        Setting::Language => ("Language", "For mails to people in whose own language there are no texts."),
        Setting::MailFrom => ("Sender of mails", "Name <address>"),
        Setting::ReplyTo => (
            "Reply to",
            "Name <address>. Gets the answers to mails, and is named where people may want to ask.",
        ),
        Setting::ReturnPath => {
            ("Return path", "The address that bounces go to; {mail} in it stands for the id of the mail.")
        }
        Setting::LogoUrl => ("Logo", "The https address of a picture. Mail programs load it from there."),
        Setting::Color => ("Colour", "For buttons, such as #1d4ed8."),
        Setting::HomeUrl => ("Home page", "Where people go on after they accept or confirm."),
        Setting::Footer => ("Footer", "A line below mails and pages, such as company and postal address."),
        Setting::ImprintUrl => ("Legal notice", "An address, linked below mails and pages."),
        Setting::PrivacyUrl => ("Privacy policy", "An address, linked below mails and pages."),
        Setting::InviteUrl => (
            "Landing page of invites",
            "Your own page for invite links, with code and referral_code added. Else one of this server.",
        ),
        Setting::InviteExpiresIn => ("Invites are valid for", "From 60s to 90d, such as 14d."),
        Setting::Origins => (
            "Allowed origins",
            "Web pages that may call the API: one on each line, such as https://app.example.com.",
        ),
        Setting::Issuer => ("Issuer", "The claim iss in its access tokens."),
        Setting::JwksUrl => ("Address of its keys", "The https address of its JWK set."),
    }
}
