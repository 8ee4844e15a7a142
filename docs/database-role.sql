-- Roles with the least rights for both services. Run it with psql, as a superuser or as the owner of the
-- database, once for each database:
--
--   psql --set=ON_ERROR_STOP=1 --dbname=app --file=database-role.sql
--
-- It asks nothing and prints no password. Set one afterwards in a psql session: \password backup
-- Running it again changes nothing, and grants what has come since: new large objects, above all.

-- 1. On the server that is backed up: the role of `backup`.

SELECT 'CREATE ROLE backup LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION CONNECTION LIMIT 5'
 WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'backup') \gexec

-- Tables, views and sequences of all schemas, now and later. Before version 14 there is no such role; then
-- grant USAGE on each schema and SELECT on all its tables and sequences, and the same as default privileges.
GRANT pg_read_all_data TO backup;

SELECT format('GRANT CONNECT ON DATABASE %I TO backup', pg_catalog.current_database()) \gexec

-- pg_read_all_data does not cover large objects: each has rights of its own, and later ones need this again.
SELECT format('GRANT SELECT ON LARGE OBJECT %s TO backup', oid) FROM pg_catalog.pg_largeobject_metadata \gexec

-- Tables with row security would be dumped in part, which `backup` refuses. This lets the role see all rows.
-- Only a superuser can grant it; it is left out if no table needs it.
SELECT 'ALTER ROLE backup BYPASSRLS'
 WHERE EXISTS (SELECT FROM pg_catalog.pg_class WHERE relrowsecurity) \gexec

-- Not granted, and named by `backup check` if there are any: subscriptions, which pg_dump writes for a superuser only, and
-- the options of user mappings of foreign servers, passwords above all, which only their own user and superusers see.

-- A login that can only read. The services set their own timeouts in each session.
ALTER ROLE backup SET default_transaction_read_only = on;
