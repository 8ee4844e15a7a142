-- Good databases: what came with PostgreSQL 16. Each must be backed up, drilled green and restored as it was.
## G101 | plain,su | database with rules of ICU of its own
-- needs: 16
-- db: LOCALE_PROVIDER icu ICU_LOCALE 'en' ICU_RULES '&a < g' LC_COLLATE 'C' LC_CTYPE 'C'
CREATE TABLE p (n text) PARTITION BY RANGE (n); CREATE TABLE p1 PARTITION OF p FOR VALUES FROM ('a') TO ('b'); CREATE TABLE p2 PARTITION OF p FOR VALUES FROM ('b') TO (MAXVALUE); INSERT INTO p VALUES ('green'), ('apple'), ('blue');
## G102 | plain,su | collation with rules, storage in CREATE TABLE, random_normal in a default
-- needs: 16
CREATE COLLATION own (provider = icu, locale = 'und', rules = '&V << w <<< W'); CREATE TABLE t (a text STORAGE EXTERNAL COMPRESSION pglz COLLATE own, b int DEFAULT random_normal()::int); INSERT INTO t VALUES ('v', 1), ('w', 2); CREATE INDEX ON t (a);
## G103 | plain,su | underscores and hex in numbers, JSON constructors, IS JSON, any_value
-- needs: 16
CREATE TABLE t (a int DEFAULT 1_000_000, b int DEFAULT 0xFF, j text CHECK (j IS JSON OBJECT WITH UNIQUE KEYS)); INSERT INTO t (j) VALUES ('{"a":1}'); CREATE VIEW v AS SELECT json_object('a': 1, 'b': a ABSENT ON NULL) AS o, json_array(a, b NULL ON NULL RETURNING text) AS r, j IS JSON SCALAR AS s FROM t; CREATE VIEW w AS SELECT any_value(a) AS a, json_arrayagg(b ORDER BY b) AS l, json_objectagg(j: a) AS q FROM t; CREATE VIEW x AS SELECT * FROM (SELECT 1);
## G104 | plain,su | subscription with the options of 16
-- needs: 16
CREATE TABLE t (a int PRIMARY KEY); CREATE SUBSCRIPTION sub_g3 CONNECTION 'host=nowhere.invalid' PUBLICATION p WITH (connect = false, slot_name = NONE, origin = none, streaming = parallel, password_required = false, run_as_owner = true);
## G105 | plain,su | unique key of a partitioned table that treats NULLs as equal
-- needs: 16
CREATE TABLE p (a int, b int4range, UNIQUE NULLS NOT DISTINCT (a, b)) PARTITION BY LIST (a); CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1, NULL); INSERT INTO p VALUES (1, '[1,2)'), (NULL, NULL); CREATE INDEX ON p USING brin (a) WITH (autosummarize = on); CREATE FUNCTION tg() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; CREATE TRIGGER tg AFTER INSERT ON p FOR EACH ROW EXECUTE FUNCTION tg();
