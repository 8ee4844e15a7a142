//! What an archive expects to find in the database that it is restored into: roles and extensions.

use std::collections::BTreeSet;

use anyhow::Context;
use pgdump_archive::Guarded;
use postgres_protocol::escape::escape_identifier;

use super::connect::{Session, describe};
use super::scratch::ScratchDb;
use crate::text::some_of;

mod extensions;
mod members;

use extensions::{PlannedExtension, available, create_extension, in_order};
pub use extensions::{create_beforehand, have_other_versions};
pub use members::{KeptSchema, Touched, keep_schemas};
use members::{kept_schemas, open_members};

/// What an archive needs beside itself.
#[derive(Debug, Clone, Default)]
pub struct Prerequisites {
    /// Roles that it names: owners, grantees, those of default privileges.
    pub roles: Vec<String>,
    /// Further roles of the source's cluster: rows may name them. They are made if the login may do that, and no drill
    /// becomes a member of them.
    pub bystanders: BTreeSet<String>,
    /// Which of all these are made as superusers. Only for a superuser who restores: some objects may belong to no
    /// other role.
    pub superusers: BTreeSet<String>,
    /// Its extensions.
    pub extensions: Vec<WantedExtension>,
    /// What it puts where.
    pub touched: Touched,
}

/// An extension of the source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedExtension {
    /// Its name.
    pub name: String,
    /// Its version in the source.
    pub version: String,
    /// The schema that the archive creates it in.
    pub schema: Option<String>,
    /// Who owns the schema in the archive, if owners come back.
    pub schema_owner: Option<String>,
}

/// What was done, and what could not be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Prepared {
    /// Sentences for the report about roles and privileges.
    pub notes: Vec<String>,
    /// Sentences for the report about extensions: other versions than the source's.
    pub extension_notes: Vec<String>,
    /// Roles that are not there: without a login that may create roles, or of another version of PostgreSQL.
    pub missing_roles: Vec<String>,
    /// Extensions that a plain role may not create, with the reason; only without an admin's login.
    pub missing_extensions: Vec<String>,
    /// The tables and sequences of extensions, if a superuser made these for a role that is none.
    pub members: Vec<Guarded>,
    /// The schemas that the role must not keep once code of the archive may run: see [`keep_schemas`].
    pub kept_schemas: Vec<KeptSchema>,
}

/// Maximum number of extensions or roles that a message names: an archive chooses how many there are.
pub const MAX_NAMED: usize = 20;

/// The server lacks extensions of the source, and nothing was restored.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the drill server lacks extensions of the source: {}", some_of(extensions, MAX_NAMED))]
pub struct MissingExtensions {
    /// Name and reason of each.
    pub extensions: Vec<String>,
}

