//! What counts as a relation of users.

/// Relations `c` in their schemas `n`, without those of the system and of extensions, and without temporary ones.
pub(super) const USER_RELATIONS: &str = "
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
   WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND c.relpersistence <> 't'
     AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = 'pg_class'::regclass AND e.objid = c.oid AND e.deptype = 'e')";
