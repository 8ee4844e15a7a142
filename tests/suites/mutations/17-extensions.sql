-- Mutations of the restored zoo: extensions. Each must turn a drill red.
## M148 | access method | dropped (with its table)
DROP ACCESS METHOD heap2 CASCADE;
## M149 | schema | dropped empty schema
DROP SCHEMA "Big ""Market""";
## M190 | extension | dropped
DROP EXTENSION citext CASCADE;
## M191 | extension | moved to another schema (nothing depends)
ALTER EXTENSION btree_gist SET SCHEMA tools;
## M193 | extension | one more
CREATE EXTENSION pg_trgm;
## M194 | extension | an older version
DROP EXTENSION btree_gist CASCADE; CREATE EXTENSION btree_gist SCHEMA public VERSION '1.6'; ALTER TABLE sales.items ADD CONSTRAINT noclash EXCLUDE USING gist (room WITH =, during WITH &&) DEFERRABLE;
## M196 | extension | a user function made a member
ALTER EXTENSION citext ADD FUNCTION sales.many();
## M674 | extension | config rows: a table made a member, its rows dumped
ALTER EXTENSION citext ADD TABLE sales.heap; UPDATE pg_extension SET extconfig = ARRAY['sales.heap'::regclass::oid], extcondition = ARRAY[''] WHERE extname = 'citext';
## M675 | extension | a table made a member: no longer in a dump
ALTER EXTENSION citext ADD TABLE sales.genonly;
## M676 | extension | version in the catalog
UPDATE pg_extension SET extversion = '1.5' WHERE extname = 'citext';
## M677 | extension | member given up
ALTER EXTENSION citext DROP FUNCTION texticlike(citext, text);
## M678 | extension | member function redefined
CREATE OR REPLACE FUNCTION public.texticlike(citext, citext) RETURNS bool LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS 'SELECT true';
## M679 | extension | schema of hstore
ALTER EXTENSION hstore SET SCHEMA public;
## M680 | extension | postgres_fdw dropped with its servers
DROP EXTENSION postgres_fdw CASCADE;
## M681 | access method | index method dropped with its index
DROP ACCESS METHOD brin2 CASCADE;
## M682 | access method | one more
CREATE ACCESS METHOD heap3 TYPE TABLE HANDLER heap_tableam_handler;
## M683 | access method | handler
UPDATE pg_am SET amhandler = 'gisthandler'::regproc WHERE amname = 'brin2';
## M684 | access method | of a plain table
ALTER TABLE sales.genonly SET ACCESS METHOD heap2;
## M685 | language | dropped with its functions
DROP LANGUAGE own CASCADE;
## M686 | language | owner
ALTER LANGUAGE own OWNER TO clerk;
## M687 | language | no longer trusted
REVOKE USAGE ON LANGUAGE own FROM clerk; UPDATE pg_language SET lanpltrusted = false WHERE lanname = 'own';
## M688 | language | inline handler lost
UPDATE pg_language SET laninline = 0 WHERE lanname = 'own';
## M689 | language | validator lost
UPDATE pg_language SET lanvalidator = 0 WHERE lanname = 'own';
## M690 | transform | dropped
DROP TRANSFORM FOR int LANGUAGE sql CASCADE;
## M691 | transform | one direction lost
UPDATE pg_transform SET trffromsql = 0 WHERE trftype = 'int'::regtype;
## M692 | schema | added
CREATE SCHEMA extra;
## M693 | schema | renamed
ALTER SCHEMA "Big ""Market""" RENAME TO "Bigger";
## M694 | schema | owner
ALTER SCHEMA sales OWNER TO clerk;
## M695 | schema | owner of public
ALTER SCHEMA public OWNER TO app;
## M696 | schema | public dropped if nothing is in it: renamed here
ALTER SCHEMA tools RENAME TO tools2;
