//! The reference database: the definitions of the archive once more, without rows, on the same server and by the same
//! tools. What differs from the archive's text there as well as in the restored database is a spelling of the server.

use anyhow::Context;
use backup_core::postgres::connect::Session;
use backup_core::postgres::conninfo::Conninfo;
use backup_core::postgres::{
    GuestDb, KeptSchema, Prerequisites, ScratchDb, Source, Touched, WantedExtension, create_beforehand, server_start,
};
use backup_core::repository::DatabaseFacts;
use chrono::Utc;
use pgdump_archive::{Archive, Selection};
use tokio::sync::Mutex;

use crate::evidence::{DrillError, Evidence};
use crate::passes::Passes;
use crate::schema::SchemaDumper;
use backup_core::progress::Progress;

/// Where a reference database can be made.
pub enum Place<'run> {
    /// Beside the database of a drill, which is dropped together with it.
    Scratch(&'run ScratchDb<'run>),
    /// On the server of a person.
    Guest {
        /// A login of that server.
        beside: &'run Conninfo,
        /// What the reference database must be like.
        source: &'run DatabaseFacts,
        /// Holds it from before it is created, for the caller to drop: a stop may come at any moment.
        slot: &'run Mutex<Option<GuestDb>>,
    },
}

/// How the restored database was made, to make another one in the same way.
pub(crate) struct Recipe<'run> {
    /// Where the restored database is.
    pub place: Place<'run>,
    /// Where its definitions come from.
    pub source: Source<'run>,
    /// What was made before the restore.
    pub extensions: Vec<WantedExtension>,
}

impl Place<'_> {
    /// When the server was started, in its words: two answers that are equal are of a server that has not been started anew
    /// between them.
    ///
    /// # Errors
    /// What the server says.
    pub async fn server_start(&self) -> anyhow::Result<String> {
        match self {
            Self::Scratch(scratch) => scratch.server_start().await,
            Self::Guest { beside, .. } => server_start(beside).await.context("connect to the target"),
        }
    }

    /// Whether the server is the drill's own.
    pub fn is_on_throwaway(&self) -> bool {
        match self {
            Self::Scratch(scratch) => scratch.is_on_throwaway(),
            Self::Guest { .. } => false,
        }
    }

    /// Whether the login that restores also asks for [`Place::server_start`]: code of an archive can spoil that one.
    pub fn has_one_login(&self) -> bool {
        match self {
            Self::Scratch(scratch) => scratch.has_one_login(),
            Self::Guest { .. } => true,
        }
    }

    /// What a report says of a locale that is not the source's, if the database has such a one.
    pub fn other_locale(&self) -> Option<&str> {
        match self {
            Self::Scratch(scratch) => scratch.notes().first().map(String::as_str),
            Self::Guest { .. } => None,
        }
    }
}

impl Recipe<'_> {
    /// Makes the reference database and dumps it.
    ///
    /// What `pg_restore` complains of is not told again: it complained of the same when it restored everything.
    ///
    /// # Errors
    /// What keeps it from being made.
    pub(crate) async fn definitions(
        &self,
        schema: &SchemaDumper<'_>,
        selection: &Selection,
    ) -> anyhow::Result<Archive> {
        match &self.place {
            Place::Scratch(scratch) => {
                let mut reference = scratch.create_reference().await?;
                let (extensions, touched) = (self.extensions.clone(), Touched::by(schema.archive));
                let prerequisites = Prerequisites { extensions, touched, ..Prerequisites::default() };
                let prepared = reference.prepare(&prerequisites).await.context("prepare the reference database")?;
                let session = connect(reference.owner()).await?;
                let admin = connect(reference.admin().unwrap_or(reference.owner())).await?;
                self.restore((schema, selection), &session, &admin, &prepared.kept_schemas).await
            }
            Place::Guest { beside, source, slot } => {
                let mut slot = slot.lock().await;
                let guest = slot.insert(GuestDb::reserve(beside).await?);
                guest.create(source).await?;
                let session = connect(guest.to()).await?;
                create_beforehand(&session, &self.extensions).await?;
                self.restore((schema, selection), &session, &session, &[]).await
            }
        }
    }

    async fn restore(
        &self,
        (schema, selection): (&SchemaDumper<'_>, &Selection),
        session: &Session,
        admin: &Session,
        kept_schemas: &[KeptSchema],
    ) -> anyhow::Result<Archive> {
        let list = selection.definitions_only(schema.archive);
        let source = Source { list: &list, kept_schemas, ..self.source };
        let progress = Progress::default();
        let SchemaDumper { tools, scrubber, stop, .. } = *schema;
        let passes = Passes { tools, session, admin, scrubber, stop, progress: &progress, sabotage: None };
        let mut unheard = Evidence::new(Utc::now());
        match passes.run(source, &mut unheard).await {
            Ok(()) => {}
            Err(DrillError::CouldNotRun(error)) => return Err(error),
            Err(error) => return Err(error.into_error(&unheard)),
        }
        schema.dump(session).await.context("dump the reference database")
    }
}

async fn connect(to: &Conninfo) -> anyhow::Result<Session> {
    to.connect().await.context("connect to the reference database")
}
