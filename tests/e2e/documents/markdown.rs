//! As much of Markdown as our documents use.

/// A document, taken apart.
pub(super) struct Document {
    /// What stands between fences.
    pub(super) blocks: Vec<Block>,
    /// Everything else, with an empty line in the place of each line of a block.
    pub(super) prose: String,
}

/// What stands between two fences.
pub(super) struct Block {
    /// The number of the line with the fence.
    pub(super) line: usize,
    /// The word after the fence.
    pub(super) language: String,
    /// Without the indentation of the fence.
    pub(super) text: String,
    /// What the last comment before it says, if nothing but empty lines is between.
    pub(super) marker: Option<String>,
}

impl Document {
    pub(super) fn parse(text: &str) -> Self {
        let mut blocks = Vec::new();
        let mut prose = String::new();
        let mut before = "";
        let mut lines = text.lines().enumerate();
        while let Some((index, line)) = lines.next() {
            let trimmed = line.trim();
            if let Some(language) = trimmed.strip_prefix("```") {
                let indent = line.len() - line.trim_start().len();
                let marker = before.strip_prefix("<!-- ").and_then(|rest| rest.strip_suffix(" -->"));
                let mut block = Block {
                    line: index + 1,
                    language: language.to_owned(),
                    text: String::new(),
                    marker: marker.map(str::to_owned),
                };
                prose.push('\n');
                for (_, line) in lines.by_ref().take_while(|(_, line)| line.trim() != "```") {
                    block.text.push_str(line.get(indent..).unwrap_or_default());
                    block.text.push('\n');
                    prose.push('\n');
                }
                prose.push('\n');
                blocks.push(block);
                before = "";
                continue;
            }
            prose.push_str(line);
            prose.push('\n');
            if !trimmed.is_empty() {
                before = trimmed;
            }
        }
        Self { blocks, prose }
    }

    /// Every code span of the prose, with the number of its first line. Line breaks are spaces.
    pub(super) fn code_spans(&self) -> Vec<(usize, String)> {
        let spans = spans(&self.prose);
        spans
            .into_iter()
            .map(|(start, end, ticks)| {
                let text = &self.prose[start + ticks..end - ticks];
                let words: Vec<&str> = text.split_whitespace().collect();
                (line_of(&self.prose, start), words.join(" "))
            })
            .collect()
    }

    /// The prose with spaces in the place of code spans.
    pub(super) fn without_code(&self) -> String {
        let mut text = self.prose.clone().into_bytes();
        for (start, end, _) in spans(&self.prose) {
            text[start..end].iter_mut().filter(|byte| **byte != b'\n').for_each(|byte| *byte = b' ');
        }
        String::from_utf8(text).unwrap()
    }

    /// The targets of links and of images, each with the number of its line.
    pub(super) fn links(&self) -> Vec<(usize, String)> {
        let text = self.without_code();
        let inline = text.match_indices("](").filter_map(|(at, _)| {
            let target = text[at + 2..].split(')').next()?;
            Some((line_of(&text, at), target.split_whitespace().next()?.to_owned()))
        });
        let definitions = text.lines().enumerate().filter_map(|(index, line)| {
            let (_, target) = line.strip_prefix('[')?.split_once("]: ")?;
            Some((index + 1, target.split_whitespace().next()?.to_owned()))
        });
        inline.chain(definitions).collect()
    }

    /// What can stand behind a `#` in a link to this document, as GitHub makes it of its headings.
    pub(super) fn anchors(&self) -> Vec<String> {
        let mut anchors: Vec<String> = Vec::new();
        for line in self.prose.lines() {
            let text = line.trim_start_matches('#');
            let level = line.len() - text.len();
            if !(1..=6).contains(&level) || !text.starts_with(' ') {
                continue;
            }
            let plain = anchor(text.trim());
            let again = (1..).map(|number| format!("{plain}-{number}"));
            let free = std::iter::once(plain.clone()).chain(again).find(|name| !anchors.contains(name));
            anchors.extend(free);
        }
        let by_hand = ["id=\"", "name=\""].into_iter().flat_map(|attribute| self.prose.split(attribute).skip(1));
        anchors.extend(by_hand.filter_map(|rest| rest.split('"').next()).map(str::to_owned));
        anchors
    }
}

