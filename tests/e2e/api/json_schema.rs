//! Whether a JSON value is as a JSON Schema says. It knows the part of draft 2020-12 that the schemas of docs/ and of the
//! tests use, and refuses every other keyword, so that nothing is left unchecked without notice.

use regex::Regex;
use serde_json::{Map, Value};

/// Keywords that say nothing about a value.
const ANNOTATIONS: [&str; 5] = ["$schema", "$id", "$defs", "title", "description"];

/// What is wrong with `value` by the whole `document`, one line for each place.
pub(crate) fn violations_of_root(document: &Value, value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    check(document, document, value, "root", &mut found);
    found
}

/// What is wrong with `value` by the definition `name` of `document`, one line for each place.
pub(super) fn violations(document: &Value, name: &str, value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let schema = document["$defs"].get(name).unwrap_or_else(|| panic!("the document defines no {name}"));
    check(document, schema, value, name, &mut found);
    found
}

fn check(document: &Value, schema: &Value, value: &Value, place: &str, found: &mut Vec<String>) {
    let schema = schema.as_object().unwrap_or_else(|| panic!("{place}: a schema is an object"));
    for (keyword, argument) in schema {
        let is_good = match keyword.as_str() {
            keyword if ANNOTATIONS.contains(&keyword) => true,
            "$ref" => {
                let name = argument.as_str().and_then(|path| path.strip_prefix("#/$defs/")).expect("a local reference");
                found.extend(violations_at(document, name, value, place));
                true
            }
            "type" => has_type(argument, value),
            "const" => value == argument,
            "enum" => argument.as_array().expect("a list").contains(value),
            "minimum" => value.as_f64().is_none_or(|number| number >= argument.as_f64().expect("a number")),
            "maximum" => value.as_f64().is_none_or(|number| number <= argument.as_f64().expect("a number")),
            "minLength" => value.as_str().is_none_or(|text| text.chars().count() >= count(argument)),
            "maxLength" => value.as_str().is_none_or(|text| text.chars().count() <= count(argument)),
            "minItems" => value.as_array().is_none_or(|items| items.len() >= count(argument)),
            "maxItems" => value.as_array().is_none_or(|items| items.len() <= count(argument)),
            "pattern" => {
                let pattern = Regex::new(argument.as_str().expect("a text")).expect("a regular expression");
                value.as_str().is_none_or(|text| pattern.is_match(text))
            }
            "format" => has_format(argument, value),
            "required" => {
                let names = argument.as_array().expect("a list").iter().filter_map(Value::as_str);
                let missing = value.as_object().map(|object| names.filter(|name| !object.contains_key(*name)));
                found.extend(missing.into_iter().flatten().map(|name| format!("{place}: has no {name}")));
                true
            }
            "properties" => {
                for (name, member) in value.as_object().into_iter().flatten() {
                    if let Some(of_member) = argument.get(name) {
                        check(document, of_member, member, &format!("{place}.{name}"), found);
                    }
                }
                true
            }
            "additionalProperties" => {
                additional(document, schema, argument, value, place, found);
                true
            }
            "items" => {
                for (number, item) in value.as_array().into_iter().flatten().enumerate() {
                    check(document, argument, item, &format!("{place}[{number}]"), found);
                }
                true
            }
            "anyOf" => argument.as_array().expect("a list").iter().any(|one| {
                let mut of_one = Vec::new();
                check(document, one, value, place, &mut of_one);
                of_one.is_empty()
            }),
            other => panic!("{place}: the keyword {other} is not known here"),
        };
        if !is_good {
            found.push(format!("{place}: {value} is not as {keyword} says: {argument}"));
        }
    }
}

fn count(argument: &Value) -> usize {
    usize::try_from(argument.as_u64().expect("a whole number")).expect("a small number")
}

fn violations_at(document: &Value, name: &str, value: &Value, place: &str) -> Vec<String> {
    let of = violations(document, name, value);
    of.into_iter().map(|line| line.replacen(name, place, 1)).collect()
}

