-- Mutations of the restored zoo: types. Each must turn a drill red.
## M100 | type | composite attribute added
ALTER TYPE sales.pair ADD ATTRIBUTE c int;
## M101 | type | composite attribute collation
ALTER TYPE sales.spare ALTER ATTRIBUTE b TYPE text COLLATE "POSIX";
## M103 | domain | NOT NULL
ALTER DOMAIN sales.letter DROP NOT NULL;
## M104 | domain | check
ALTER DOMAIN sales.letter DROP CONSTRAINT only_ab;
## M106 | base type | category
UPDATE pg_type SET typcategory = 'U' WHERE oid = 'public.raw'::regtype;
## M226 | type | owner
ALTER TYPE sales.mood OWNER TO clerk;
## M542 | type | enum value added
ALTER TYPE sales.mood ADD VALUE 'angry';
## M543 | type | enum value renamed
ALTER TYPE sales.level RENAME VALUE 'mid' TO 'middle';
## M544 | type | order of enum values
UPDATE pg_enum SET enumsortorder = 10 WHERE enumtypid = 'sales.level'::regtype AND enumlabel = 'mid';
## M545 | type | enum dropped
DROP TYPE sales.level CASCADE;
## M546 | type | renamed
ALTER TYPE sales.deep RENAME TO deep2;
## M547 | type | moved to another schema
ALTER TYPE sales.span SET SCHEMA public;
## M548 | type | attribute of a composite renamed
ALTER TYPE sales.deep RENAME ATTRIBUTE m TO mm;
## M549 | type | attribute of a composite dropped
ALTER TYPE sales.deep DROP ATTRIBUTE m;
## M550 | type | attribute of a composite of another type
ALTER TYPE sales.row ALTER ATTRIBUTE b TYPE varchar CASCADE;
## M551 | type | owner of a composite
ALTER TYPE sales.deep OWNER TO clerk;
## M552 | type | range dropped
DROP TYPE sales.span;
## M553 | type | range: difference function lost
DROP TYPE sales.span; CREATE TYPE sales.span AS RANGE (subtype = float8); ALTER TYPE sales.span OWNER TO app;
## M554 | type | range: name of its multirange
DROP TYPE sales.span; CREATE TYPE sales.span AS RANGE (subtype = float8, subtype_diff = float8mi, multirange_type_name = sales.spans); ALTER TYPE sales.span OWNER TO app;
## M555 | type | range: collation
UPDATE pg_range SET rngcollation = '"POSIX"'::regcollation WHERE rngtypid = 'sales.words'::regtype;
## M556 | type | range: operator class
UPDATE pg_range SET rngsubopc = (SELECT oid FROM pg_opclass WHERE opcname = 'text_ops' AND opcmethod = 403) WHERE rngtypid = 'sales.words'::regtype;
## M557 | type | range: canonical function lost
UPDATE pg_range SET rngcanonical = 0 WHERE rngtypid = 'public.steps'::regtype;
## M558 | domain | dropped
DROP DOMAIN sales.cname;
## M559 | domain | default
ALTER DOMAIN sales.letter SET DEFAULT 'b';
## M560 | domain | default lost
ALTER DOMAIN sales.letter DROP DEFAULT;
## M561 | domain | owner
ALTER DOMAIN sales.loose OWNER TO clerk;
## M562 | domain | check that was not valid validated
ALTER DOMAIN sales.loose VALIDATE CONSTRAINT small;
## M563 | domain | check renamed
ALTER DOMAIN sales.over RENAME CONSTRAINT not_c TO never_c;
## M564 | domain | one more check
ALTER DOMAIN sales.blob ADD CHECK (length(VALUE) < 100000);
## M565 | domain | collation
UPDATE pg_type SET typcollation = '"POSIX"'::regcollation WHERE oid = 'sales.cname'::regtype;
## M566 | domain | length of its base type
UPDATE pg_type SET typtypmod = typtypmod + 1 WHERE oid = 'sales.letter'::regtype;
## M567 | domain | base type
DROP DOMAIN sales.cname; CREATE DOMAIN sales.cname AS varchar COLLATE "C"; ALTER DOMAIN sales.cname OWNER TO clerk;
## M568 | base type | dropped
DROP TYPE public.raw CASCADE;
## M569 | base type | owner
ALTER TYPE public.vec OWNER TO app;
## M570 | base type | storage
ALTER TYPE public.vec SET (STORAGE = main);
## M571 | base type | send function lost
ALTER TYPE public.vec SET (SEND = NONE);
## M572 | base type | modifiers lost
ALTER TYPE public.vec SET (TYPMOD_OUT = NONE);
## M573 | base type | default
UPDATE pg_type SET typdefault = 'other' WHERE oid = 'public.vec'::regtype;
## M574 | base type | delimiter
UPDATE pg_type SET typdelim = ',' WHERE oid = 'public.vec'::regtype;
## M575 | base type | preferred
UPDATE pg_type SET typispreferred = false WHERE oid = 'public.vec'::regtype;
## M576 | base type | alignment
UPDATE pg_type SET typalign = 'd' WHERE oid = 'public.vec'::regtype;
## M577 | base type | no longer collatable
UPDATE pg_type SET typcollation = 0 WHERE oid = 'public.vec'::regtype;
## M578 | base type | subscripts
ALTER TYPE public.vec SET (ANALYZE = ts_typanalyze);
## M579 | shell type | dropped
DROP TYPE public.shell;
