//! The start of an app: its mails, and what became of the invites of the last 30 days.

use std::time::Duration;

use axum::extract::State;
use jiff::ToSpan;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use maud::{Markup, html};

use crate::admin::error::Error;
use crate::admin::layout::{self, Page, Section};
use crate::admin::parts::search_text;
use crate::admin::session::InApp;
use crate::admin::state::ConsoleState;
use crate::clock;
use crate::db::invites::search::{self as invites, Funnel};
use crate::db::outbox::health::{self, MailHealth};
use crate::domain::id;

const DAYS: i32 = 30;
const DAY: Duration = Duration::from_hours(24);
/// From when on a waiting mail is late, in seconds.
const LATE: f64 = 300.0;

pub async fn show(State(console): State<ConsoleState>, at: InApp) -> Result<Page, Error> {
    let db = console.db();
    let since = id::since(clock::now() - DAY * DAYS.unsigned_abs());
    let mails = health::health(db, at.id(), id::since(clock::now() - DAY * 7)).await?;
    let [invited, referred] = invites::funnels(db, at.id(), since).await?;
    let days = invites::per_day(db, at.id(), since).await?;
    let body = html! {
        div .title { h1 { "Home" } }
        form .search role="search" method="get" action=(at.path("/invites")) {
            (search_text("email", "Did somebody not get their mail? Look up their address", ""))
            button { "Search" }
        }
        (figures(&at, &mails, &invited, &referred))
        @if invited.all + referred.all == 0 {
            (first_steps(&at))
        } @else {
            section .box { h2 { "Invites per day, the last 30 days" } (chart(&days)) }
            div .halves {
                (funnel("Invites", &invited, &at.path("/invites?kind=invite")))
                (funnel("Referrals", &referred, &at.path("/invites?kind=referral")))
            }
            @if invited.all + referred.all >= invites::MAX_COUNTED {
                p .quiet { "Counted are the newest 5,000 invites." }
            }
        }
    };
    Ok(layout::app_page(&at, Section::Home, "Home", &body))
}

fn figures(at: &InApp, mails: &MailHealth, invited: &Funnel, referred: &Funnel) -> Markup {
    let number =
        |count: i64| if count >= health::MAX_COUNTED { "10,000+".to_owned() } else { count.to_string() };
    let late = mails.oldest > LATE;
    html! {
        div .figures {
            a .figure.bad[late] href=(at.path("/mails?state=queued")) {
                b { (number(mails.waiting)) }
                span {
                    "waiting mails"
                    @if late { ", the oldest for " (minutes(mails.oldest)) }
                }
            }
            a .figure.bad[mails.failed > 0] href=(at.path("/mails?state=failed")) {
                b { (number(mails.failed)) } span { "failed mails in 7 days" }
            }
            a .figure href=(at.path("/invites?state=accepted")) {
                b { (number(invited.accepted + referred.accepted)) } span { "joined in 30 days" }
            }
            a .figure href=(at.path("/referrals")) {
                b { (number(referred.accepted)) } span { "joined by a referral" }
            }
        }
    }
}

/// Seconds in words.
fn minutes(seconds: f64) -> String {
    match seconds / 60.0 {
        minutes if minutes < 120.0 => format!("{minutes:.0} minutes"),
        minutes if minutes < 2880.0 => format!("{:.0} hours", minutes / 60.0),
        minutes => format!("{:.0} days", minutes / 1440.0),
    }
}

fn first_steps(at: &InApp) -> Markup {
    html! {
        section .box {
            h2 { "Invite somebody" }
            p { "No invite was sent in the last 30 days. To begin:" }
            ol {
                li { "Make a " a href=(at.path("/keys")) { "write key" } " and give it to your backend." }
                li { "Give mails the look of your app in " a href=(at.path("/branding")) { "Branding" } "." }
                li { "Call " code { "POST /v1/users/{userId}" } ", or " a href=(at.path("/imports/new")) { "import a file" } " of people." }
            }
        }
    }
}

/// How many invites reached each step, as bars.
fn funnel(title: &str, funnel: &Funnel, path: &str) -> Markup {
    let steps = [("Sent", funnel.sent), ("Opened", funnel.viewed), ("Accepted", funnel.accepted)];
    let share = |count: i64| if funnel.all == 0 { 0 } else { count * 100 / funnel.all };
    html! {
        section .box {
            h2 { (title) ", the last 30 days" }
            @if funnel.all == 0 {
                p .quiet { "None." }
            } @else {
                svg .chart viewBox="0 0 420 138" role="img"
                    aria-label={ (title) ": " (funnel.sent) " sent, " (funnel.viewed) " opened, " (funnel.accepted) " accepted" } {
                    @for (at, (name, count)) in steps.iter().enumerate() {
                        @let y = at * 46;
                        text x="0" y=(y + 14) { (name) }
                        text .strong x="420" y=(y + 14) text-anchor="end" { (count) " · " (share(*count)) " %" }
                        rect .soft x="0" y=(y + 22) width="420" height="14" rx="4" {}
                        @if *count > 0 { rect .bar x="0" y=(y + 22) width=((share(*count) * 420 / 100).max(4)) height="14" rx="4" {} }
                    }
                }
                p { a href=(path) { "Show the " (title.to_lowercase()) } }
            }
        }
    }
}

/// Invites per day as bars, the accepted ones in full color.
fn chart(days: &[(String, i64, i64)]) -> Markup {
    const HEIGHT: i64 = 120;
    let today = clock::now().to_zoned(TimeZone::UTC).date();
    let most = days.iter().map(|(_, all, _)| *all).max().unwrap_or(0).max(1);
    let of = |day: Date| {
        days.iter()
            .find(|(at, ..)| *at == day.to_string())
            .map_or((0, 0), |(_, all, accepted)| (*all, *accepted))
    };
    let bars: Vec<(Date, (i64, i64))> =
        (0..DAYS).rev().map(|ago| today.saturating_sub(ago.days())).map(|day| (day, of(day))).collect();
    let (all, accepted) = bars.iter().fold((0, 0), |sum, (_, day)| (sum.0 + day.0, sum.1 + day.1));
    let first = bars.first().map_or(today, |(day, _)| *day);
    html! {
        svg .chart viewBox="0 0 900 160" role="img" aria-label={ (all) " invites in 30 days, " (accepted) " of them accepted" } {
            line .axis x1="0" y1=(HEIGHT + 4) x2="900" y2=(HEIGHT + 4) {}
            @for (at, (day, (all, accepted))) in bars.iter().enumerate() {
                @let (height, full) = ((all * HEIGHT / most).max(i64::from(*all > 0) * 3), accepted * HEIGHT / most);
                g {
                    title { (day) ": " (all) " invites, " (accepted) " accepted" }
                    rect .hit x=(at * 30) y="0" width="30" height=(HEIGHT + 4) {}
                    rect .part x=(at * 30 + 5) y=(HEIGHT + 4 - height) width="20" height=(height) rx="3" {}
                    @if full > 0 { rect .bar x=(at * 30 + 5) y=(HEIGHT + 4 - full) width="20" height=(full) rx="3" {} }
                }
            }
            text x="0" y="150" { (first) }
            text x="900" y="150" text-anchor="end" { "today" }
            text x="450" y="150" text-anchor="middle" { (all) " invites, " (accepted) " accepted" }
        }
    }
}