fn additional(
    document: &Value,
    schema: &Map<String, Value>,
    argument: &Value,
    value: &Value,
    place: &str,
    found: &mut Vec<String>,
) {
    let known = |name: &str| schema.get("properties").is_some_and(|properties| properties.get(name).is_some());
    for (name, member) in value.as_object().into_iter().flatten().filter(|(name, _)| !known(name)) {
        match argument {
            Value::Bool(true) => {}
            Value::Bool(false) => found.push(format!("{place}: has {name}, which the schema does not know")),
            schema => check(document, schema, member, &format!("{place}.{name}"), found),
        }
    }
}

fn has_type(types: &Value, value: &Value) -> bool {
    let is = |name: &str| match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "string" => value.is_string(),
        "number" => value.is_number(),
        "integer" => value.is_u64() || value.is_i64(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("the type {other} does not exist"),
    };
    match types {
        Value::String(name) => is(name),
        Value::Array(names) => names.iter().filter_map(Value::as_str).any(is),
        _ => panic!("a type is a name or a list of names"),
    }
}

fn has_format(format: &Value, value: &Value) -> bool {
    let Some(text) = value.as_str() else { return true };
    match format.as_str() {
        // 2026-11-29T03:00:00Z, with or without a fraction of a second, or with a distance from UTC.
        Some("date-time") => {
            let shape: String = text.chars().map(|one| if one.is_ascii_digit() { '0' } else { one }).collect();
            let has_zone = shape.ends_with('Z') || shape.ends_with("+00:00") || shape.ends_with("-00:00");
            shape.starts_with("0000-00-00T00:00:00") && has_zone
        }
        // An absolute one, of a page.
        Some("uri") => ["https://", "http://"].iter().any(|start| text.starts_with(start)) && !text.contains(' '),
        other => panic!("the format {other:?} is not known here"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_keyword_finds_what_is_not_as_it_says() {
        let document = json!({ "$defs": {
            "time": { "type": ["string", "null"], "format": "date-time" },
            "item": {
                "type": "object", "required": ["id"], "additionalProperties": false,
                "properties": { "id": { "type": "string" }, "at": { "$ref": "#/$defs/time" }, "n": { "type": "integer", "minimum": 0 } },
            },
            "list": { "type": "array", "items": { "$ref": "#/$defs/item" } },
            "either": { "anyOf": [{ "const": 1 }, { "enum": ["a", "b"] }] },
            "short": { "type": "string", "minLength": 2, "maxLength": 3, "pattern": "^[a-zü]*$" },
            "few": { "minItems": 1, "maxItems": 2, "items": { "maximum": 5 } },
            "page": { "format": "uri" },
        }, "type": "object", "required": ["id"], "properties": { "id": { "$ref": "#/$defs/short" } } });
        let wrong = |name: &str, value: Value| violations(&document, name, &value).len();
        assert_eq!(
            wrong("list", json!([{ "id": "x", "at": "2026-11-29T03:00:00.5Z", "n": 3 }, { "id": "y", "at": null }])),
            0
        );
        assert_eq!(wrong("list", json!([{ "at": "yesterday" }, { "id": 1, "n": -1, "more": 1 }])), 5);
        assert_eq!(wrong("list", json!({})), 1);
        assert_eq!((wrong("either", json!(1)), wrong("either", json!("b")), wrong("either", json!(2))), (0, 0, 1));
        assert_eq!(["üü", "ü", "üüüü", "A", "ab\n"].map(|text| wrong("short", json!(text))), [0, 1, 1, 2, 1]);
        assert_eq!([json!([5]), json!([]), json!([1, 2, 6])].map(|items| wrong("few", items)), [0, 1, 2]);
        assert_eq!(["https://x/y", "javascript:x", "https://x y"].map(|text| wrong("page", json!(text))), [0, 1, 1]);
        assert_eq!(["2026-11-29T03:00:00+00:00", "2026-11-29T03:00:00"].map(|at| wrong("time", json!(at))), [0, 1]);
        let wrong = |value: Value| violations_of_root(&document, &value).len();
        assert_eq!([json!({ "id": "ab" }), json!({ "id": "a" }), json!({}), json!([])].map(wrong), [0, 1, 1, 1]);
    }
}
