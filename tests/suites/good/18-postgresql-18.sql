-- Good databases: what came with PostgreSQL 18. Each must be backed up, drilled green and restored as it was.
## G116 | plain,su | names of NOT NULL constraints after LIKE, renaming, DETACH and SET SCHEMA
-- needs: 18
CREATE SCHEMA s; CREATE TABLE orders (id int NOT NULL, n int CONSTRAINT own NOT NULL); CREATE TABLE archive (LIKE orders); ALTER TABLE orders RENAME TO orders_old; ALTER TABLE archive RENAME TO orders; ALTER TABLE orders_old SET SCHEMA s; CREATE TABLE p (a int NOT NULL) PARTITION BY LIST (a); CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1); ALTER TABLE p DETACH PARTITION p1; ALTER TABLE p1 RENAME a TO b; INSERT INTO orders VALUES (1, 2);
## G117 | plain,su | NOT NULL constraints: named, NO INHERIT, NOT VALID, inherited and local
-- needs: 18
CREATE TABLE t (a int CONSTRAINT a_there NOT NULL NO INHERIT, b int); INSERT INTO t VALUES (1, NULL); ALTER TABLE t ADD CONSTRAINT b_there NOT NULL b NOT VALID; CREATE TABLE c () INHERITS (t); CREATE TABLE d (b int CONSTRAINT mine NOT NULL) INHERITS (t); COMMENT ON CONSTRAINT a_there ON t IS 'x'; CREATE TABLE k (id int, CONSTRAINT k_there NOT NULL id, PRIMARY KEY (id));
## G118 | plain,su | constraints that are not enforced
-- needs: 18
CREATE TABLE p (a int PRIMARY KEY); CREATE TABLE t (a int CHECK (a > 0) NOT ENFORCED, b int, CONSTRAINT fk FOREIGN KEY (b) REFERENCES p NOT ENFORCED); INSERT INTO t VALUES (-1, 99); CREATE TABLE q (a int) PARTITION BY LIST (a); CREATE TABLE q1 PARTITION OF q FOR VALUES IN (1); ALTER TABLE q ADD CONSTRAINT qfk FOREIGN KEY (a) REFERENCES p NOT VALID;
## G119 | plain,su | virtual generated columns
-- needs: 18
CREATE TABLE t (a int, b int GENERATED ALWAYS AS (a * 2) VIRTUAL, c text GENERATED ALWAYS AS ('x' || a) STORED, d int GENERATED ALWAYS AS (a + 1)); INSERT INTO t VALUES (1), (2); CREATE VIEW v AS SELECT b, d FROM t WHERE b > 2; ALTER TABLE t ADD CHECK (b > 0); CREATE TABLE p (a int, g int GENERATED ALWAYS AS (a + 1) VIRTUAL) PARTITION BY LIST (a); CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1); INSERT INTO p VALUES (1);
## G120 | plain,su | temporal keys: WITHOUT OVERLAPS and PERIOD
-- needs: 18
CREATE EXTENSION btree_gist; CREATE TABLE t (id int, valid daterange, v text, CONSTRAINT t_pk PRIMARY KEY (id, valid WITHOUT OVERLAPS)); CREATE TABLE r (id int, tid int, valid daterange, PRIMARY KEY (id, valid WITHOUT OVERLAPS), FOREIGN KEY (tid, PERIOD valid) REFERENCES t (id, PERIOD valid)); INSERT INTO t VALUES (1, '[2020-01-01,2020-06-01)', 'a'), (1, '[2020-06-01,)', 'b'); INSERT INTO r VALUES (1, 1, '[2020-02-01,2020-08-01)'); CREATE TABLE m (id int, p datemultirange, UNIQUE (id, p WITHOUT OVERLAPS)); INSERT INTO m VALUES (1, '{[2020-01-01,2020-02-01)}');
## G121 | plain,su | default privileges on large objects
-- needs: 18
ALTER DEFAULT PRIVILEGES FOR ROLE app GRANT SELECT, UPDATE ON LARGE OBJECTS TO clerk; ALTER DEFAULT PRIVILEGES GRANT SELECT ON LARGE OBJECTS TO report WITH GRANT OPTION; SELECT lo_from_bytea(8001, 'x');
## G122 | plain,su | uuidv7, casefold, OLD and NEW in RETURNING, json strip, nondeterministic LIKE
-- needs: 18
CREATE TABLE t (id uuid DEFAULT uuidv7() PRIMARY KEY, a text, f text GENERATED ALWAYS AS (lower(a COLLATE "C")) STORED); INSERT INTO t (a) VALUES ('X'); CREATE FUNCTION r() RETURNS SETOF text BEGIN ATOMIC UPDATE t SET a = 'z' RETURNING OLD.a || NEW.a; END; CREATE FUNCTION r2() RETURNS SETOF text BEGIN ATOMIC DELETE FROM t RETURNING WITH (OLD AS o, NEW AS n) o.a; END; CREATE VIEW v AS SELECT array_sort(ARRAY[2, 1]) AS s, reverse('\x01'::bytea) AS b, casefold(a COLLATE "und-x-icu") AS c FROM t;
## G123 | plain,su | publication of generated columns, statistics of a table and an index
-- needs: 18
CREATE TABLE t (a int PRIMARY KEY, g int GENERATED ALWAYS AS (a + 1) STORED); INSERT INTO t SELECT generate_series(1, 50); CREATE PUBLICATION p FOR TABLE t WITH (publish_generated_columns = stored); CREATE PUBLICATION q FOR TABLE t (a, g); CREATE INDEX i ON t ((a + 2)); ANALYZE t;
## G124 | plain,su | foreign key over columns of a nondeterministic collation, from a partitioned table too
-- needs: 18
CREATE COLLATION ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false); CREATE TABLE p (a text COLLATE ci PRIMARY KEY); INSERT INTO p VALUES ('X'); CREATE TABLE c (a text COLLATE ci REFERENCES p); INSERT INTO c VALUES ('x'); CREATE TABLE q (a text COLLATE ci) PARTITION BY LIST (a); CREATE TABLE q1 PARTITION OF q FOR VALUES IN ('X'); INSERT INTO q VALUES ('x'); ALTER TABLE q ADD FOREIGN KEY (a) REFERENCES p;
