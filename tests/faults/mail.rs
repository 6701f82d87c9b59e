//! Mail servers that are unavailable, slow, wrong or untrusted, and outbox rows that cannot be sent.

use std::time::Duration;

use crate::check::Report;
use crate::scenario::Scenario;
use crate::support::smtp::{Act, Encryption, Smtp, Stage};
use crate::support::{self};

impl Scenario {
    /// The SMTP server acts like this at the first attempt of each mail, until the load has run for a while.
    async fn first_attempts(&mut self, stage: Stage, act: Act) {
        self.smtp.script(move |seen| {
            let fresh = seen.recipient.is_empty() || seen.attempt == 1;
            let fresh = fresh && !seen.recipient.starts_with("after");
            (seen.stage == stage && fresh).then(|| act.clone())
        });
        self.under_load().await;
        self.injected = usize::try_from(self.count("SELECT count(*) FROM outbox").await).unwrap();
        if [Stage::Greeting, Stage::Mail].contains(&stage) {
            // This fault does not depend on the mail: while it lasts, no mail is sent.
            self.smtp.script(|_| None);
        }
    }
}

async fn refused(stage: Stage, reply: &'static str, failed: bool) -> Report {
    let mut scenario = Scenario::new().await;
    scenario.first_attempts(stage, Act::Reply(reply.to_owned())).await;
    scenario.recovers().await;
    scenario.load.stop().await;
    let like = format!("SELECT count(*) FROM outbox WHERE state = 'failed' AND last_reply = '{reply}'");
    scenario.until_none("SELECT count(*) FROM outbox WHERE state = 'queued'").await;
    let found = scenario.count(&like).await;
    scenario.expect((found > 0) == failed, format!("I2: {found} mails failed with {reply}"));
    scenario.ends().await
}

pub async fn reply_421() -> Report {
    refused(Stage::Greeting, "421 4.3.2 Service not available, closing", false).await
}

pub async fn reply_451() -> Report {
    refused(Stage::Rcpt, "451 4.7.1 Greylisted, try again later", false).await
}

pub async fn reply_550() -> Report {
    refused(Stage::Rcpt, "550 5.1.1 No such user", true).await
}

pub async fn reply_554_after_data() -> Report {
    refused(Stage::Final, "554 5.6.0 Message refused", true).await
}

/// Each reply of the SMTP server takes longer than a conversation may.
pub async fn tarpit() -> Report {
    let mut scenario = Scenario::new().await;
    scenario.place.set("USERDOCKS_MAIL__TIMEOUT", "2s");
    scenario.smtp.script(|seen| {
        (!seen.recipient.starts_with("after")).then_some(Act::Late(Duration::from_millis(700)))
    });
    scenario.under_load().await;
    scenario.injected = scenario.smtp.connections();
    scenario
        .until_none("SELECT (count(*) = 0)::int::bigint FROM outbox WHERE last_reply LIKE 'no final reply%'")
        .await;
    scenario.smtp.script(|_| None);
    scenario.over().await
}

/// The SMTP server accepts the mail and disconnects before its reply.
pub async fn cut_after_dot() -> Report {
    let mut scenario = Scenario::new().await;
    scenario.first_attempts(Stage::Final, Act::TakeAndClose).await;
    let report = scenario.over().await;
    assert!(report.copies > 0, "the fault was not made");
    report
}

/// The reply after the final dot is not valid UTF-8: it counts nevertheless.
pub async fn reply_in_latin_1() -> Report {
    let mut scenario = Scenario::new().await;
    scenario.first_attempts(Stage::Final, Act::TakeAndReply(b"250 2.0.0 \xfcbernommen".to_vec())).await;
    scenario.over().await
}

