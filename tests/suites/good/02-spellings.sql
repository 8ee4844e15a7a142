-- Good databases: spellings. Each must be backed up, drilled green and restored as it was.
## FB01 | plain | varchar IN lists in many spellings
CREATE TABLE t1 (v varchar(10), CHECK (v IN ('a', NULL)));
CREATE TABLE t2 (w varchar, CHECK (w IN ('a'::varchar(3), 'b'::varchar(3))), CHECK (w NOT IN ('x','y')));
CREATE TABLE t3 (v varchar(10), CHECK (v::varchar(2) IN ('a','b')));
CREATE TABLE t4 (w varchar, CHECK (w = ANY (ARRAY['a','b']::varchar[])), CHECK (w = ANY ('{a,b}'::varchar[])), CHECK (w IN ('a', E'back\\slash', 'q''uote')));
CREATE TABLE t5 (v varchar, w varchar, CHECK ((v, w) IN (('a','b'),('c','d'))), CHECK (w IN (v, 'k')), CHECK (lower(w) IN ('a','b')), CHECK (w LIKE ANY (ARRAY['a%','b%'])));
CREATE TABLE t6 (w varchar, CHECK (w ~~ ANY (ARRAY['a%'::varchar,'b%'::varchar]::text[])), CHECK (w IN ('1'::text, '2'::varchar)), CHECK (w = ANY (ARRAY['a'::varchar, 'b'::varchar] || ARRAY['c'::varchar])));
CREATE INDEX ON t5 (w) WHERE v IN ('a','b') AND w NOT IN ('c','d'); CREATE POLICY p ON t5 USING (v IN ('a','b'));
CREATE VIEW vv AS SELECT CASE WHEN v IN ('a','b') THEN 1 END AS x, w = ANY (ARRAY['a'::varchar, 'b'::varchar]) AS y, array_position(ARRAY['a','b']::varchar[], w) AS z FROM t5 WHERE w IN ('a', 'b', NULL);
CREATE DOMAIN d AS varchar(5) CHECK (VALUE IN ('a','b')); CREATE TABLE u (x d CHECK (x IN ('a','b')), y varchar[] CHECK (y <@ ARRAY['a','b']::varchar[]));
CREATE TABLE u2 (y varchar[] CHECK (y && ARRAY['a','b']::varchar[] AND y::text[] && ARRAY['a'::varchar,'b']::text[]));
## FB02 | plain | element spelled with a length
CREATE TABLE t2 (w varchar, CHECK (w IN ('a'::varchar(3), 'b'::varchar(3))));
## FB04 | plain | casts of whole arrays
CREATE TABLE t6 (w varchar, c char(3), n name, CHECK (w ~~ ANY (ARRAY['a%'::varchar,'b%'::varchar]::text[])), CHECK (c = ANY (ARRAY['a'::char(3),'b'::char(3)]::text[])), CHECK (n = ANY (ARRAY['a'::name,'b']::text[])), CHECK (w = ANY (ARRAY['a'::bpchar,'b'::bpchar]::varchar[])));
CREATE TABLE t7 (i int, CHECK (i = ANY (ARRAY[1,2]::bigint[])), CHECK (i::numeric = ANY (ARRAY[1,2]::numeric[])), CHECK (ARRAY[1,2]::text[] IS NOT NULL), d date, CHECK (d = ANY (ARRAY['2020-01-01'::date,'2020-01-02']::timestamp[])), CHECK (ARRAY['1','2']::int[] IS NOT NULL), CHECK (ARRAY['a'::varchar(2)]::varchar(1)[] IS NOT NULL), CHECK (ARRAY[ARRAY['a'::varchar]]::text[] IS NOT NULL));
## FB05 | plain | view forms 1
CREATE TABLE t (a int PRIMARY KEY, b text, c numeric, d date, e timestamptz, j jsonb, arr int[]); CREATE VIEW v1 AS SELECT a, b, c FROM t GROUP BY a HAVING count(*) > 0; CREATE VIEW v2 AS SELECT DISTINCT ON (b) *, row_number() OVER w AS rn FROM t WINDOW w AS (PARTITION BY b ORDER BY c DESC NULLS LAST ROWS BETWEEN 1 PRECEDING AND CURRENT ROW EXCLUDE TIES); CREATE VIEW v3 AS WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n+1 FROM r WHERE n < 5) SELECT * FROM r; CREATE VIEW v4 AS SELECT e AT TIME ZONE 'UTC' AS x, extract(year FROM d) AS y, trim(both 'x' from b) AS z, overlay(b placing 'q' from 1) AS o, substring(b from 1 for 2) AS s, position('a' in b) AS p, b COLLATE "C" AS cc, b SIMILAR TO 'a|b' AS si, interval '1 day' * 2 AS iv, current_date AS cd, localtimestamp AS lt, b IS NORMALIZED AS nm FROM t; CREATE VIEW v5 AS SELECT (j->>'a')::int AS ja, arr[1:2] AS sl, ARRAY(SELECT 1) AS sub, a IN (SELECT a FROM t) AS ins, (a,b) = (1,'x') AS eq, (a, b) < (2, 'y') AS lt, a BETWEEN SYMMETRIC 3 AND 1 AS bs, GREATEST(a,1), NULLIF(a,1), COALESCE(b,'x'::varchar) AS co, CASE a WHEN 1 THEN 'a' WHEN 2 THEN 'b' ELSE b END AS ca, b ILIKE '%x%' ESCAPE '!' AS il FROM t;