impl ScratchDb<'_> {
    /// Makes the empty database ready for an archive: creates the roles that it names, as roles that
    /// cannot log in, gives schema `public` to the owner, and creates the extensions.
    ///
    /// A role that exists already is left as it is, and the owner does not become a member of it: it
    /// could be a superuser.
    ///
    /// # Errors
    /// [`MissingExtensions`], and what the server says.
    pub async fn prepare(&mut self, prerequisites: &Prerequisites) -> anyhow::Result<Prepared> {
        let session =
            self.admin().unwrap_or(self.owner()).connect().await.context("connect to the scratch database")?;
        let available = available(&session).await.context("look for available extensions")?;
        let extensions = in_order(&prerequisites.extensions, &available)?;
        let mut prepared = Prepared::default();
        self.create_roles(&session, prerequisites, &mut prepared).await.context("create the archive's roles")?;
        self.own_public(&session, &mut prepared).await;
        let refused = self.create_extensions(&session, &extensions, &mut prepared).await?;
        if self.admin().is_some() {
            if !refused.is_empty() {
                return Err(MissingExtensions { extensions: refused }.into());
            }
            self.guard_extensions(&session, &prerequisites.touched, &mut prepared).await?;
        } else {
            prepared.missing_extensions = refused;
        }
        session.close().await;
        Ok(prepared)
    }

    async fn create_roles(
        &mut self,
        session: &Session,
        prerequisites: &Prerequisites,
        prepared: &mut Prepared,
    ) -> anyhow::Result<()> {
        let rows = session.client().query("SELECT rolname::text FROM pg_roles", &[]).await?;
        let existing: BTreeSet<String> = rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
        let (kept, absent): (BTreeSet<String>, BTreeSet<String>) =
            prerequisites.roles.iter().cloned().partition(|name| existing.contains(name));
        // Names that begin so are PostgreSQL's own, and no role can create one.
        let may_create = |name: &String| self.admin().is_some() && !name.starts_with("pg_");
        let (named, missing): (BTreeSet<String>, BTreeSet<String>) = absent.into_iter().partition(may_create);
        prepared.missing_roles = missing.into_iter().collect();
        let own: Vec<String> = kept.into_iter().filter(|name| !name.starts_with("pg_")).collect();
        if !own.is_empty() {
            prepared.notes.push(format!("roles of the drill server were left as they are: {}", own.join(", ")));
        }
        let owner = escape_identifier(self.owner().user());
        let is_new = |name: &&String| !existing.contains(*name) && !named.contains(*name) && may_create(name);
        let bystanders: Vec<String> = prerequisites.bystanders.iter().filter(is_new).cloned().collect();
        let members_from = named.len();
        let create: Vec<String> = named.into_iter().chain(bystanders).collect();
        let statement = |(place, name): (usize, &String)| {
            let role = escape_identifier(name);
            let kind =
                if self.owner_is_superuser() && prerequisites.superusers.contains(name) { " SUPERUSER" } else { "" };
            let membership = if place < members_from { format!("GRANT {role} TO {owner};") } else { String::new() };
            let mark = self.mark(&format!("ROLE {role}"));
            format!("CREATE ROLE {role} NOLOGIN{kind}; {mark} {membership}")
        };
        let sql: String = create.iter().enumerate().map(statement).collect();
        // One message is one transaction: all of them are there, each with its comment, or none.
        session.client().batch_execute(&sql).await?;
        self.roles.extend(create);
        Ok(())
    }

    /// Its own schema, as everywhere since PostgreSQL 15. Older servers let no plain role take it; there,
    /// all roles may create in it. A superuser needs no schema of its own, and leaves the archive's owner to it.
    async fn own_public(&self, session: &Session, prepared: &mut Prepared) {
        if self.owner_is_superuser() {
            return;
        }
        let sql = format!("ALTER SCHEMA public OWNER TO {}", escape_identifier(self.owner().user()));
        if let Err(error) = session.client().batch_execute(&sql).await {
            prepared.notes.push(format!("schema public keeps its owner: {}", describe(&error)));
        }
    }

    /// Returns those that the server refuses to create, with its words.
    async fn create_extensions(
        &self,
        session: &Session,
        wanted: &[PlannedExtension],
        prepared: &mut Prepared,
    ) -> anyhow::Result<Vec<String>> {
        // Where an extension goes whose schema is not known.
        session.client().batch_execute("SET search_path = public").await?;
        let mut refused = Vec::new();
        for planned in wanted {
            let extension = &planned.extension;
            if let Some(schema) = &extension.schema {
                self.create_schema(session, schema, extension.schema_owner.as_deref())
                    .await
                    .context("create the schema of an extension")?;
            }
            if let Err(error) = session.client().batch_execute(&create_extension(planned)).await {
                refused.push(format!("{} {}: {}", extension.name, extension.version, describe(&error)));
            }
        }
        let rows = session.client().query("SELECT extname::text, extversion FROM pg_extension", &[]).await?;
        for row in &rows {
            let (name, version): (&str, &str) = (row.try_get(0)?, row.try_get(1)?);
            let is_other = |planned: &&PlannedExtension| {
                let wanted = &planned.extension;
                wanted.name == name && wanted.version != version && !wanted.version.is_empty()
            };
            if let Some(other) = wanted.iter().find(is_other) {
                let note = format!("extension {name} is {version} here and {} in the source", other.extension.version);
                prepared.extension_notes.push(note);
            }
        }
        Ok(refused)
    }

    /// Creates it for the owner, unless it is there. A superuser restores owners, too.
    async fn create_schema(&self, session: &Session, schema: &str, of_archive: Option<&str>) -> anyhow::Result<()> {
        let question = "SELECT FROM pg_namespace WHERE nspname = $1";
        if !session.client().query(question, &[&schema]).await?.is_empty() {
            return Ok(());
        }
        let of_archive = of_archive.filter(|_| self.owner_is_superuser());
        let owner = escape_identifier(of_archive.unwrap_or(self.owner().user()));
        let sql = format!("CREATE SCHEMA {} AUTHORIZATION {owner}", escape_identifier(schema));
        Ok(session.client().batch_execute(&sql).await?)
    }

    /// An archive may hold rows of tables that an extension made, and the owner must reach them, as far as that lets it
    /// do nothing else.
    async fn guard_extensions(
        &self,
        session: &Session,
        touched: &Touched,
        prepared: &mut Prepared,
    ) -> anyhow::Result<()> {
        if self.owner_is_superuser() {
            return Ok(());
        }
        let role = self.owner().user();
        let (members, grants) = open_members(session, role, touched, !self.is_on_throwaway()).await?;
        prepared.members = members;
        if let Err(error) = session.client().batch_execute(&grants).await {
            prepared.notes.push(format!("no privileges on tables of extensions: {}", describe(&error)));
        }
        if self.maintenance_is_superuser() {
            prepared.kept_schemas = kept_schemas(session, role, touched).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_missing_extension_is_in_one_message_r131() {
        let extensions = ["vector 0.5: is not installed there", "postgis 3.4: no"].map(str::to_owned).to_vec();
        let message = MissingExtensions { extensions }.to_string();
        assert!(message.ends_with("vector 0.5: is not installed there, postgis 3.4: no"), "{message}");
        let many = vec!["x 1: no".to_owned(); 20_000];
        let message = MissingExtensions { extensions: many }.to_string();
        assert!(message.ends_with(", x 1: no and 19980 more") && message.len() < 400, "{message}");
    }
}
