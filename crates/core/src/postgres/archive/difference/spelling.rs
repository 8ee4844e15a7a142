//! Expressions that PostgreSQL spells otherwise once they have been dumped and restored.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::{Captures, Regex};

/// `(ARRAY['a'::character varying, ...])::text[]`: `CHECK (v IN ('a', ...))` of a `varchar` column. Read
/// again, the cast moves into the array: `ARRAY[('a'::character varying)::text, ...]`.
static CAST_OF_ARRAY: LazyLock<Regex> = LazyLock::new(|| {
    let element = r"'(?:[^']|'')*'::character varying";
    Regex::new(&format!(r"\(ARRAY\[({element}(?:, {element})*)\]\)::text\[\]"))
        .expect("the pattern is a constant and tested")
});

static ELEMENT: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"'(?:[^']|'')*'::character varying").expect("the pattern is a constant and tested"));

/// `definition` as it is spelled after a restore.
pub(super) fn normal(definition: &str) -> Cow<'_, str> {
    CAST_OF_ARRAY.replace_all(definition, |found: &Captures<'_>| {
        format!("ARRAY[{}]", ELEMENT.replace_all(&found[1], "($0)::text"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn casts_of_arrays_move_into_them() {
        let dumped =
            "CHECK (((v)::text = ANY ((ARRAY['a'::character varying, 'it''s, '::character varying])::text[])))";
        let restored =
            "CHECK (((v)::text = ANY (ARRAY[('a'::character varying)::text, ('it''s, '::character varying)::text])))";
        assert_eq!(normal(dumped), restored);
        assert_eq!(normal(restored), restored);
        let other = "CHECK ((v = ANY (ARRAY['a'::bpchar, 'b'::bpchar])))";
        assert_eq!(normal(other), other);
    }
}
