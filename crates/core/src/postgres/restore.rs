//! `pg_restore` from an archive in a file, with every complaint read and sorted.
//!
//! Never in one pass: from an archive that was written to a pipe, `pg_restore --jobs` may create a trigger of
//! a partitioned table before the rows of its partitions are in, and the trigger then changes them, with exit
//! status 0. Everything that acts on rows is in the second pass.

mod complaint;

use std::ffi::OsString;
use std::path::Path;

use anyhow::Context;
use tokio::io::AsyncReadExt;

use super::child::ChildError;
use super::connect::Session;
use super::tool::Workbench;
use super::tools::ClientTools;
use crate::scrub::Scrubber;
use crate::secret::Secret;
use crate::stop::Stop;

pub use complaint::{Complaint, ComplaintClass};

/// `pg_restore` says three lines for each object that it cannot restore: room for some thousand of them.
const WORDS_BYTES: usize = 1024 * 1024;

/// The parts of a restore, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pass {
    /// Definitions and rows.
    Data,
    /// Indexes, constraints, triggers, rules, policies.
    PostData,
}

/// Whose objects come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owners {
    /// Everything belongs to the role that restores.
    Restorer,
    /// The owners of the archive, which must exist.
    Archive,
}

/// Whose rights come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grants {
    /// Those of the archive; the roles that they name must exist.
    Archive,
    /// Nobody's.
    None,
}

/// An archive to restore from.
#[derive(Debug, Clone, Copy)]
pub struct Source<'run> {
    /// The uncompressed archive.
    pub archive: &'run Path,
    /// What `--use-list` takes: the lines of what to restore.
    pub list: &'run str,
    /// `--jobs`, at least 1.
    pub jobs: usize,
    /// Whose objects come back.
    pub owners: Owners,
    /// Whose rights come back.
    pub grants: Grants,
}

/// The restores of one run into one database.
pub struct Restorer<'run> {
    workbench: Workbench<'run>,
    source: Source<'run>,
    list_file: std::path::PathBuf,
}

impl<'run> Restorer<'run> {
    /// Prepares a restore into the database of `session`, which must be one that this run created or a
    /// person named. This value must outlive the passes.
    ///
    /// # Errors
    /// Where the folder for temporary files is full or not writable.
    pub fn new(
        tools: &'run ClientTools,
        session: &'run Session,
        source: Source<'run>,
        scrubber: &'run Scrubber,
        stop: &'run Stop,
    ) -> anyhow::Result<Self> {
        let workbench = Workbench::new(tools, session, scrubber, stop)?;
        let list = Secret::new(source.list.to_owned());
        let list_file =
            workbench.private().write("restore.list", &list).context("write the list of what to restore")?;
        Ok(Self { workbench, source, list_file })
    }

    /// Runs one pass to its end and returns every complaint; an empty list means that all of it came back.
    ///
    /// # Errors
    /// Where `pg_restore` cannot be started, or a stop came. Whatever it says itself is a complaint, also
    /// that it was killed.
    pub async fn run(&self, pass: Pass) -> anyhow::Result<Vec<Complaint>> {
        let mut output = self.workbench.start("pg_restore", self.args(pass), WORDS_BYTES)?;
        let mut printed = Vec::new();
        match output.read_to_end(&mut printed).await {
            Ok(_) => Ok(Vec::new()),
            Err(error) => match error.get_ref().and_then(|inner| inner.downcast_ref::<ChildError>()) {
                Some(ChildError::Failed { status, words, .. }) => Ok(complaint::read(words, &status.to_string())),
                _ => Err(error).context("run pg_restore"),
            },
        }
    }

    fn args(&self, pass: Pass) -> Vec<OsString> {
        let name = self.workbench.session().endpoint().dbname().replace('\\', "\\\\").replace('\'', "\\'");
        let mut use_list = OsString::from("--use-list=");
        use_list.push(&self.list_file);
        let mut args: Vec<OsString> = vec![
            format!("--dbname=dbname='{name}'").into(),
            format!("--jobs={}", self.source.jobs).into(),
            use_list,
            "--no-password".into(),
            "--no-tablespaces".into(),
        ];
        match self.source.owners {
            Owners::Restorer => args.push("--no-owner".into()),
            Owners::Archive => {}
        }
        match self.source.grants {
            Grants::None => args.push("--no-privileges".into()),
            Grants::Archive => {}
        }
        match pass {
            Pass::Data => args.extend(["--section=pre-data".into(), "--section=data".into()]),
            Pass::PostData => args.push("--section=post-data".into()),
        }
        args.push(self.source.archive.into());
        args
    }
}
