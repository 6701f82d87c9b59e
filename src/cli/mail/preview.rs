//! `userdocks mail preview`

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;
use uuid::Uuid;

use crate::cli::{Context, Output, Result};
use crate::db::apps::App;
use crate::db::outbox::templates;
use crate::domain::brand::Brand;
use crate::domain::id::AppId;
use crate::domain::language::Language;
use crate::domain::mail::kind::MailKind;
use crate::l10n::{LANGUAGES, Texts};
use crate::mail::preview::preview as rendered;

/// Which mails to show, and where.
#[derive(Args)]
pub(in crate::cli) struct Preview {
    /// Of this kind only: invite, referral, confirmation, notice, taken
    #[arg(long, value_parser = crate::cli::mail_kind)]
    kind: Option<MailKind>,
    /// For a reader of this language only, such as pt-BR or DE
    #[arg(long)]
    language: Option<String>,
    /// In the look and for want of texts in the language of this app
    #[arg(long, value_parser = crate::cli::id)]
    pub(in crate::cli) app: Option<Uuid>,
    /// A folder to write each mail to, as HTML and as text; without it, the text is printed
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Shown {
    Mail { kind: &'static str, language: &'static str, subject: String, html: String, text: String },
    Files { kind: &'static str, language: &'static str, subject: String, html: PathBuf, text: PathBuf },
}

/// Without an app, neither a database nor a `context` is needed.
pub(in crate::cli) async fn run(preview: Preview, context: Option<&Context>) -> Result<Output> {
    let app = match (preview.app, context) {
        (Some(id), Some(context)) => Some(context.app(id).await?),
        _ => None,
    };
    let brand = app.as_ref().map_or_else(|| Brand::named("Acme"), App::brand);
    let languages = match &preview.language {
        None => LANGUAGES.to_vec(),
        Some(language) => {
            let requested = Language::parse(language).map_err(|error| format!("--language {}", error.0))?;
            let own = app.as_ref().map_or("en", |app| &app.language);
            vec![Texts::for_person(requested.as_str(), own).language()]
        }
    };
    let (mut shown, mut lines) = (Vec::new(), Vec::new());
    for kind in
        MailKind::ALL.into_iter().filter(|kind| preview.kind.is_none_or(|requested| requested == *kind))
    {
        for language in &languages {
            let template = match (preview.app, context) {
                (Some(app), Some(context)) => {
                    templates::find(&context.database.operator, AppId(app), kind, language).await?
                }
                _ => None,
            };
            let mail = rendered(&brand, kind, language, template.as_deref())?;
            let (kind, language, subject) = (kind.as_str(), mail.language, mail.subject);
            if let Some(folder) = &preview.out {
                let html = write(folder, &format!("{kind}.{language}.html"), &mail.html)?;
                let text =
                    write(folder, &format!("{kind}.{language}.txt"), &format!("{subject}\n\n{}", mail.text))?;
                lines.push(html.display().to_string());
                shown.push(Shown::Files { kind, language, subject, html, text });
            } else {
                lines.push(format!("{kind} {language}\n\n{subject}\n\n{}", mail.text));
                shown.push(Shown::Mail { kind, language, subject, html: mail.html, text: mail.text });
            }
        }
    }
    Output::new(shown, lines.join("\n"))
}

fn write(folder: &Path, name: &str, content: &str) -> Result<PathBuf> {
    let path = folder.join(name);
    let written = std::fs::create_dir_all(folder).and_then(|()| std::fs::write(&path, content));
    written.map_err(|error| format!("{} cannot be written: {error}", path.display()))?;
    Ok(path)
}