/// The certificate of the SMTP server is not trusted: no part of a mail and no password may be sent.
pub async fn bad_certificate() -> Report {
    let mut reports = Vec::new();
    for encryption in [Encryption::StartTls, Encryption::Implicit] {
        let smtp = Smtp::with(encryption, Some(("ada", "pa55word"))).await;
        let mut url = smtp.url().replace("://", "://ada:pa55word@");
        if encryption == Encryption::StartTls {
            url += "?tls=required";
        }
        let good = Smtp::start().await;
        let mut scenario = Scenario::on(&support::database(true).await, good).await;
        scenario.place.set("USERDOCKS_MAIL__SMTP_URL", &url);
        scenario.under_load().await;
        scenario
            .until_none(
                "SELECT (count(*) = 0)::int::bigint FROM outbox WHERE last_reply ILIKE '%certificate%'",
            )
            .await;
        scenario.injected = smtp.connections();
        let said = smtp.commands();
        let harmless = |line: &String| line.starts_with("EHLO") || line == "STARTTLS" || line == "QUIT";
        scenario.expect(said.iter().all(harmless), format!("in clear: {said:?}"));
        scenario.expect(smtp.mails().is_empty(), "I4: a mail went to whoever it was");
        // The operator fixes the setting.
        let good = scenario.smtp.url();
        scenario.place.set("USERDOCKS_MAIL__SMTP_URL", &good);
        scenario.serve();
        let wrong = scenario.servers.remove(0);
        scenario.aim();
        wrong.stop();
        reports.push(scenario.over().await);
    }
    let mut report = reports.pop().unwrap();
    for other in reports {
        report.injected += other.injected;
        report.acknowledged += other.acknowledged;
        report.refused += other.refused;
        report.lost += other.lost;
        report.rows += other.rows;
        report.mails += other.mails;
        report.copies += other.copies;
        report.recovery = report.recovery.max(other.recovery);
        report.breaches.extend(other.breaches);
    }
    report
}

/// Among the mails of the load are rows that no API call could have created.
pub async fn poison_rows() -> Report {
    let mut scenario = Scenario::new().await;
    let to: Vec<String> = (0..6).map(|number| format!("poison-{number}@x.example")).collect();
    support::queue(&scenario.db, &scenario.seal, scenario.app.id, &to, 0.0).await;
    for (number, damage) in [
        "recipient = 'nobody'",
        r"recipient = E'a@x.example\r\nBcc: eve@x.example'",
        "created_at = '20000-01-01'",
        "created_at = '1900-01-01'",
        "language = '\u{202e}%s'",
        "message_id = E'<a@x.example>\\r\\nBcc: eve@x.example'",
    ]
    .into_iter()
    .enumerate()
    {
        scenario.execute(&format!("UPDATE outbox SET {damage} WHERE recipient = '{}'", to[number])).await;
        scenario.injected += 1;
    }
    scenario.under_load().await;
    scenario
        .until_none(
            "SELECT count(*) FROM outbox WHERE state = 'queued' AND recipient NOT LIKE '%@load.example'",
        )
        .await;
    let failed = scenario.count("SELECT count(*) FROM outbox WHERE state = 'failed'").await;
    scenario.expect(failed == 4, format!("I2: {failed} of 4 poisoned mails failed"));
    // Replace the `Message-ID` of a row with a valid one.
    scenario.execute("UPDATE outbox SET message_id = '<a@x.example>' WHERE message_id LIKE '%eve%'").await;
    scenario.over().await
}

pub async fn eight_workers() -> Report {
    const MAILS: usize = 10_000;
    let mut scenario = Scenario::new().await;
    let to: Vec<String> = (0..MAILS).map(|number| format!("{number}@x.example")).collect();
    for part in to.chunks(2500) {
        support::queue(&scenario.db, &scenario.seal, scenario.app.id, part, 0.0).await;
    }
    scenario.place.set("USERDOCKS_DATABASE__MAX_CONNECTIONS", "4");
    scenario.injected = 8;
    let started: Vec<_> = (0..8).map(|_| scenario.place.spawn()).collect();
    scenario.servers = started.into_iter().map(crate::support::child::Serve::listening).collect();
    scenario.aim();
    scenario.load.start();
    scenario.load.flows(100).await;
    let begun = std::time::Instant::now();
    while scenario.count("SELECT count(*) FROM outbox WHERE state = 'queued'").await > 100 {
        assert!(begun.elapsed() < Duration::from_mins(4), "{} mails of 10,000", scenario.smtp.mails().len());
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    scenario.over().await
}
