-- Good databases: encodings. Each must be backed up, drilled green and restored as it was.
## G096 | plain,su | LATIN1 database with accents in names and rows
-- db: ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'
-- clientenc: UTF8
CREATE TABLE "Größe" ("Länge" text DEFAULT 'ä', CONSTRAINT "prüfe" CHECK ("Länge" <> 'ö')); INSERT INTO "Größe" VALUES ('ÿ'), ('£'); COMMENT ON TABLE "Größe" IS 'für'; CREATE TYPE e AS ENUM ('é'); SELECT lo_from_bytea(7001, '\xff00');
## G097 | plain,su | SQL_ASCII database with bytes that are no UTF-8
-- db: ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C'
-- clientenc: SQL_ASCII
CREATE TABLE t (id int, a text, b bytea); INSERT INTO t VALUES (1, E'\xe9\xff', '\xe9ff'), (2, E'caf\xc3\xa9', NULL), (3, E'\x80', '\x00'); CREATE FUNCTION f() RETURNS text LANGUAGE sql AS E'SELECT ''\xe9''::text'; COMMENT ON TABLE t IS E'\xfc';
## G098 | plain,su | EUC_JP database with rows and comments
-- db: ENCODING 'EUC_JP' LC_COLLATE 'C' LC_CTYPE 'C'
-- clientenc: UTF8
CREATE TABLE "表" (id int PRIMARY KEY, "名前" text); INSERT INTO "表" VALUES (1, '東京都'), (2, 'ｶﾀｶﾅ'); COMMENT ON COLUMN "表"."名前" IS '氏名'; CREATE VIEW "見" AS SELECT "名前" FROM "表" WHERE "名前" <> '大阪'; CREATE INDEX "索引" ON "表" ("名前");
## G099 | plain,su | WIN1252 database with typographic marks
-- db: ENCODING 'WIN1252' LC_COLLATE 'C' LC_CTYPE 'C'
-- clientenc: UTF8
CREATE TABLE t (a text DEFAULT '€', b text[]); INSERT INTO t VALUES ('“quoted” – ’', '{€,„x}'); CREATE FUNCTION "f€"() RETURNS text LANGUAGE sql AS 'SELECT ''™''::text';
## G100 | plain,su | UTF8 database with the last characters there are
CREATE TABLE t (a text, b jsonb, c xml, d "char", e name); INSERT INTO t VALUES (U&'\+10FFFF', '"\ud83d\ude00"', '<ä>😀</ä>', 'é', '😀'), (U&'\FFFE\0080\00AD', '{"\u0001":"\\u"}', NULL, NULL, NULL), (repeat('😀', 3000), NULL, NULL, NULL, NULL), (E'\u0301 combining first', NULL, NULL, NULL, NULL), (U&'\202Eright to left', NULL, NULL, NULL, NULL);
