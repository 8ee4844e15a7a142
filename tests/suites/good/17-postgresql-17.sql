-- Good databases: what came with PostgreSQL 17. Each must be backed up, drilled green and restored as it was.
## G106 | plain,su | grants of MAINTAIN on tables, views and partitions
-- needs: 17
CREATE TABLE t (a int); CREATE MATERIALIZED VIEW m AS SELECT 1 AS a; CREATE TABLE p (a int) PARTITION BY LIST (a); CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1); GRANT MAINTAIN ON t, m TO clerk WITH GRANT OPTION; GRANT MAINTAIN ON p1 TO PUBLIC; REVOKE MAINTAIN ON p FROM postgres; GRANT ALL ON t TO report; ALTER DEFAULT PRIVILEGES FOR ROLE app GRANT MAINTAIN ON TABLES TO clerk;
## G107 | plain,su | login event triggers that do nothing or are disabled
-- needs: 17
CREATE FUNCTION w() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'; CREATE EVENT TRIGGER on_login ON login EXECUTE FUNCTION w(); CREATE EVENT TRIGGER on_login_off ON login EXECUTE FUNCTION w(); ALTER EVENT TRIGGER on_login_off DISABLE; CREATE TABLE t (a int);
## G108 | plain,su | login event trigger that is enabled and sets a time zone
-- needs: 17
CREATE TABLE t (a timestamptz); INSERT INTO t VALUES ('2020-01-01 00:00+00'); CREATE FUNCTION w() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN SET timezone = ''Asia/Kathmandu''; END'; CREATE EVENT TRIGGER on_login ON login EXECUTE FUNCTION w();
## G109 | plain,su | event trigger on REINDEX
-- needs: 17
CREATE FUNCTION w() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'; CREATE EVENT TRIGGER on_reindex ON ddl_command_start WHEN TAG IN ('REINDEX') EXECUTE FUNCTION w(); CREATE TABLE t (a int PRIMARY KEY);
## G110 | plain,su | database of the builtin provider
-- needs: 17
-- db: LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8' LC_COLLATE 'C' LC_CTYPE 'C'
CREATE TABLE t (a text PRIMARY KEY, u text GENERATED ALWAYS AS (upper(a)) STORED); INSERT INTO t VALUES ('é'), ('ß'), ('Z'); CREATE COLLATION b (provider = builtin, locale = 'C.UTF-8'); CREATE INDEX ON t (a COLLATE b, u COLLATE pg_c_utf8); CREATE TABLE p (n text) PARTITION BY RANGE (n); CREATE TABLE p1 PARTITION OF p FOR VALUES FROM ('Z') TO ('é'); INSERT INTO p VALUES ('a');
## G111 | plain,su | identity of partitioned tables and exclusion constraints on them
-- needs: 17
CREATE EXTENSION btree_gist; CREATE TABLE p (id bigint GENERATED ALWAYS AS IDENTITY (INCREMENT 5), k int, r int4range, EXCLUDE USING gist (k WITH =, r WITH &&)) PARTITION BY LIST (k); CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1); CREATE TABLE p2 (id bigint NOT NULL, k int, r int4range); ALTER TABLE p ATTACH PARTITION p2 FOR VALUES IN (2); INSERT INTO p (k, r) VALUES (1, '[1,5)'), (1, '[5,9)'), (2, '[1,5)');
## G112 | plain,su | views with literals that have no name
-- needs: 17
CREATE TABLE t (a int, b text); INSERT INTO t VALUES (1, 'x'); CREATE VIEW v AS SELECT a FROM t WHERE EXISTS (SELECT NULL FROM t u WHERE u.a = t.a); CREATE POLICY p ON t USING (EXISTS (SELECT 'x' FROM t q)); CREATE FUNCTION f() RETURNS bool BEGIN ATOMIC SELECT EXISTS (SELECT NULL, 'a' FROM t); END; CREATE VIEW w AS SELECT NULL FROM t;
## G113 | plain,su | SQL/JSON: JSON_TABLE, JSON_QUERY, JSON_VALUE, JSON_EXISTS, constructors
-- needs: 17
CREATE TABLE t (j jsonb, CHECK (JSON_EXISTS(j, '$.a'))); INSERT INTO t VALUES ('{"a":[{"b":1},{"b":2}]}'); CREATE VIEW v AS SELECT jt.* FROM t, JSON_TABLE(j, '$.a[*]' AS root COLUMNS (id FOR ORDINALITY, b int PATH '$.b' DEFAULT 0 ON EMPTY ERROR ON ERROR, ok bool EXISTS PATH '$.c', NESTED PATH '$.d[*]' COLUMNS (e text PATH '$'))) jt; CREATE VIEW w AS SELECT JSON_QUERY(j, '$.a' WITH WRAPPER KEEP QUOTES NULL ON EMPTY) AS q, JSON_VALUE(j, '$.a[0].b' RETURNING int DEFAULT 5 ON ERROR) AS x, JSON_EXISTS(j, 'strict $.z' FALSE ON ERROR) AS e, JSON_SCALAR(1) AS s, JSON_SERIALIZE('{}' RETURNING bytea) AS z, JSON('{"a":1}') AS k FROM t; CREATE INDEX ON t (JSON_VALUE(j, '$.a[0].b'));
## G114 | plain,su | MERGE of 17 in functions, statistics target DEFAULT, infinite intervals
-- needs: 17
CREATE TABLE t (a int PRIMARY KEY, b text); INSERT INTO t VALUES (1, 'x'); CREATE FUNCTION m() RETURNS SETOF text BEGIN ATOMIC MERGE INTO t USING (VALUES (1, 'y')) s (a, b) ON t.a = s.a WHEN MATCHED THEN UPDATE SET b = s.b WHEN NOT MATCHED BY SOURCE THEN DELETE WHEN NOT MATCHED BY TARGET THEN INSERT VALUES (s.a, s.b) RETURNING merge_action(); END; ALTER TABLE t ALTER b SET STATISTICS DEFAULT; CREATE STATISTICS s ON a, b FROM t; ALTER STATISTICS s SET STATISTICS DEFAULT; CREATE VIEW v AS SELECT now() AT LOCAL AS l, random(1, 10) AS r, interval 'infinity' AS i; CREATE TABLE i (i interval DEFAULT '-infinity'); INSERT INTO i VALUES ('infinity'), (DEFAULT);
## G115 | plain,su | settings and subscription options of 17
-- needs: 17
CREATE TABLE t (a int); SELECT format('ALTER DATABASE %I SET transaction_timeout = ''900ms''', current_database()), format('ALTER DATABASE %I SET event_triggers = off', current_database()), format('ALTER DATABASE %I SET restrict_nonsystem_relation_kind = ''view''', current_database()) \gexec
