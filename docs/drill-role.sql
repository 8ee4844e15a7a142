-- The role of `verify` on a server of yours that drills may use, named by VERIFY_DATABASE_URL. Not on the
-- server that is backed up. A throwaway server, the default, needs no role at all.
--
--   psql --set=ON_ERROR_STOP=1 --dbname=postgres --file=drill-role.sql
--
-- Set a password afterwards in a psql session: \password drill

-- It creates one database for each drill, owns it, and drops it. It can see no other database but those that
-- PUBLIC may connect to: revoke that if the server holds anything else.
SELECT 'CREATE ROLE drill LOGIN NOSUPERUSER CREATEDB NOCREATEROLE NOREPLICATION'
 WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'drill') \gexec
