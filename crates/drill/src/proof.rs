//! The restore of an archive and the proof of it: one way for drills and for the restore of a person.
//!
//! What comes before differs: whose server it is, what of the archive is left out, and what is made for it. From there on
//! nothing differs, so that a person gets what a drill has proven.

use std::collections::BTreeMap;
use std::time::Instant;

use backup_core::postgres::connect::Session;
use backup_core::postgres::conninfo::Conninfo;
use backup_core::postgres::{
    ClientTools, ExtensionMembers, Grants, KeptSchema, RestoreSettings, Said, Source, Tablespaces, WantedExtension,
    in_the_clear,
};
use backup_core::private::PrivateDir;
use backup_core::progress::Progress;
use backup_core::repository::{Kind, Manifest};
use backup_core::scrub::Scrubber;
use backup_core::stop::Stop;
use pgdump_archive::{Archive, DatabaseLevel, LeftOut, Owners, Reason, Selection};

use crate::blame;
use crate::checks::{Before, Extent, Subject, is_amcheck_possible, prove};
use crate::evidence::{DrillError, Evidence};
use crate::fetch::Fetched;
use crate::passes::Passes;
use crate::reference::{Place, Recipe};
use crate::report::NotExercised;
use crate::sabotage::Sabotage;
use crate::scan::Scanned;
use crate::schema::SchemaDumper;

/// What is restored, and all that is known of it.
#[derive(Clone, Copy)]
pub struct Candidate<'run> {
    /// The manifest and the files.
    pub fetched: &'run Fetched,
    /// What the archive holds.
    pub scanned: &'run Scanned,
    /// Where further files go.
    pub folder: &'run PrivateDir,
}

/// A database that is ready for an archive: what the archive expects to find is in it.
pub struct Ready<'run> {
    /// What to restore.
    pub candidate: Candidate<'run>,
    /// Which entries of the archive.
    pub selection: &'run Selection,
    /// Tools of the server's major version, or of a later one.
    pub tools: &'run ClientTools,
    /// The login that restores, and that reads everything afterwards.
    pub owner: &'run Conninfo,
    /// May create extensions, if there is such a login.
    pub admin: Option<&'run Conninfo>,
    /// The database.
    pub place: Place<'run>,
    /// Whose objects come back.
    pub owners: Owners,
    /// Whether grants come back.
    pub grants: Grants,
    /// Whether tablespaces come back.
    pub tablespaces: Tablespaces,
    /// Schemas that stay a superuser's.
    pub kept_schemas: &'run [KeptSchema],
    /// What was made before the restore.
    pub extensions: Vec<WantedExtension>,
    /// What the database had by itself; `None` of one that a drill made.
    pub before: Option<&'run Before>,
    /// Sessions at once.
    pub jobs: usize,
    /// What to prove; `None` if only the restore is wanted.
    pub extent: Option<Extent<'run>>,
    /// What a self-test breaks between the rows and their constraints.
    pub sabotage: Option<&'run Sabotage>,
    /// What nothing may show.
    pub scrubber: &'run Scrubber,
    /// What ends it.
    pub stop: &'run Stop,
    /// How far it is.
    pub progress: &'run Progress,
}

/// The end of a restore that came to its end.
pub struct Restored {
    /// What became of the proof.
    pub proven: Result<(), DrillError>,
}

/// Restores the archive there and holds the database against what it was.
///
/// # Errors
/// If the restore ended early. What ended the proof is in [`Restored`].
pub async fn restore_and_prove(ready: Ready<'_>, evidence: &mut Evidence) -> Result<Restored, DrillError> {
    enter_left_out(&ready, evidence);
    let Ready { candidate, selection, tools, owner, admin: admin_login, owners, jobs, stop, scrubber, .. } = ready;
    let Candidate { fetched, scanned, folder } = candidate;
    let known = Known::look(&ready).await?;
    let Known { session, admin, amcheck_was_possible, members_before, server_start } = &known;
    if let Some(warning) = in_the_clear(session).await.map_err(anyhow::Error::from)? {
        tracing::warn!("{warning}");
        evidence.note(warning);
    }
    let of_source = &fetched.manifest.database.session_settings;
    let level = DatabaseLevel::of(&scanned.archive);
    let settings = stop.or(RestoreSettings::for_restore(session, of_source, &level)).await?;
    settings.notes.iter().for_each(|note| evidence.note(note));
    let source = Source {
        archive: &fetched.dump.path,
        contents: &scanned.archive,
        list: &selection.list_file,
        jobs,
        owners,
        grants: ready.grants,
        tablespaces: ready.tablespaces,
        settings: &settings,
        kept_schemas: ready.kept_schemas,
    };
    let (progress, sabotage) = (ready.progress, ready.sabotage);
    let passes = Passes { tools, session, admin, scrubber, stop, progress, sabotage };
    let first_finding = evidence.report.findings.len();
    let sessions = [session, admin];
    let outcome = passes.run(source, evidence).await;
    blame::unless_archive(outcome, &ready.place, server_start, &sessions, evidence).await?;
    evidence.blame_locale_from(first_finding, ready.place.other_locale(), &settings.notes);
    evidence.report.recovery_time_seconds = Some(evidence.report.durations.recovery_seconds());

    let Some(extent) = ready.extent else { return Ok(Restored { proven: Ok(()) }) };
    progress.enter("prove", None);
    let proving = Instant::now();
    let subject = Subject {
        manifest: &fetched.manifest,
        archive: &scanned.archive,
        contents: &scanned.contents,
        selection,
        owners,
        before: ready.before,
        amcheck_was_possible: *amcheck_was_possible,
        members_before,
        said: Said::of(&scanned.archive),
        owner,
        admin: admin_login,
        recipe: Recipe { place: ready.place, source, extensions: ready.extensions },
        schema: SchemaDumper { tools, archive: &scanned.archive, folder: folder.path(), scrubber, stop },
        jobs,
        stop,
    };
    let outcome = Box::pin(prove(&subject, &extent, evidence)).await;
    let proven = blame::unless_archive(outcome, &subject.recipe.place, server_start, &sessions, evidence).await;
    evidence.report.durations.checks_seconds = Some(proving.elapsed().as_secs_f64());
    Ok(Restored { proven })
}

