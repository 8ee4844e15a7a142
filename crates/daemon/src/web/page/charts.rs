//! Charts of what was: bars without any text in them, the numbers beside them, and the same numbers as a table.

use std::fmt::Write;

use chrono::{DateTime, Utc};
use maud::{Markup, html};

use super::layout::moment;
use super::words::Clock;

/// Bars of one chart: the newest points.
const MAX_BARS: usize = 60;

/// Places for bars, at least, so that two points are no two walls.
const MIN_PLACES: usize = 24;

/// Width of a place and of the bar in it, and the height of the drawing, in its own units.
const PLACE: usize = 10;
const BAR: usize = 8;
const HEIGHT: f64 = 100.0;

/// The least height of a bar that is not zero: it must be seen.
const MIN_BAR: f64 = 2.0;

/// One value over time, which may have parts.
pub(super) struct Chart<'chart> {
    pub(super) title: &'chart str,
    /// What each part is called; empty if there is only one.
    pub(super) parts: &'chart [&'chart str],
    /// The oldest first.
    pub(super) points: Vec<Point>,
    /// How a value is written.
    pub(super) show: fn(f64) -> String,
}

/// The value at one moment, in parts.
pub(super) struct Point {
    pub(super) at: DateTime<Utc>,
    pub(super) values: Vec<f64>,
}

impl Point {
    fn sum(&self) -> f64 {
        self.values.iter().sum()
    }
}

impl Chart<'_> {
    /// The figure; nothing with less than two points, since there is no course of one.
    pub(super) fn draw(mut self, clock: Clock) -> Markup {
        self.points.drain(..self.points.len().saturating_sub(MAX_BARS));
        let ([first, .., last], show) = (&self.points[..], self.show) else { return html! {} };
        // Within a day or two, a date says nothing.
        let is_short = last.at - first.at < chrono::TimeDelta::days(2);
        let label = |point: &Point| if is_short { clock.moment(point.at) } else { clock.day(point.at) };
        let sums = || self.points.iter().map(Point::sum);
        let (least, most) = (sums().fold(f64::INFINITY, f64::min), sums().fold(0.0, f64::max));
        let description = format!(
            "{} values from {} to {}. The latest is {}, the least {}, the most {}.",
            self.points.len(),
            label(first),
            label(last),
            show(last.sum()),
            show(least),
            show(most)
        );
        html! {
            figure.chart.card {
                figcaption { h3 { (self.title) } b { (show(last.sum())) } }
                (self.bars(most, &description))
                div.axis { span { (label(first)) } span { "most " (show(most)) } span { (label(last)) } }
                @if !self.parts.is_empty() { (self.legend(last)) }
                (self.table(clock))
            }
        }
    }

    fn bars(&self, most: f64, description: &str) -> Markup {
        let places = self.points.len().max(MIN_PLACES);
        let empty = places - self.points.len();
        html! {
            svg viewBox={ "0 0 " (places * PLACE) " " (HEIGHT) } preserveAspectRatio="none" role="img" {
                title { (self.title) }
                desc { (description) }
                @for (index, point) in self.points.iter().enumerate() {
                    @for (part, path) in stacked((empty + index) * PLACE, point, most).iter().enumerate() {
                        path class={ "step" (part + 1) } d=(path) {}
                    }
                }
            }
        }
    }

    fn legend(&self, last: &Point) -> Markup {
        html! {
            div.legend {
                @for (part, (name, value)) in self.parts.iter().zip(&last.values).enumerate() {
                    span { (swatch(&format!("step{}", part + 1))) (name) " " (self.show_one(*value)) }
                }
            }
        }
    }

    fn show_one(&self, value: f64) -> String {
        (self.show)(value)
    }

    fn table(&self, clock: Clock) -> Markup {
        html! {
            details {
                summary { "The numbers" }
                div.wide { table {
                    thead { tr {
                        th scope="col" { "Time" }
                        @for part in self.parts { th.number scope="col" { (part) } }
                        th.number scope="col" { @if self.parts.is_empty() { (self.title) } @else { "Total" } }
                    } }
                    tbody { @for point in self.points.iter().rev() { tr {
                        th scope="row" { (moment(point.at, clock)) }
                        @if !self.parts.is_empty() {
                            @for value in &point.values { td.number { (self.show_one(*value)) } }
                        }
                        td.number { (self.show_one(point.sum())) }
                    } } }
                } }
            }
        }
    }
}

