-- Mutations of the restored zoo: database. Each must turn a drill red.
## M184 | database | ALTER ROLE IN DATABASE SET
SELECT format('ALTER ROLE clerk IN DATABASE %I SET work_mem = ''1MB''', current_database()) \gexec
## M185 | database | connection limit
SELECT format('ALTER DATABASE %I CONNECTION LIMIT 30', current_database()) \gexec
## M223 | database | owner
SELECT format('ALTER DATABASE %I OWNER TO clerk', current_database()) \gexec
## M224 | database | search_path of the database lost (RESET ALL)
SELECT format('ALTER DATABASE %I RESET ALL', current_database()) \gexec
## M800 | database | one setting changed
SELECT format('ALTER DATABASE %I SET statement_timeout = ''8min''', current_database()) \gexec
## M801 | database | one setting lost
SELECT format('ALTER DATABASE %I RESET search_path', current_database()) \gexec
## M802 | database | one setting more
SELECT format('ALTER DATABASE %I SET timezone = ''Asia/Kathmandu''', current_database()) \gexec
## M803 | database | setting of a role lost
SELECT format('ALTER ROLE clerk IN DATABASE %I RESET ALL', current_database()) \gexec
## M804 | database | setting of a role more
SELECT format('ALTER ROLE app IN DATABASE %I SET search_path = sales', current_database()) \gexec
## M805 | database | CONNECT to PUBLIC again
SELECT format('GRANT CONNECT ON DATABASE %I TO PUBLIC', current_database()) \gexec
## M806 | database | CONNECT taken from a role
SELECT format('REVOKE CONNECT ON DATABASE %I FROM clerk', current_database()) \gexec
## M807 | database | CREATE to a role
SELECT format('GRANT CREATE ON DATABASE %I TO report WITH GRANT OPTION', current_database()) \gexec
## M808 | database | TEMP taken from PUBLIC
SELECT format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC', current_database()) \gexec
## M809 | database | comment removed
SELECT format('COMMENT ON DATABASE %I IS NULL', current_database()) \gexec
## M810 | database | became a template
SELECT format('ALTER DATABASE %I IS_TEMPLATE true', current_database()) \gexec
## M811 | database | no limit of connections
SELECT format('ALTER DATABASE %I CONNECTION LIMIT -1', current_database()) \gexec