/// Maximum number of entries that a report names as not exercised: an archive chooses how many there are, and the page
/// shows them to every visitor.
const MAX_NOT_EXERCISED: usize = 1_000;

/// What must be there before the restore, in the versions of the source. If owners come back, so do those of the schemas
/// that are made for it.
pub fn wanted_extensions(
    selection: &Selection,
    manifest: &Manifest,
    archive: &Archive,
    owners: Owners,
) -> Vec<WantedExtension> {
    let schema_owners = match owners {
        Owners::Archive => archive.schema_owners(),
        Owners::Restorer => BTreeMap::new(),
    };
    let known = manifest.inventory.extensions.iter();
    let versions: BTreeMap<&str, &str> =
        known.map(|extension| (extension.name.as_str(), extension.version.as_str())).collect();
    let wanted = selection.extensions.iter().map(|extension| WantedExtension {
        name: extension.name.clone(),
        version: versions.get(extension.name.as_str()).copied().unwrap_or_default().to_owned(),
        schema: Some(extension.schema.clone()).filter(|schema| !schema.is_empty()),
        schema_owner: schema_owners.get(extension.schema.as_str()).map(|owner| (*owner).to_owned()),
    });
    wanted.collect()
}

/// Counts what of the archive is not restored; rows among it are a finding. A drill names each; a person is told of each in
/// a note, other than of what they did not want.
fn enter_left_out(ready: &Ready<'_>, evidence: &mut Evidence) {
    let (selection, fetched) = (ready.selection, ready.candidate.fetched);
    let is_told = |left_out: &&LeftOut| left_out.reason.is_unproven() && left_out.reason != Reason::NotWanted;
    let unproven: Vec<&LeftOut> = selection.left_out.iter().filter(is_told).collect();
    let entries = ready.candidate.scanned.archive.entries.len();
    let is_drill = matches!(ready.place, Place::Scratch(_));
    let without_rows = |left_out: &LeftOut| match is_drill {
        true => format!("the rows of {left_out} are not proven: {}", left_out.reason),
        false => format!("the rows of {left_out} are not restored: {}", left_out.reason),
    };
    let mut found: Vec<String> = selection.rows_left_out().map(without_rows).collect();
    // A person has chosen this backup; a drill speaks of the database.
    if is_drill && fetched.manifest.kind == Kind::Partial {
        let narrowed_by = fetched.manifest.narrowed_by.join(" ");
        found.push(format!("the backup is partial ({narrowed_by}) and proves nothing about the rest of the database"));
    }
    let (tried, lacking) = (entries - unproven.len(), if is_drill { "exercised" } else { "restored" });
    let figures = format!("{tried} of {entries} entries of the archive, {} not {lacking}", unproven.len());
    evidence.record("coverage", figures, found);
    if !is_drill {
        return;
    }
    if unproven.len() > MAX_NOT_EXERCISED {
        evidence.note(format!("of {} entries that are not exercised, {MAX_NOT_EXERCISED} are named", unproven.len()));
    }
    evidence.report.not_exercised = unproven
        .iter()
        .take(MAX_NOT_EXERCISED)
        .map(|left_out| NotExercised {
            object: left_out.to_string(),
            reason: left_out.reason.to_string(),
            holds_rows: left_out.holds_rows,
        })
        .collect();
}

/// The sessions of a restore, and what is known from before code of the archive could run.
struct Known {
    /// Of the login that restores.
    session: Session,
    /// Of the one with all the rights that there are.
    admin: Session,
    /// Whether indexes could be checked; false if they will not be.
    amcheck_was_possible: bool,
    members_before: ExtensionMembers,
    server_start: String,
}

impl Known {
    async fn look(ready: &Ready<'_>) -> anyhow::Result<Self> {
        let Ready { owner, stop, .. } = *ready;
        let session = stop.or(async { Ok(owner.connect().await?) }).await?;
        let admin = stop.or(async { Ok(ready.admin.unwrap_or(owner).connect().await?) }).await?;
        let amcheck_was_possible = match &ready.extent {
            Some(extent) if extent.no_amcheck.is_none() => stop.or(is_amcheck_possible(&admin)).await?,
            _ => false,
        };
        let members_before = stop.or(ExtensionMembers::look(&admin)).await?;
        let server_start = stop.or(ready.place.server_start()).await?;
        Ok(Self { session, admin, amcheck_was_possible, members_before, server_start })
    }
}
