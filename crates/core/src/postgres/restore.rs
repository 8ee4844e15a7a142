//! `pg_restore` from an archive in a file, with every complaint read and sorted.
//!
//! Never in one pass: from an archive that was written to a pipe, `pg_restore --jobs` may create a trigger of
//! a partitioned table before the rows of its partitions are in, and the trigger then changes them, with exit
//! status 0. Everything that acts on rows is in a later pass than they are. Each pass has its own list of entries;
//! the name of its file tells which pass it is, such as `1-of-3-data.list`.

mod again;
mod complaint;
mod heard;
mod passes;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;
use pgdump_archive::{Archive, Owners};
use tokio::io::AsyncReadExt;

use super::child::{ChildError, Words};
use super::connect::Session;
use super::prepare::KeptSchema;
use super::said::Said;
use super::settings::RestoreSettings;
use super::tool::Workbench;
use super::tools::ClientTools;
use crate::scrub::Scrubber;
use crate::secret::Secret;
use crate::stop::Stop;

use heard::Heard;

pub use complaint::{Complaint, ComplaintClass};
pub use passes::Pass;

/// What a restore needs for itself, against settings of the source and the target: an array in an archive is written
/// for `array_nulls=on`.
const FOR_RESTORES: &str = "-c array_nulls=on -c default_transaction_read_only=off";

/// Whose rights come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grants {
    /// Those of the archive; the roles that they name must exist.
    Archive,
    /// No owner.
    None,
}

/// Where tables and indexes come to lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tablespaces {
    /// In those of the archive, which must exist.
    Archive,
    /// In that of the database.
    Default,
}

/// An archive to restore from.
#[derive(Debug, Clone, Copy)]
pub struct Source<'run> {
    /// The uncompressed archive.
    pub archive: &'run Path,
    /// Its table of contents.
    pub contents: &'run Archive,
    /// What `--use-list` takes: the lines of what to restore.
    pub list: &'run str,
    /// `--jobs`, at least 1.
    pub jobs: usize,
    /// Whose objects come back.
    pub owners: Owners,
    /// Whose rights come back.
    pub grants: Grants,
    /// Where tables and indexes come to lie.
    pub tablespaces: Tablespaces,
    /// What the sessions of the restore compute with.
    pub settings: &'run RestoreSettings,
    /// The schemas that are taken from the restoring role after the first pass.
    pub kept_schemas: &'run [KeptSchema],
}

/// What became of a pass.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PassOutcome {
    /// Everything that `pg_restore` complained of in the end; empty if all came back.
    pub complaints: Vec<Complaint>,
    /// What did not come back at first, and did once the rest of the pass was there: rows that contradicted a
    /// constraint which looks at another table, and what several jobs restored in another order than the archive's.
    pub late: Vec<String>,
}

/// The restores of one run into one database.
pub struct Restorer<'run> {
    workbench: Workbench<'run>,
    source: Source<'run>,
    scrubber: &'run Scrubber,
    list_files: BTreeMap<Pass, PathBuf>,
    said: Said<'run>,
}

impl<'run> Restorer<'run> {
    /// Prepares a restore into the database of `session`, which must be one that this run created or a
    /// person named. This value must outlive the passes.
    ///
    /// # Errors
    /// If the folder for temporary files is full or not writable.
    pub fn new(
        tools: &'run ClientTools,
        session: &'run Session,
        source: Source<'run>,
        scrubber: &'run Scrubber,
        stop: &'run Stop,
    ) -> anyhow::Result<Self> {
        let password = session.endpoint().passfile_line();
        let workbench = Workbench::new(tools, session, password.as_ref(), scrubber, stop)?;
        let lists = passes::split(source.contents, source.list, source.kept_schemas);
        let count = lists.len();
        let mut list_files = BTreeMap::new();
        for (index, (pass, list)) in lists.into_iter().enumerate() {
            let name = format!("{}-of-{count}-{}.list", index + 1, pass.name());
            let file = workbench.private().write(&name, &Secret::new(list));
            list_files.insert(pass, file.context("write the list of what to restore")?);
        }
        Ok(Self { workbench, source, scrubber, list_files, said: Said::of(source.contents) })
    }

