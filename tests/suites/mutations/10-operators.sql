-- Mutations of the restored zoo: operators. Each must turn a drill red.
## M094 | operator | selectivity function
ALTER OPERATOR sales.=== (sales.pair, sales.pair) SET (RESTRICT = NONE);
## M095 | operator class | dropped with its index
DROP OPERATOR CLASS public.own_order USING btree CASCADE;
## M097 | cast | dropped
DROP CAST (sales.mood AS int);
## M098 | cast | context
UPDATE pg_cast SET castcontext = 'i' WHERE castsource = 'sales.mood'::regtype AND casttarget = 'int'::regtype;
## M515 | operator | dropped
DROP OPERATOR sales.!! (NONE, int);
## M516 | operator | owner
ALTER OPERATOR sales.=== (sales.pair, sales.pair) OWNER TO clerk;
## M517 | operator | join selectivity
ALTER OPERATOR sales.=== (sales.pair, sales.pair) SET (JOIN = NONE);
## M518 | operator | schema
ALTER OPERATOR sales.!! (NONE, int) SET SCHEMA public;
## M519 | operator | negator lost on both sides
UPDATE pg_operator SET oprnegate = 0 WHERE oprname IN ('===', '!==') AND oprnamespace = 'sales'::regnamespace;
## M520 | operator | commutator lost
UPDATE pg_operator SET oprcom = 0 WHERE oprname = '!==' AND oprnamespace = 'sales'::regnamespace;
## M521 | operator | HASHES lost
UPDATE pg_operator SET oprcanhash = false WHERE oprname = '====' AND oprnamespace = 'public'::regnamespace;
## M522 | operator | MERGES lost
UPDATE pg_operator SET oprcanmerge = false WHERE oprname = '====' AND oprnamespace = 'public'::regnamespace;
## M523 | operator | its function
UPDATE pg_operator SET oprcode = 'int4abs'::regproc WHERE oprname = '!!' AND oprnamespace = 'sales'::regnamespace;
## M524 | operator | added
CREATE OPERATOR sales.!!! (RIGHTARG = int, FUNCTION = pg_catalog.int4um);
## M525 | operator class | dropped
DROP OPERATOR CLASS public.int_brin2 USING brin2 CASCADE;
## M526 | operator class | renamed
ALTER OPERATOR CLASS public.own_hash USING hash RENAME TO own_hash2;
## M527 | operator class | owner
ALTER OPERATOR CLASS public.own_hash USING hash OWNER TO clerk;
## M528 | operator class | became the default
UPDATE pg_opclass SET opcdefault = false WHERE opcname = 'int_brin2';
## M529 | operator class | support function lost
ALTER OPERATOR FAMILY public.own_hash USING hash ADD FUNCTION 1 (int8, int8) hashint8(int8);
## M530 | operator class | storage type
UPDATE pg_opclass SET opckeytype = 'polygon'::regtype WHERE opcname = 'own_gist';
## M531 | operator family | operator dropped
ALTER OPERATOR FAMILY public.of USING btree DROP OPERATOR 1 (int4, int8);
## M532 | operator family | function dropped
ALTER OPERATOR FAMILY public.of USING btree DROP FUNCTION 1 (int4, int8);
## M533 | operator family | operator added
ALTER OPERATOR FAMILY public.of USING btree ADD OPERATOR 3 = (int4, int8);
## M534 | operator family | owner
ALTER OPERATOR FAMILY public.of USING btree OWNER TO clerk;
## M535 | operator family | one more, empty
CREATE OPERATOR FAMILY public.of2 USING hash;
## M536 | cast | added
CREATE CAST (sales.mood AS bigint) WITH INOUT AS ASSIGNMENT;
## M537 | cast | INOUT one dropped
DROP CAST (sales.level AS sales.mood);
## M538 | cast | binary one dropped
DROP CAST (public.vec AS text);
## M539 | cast | implicit to explicit
DROP CAST (sales.level AS sales.mood); CREATE CAST (sales.level AS sales.mood) WITH INOUT;
## M540 | cast | between built-in types dropped
DROP CAST (int AS inet);
## M541 | cast | its function
CREATE FUNCTION sales.mood2int2(sales.mood) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 3'; DROP CAST (sales.mood AS int); CREATE CAST (sales.mood AS int) WITH FUNCTION sales.mood2int2(sales.mood) AS ASSIGNMENT; COMMENT ON CAST (sales.mood AS int) IS 'a cast';
