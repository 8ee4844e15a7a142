-- Mutations of the restored zoo: functions. Each must turn a drill red.
## M082 | function | atomic body
CREATE OR REPLACE FUNCTION sales.atomic(a int) RETURNS int LANGUAGE sql IMMUTABLE BEGIN ATOMIC SELECT a + 2; END;
## M083 | function | SECURITY DEFINER off
ALTER FUNCTION sales.sd() SECURITY INVOKER;
## M085 | function | volatility
ALTER FUNCTION sales.mood2int(sales.mood) STABLE;
## M086 | function | cost
ALTER FUNCTION sales.add(int,int) COST 8;
## M088 | function | strict
ALTER FUNCTION sales.add(int,int) CALLED ON NULL INPUT;
## M089 | function | parallel
ALTER FUNCTION sales.add(int,int) PARALLEL UNSAFE;
## M091 | function | owner
ALTER FUNCTION sales.many() OWNER TO clerk;
## M092 | procedure | body
CREATE OR REPLACE PROCEDURE sales.work(INOUT x int) LANGUAGE plpgsql AS $$ BEGIN x := x + 2; END $$;
## M229 | aggregate | owner
ALTER AGGREGATE sales.product(float8) OWNER TO clerk;
## M466 | function | dropped
DROP FUNCTION sales.many();
## M467 | function | added
CREATE FUNCTION sales.extra() RETURNS int LANGUAGE sql AS 'SELECT 1';
## M468 | function | one of two overloads dropped
DROP FUNCTION sales.add(text);
## M469 | function | bodies of two overloads: one changed
CREATE OR REPLACE FUNCTION sales.add(a text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT a || a';
## M470 | function | renamed
ALTER FUNCTION sales.many() RENAME TO many2;
## M471 | function | moved to another schema
ALTER FUNCTION sales.many() SET SCHEMA public;
## M472 | function | body: one space more
CREATE OR REPLACE FUNCTION sales.add(a int, b int DEFAULT 2) RETURNS int LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE COST 7 AS 'SELECT a +  b';
## M473 | function | default of an argument
CREATE OR REPLACE FUNCTION sales.add(a int, b int DEFAULT 3) RETURNS int LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE COST 7 AS 'SELECT a + b';
## M474 | function | name of an argument
DROP FUNCTION sales.tab(int); CREATE FUNCTION sales.tab(b int) RETURNS TABLE (x int, y text) LANGUAGE sql STABLE PARALLEL RESTRICTED ROWS 7 COST 50 AS 'SELECT b, ''y''::text'; ALTER FUNCTION sales.tab(int) OWNER TO app;
## M475 | function | SECURITY DEFINER added
ALTER FUNCTION sales.many() SECURITY DEFINER;
## M476 | function | volatility of a STABLE one
ALTER FUNCTION sales.tab(int) VOLATILE;
## M477 | function | rows
ALTER FUNCTION sales.many() ROWS 34;
## M478 | function | STRICT added
ALTER FUNCTION sales.add(text) STRICT;
## M479 | function | PARALLEL RESTRICTED to SAFE
ALTER FUNCTION sales.tab(int) PARALLEL SAFE;
## M480 | function | LEAKPROOF lost
ALTER FUNCTION public.sealed() NOT LEAKPROOF;
## M481 | function | LEAKPROOF gained
ALTER FUNCTION sales.nee(sales.pair, sales.pair) LEAKPROOF;
## M482 | function | support function
CREATE OR REPLACE FUNCTION public.supported(int, int) RETURNS SETOF int LANGUAGE internal IMMUTABLE STRICT AS 'generate_series_int4';
## M483 | function | one SET clause changed
ALTER FUNCTION sales.sd() SET work_mem = '9MB';
## M484 | function | SET clauses lost
ALTER FUNCTION sales.sd() RESET ALL;
## M485 | function | SET search_path changed
ALTER FUNCTION sales.sd() SET search_path = pg_catalog, sales, public;
## M486 | function | empty search_path became another
ALTER FUNCTION sales.sets() SET search_path = '""';
## M487 | function | SET of a setting for superusers
ALTER FUNCTION public.set_admin() SET log_statement = 'all';
## M488 | function | SET of a custom setting
ALTER FUNCTION public.custom() SET "my.own" = 'a b';
## M489 | function | owner of a SECURITY DEFINER one
ALTER FUNCTION sales.sd() OWNER TO clerk;
## M490 | function | owner back from another role
ALTER FUNCTION sales.atomic(int) OWNER TO app;
## M491 | function | DEPENDS ON EXTENSION lost
ALTER FUNCTION sales.needs_hstore(tools.hstore) NO DEPENDS ON EXTENSION hstore;
## M492 | function | return type
DROP FUNCTION sales.many(); CREATE FUNCTION sales.many() RETURNS SETOF bigint LANGUAGE plpgsql ROWS 33 AS $$ BEGIN RETURN NEXT 1; END $$; ALTER FUNCTION sales.many() OWNER TO app;
## M493 | function | SETOF lost
DROP FUNCTION sales.many(); CREATE FUNCTION sales.many() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN 1; END $$; ALTER FUNCTION sales.many() OWNER TO app;
## M494 | function | language
CREATE OR REPLACE FUNCTION sales.poly(anyelement, anyarray) RETURNS anyelement LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN $1; END';
## M495 | function | language of its own to plpgsql
CREATE OR REPLACE FUNCTION public.in_own() RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN 1; END';
## M496 | function | TRANSFORM clause lost
CREATE OR REPLACE FUNCTION public.transformed(int) RETURNS int LANGUAGE sql AS 'SELECT $1';
## M497 | function | link symbol of an internal one
CREATE OR REPLACE FUNCTION public.in_c() RETURNS trigger LANGUAGE internal AS 'tsvector_update_trigger_byid';
## M498 | function | WINDOW lost
DROP FUNCTION public.ranks(); CREATE FUNCTION public.ranks() RETURNS bigint LANGUAGE sql AS 'SELECT 1::bigint';
## M499 | function | VARIADIC argument became a plain array
DROP FUNCTION sales.outs(int, text[]); CREATE FUNCTION sales.outs(IN a int, OUT b int, OUT "C c" text, rest text[] DEFAULT '{}') LANGUAGE sql STABLE AS $q$ SELECT a, $$it's "quoted" \ %s$$::text $q$; ALTER FUNCTION sales.outs(int, text[]) OWNER TO app;
## M500 | function | quotes in the body
CREATE OR REPLACE FUNCTION sales.outs(IN a int, OUT b int, OUT "C c" text, VARIADIC rest text[] DEFAULT '{}') LANGUAGE sql STABLE AS $q$ SELECT a, $$it''s "quoted" \ %s$$::text $q$;
## M501 | function | trigger function's body
CREATE OR REPLACE FUNCTION sales.tg() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN OLD; END $$;
## M502 | procedure | dropped
DROP PROCEDURE sales.work(int);
## M503 | procedure | owner
ALTER PROCEDURE sales.work(int) OWNER TO clerk;
## M504 | procedure | SECURITY DEFINER
ALTER PROCEDURE sales.work(int) SECURITY DEFINER;
## M505 | procedure | body of standard SQL
CREATE OR REPLACE PROCEDURE sales.outp(a int, OUT b int) LANGUAGE sql BEGIN ATOMIC SELECT a + 2; END;
## M506 | aggregate | dropped
DROP AGGREGATE sales.product(float8);
## M507 | aggregate | initial value
CREATE OR REPLACE AGGREGATE sales.product(float8) (SFUNC = float8mul, STYPE = float8, INITCOND = '2');
## M508 | aggregate | moving part lost
CREATE OR REPLACE AGGREGATE sales.total(int) (SFUNC = int4pl, STYPE = int, INITCOND = '0', COMBINEFUNC = int4pl, PARALLEL = SAFE, SSPACE = 8);
## M509 | aggregate | combine function lost
CREATE OR REPLACE AGGREGATE sales.total(int) (SFUNC = int4pl, STYPE = int, INITCOND = '0', PARALLEL = SAFE, MSFUNC = int4pl, MINVFUNC = int4mi, MSTYPE = int, MINITCOND = '0', SSPACE = 8);
## M510 | aggregate | size of the state
CREATE OR REPLACE AGGREGATE sales.total(int) (SFUNC = int4pl, STYPE = int, INITCOND = '0', COMBINEFUNC = int4pl, PARALLEL = SAFE, MSFUNC = int4pl, MINVFUNC = int4mi, MSTYPE = int, MINITCOND = '0', SSPACE = 16);
## M511 | aggregate | parallel safety
CREATE OR REPLACE AGGREGATE sales.total(int) (SFUNC = int4pl, STYPE = int, INITCOND = '0', COMBINEFUNC = int4pl, MSFUNC = int4pl, MINVFUNC = int4mi, MSTYPE = int, MINITCOND = '0', SSPACE = 8);
## M512 | aggregate | sort operator lost
CREATE OR REPLACE AGGREGATE sales.smallest(int) (SFUNC = int4smaller, STYPE = int);
## M513 | aggregate | ordered-set one: another final function
DROP AGGREGATE public.own_percentile(float8 ORDER BY float8); CREATE AGGREGATE public.own_percentile(float8 ORDER BY float8) (SFUNC = ordered_set_transition, STYPE = internal, FINALFUNC = percentile_cont_float8_final, FINALFUNC_MODIFY = READ_ONLY);
## M514 | aggregate | serial functions lost
CREATE OR REPLACE AGGREGATE public.own_avg(numeric) (SFUNC = numeric_avg_accum, STYPE = internal, FINALFUNC = numeric_avg, FINALFUNC_MODIFY = READ_WRITE, PARALLEL = SAFE);
