//! The frame of every page: head, name of the service, footer; and small parts that several pages need.

use chrono::{DateTime, Utc};
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::icon::Icon;
use super::style::STYLE;
use super::view::{Tone, View};
use super::words::{Clock, machine, plain, utc};
use crate::daemon::Daemon;
use crate::documents::RUNBOOKS;

/// How often a page asks for itself again while something runs, in seconds.
const REFRESH_SECONDS: &str = "5";

/// The lists of the API.
const API: [&str; 5] = ["databases", "backups", "drills", "retention", "events"];

/// What differs between the frames of pages.
pub(super) struct Frame<'page> {
    pub(super) view: &'page View,
    pub(super) clock: Clock,
    /// What the tab of the browser shows first.
    pub(super) title: String,
    /// What the page is about: a database, a drill; may be empty.
    pub(super) subject: &'page str,
    /// Whether something runs, so that the page is soon outdated.
    pub(super) is_live: bool,
    /// Whether this is the first page, which needs no link to it.
    pub(super) is_home: bool,
}

impl Frame<'_> {
    /// The document around `body`.
    pub(super) fn around(&self, body: &Markup) -> String {
        let Self { view, clock, title, subject, is_live, is_home } = self;
        let name = view.daemon.name();
        let document = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    @if *is_live { meta http-equiv="refresh" content=(REFRESH_SECONDS); }
                    title { (plain(title)) " · " (name) }
                    link rel="icon" type="image/svg+xml" href="/icon.svg";
                    style { (PreEscaped(STYLE.as_str())) }
                }
                body {
                    header {
                        @if *is_home { b { (name) } } @else { a href="/" { (name) } }
                        @if !subject.is_empty() { b { (foreign(subject)) } }
                        @if !view.instance.is_empty() { span.end { (foreign(&view.instance)) } }
                    }
                    main { (body) }
                    (footer(view.daemon, *clock))
                }
            }
        };
        document.into_string()
    }
}

fn footer(daemon: Daemon, clock: Clock) -> Markup {
    html! {
        footer {
            span { (daemon.name()) " " (env!("CARGO_PKG_VERSION")) }
            span { "as of " (moment(clock.now, clock)) }
            a href=(RUNBOOKS) { "runbooks" }
            a href="/status" { "status" }
            a href="/health" { "health" }
            a href="/metrics" { "metrics" }
            span { "API: " @for (place, name) in API.into_iter().enumerate() {
                @if place > 0 { ", " }
                a href={ "/api/v1/" (name) } { (name) }
            } }
        }
    }
}

/// Text from a database, a store or an operator: on one line, and with a direction of its own.
pub(super) fn foreign(text: &str) -> Markup {
    html! { bdi { (plain(text)) } }
}

/// A local time that tells a program, and who points at it, the same in UTC.
pub(super) fn moment(at: DateTime<Utc>, clock: Clock) -> Markup {
    html! { time datetime=(machine(at)) title=(utc(at)) { (clock.local(at)) } }
}

/// An icon with a word.
pub(super) fn mark(icon: Icon, tone: Tone, word: &str) -> Markup {
    html! { span class={ "mark " (tone.class()) } { (icon.draw()) (word) } }
}

/// One fact: what it is, the most important of it in large letters, and the rest.
pub(super) fn fact(name: &str, value: &str, rest: &Markup) -> Markup {
    html! { div { dt { (name) } dd { b { (value) } } dd.soft { (rest) } } }
}
