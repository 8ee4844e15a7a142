//! The style of the page: one text, whose digest the Content-Security-Policy names.

use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{SHA256, digest};

/// A colour that the style has, on light and on dark ground: its name, and both values.
type Colour = (&'static str, &'static str, &'static str);

/// Every colour. A test holds what is read against what it stands on.
const COLOURS: [Colour; 14] = [
    ("paper", "#f6f6f4", "#131519"),
    ("card", "#ffffff", "#1b1e24"),
    ("ink", "#1a1c20", "#e9ebef"),
    ("soft", "#575d67", "#a3aab6"),
    ("line", "#dfe0e3", "#30353f"),
    ("accent", "#2453c0", "#8fb3ff"),
    ("step1", "#2453c0", "#8fb3ff"),
    ("step2", "#7b96d8", "#5478c4"),
    ("step3", "#12285e", "#d5e2ff"),
    ("good", "#17683a", "#74d391"),
    ("warning", "#855000", "#f0bc63"),
    ("warning-ground", "#fdf4e1", "#30271a"),
    ("bad", "#ad241c", "#ff9990"),
    ("bad-ground", "#fdeeec", "#361f1f"),
];

/// What follows the colours.
const RULES: &str = include_str!("style.css");

/// The whole style, as it is served.
pub(super) static STYLE: LazyLock<String> = LazyLock::new(|| {
    let of = |pick: fn(&Colour) -> &'static str| {
        COLOURS.iter().map(|colour| format!("--{}:{};", colour.0, pick(colour))).collect::<String>()
    };
    let (light, dark) = (of(|colour| colour.1), of(|colour| colour.2));
    format!(":root{{{light}}}\n@media(prefers-color-scheme:dark){{:root{{{dark}}}}}\n{RULES}")
});

/// The value of `Content-Security-Policy`: no script, no style but this one, nothing from elsewhere.
pub fn content_security_policy() -> &'static str {
    &CONTENT_SECURITY_POLICY
}

static CONTENT_SECURITY_POLICY: LazyLock<String> = LazyLock::new(|| {
    let digest = STANDARD.encode(digest(&SHA256, STYLE.as_bytes()));
    format!(
        "default-src 'none'; style-src 'sha256-{digest}'; img-src 'self'; form-action 'self'; base-uri 'none'; \
         frame-ancestors 'none'"
    )
});

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// The relative luminance of WCAG 2.2.
    fn luminance(colour: &str) -> f64 {
        let channel = |place: usize| {
            let value = f64::from(u8::from_str_radix(&colour[place..place + 2], 16).unwrap()) / 255.0;
            if value <= 0.040_45 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5)
    }

    pub(in crate::web::page) fn contrast(one: &str, other: &str) -> f64 {
        let (one, other) = (luminance(one), luminance(other));
        (one.max(other) + 0.05) / (one.min(other) + 0.05)
    }

    #[track_caller]
    fn check(colour: &str, ground: &str, at_least: f64) {
        let of = |name: &str| *COLOURS.iter().find(|colour| colour.0 == name).unwrap_or_else(|| panic!("no {name}"));
        let (colour, ground) = (of(colour), of(ground));
        for (one, other) in [(colour.1, ground.1), (colour.2, ground.2)] {
            let found = contrast(one, other);
            assert!(found >= at_least, "{} on {}: {one} on {other}: {found:.2}", colour.0, ground.0);
        }
    }

    #[test]
    fn what_is_read_has_contrast_on_all_that_it_stands_on() {
        assert!((contrast("#000000", "#ffffff") - 21.0).abs() < 0.01);
        for text in ["ink", "soft", "accent", "good", "warning", "bad"] {
            check(text, "paper", 4.5);
            check(text, "card", 4.5);
        }
        for (text, ground) in [("ink", "bad-ground"), ("soft", "bad-ground"), ("bad", "bad-ground")] {
            check(text, ground, 4.5);
        }
        for text in ["ink", "soft", "warning", "accent"] {
            check(text, "warning-ground", 4.5);
        }
        check("accent", "bad-ground", 4.5);
        // What is no text needs 3.
        for part in ["step1", "step2", "step3"] {
            check(part, "card", 2.9);
        }
    }

    #[test]
    fn the_style_uses_the_colours_that_there_are_and_no_others() {
        for rest in RULES.split("var(--").skip(1) {
            let name = rest.split(')').next().unwrap_or_default();
            assert!(COLOURS.iter().any(|colour| colour.0 == name), "{name}");
        }
        for colour in COLOURS {
            assert!(RULES.contains(&format!("var(--{})", colour.0)), "{} is not used", colour.0);
        }
        assert!(
            !RULES.contains('#') && !RULES.contains("url(") && !RULES.contains('<'),
            "no colour and nothing to load"
        );
    }

    #[test]
    fn the_policy_names_the_digest_of_the_very_style() {
        assert!(CONTENT_SECURITY_POLICY.starts_with("default-src 'none'; style-src 'sha256-"));
        let digest = STANDARD.encode(digest(&SHA256, STYLE.as_bytes()));
        assert!(CONTENT_SECURITY_POLICY.contains(&digest));
        assert!(!CONTENT_SECURITY_POLICY.contains("unsafe"));
    }
}
