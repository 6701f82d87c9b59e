//! Mails a sign-in link to an operator of the console. A person waits for it, so it is sent at once, past the outbox,
//! and once: after a failure they ask again.

use maud::{DOCTYPE, html};
use url::Url;

use super::dkim::{self, Signer};
use super::reply::{loggable, masked};
use super::transport::Transport;
use super::wrap::wrap;
use super::{Envelope, Rendered, message};
use crate::clock;
use crate::config::Config;
use crate::domain::credentials::random_code::RandomCode;
use crate::domain::email::Email;
use crate::domain::id;

const SUBJECT: &str = "Your link to sign in to Userdocks";
const VALID: &str = "The link works once, for 15 minutes.";
const UNEXPECTED: &str =
    "If you did not ask for it, you need not do anything: nobody is signed in without it.";

/// Sends sign-in links from the address of the server.
pub struct LinkMailer {
    transport: Transport,
    signer: Option<Signer>,
    from: lettre::message::Mailbox,
}

impl LinkMailer {
    /// `transport`: the server's.
    pub fn new(config: &Config, transport: Transport) -> Result<Self, dkim::Error> {
        Ok(Self { transport, signer: Signer::of(config)?, from: config.mail.from.clone() })
    }

    /// Sends one mail. `console`: the base URL of the console. A failure is logged, without the link.
    pub async fn send(&self, to: &Email, console: &Url, code: &RandomCode) {
        let message_id = format!("<{}@{}>", id::new(), self.from.email.domain());
        let envelope = Envelope {
            from: &self.from,
            reply_to: None,
            return_path: None,
            to: &to.address(),
            message_id: &message_id,
            date: clock::now(),
            signer: self.signer.as_ref(),
        };
        let rendered = render(&format!("{console}sign-in/{}", code.expose()), console);
        let sent = match message(&rendered, &envelope) {
            Ok(message) => {
                self.transport.send(&message, &message_id).await.map_err(|error| error.to_string())
            }
            Err(error) => Err(error.to_string()),
        };
        match sent {
            Ok(_) => tracing::info!("a sign-in link was mailed"),
            // Spam filters quote the refused link.
            Err(reply) => {
                let reply = loggable(&masked(&reply, code.expose()));
                tracing::warn!(reply, "a sign-in link could not be mailed");
            }
        }
    }
}

/// The mail with this link, in the look of the other mails.
fn render(link: &str, console: &Url) -> Rendered {
    let host = console.host_str().unwrap_or_default();
    let what = format!("Sign in to the console of Userdocks at {host}");
    let font = "-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif";
    let quiet = "margin:0 0 12px;color:#4b5563;font-size:14px;line-height:1.5;";
    let html = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (SUBJECT) }
            }
            body style="margin:0;padding:0;background:#f3f4f6;" {
                table role="presentation" width="100%" cellpadding="0" cellspacing="0" border="0" {
                    tr { td align="center" style="padding:32px 16px;" {
                        table role="presentation" width="100%" cellpadding="0" cellspacing="0" border="0"
                            style="max-width:520px;margin:0 auto;" {
                            tr { td bgcolor="#ffffff" style={
                                "background:#ffffff;border:1px solid #e5e7eb;border-radius:12px;padding:36px 40px;"
                                "text-align:left;font-size:16px;line-height:1.6;font-family:" (font) ";"
                            } {
                                h1 style="margin:0 0 24px;color:#1f2937;font-size:24px;line-height:1.3;" { (what) }
                                p style="margin:0 0 24px;" {
                                    a href=(link) style={
                                        "display:inline-block;padding:12px 24px;border-radius:8px;background:#1d4ed8;"
                                        "color:#ffffff;font-weight:600;text-decoration:none;"
                                    } { "Sign in" }
                                }
                                p style=(quiet) { (VALID) }
                                p style={ (quiet) "margin-bottom:0;" } { (UNEXPECTED) }
                            } }
                        }
                    } }
                }
            }
        }
    };
    Rendered {
        subject: SUBJECT.to_owned(),
        html: html.into_string(),
        text: wrap(&format!("{what}:\n\n{link}\n\n{VALID}\n\n{UNEXPECTED}")),
        language: "en",
        opt_out: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_parts_have_the_link_and_the_host() {
        let console = Url::parse("https://console.example.com/").unwrap();
        let mail = render("https://console.example.com/sign-in/abc", &console);
        for part in [&mail.text, &mail.html] {
            assert!(part.contains("https://console.example.com/sign-in/abc"), "{part}");
            assert!(part.contains("Userdocks at"), "{part}");
        }
    }
}
