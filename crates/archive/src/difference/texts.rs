//! Texts of definitions beside each other.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::found::{Difference, Key, Named};

/// Most characters of a definition that are quoted in a finding.
pub(super) const EXCERPT_CHARACTERS: usize = 80;

/// The definitions of one object, in a fixed order.
pub(super) fn texts_of<'run>(definitions: &'run Definitions<'_>, key: Key<'run>) -> Vec<&'run str> {
    definitions.get(&key).into_iter().flatten().map(|text| &**text).collect()
}

/// The bodies of functions among definitions, as `pg_dump` writes those that the server keeps as text.
pub(super) fn bodies_of<'run>(definitions: &[&'run str]) -> Vec<&'run str> {
    let mut bodies: Vec<&str> = definitions
        .iter()
        .filter_map(|text| is_routine(text).then(|| text.split_once("\n    AS "))?)
        .map(|(_, body)| body)
        .collect();
    bodies.sort_unstable();
    bodies
}

fn is_routine(definition: &str) -> bool {
    ["CREATE FUNCTION ", "CREATE PROCEDURE "].iter().any(|start| definition.starts_with(start))
}

/// The lines of definitions in a fixed order, without the commas between them.
pub(super) fn lines_of<'run>(definitions: &[&'run str]) -> Vec<&'run str> {
    let lines = definitions.iter().flat_map(|definition| definition.lines());
    let mut lines: Vec<&str> = lines.map(|line| line.trim().trim_end_matches(',')).collect();
    lines.sort_unstable();
    lines
}

/// Definitions by what they define. Several may have one name: grants on columns, rules.
pub(super) type Definitions<'archive> = BTreeMap<Key<'archive>, Texts<'archive>>;

/// The definitions of one object on one side, in order.
pub(super) type Texts<'archive> = Vec<Cow<'archive, str>>;

/// Pairs equal definitions of one name off, which are in order on both sides; what is left has no equal on the other side.
pub(super) fn without_equal<'archive>(
    (source, target): (Texts<'archive>, Texts<'archive>),
) -> (Texts<'archive>, Texts<'archive>) {
    let (mut source_left, mut target_left) = (Texts::new(), Texts::new());
    let (mut source, mut target) = (source.into_iter().peekable(), target.into_iter().peekable());
    while let (Some(one), Some(other)) = (source.peek(), target.peek()) {
        match one.cmp(other) {
            Ordering::Less => source_left.extend(source.next()),
            Ordering::Greater => target_left.extend(target.next()),
            Ordering::Equal => drop((source.next(), target.next())),
        }
    }
    source_left.extend(source);
    target_left.extend(target);
    (source_left, target_left)
}

/// Pairs unequal definitions of one name; what is left over has no partner.
pub(super) fn enter(key: Key<'_>, source: &[Cow<'_, str>], target: &[Cow<'_, str>], differences: &mut Vec<Difference>) {
    let object = || Named::of(key);
    let pairs = source.len().min(target.len());
    for (dumped, restored) in source.iter().zip(target) {
        let (dumped, restored) = first_difference(dumped, restored);
        differences.push(Difference::Different { object: object(), dumped, restored });
    }
    differences.extend(source[pairs..].iter().map(|_| Difference::Missing(object())));
    differences.extend(target[pairs..].iter().map(|_| Difference::Unexpected(object())));
}

/// An excerpt of each text where they first differ.
pub(super) fn first_difference(dumped: &str, restored: &str) -> (String, String) {
    let mut lines = (dumped.lines(), restored.lines());
    loop {
        match (lines.0.next(), lines.1.next()) {
            (None, None) => return (String::new(), String::new()),
            (ours, theirs) if ours == theirs => {}
            (ours, theirs) => return excerpts(ours.unwrap_or_default(), theirs.unwrap_or_default()),
        }
    }
}

/// Both lines, from a little before the first character that differs.
fn excerpts(dumped: &str, restored: &str) -> (String, String) {
    let same = dumped.chars().zip(restored.chars()).take_while(|(a, b)| a == b).count();
    let skipped = if dumped.chars().count().max(restored.chars().count()) <= EXCERPT_CHARACTERS {
        0
    } else {
        same.saturating_sub(EXCERPT_CHARACTERS / 2)
    };
    let excerpt = |line: &str| line.trim_end().chars().skip(skipped).take(EXCERPT_CHARACTERS).collect();
    (excerpt(dumped), excerpt(restored))
}
