//! Icons. Each state has a shape of its own, so that no colour is needed to tell them apart.

use maud::{Markup, html};

/// A shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Icon {
    /// A shield with a check mark: proven.
    Shield,
    /// A shield without one: backed up, not proven.
    EmptyShield,
    /// A check mark alone.
    Check,
    /// A triangle with an exclamation mark.
    Triangle,
    /// An octagon with a cross.
    Octagon,
    /// The hands of a clock: too old.
    Clock,
    /// A question mark.
    Question,
    /// Three dots in a circle: nothing has happened yet.
    Dots,
    /// An arrow in a circle: something runs.
    Running,
    /// A dash: not done.
    Dash,
}

impl Icon {
    /// The path, in a square of 24 by 24.
    pub(super) fn path(self) -> &'static str {
        match self {
            Self::Shield => "M12 2.5 20 5.5v6c0 5-3.4 8.4-8 10-4.6-1.6-8-5-8-10v-6zM8.2 12l2.7 2.7 5-5.2",
            Self::EmptyShield => "M12 2.5 20 5.5v6c0 5-3.4 8.4-8 10-4.6-1.6-8-5-8-10v-6z",
            Self::Check => "M4.5 12.5 10 18 20 6.5",
            Self::Triangle => "M12 3 22 20.5H2zM12 9.5v5M12 17.4v.1",
            Self::Octagon => "M8 2.5h8L21.5 8v8L16 21.5H8L2.5 16V8zM9 9l6 6M15 9l-6 6",
            Self::Clock => "M12 2.5a9.5 9.5 0 1 0 .01 0zM12 7v5.2l3.4 2.3",
            Self::Question => "M12 2.5a9.5 9.5 0 1 0 .01 0zM9.2 9.4a2.9 2.9 0 1 1 4 2.9c-.8.4-1.2.9-1.2 1.9M12 17.2v.1",
            Self::Dots => "M12 2.5a9.5 9.5 0 1 0 .01 0zM7.6 12v.1M12 12v.1M16.4 12v.1",
            Self::Running => "M20.5 12a8.5 8.5 0 1 1-2.7-6.2M20.8 2.8v4.4h-4.4",
            Self::Dash => "M6 12h12",
        }
    }

    /// The drawing, which no screen reader reads: words stand beside it.
    pub(super) fn draw(self) -> Markup {
        html! { svg.icon viewBox="0 0 24 24" aria-hidden="true" { path d=(self.path()) {} } }
    }
}
