//! The lists of exceptions beside the suites.
//!
//! ```text
//! ## collation-version | role, superuser | The sentence that says why.
//! M109 M110
//! ```

/// Why some items of a suite end otherwise than the others.
#[derive(Debug)]
pub(super) struct Known {
    /// The modes or the steps in which they do.
    scopes: Vec<String>,
    /// The reason, for a person.
    pub(super) sentence: String,
    /// The items.
    pub(super) ids: Vec<String>,
}

impl Known {
    /// Whether this exception is about the item `id` in `scope`.
    pub(super) fn covers(&self, id: &str, scope: &str) -> bool {
        self.ids.iter().any(|known| known == id) && self.scopes.iter().any(|known| known == scope)
    }
}

/// The exceptions in a file under `tests/suites/`.
#[track_caller]
pub(super) fn all(name: &str) -> Vec<Known> {
    parse(&super::read(name))
}

/// An exception without a line of ids is about the one item that it is called after.
#[track_caller]
fn parse(text: &str) -> Vec<Known> {
    let mut list: Vec<(String, Known)> = Vec::new();
    for line in text.lines() {
        if let Some(title) = line.strip_prefix("## ") {
            let parts: Vec<&str> = title.splitn(3, " | ").map(str::trim).collect();
            let [name, scopes, sentence] = parts[..] else { panic!("not `## name | scopes | sentence`: {title}") };
            let scopes = scopes.split(',').map(|scope| scope.trim().to_owned()).collect();
            list.push((name.to_owned(), Known { scopes, sentence: sentence.to_owned(), ids: Vec::new() }));
        } else if let Some((_, known)) = list.last_mut() {
            known.ids.extend(line.split([' ', ',']).filter(|id| !id.is_empty()).map(str::to_owned));
        } else {
            assert!(line.is_empty() || line.starts_with("--"), "before the first exception: {line}");
        }
    }
    let named = |(name, known): (String, Known)| match known.ids.is_empty() {
        true => Known { ids: vec![name], ..known },
        false => known,
    };
    list.into_iter().map(named).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exception_is_about_its_ids_in_its_scopes() {
        let list =
            parse("-- For the reader.\n## some | role, superuser | Nobody sees it.\nM1 M2,\nM3\n\n## F1 | su | No.\n");
        let [some, one] = list.as_slice() else { panic!("{list:#?}") };
        assert_eq!(some.ids, ["M1", "M2", "M3"]);
        assert_eq!(some.sentence, "Nobody sees it.");
        assert!(some.covers("M2", "superuser") && !some.covers("M4", "role"));
        assert!(one.covers("F1", "su") && !one.covers("F1", "plain"));
    }
}