/// The rectangles of a bar, one for each part, from the ground up.
fn stacked(left: usize, point: &Point, most: f64) -> Vec<String> {
    let mut ground = HEIGHT;
    let bar = |value: &f64| {
        let share = if most > 0.0 { value.max(0.0) / most * HEIGHT } else { 0.0 };
        let height = if *value > 0.0 { share.max(MIN_BAR).min(ground) } else { 0.0 };
        ground -= height;
        format!("M{left} {ground:.1}h{BAR}v{height:.1}h-{BAR}z")
    };
    point.values.iter().map(bar).collect()
}

/// A square in the colour of a class.
fn swatch(class: &str) -> Markup {
    html! { svg viewBox="0 0 10 10" aria-hidden="true" { path class=(class) d="M0 0h10v10H0z" {} } }
}

/// Days that the strip of drills shows, today included.
const STRIP_DAYS: usize = 30;

/// What the drills of one day came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Day {
    proven: usize,
    failed: usize,
}

/// A calendar of the last days: a bar for a day with a proof, a cross for one with a failure, a dot for one without a
/// verdict. Nothing if there was none at all.
pub(super) fn strip(verdicts: &[(DateTime<Utc>, bool)], clock: Clock) -> Markup {
    let days = days(verdicts, clock);
    let total = |pick: fn(&Day) -> usize| days.iter().map(pick).sum::<usize>();
    let (proven, failed) = (total(|day| day.proven), total(|day| day.failed));
    if proven + failed == 0 {
        return html! {};
    }
    let without = days.iter().filter(|day| **day == Day::default()).count();
    let description =
        format!("In the last {STRIP_DAYS} days {proven} drills passed and {failed} failed; {without} days had none.");
    let date = |index: usize| clock.now - chrono::TimeDelta::days((STRIP_DAYS - 1 - index).try_into().unwrap_or(0));
    html! {
        figure.strip.card {
            figcaption { h3 { "Drills of " (STRIP_DAYS) " days" } b { (proven) " passed, " (failed) " failed" } }
            svg viewBox={ "0 0 " (STRIP_DAYS * PLACE) " 30" } preserveAspectRatio="none" role="img" {
                title { "Drills by day" }
                desc { (description) }
                @for (index, day) in days.iter().enumerate() { (draw_day(index * PLACE, *day)) }
            }
            div.axis { span { (clock.day(date(0))) } span { "today" } }
            details {
                summary { "The numbers" }
                table {
                    thead { tr { th scope="col" { "Day" } th.number scope="col" { "Passed" } th.number scope="col" { "Failed" } } }
                    tbody { @for (index, day) in days.iter().enumerate().rev() { tr {
                        th scope="row" { (clock.day(date(index))) }
                        td.number { (day.proven) }
                        td.number { (day.failed) }
                    } } }
                }
            }
        }
    }
}

/// Each day, the oldest first, by the calendar of the page's zone.
fn days(verdicts: &[(DateTime<Utc>, bool)], clock: Clock) -> [Day; STRIP_DAYS] {
    let mut days = [Day::default(); STRIP_DAYS];
    let date = |at: DateTime<Utc>| at.with_timezone(&clock.time_zone).date_naive();
    for (at, passed) in verdicts {
        let ago = usize::try_from((date(clock.now) - date(*at)).num_days()).ok();
        let day = ago.and_then(|ago| (STRIP_DAYS - 1).checked_sub(ago)).and_then(|index| days.get_mut(index));
        match (day, passed) {
            (Some(day), true) => day.proven += 1,
            (Some(day), false) => day.failed += 1,
            (None, _) => {}
        }
    }
    days
}

