-- Good databases: unusual. Each must be backed up, drilled green and restored as it was.
## FA01 | plain,su | schema public was dropped in the source
CREATE SCHEMA app1; CREATE TABLE app1.t (a int); INSERT INTO app1.t VALUES (1); DROP SCHEMA public;
## FA02 | plain,su | schema public dropped and made again
DROP SCHEMA public CASCADE; CREATE SCHEMA public; CREATE TABLE public.t (a int); INSERT INTO public.t VALUES (1);
## FA04 | plain,su | extension plpgsql dropped
DROP EXTENSION plpgsql; CREATE TABLE t (a int);
## FA05 | plain,su | everything is app's; a grant on a catalog function
-- owner: app
SET ROLE app; CREATE TABLE t (a int); INSERT INTO t VALUES (1); RESET ROLE; GRANT EXECUTE ON FUNCTION pg_catalog.pg_ls_waldir() TO clerk;
## FA07 | plain,su | function with SET of a setting that only superusers may set
CREATE FUNCTION load() RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET session_replication_role = 'replica' AS 'BEGIN END'; CREATE TABLE t (a int); INSERT INTO t VALUES (1);
## FA08 | plain,su | function with SET log_statement (hides passwords)
CREATE FUNCTION setpw() RETURNS void LANGUAGE plpgsql SET log_statement = 'none' AS 'BEGIN END'; CREATE TABLE t (a int);
## FA10 | plain,su | comment of an extension removed
CREATE EXTENSION hstore; COMMENT ON EXTENSION hstore IS NULL; CREATE TABLE t (a int);
## FA11 | plain | varchar IN lists in many spellings
CREATE TABLE t (v varchar(10), w varchar, c char(3), CHECK (v IN ('a', NULL)), CHECK (w IN ('a'::varchar(3), 'b'::varchar(3))), CHECK (w NOT IN ('x','y')), CHECK (v::varchar(2) IN ('a','b')), CHECK (w = ANY (ARRAY['a','b']::varchar[])), CHECK (w = ANY ('{a,b}'::varchar[])), CHECK (w IN ('a', E'back\\slash', 'q''uote')), CHECK (c IN ('a','b')), CHECK ((v, w) IN (('a','b'),('c','d'))), CHECK (w IN (v, 'k')), CHECK (lower(w) IN ('a','b')), CHECK (w LIKE ANY (ARRAY['a%','b%'])), CHECK (w ~~ ANY (ARRAY['a%'::varchar,'b%'::varchar]::text[])), CHECK (w IN ('1'::text, '2'::varchar)));
CREATE INDEX ON t (w) WHERE v IN ('a','b') AND w NOT IN ('c','d'); CREATE VIEW vv AS SELECT CASE WHEN v IN ('a','b') THEN 1 END AS x, w = ANY (ARRAY['a'::varchar, 'b'::varchar]) AS y, array_position(ARRAY['a','b']::varchar[], w) AS z FROM t WHERE w IN ('a', 'b', NULL); CREATE POLICY p ON t USING (v IN ('a','b'));
CREATE DOMAIN d AS varchar(5) CHECK (VALUE IN ('a','b')); CREATE TABLE u (x d CHECK (x IN ('a','b')), y varchar[] CHECK (y <@ ARRAY['a','b']::varchar[]), z varchar GENERATED ALWAYS AS (CASE WHEN x IN ('a', 'b') THEN 'x'::varchar END) STORED);
CREATE FUNCTION f(v varchar) RETURNS bool LANGUAGE sql BEGIN ATOMIC SELECT v IN ('a','b'); END; CREATE RULE r AS ON UPDATE TO t WHERE NEW.v IN ('a','b') DO INSTEAD NOTHING; CREATE FUNCTION tg() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; CREATE TRIGGER tt BEFORE UPDATE ON t FOR EACH ROW WHEN (NEW.v IN ('a','b')) EXECUTE FUNCTION tg(); CREATE STATISTICS s ON (v IN ('a','b')), w FROM t;
## FA13 | plain | LATIN9 database with a non-ASCII table name
-- db: ENCODING 'LATIN9' LC_COLLATE 'C' LC_CTYPE 'C'
-- clientenc: UTF8
CREATE TABLE "Größe" (a int); INSERT INTO "Größe" VALUES (1);
## FA14 | plain | EUC_JP database with a non-ASCII column
-- db: ENCODING 'EUC_JP' LC_COLLATE 'C' LC_CTYPE 'C'
-- clientenc: UTF8
CREATE TABLE t ("名" text); INSERT INTO t VALUES ('日本');
## FA16 | plain | materialized view over a catalog that only superusers read
CREATE MATERIALIZED VIEW m AS SELECT rolname, rolpassword IS NULL AS p FROM pg_authid; CREATE TABLE t (a int);
## FA17 | plain,su | subscription, backed up by the documented role
-- url-user: backup
CREATE TABLE t (a int); CREATE SUBSCRIPTION sub_fa17 CONNECTION 'host=nowhere.invalid password=x' PUBLICATION p WITH (connect = false, slot_name = NONE);
## FA19 | plain | a comment on a constraint that a partition inherits
CREATE TABLE p (a int CONSTRAINT pos CHECK (a > 0)) PARTITION BY RANGE (a); CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (1) TO (10); COMMENT ON CONSTRAINT pos ON p1 IS 'inherited';
## FA20 | plain,su | range type whose function is LEAKPROOF
CREATE FUNCTION df(float8, float8) RETURNS float8 LANGUAGE sql IMMUTABLE LEAKPROOF AS 'SELECT $1 - $2'; CREATE TYPE fr AS RANGE (subtype = float8, subtype_diff = df); CREATE TABLE t (a int);
## FA22 | su | event trigger that forbids DDL, and a materialized view
CREATE FUNCTION no() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''no DDL here''; END'; CREATE MATERIALIZED VIEW m AS SELECT 1 AS a; CREATE TABLE t (a int); CREATE EVENT TRIGGER no ON ddl_command_start EXECUTE FUNCTION no();
## FA23 | plain | materialized view that calls nextval
CREATE SEQUENCE s; CREATE MATERIALIZED VIEW m AS SELECT nextval('s') AS n FROM generate_series(1,3); CREATE TABLE t (a int);
## FA25 | plain,su | public owned by postgres, CREATE to PUBLIC, as after pg_upgrade from 14
ALTER SCHEMA public OWNER TO postgres; GRANT CREATE ON SCHEMA public TO PUBLIC; CREATE TABLE t (a int);
## FA26 | plain,su | public owned by app, nothing to PUBLIC
ALTER SCHEMA public OWNER TO app; REVOKE ALL ON SCHEMA public FROM PUBLIC; GRANT USAGE ON SCHEMA public TO clerk; CREATE TABLE t (a int);
## FA28 | plain,su | a table in information_schema
CREATE TABLE t (a int); CREATE TABLE information_schema.mine (a int); INSERT INTO information_schema.mine VALUES (1);
## FA29 | plain | a table that was given a column of its parent later
CREATE TABLE parent (a int); CREATE TABLE child (b text) INHERITS (parent); ALTER TABLE parent ADD COLUMN later int; INSERT INTO child VALUES (1,'b',2);
## FA31 | plain | amcheck installed in the source
CREATE EXTENSION amcheck; CREATE TABLE t (a int primary key);
## FA32 | plain,su | trigger that is ENABLE REPLICA, table clustered, statistics, toast options, deferrable unique, exclusion with operator of an extension in its own schema
CREATE SCHEMA ext; CREATE EXTENSION btree_gist SCHEMA ext; CREATE EXTENSION pg_trgm SCHEMA ext; CREATE TABLE t (a int, b text, r int4range, UNIQUE (a) DEFERRABLE, EXCLUDE USING gist (a WITH =, r WITH &&)); CREATE INDEX ON t USING gin (b ext.gin_trgm_ops); CREATE VIEW v AS SELECT * FROM t WHERE b OPERATOR(ext.%) 'x';
## FA34 | plain | constants that depend on settings: money default, timestamptz partition bounds, bytea, interval
CREATE TABLE t (m money DEFAULT 12.5, i interval DEFAULT '1 year 2 mons -3 days 04:05:06.7', b bytea DEFAULT '\xdeadbeef', f float8 DEFAULT 0.1::float4, n numeric DEFAULT 1e-10, tz timestamptz DEFAULT 'infinity'); CREATE TABLE p (e timestamptz) PARTITION BY RANGE (e); CREATE TABLE p1 PARTITION OF p FOR VALUES FROM ('2020-03-29 02:30:00 Europe/Berlin') TO ('2021-01-01'); INSERT INTO p VALUES ('2020-06-01'); INSERT INTO t DEFAULT VALUES;
## FA35 | plain,su | everything is app's; ALTER DEFAULT PRIVILEGES for postgres; grant on a system catalog
-- owner: app
SET ROLE app; CREATE TABLE t (a int); RESET ROLE; GRANT SELECT ON pg_catalog.pg_authid TO clerk;
## FA37 | plain | operators of one name, one of them for superusers only
CREATE FUNCTION le(int, text) RETURNS bool LANGUAGE sql IMMUTABLE LEAKPROOF AS 'SELECT true'; CREATE FUNCTION ok(text, int) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT true'; CREATE OPERATOR #### (LEFTARG = int, RIGHTARG = text, FUNCTION = le); CREATE OPERATOR #### (LEFTARG = text, RIGHTARG = int, FUNCTION = ok); CREATE TABLE t (a int);
## FC01 | plain,su | two roles with default privileges of one kind
ALTER DEFAULT PRIVILEGES FOR ROLE app IN SCHEMA public GRANT SELECT ON TABLES TO report; ALTER DEFAULT PRIVILEGES FOR ROLE clerk IN SCHEMA public GRANT SELECT ON TABLES TO report; CREATE TABLE t (a int);
## FC02 | plain,su | a commutator that was never made (shell operator)
CREATE FUNCTION ok(text, int) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT true'; CREATE OPERATOR #### (LEFTARG = text, RIGHTARG = int, FUNCTION = ok, COMMUTATOR = ####); CREATE TABLE t (a int);
## FC04 | plain | partitioned index whose partition has no index of its own left
CREATE TABLE p (a int) PARTITION BY RANGE (a); CREATE INDEX pi ON ONLY p (a); CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (1) TO (10);
## FC05 | plain | partitioned unique index on ONLY, sub-partitioned child without partitions
CREATE TABLE p (a int) PARTITION BY RANGE (a); CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (1) TO (10) PARTITION BY RANGE (a); CREATE TABLE p11 PARTITION OF p1 FOR VALUES FROM (1) TO (5); CREATE INDEX pi ON ONLY p (a); CREATE INDEX p1i ON ONLY p1 (a); ALTER INDEX pi ATTACH PARTITION p1i;
## FC07 | su | event trigger alone
CREATE FUNCTION w() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'; CREATE EVENT TRIGGER w ON ddl_command_end EXECUTE FUNCTION w(); CREATE TABLE t (a int);
## FC10 | plain | column dropped in a view's middle, column renamed after the view
CREATE TABLE t (a int, b int); CREATE VIEW v AS SELECT a AS x, b FROM t; ALTER TABLE t RENAME a TO aa; ALTER TABLE t RENAME b TO bb; CREATE VIEW v2 AS SELECT * FROM t JOIN (SELECT aa, bb AS z FROM t) q USING (aa); ALTER TABLE t ADD z int; CREATE VIEW v3 AS SELECT * FROM t NATURAL JOIN (SELECT 1 AS aa) n;
## FC11 | plain | generated schema-qualified enum default, array of domain, check on whole row
CREATE DOMAIN pos AS int CHECK (VALUE > 0); CREATE TABLE t (a pos[], b int, CHECK (t IS NOT NULL OR b > 0), CHECK ((t.*)::text <> 'x')); INSERT INTO t VALUES ('{1,2}', 3);
