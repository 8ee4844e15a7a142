//! `/badge.svg` and `/icon.svg`: how things stand, in a few words and in a shape.

use maud::{Markup, html};

use super::headline::{Headline, Standing};
use super::view::{Database, Proof, Tone, View};
use super::words::Clock;
use super::worst;

/// The ground of the left half. The text is white.
const LEFT: &str = "#40454d";

/// Pixels that a character takes, about, in 11 pixels of a sans serif; the text is stretched to fit exactly.
fn character_width(character: char) -> usize {
    match character {
        'i' | 'j' | 'l' | ',' | '.' | ' ' => 4,
        'f' | 'r' | 't' => 5,
        'm' | 'w' => 10,
        _ => 7,
    }
}

/// Pixels before and after a text.
const PADDING: usize = 7;

/// The ground of the right half.
fn ground(tone: Tone) -> &'static str {
    match tone {
        Tone::Neutral => "#5a6270",
        Tone::Good => "#17683a",
        Tone::Warning => "#855000",
        Tone::Bad => "#ad241c",
    }
}

/// The badge of the database that is worst.
pub(super) fn badge(view: &View, clock: Clock) -> Markup {
    let (words, tone) = match worst(view, clock) {
        Some((database, headline)) => (words(database, &headline, clock), headline.standing.tone()),
        None => ("unknown".to_owned(), Tone::Neutral),
    };
    let label = "restore";
    let width = |text: &str| text.chars().map(character_width).sum::<usize>();
    let (left, right) = (width(label) + 2 * PADDING, width(&words) + 2 * PADDING);
    html! {
        svg xmlns="http://www.w3.org/2000/svg" width=(left + right) height="20" role="img" aria-label={ (label) ": " (words) } {
            title { (label) ": " (words) }
            rect width=(left) height="20" fill=(LEFT) {}
            rect x=(left) width=(right) height="20" fill=(ground(tone)) {}
            g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11" {
                text x=(PADDING) y="14" textLength=(width(label)) { (label) }
                text x=(left + PADDING) y="14" textLength=(width(&words)) { (words) }
            }
        }
    }
}

fn words(database: &Database, headline: &Headline, clock: Clock) -> String {
    match headline.standing {
        Standing::Proven => match database.newest_proven() {
            Some((_, at)) => format!("proven {}", clock.ago(at)),
            None => "proven".to_owned(),
        },
        Standing::Unproven => match database.newest() {
            Some(newest) => format!("not proven, backed up {}", clock.ago(newest.at)),
            None => "not proven".to_owned(),
        },
        Standing::Failing if database.newest().is_some_and(|backup| matches!(backup.proof, Proof::Failed(_))) => {
            "drill failed".to_owned()
        }
        standing => standing.word().to_owned(),
    }
}

/// The icon of the tab: the shape and the colour of the database that is worst.
pub(super) fn icon(view: &View, clock: Clock) -> Markup {
    let standing = worst(view, clock).map_or(Standing::Unknown, |(_, headline)| headline.standing);
    html! {
        svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24" {
            rect width="24" height="24" rx="5" fill=(ground(standing.tone())) {}
            g transform="translate(3.6 3.6) scale(.7)" fill="none" stroke="#fff" stroke-width="2.6"
                stroke-linecap="round" stroke-linejoin="round" { path d=(standing.icon().path()) {} }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::style::tests::contrast;
    use super::*;

    #[test]
    fn white_text_is_read_on_every_ground() {
        let grounds = [Tone::Neutral, Tone::Good, Tone::Warning, Tone::Bad].map(ground);
        for ground in grounds.into_iter().chain([LEFT]) {
            assert!(contrast("#ffffff", ground) >= 4.5, "{ground}");
        }
    }
}