fn draw_day(left: usize, day: Day) -> Markup {
    let (mut path, right) = (String::new(), left + BAR);
    let class = match day {
        Day { failed: 1.., .. } => {
            write!(path, "M{left} 9L{right} 21M{right} 9L{left} 21").unwrap_or_default();
            "cross"
        }
        Day { proven: 1.., .. } => {
            write!(path, "M{left} 3h{BAR}v24h-{BAR}z").unwrap_or_default();
            "proven"
        }
        Day { .. } => {
            write!(path, "M{left} 13h{BAR}v4h-{BAR}z").unwrap_or_default();
            "none"
        }
    };
    html! { path class=(class) d=(path) {} }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use chrono_tz::Tz;

    use super::*;

    fn clock() -> Clock {
        Clock { now: "2026-11-29T23:30:00Z".parse().unwrap(), time_zone: Tz::Europe__Berlin }
    }

    fn chart(values: &[f64]) -> String {
        let clock = clock();
        let point = |(days, value): (usize, &f64)| Point {
            at: clock.now - TimeDelta::days((values.len() - days) as i64),
            values: vec![*value],
        };
        let points = values.iter().enumerate().map(point).collect();
        Chart { title: "Size", parts: &[], points, show: |value| format!("{value} B") }.draw(clock).into_string()
    }

    #[test]
    fn a_chart_tells_in_words_and_in_a_table_what_it_draws() {
        let drawn = chart(&[10.0, 40.0, 20.0]);
        assert!(drawn.contains("<title>Size</title>"), "{drawn}");
        assert!(drawn.contains("3 values from 27 Nov to 29 Nov. The latest is 20 B, the least 10 B, the most 40 B."));
        assert_eq!(drawn.matches("<path").count(), 3);
        assert_eq!(drawn.matches("<td class=\"number\">").count(), 3);
        // A quarter of the height, the whole, a half.
        for path in ["M210 75.0h8v25.0", "M220 0.0h8v100.0", "M230 50.0h8v50.0"] {
            assert!(drawn.contains(path), "{path} in {drawn}");
        }
        assert!(!drawn.contains("style="), "{drawn}");
    }

    #[test]
    fn a_chart_of_one_point_is_none_and_one_of_many_shows_the_newest() {
        assert_eq!(chart(&[1.0]), "");
        assert_eq!(chart(&[]), "");
        assert_eq!(chart(&[0.0, 0.0]).matches("v0.0").count(), 2);
        assert_eq!(chart(&vec![1.0; 1_000]).matches("<path").count(), MAX_BARS);
    }

    #[test]
    fn a_drill_counts_for_the_day_that_it_was_where_the_reader_is() {
        let clock = clock(); // There it is the 30th already.
        let at = |text: &str| text.parse().unwrap();
        let verdicts = [
            (at("2026-11-29T23:10:00Z"), true),
            (at("2026-11-29T22:10:00Z"), false),
            (at("2026-10-01T22:10:00Z"), true),
            (at("2027-10-01T22:10:00Z"), true),
        ];
        let days = days(&verdicts, clock);
        assert_eq!(days[STRIP_DAYS - 1], Day { proven: 1, failed: 0 });
        assert_eq!(days[STRIP_DAYS - 2], Day { proven: 0, failed: 1 });
        assert_eq!(days[..STRIP_DAYS - 2], [Day::default(); STRIP_DAYS - 2]);
        let drawn = strip(&verdicts, clock).into_string();
        assert!(drawn.contains("1 drills passed and 1 failed; 28 days had none."), "{drawn}");
        assert_eq!((drawn.matches("class=\"cross\"").count(), drawn.matches("class=\"none\"").count()), (1, 28));
        assert_eq!(strip(&[], clock).into_string(), "");
    }
}
