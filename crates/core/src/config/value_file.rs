//! Values that a file holds.

use std::fs::File;
use std::io::Read;

use crate::secret::Secret;

/// A `NAME_FILE` larger than this is a mistake, not a setting.
const LARGEST_FILE_BYTES: u64 = 1024 * 1024;

/// The text of the file at `path`, without line breaks at its end; why it cannot be had, after the name of a variable.
pub(crate) fn read_value_file(path: &str) -> Result<Secret, String> {
    let mut text = String::new();
    let opened = File::open(path).and_then(|file| file.take(LARGEST_FILE_BYTES + 1).read_to_string(&mut text));
    match opened {
        Err(error) => Err(format!("the file that it names cannot be read: {}", error.kind())),
        Ok(_) if text.len() as u64 > LARGEST_FILE_BYTES => {
            Err("the file that it names is larger than 1 MiB".to_owned())
        }
        Ok(_) => {
            let end = text.trim_end_matches(['\r', '\n']).len();
            text.truncate(end);
            Ok(Secret::new(text))
        }
    }
}