impl Block {
    /// Whether it holds commands for a shell.
    pub(super) fn is_shell(&self) -> bool {
        ["sh", "bash", "shell", "console"].contains(&self.language.as_str())
    }

    /// What a marker such as `run by: module::test (name)` calls it.
    pub(super) fn name(&self) -> Option<&str> {
        self.marker.as_deref()?.split_once(" (")?.1.strip_suffix(')')
    }
}

/// The anchor of a heading: lower case; of punctuation only `-` and `_` stay; a space becomes `-`.
fn anchor(heading: &str) -> String {
    // Of a link only its text is shown.
    let mut shown = String::new();
    let mut rest = heading;
    while let Some((before, after)) = rest.split_once("](") {
        shown.push_str(before);
        rest = after.split_once(')').map_or("", |(_, after)| after);
    }
    shown.push_str(rest);
    let shown = shown.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&").to_lowercase();
    let kept = shown.chars().filter(|letter| letter.is_alphanumeric() || matches!(letter, ' ' | '-' | '_'));
    kept.map(|letter| if letter == ' ' { '-' } else { letter }).collect()
}

/// Start, end and number of backticks of every code span. None reaches over an empty line.
fn spans(text: &str) -> Vec<(usize, usize, usize)> {
    let ticks_at = |at: usize| text[at..].bytes().take_while(|byte| *byte == b'`').count();
    let mut spans = Vec::new();
    let mut at = 0;
    while let Some(found) = text[at..].find('`') {
        let start = at + found;
        let ticks = ticks_at(start);
        let paragraph = text[start..].find("\n\n").map_or(text.len(), |length| start + length);
        let mut close = start + ticks;
        while close < paragraph && ticks_at(close) != ticks {
            close += ticks_at(close).max(text[close..].chars().next().map_or(1, char::len_utf8));
        }
        if close < paragraph {
            spans.push((start, close + ticks, ticks));
            at = close + ticks;
        } else {
            at = start + ticks;
        }
    }
    spans
}

fn line_of(text: &str, at: usize) -> usize {
    text[..at].matches('\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_anchor(heading: &str, expected: &str) {
        assert_eq!(anchor(heading), expected);
    }

    #[test]
    fn anchors_are_those_of_github() {
        check_anchor("With `verify restore`", "with-verify-restore");
        check_anchor("GDPR, HIPAA, PCI DSS, SOC 2", "gdpr-hipaa-pci-dss-soc-2");
        check_anchor("drill-&lt;time&gt;-passed.json", "drill-time-passedjson");
        check_anchor("What a [drill](x.md#y) is, and `not_counted`", "what-a-drill-is-and-not_counted");
        check_anchor("a - b", "a---b");
        let document = Document::parse("# Twice\n\n```sh\n# none\n```\n\n## Twice\n#none\n\n# Süd & Ost\n");
        assert_eq!(document.anchors(), ["twice", "twice-1", "süd--ost"]);
    }

    #[test]
    fn blocks_links_and_spans_are_found_where_they_are() {
        let text = "a [b\nc](d.md#e) `[no](link)`\n\n<!-- run by: a::b (c) -->\n\n   ```sh\n   one\n     two\n   ```\n\
                    ``x `y` `` ` z\n\n[ref]: f.md\n`over\na break`\n";
        let document = Document::parse(text);
        assert_eq!(document.links(), [(2, "d.md#e".to_owned()), (12, "f.md".to_owned())]);
        let [block] = document.blocks.as_slice() else { panic!("not one block") };
        assert_eq!((block.line, block.text.as_str(), block.name()), (6, "one\n  two\n", Some("c")));
        assert!(block.is_shell());
        let spans = [(2, "[no](link)"), (10, "x `y`"), (13, "over a break")];
        assert_eq!(document.code_spans(), spans.map(|(line, text)| (line, text.to_owned())));
    }
}