    /// The passes that have something to restore, in their order.
    pub fn passes(&self) -> impl Iterator<Item = Pass> {
        self.list_files.keys().copied()
    }

    /// Runs one pass to its end. What may only have come too early is tried again, see [`PassOutcome::late`].
    ///
    /// # Errors
    /// If `pg_restore` cannot be started, or a stop came. What it says itself is a complaint, also
    /// that it was killed.
    pub async fn run(&self, pass: Pass) -> anyhow::Result<PassOutcome> {
        let Some(list_file) = self.list_files.get(&pass) else { return Ok(PassOutcome::default()) };
        let complaints = self.restore(list_file, pass.jobs(self.source.jobs)).await?;
        self.again(pass, complaints).await
    }

    /// Restores the entries of a list, and returns every complaint.
    async fn restore(&self, list_file: &Path, jobs: usize) -> anyhow::Result<Vec<Complaint>> {
        let heard: Arc<Mutex<Heard>> = Arc::default();
        let listener = Arc::clone(&heard);
        let words = Words::Lines(Box::new(move |process, line| {
            listener.lock().unwrap_or_else(PoisonError::into_inner).hear(process, line);
        }));
        let options = [self.workbench.session().restoring_options(), FOR_RESTORES, self.source.settings.options()];
        let args = self.args(list_file, jobs);
        let mut output = self.workbench.start_with_options("pg_restore", args, words, &options.join(" "))?;
        let mut printed = Vec::new();
        let ended = output.read_to_end(&mut printed).await;
        let heard = std::mem::take(&mut *heard.lock().unwrap_or_else(PoisonError::into_inner));
        let complaints = match ended {
            Ok(_) => heard.of_success(),
            Err(error) => match error.get_ref().and_then(|inner| inner.downcast_ref::<ChildError>()) {
                Some(ChildError::Failed { status, .. }) => heard.of_failure(&status.to_string(), jobs),
                _ => return Err(error).context("run pg_restore"),
            },
        };
        Ok(complaints.into_iter().map(|complaint| self.complete(complaint)).collect())
    }

    /// Names the object with its schema, which `pg_restore` leaves out, and takes out what may be data. What
    /// `pg_restore` calls the object is not told: a message of several lines can look like its line about an entry.
    fn complete(&self, mut complaint: Complaint) -> Complaint {
        complaint.object = complaint.entry.and_then(|id| self.source.contents.entry(id)).map(ToString::to_string);
        if complaint.class != ComplaintClass::Tool {
            complaint.words = self.said.by_tool(&complaint.words);
        }
        complaint.words = self.scrubber.scrub(&complaint.words).into_owned();
        complaint
    }

    fn args(&self, list_file: &Path, jobs: usize) -> Vec<OsString> {
        let mut use_list = OsString::from("--use-list=");
        use_list.push(list_file);
        let mut args: Vec<OsString> = vec![
            self.workbench.connection("--dbname"),
            format!("--jobs={jobs}").into(),
            use_list,
            "--no-password".into(),
            "--verbose".into(), // Else it does not name the entries that it complains of.
            // A table that could not be made may belong to another owner.
            "--no-data-for-failed-tables".into(),
        ];
        match self.source.tablespaces {
            Tablespaces::Default => args.push("--no-tablespaces".into()),
            Tablespaces::Archive => {}
        }
        match self.source.owners {
            Owners::Restorer => args.push("--no-owner".into()),
            Owners::Archive => {}
        }
        match self.source.grants {
            Grants::None => args.push("--no-privileges".into()),
            Grants::Archive => {}
        }
        args.push(self.source.archive.into());
        args
    }
}
