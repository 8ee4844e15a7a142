-- Mutations of the restored zoo: grants. Each must turn a drill red.
## M163 | grant | extra table grant to PUBLIC
GRANT SELECT ON sales.customers TO PUBLIC;
## M164 | grant | column grant
REVOKE UPDATE (name) ON sales.customers FROM clerk;
## M166 | grant | grant by another grantor
SET ROLE report; REVOKE SELECT ON sales.orders FROM auditor; RESET ROLE;
## M167 | grant | schema
REVOKE CREATE ON SCHEMA sales FROM clerk;
## M169 | grant | type
REVOKE USAGE ON TYPE sales.mood FROM clerk;
## M170 | grant | domain PUBLIC
GRANT USAGE ON DOMAIN sales.letter TO PUBLIC;
## M172 | grant | large object
REVOKE SELECT ON LARGE OBJECT 4101 FROM clerk;
## M173 | grant | large object to PUBLIC
GRANT SELECT ON LARGE OBJECT 4102 TO PUBLIC;
## M175 | grant | catalog function
REVOKE EXECUTE ON FUNCTION pg_catalog.pg_ls_waldir() FROM clerk;
## M176 | grant | member of an extension
GRANT EXECUTE ON FUNCTION tools.akeys(tools.hstore) TO PUBLIC;
## M178 | grant | the owner's own rights taken away
REVOKE SELECT ON sales.items FROM app;
## M179 | grant | schema public
GRANT CREATE ON SCHEMA public TO PUBLIC;
## M181 | default privileges | in schema
ALTER DEFAULT PRIVILEGES FOR ROLE app IN SCHEMA sales REVOKE SELECT ON TABLES FROM report;
## M182 | default privileges | global
ALTER DEFAULT PRIVILEGES FOR ROLE app GRANT EXECUTE ON FUNCTIONS TO PUBLIC;
## M221 | grant | grant of another grantor given by the owner instead
SET ROLE report; REVOKE SELECT ON sales.orders FROM auditor; RESET ROLE; GRANT SELECT ON sales.orders TO auditor;
## M746 | grant | table to one role more
GRANT DELETE ON sales.orders TO report;
## M747 | grant | table taken from a role
REVOKE INSERT ON sales.orders FROM clerk;
## M748 | grant | grant option of a table lost
REVOKE GRANT OPTION FOR SELECT ON sales.orders FROM report CASCADE;
## M749 | grant | grant option of a table added
GRANT SELECT ON sales.orders TO clerk WITH GRANT OPTION;
## M750 | grant | one privilege of all
REVOKE TRUNCATE ON sales.leaf FROM clerk;
## M751 | grant | TRIGGER privilege
REVOKE TRIGGER ON sales.tree FROM report;
## M752 | grant | REFERENCES of a column
REVOKE REFERENCES (id) ON sales.tree FROM report;
## M753 | grant | column to PUBLIC
GRANT SELECT (secret) ON sales.customers TO PUBLIC;
## M754 | grant | chain of grants: the last link
SET ROLE auditor; REVOKE SELECT ON sales.leaf FROM report; RESET ROLE;
## M755 | grant | PUBLIC's of a table
REVOKE SELECT ON sales.items FROM PUBLIC;
## M756 | grant | all of a table taken from its owner
REVOKE ALL ON sales.hen FROM app;
## M757 | grant | owner's own rights given back
GRANT INSERT, TRUNCATE ON sales.heap TO app;
## M758 | grant | owner's empty list became the default
UPDATE pg_class SET relacl = NULL WHERE oid = 'sales.egg'::regclass;
## M759 | grant | one partition
REVOKE SELECT ON sales.part_1 FROM clerk;
## M760 | grant | view
REVOKE SELECT ON sales.v FROM clerk;
## M761 | grant | materialized view
REVOKE SELECT ON sales.mv FROM report;
## M762 | grant | column of a materialized view
REVOKE SELECT (n) ON sales.mv_of FROM clerk;
## M763 | grant | sequence
REVOKE USAGE ON SEQUENCE sales.lone FROM "Odd ""Role";
## M764 | grant | sequence UPDATE
GRANT UPDATE ON SEQUENCE sales.lone TO "Odd ""Role";
## M765 | grant | sequence by another grantor
SET ROLE clerk; REVOKE USAGE ON SEQUENCE sales.down FROM auditor; RESET ROLE;
## M766 | grant | function to PUBLIC
GRANT EXECUTE ON FUNCTION sales.sd() TO PUBLIC;
## M767 | grant | function taken from a role
REVOKE EXECUTE ON FUNCTION sales.sd() FROM clerk;
## M768 | grant | function taken from PUBLIC
REVOKE EXECUTE ON FUNCTION sales.many() FROM PUBLIC;
## M769 | grant | grant option of a function
REVOKE GRANT OPTION FOR EXECUTE ON FUNCTION sales.add(text) FROM report;
## M770 | grant | procedure
GRANT EXECUTE ON PROCEDURE sales.work(int) TO PUBLIC;
## M771 | grant | aggregate
REVOKE EXECUTE ON FUNCTION sales.total(int) FROM clerk;
## M772 | grant | schema USAGE
REVOKE USAGE ON SCHEMA sales FROM report;
## M773 | grant | schema PUBLIC
REVOKE USAGE ON SCHEMA "Big ""Market""" FROM PUBLIC;
## M774 | grant | schema public of one role
REVOKE CREATE ON SCHEMA public FROM app;
## M775 | grant | schema public taken from PUBLIC
REVOKE USAGE ON SCHEMA public FROM PUBLIC;
## M776 | grant | grant option of a schema
REVOKE GRANT OPTION FOR USAGE ON SCHEMA sales FROM auditor CASCADE;
## M777 | grant | grant option of a type
REVOKE GRANT OPTION FOR USAGE ON TYPE sales.pair FROM report;
## M778 | grant | base type to PUBLIC
GRANT USAGE ON TYPE public.vec TO PUBLIC;
## M779 | grant | language
REVOKE USAGE ON LANGUAGE own FROM clerk;
## M780 | grant | language PUBLIC
REVOKE USAGE ON LANGUAGE own FROM PUBLIC;
## M781 | grant | language plpgsql PUBLIC
REVOKE USAGE ON LANGUAGE plpgsql FROM PUBLIC;
## M782 | grant | foreign server
REVOKE USAGE ON FOREIGN SERVER far FROM clerk;
## M783 | grant | foreign data wrapper
REVOKE USAGE ON FOREIGN DATA WRAPPER nowhere FROM report;
## M784 | grant | foreign data wrapper of an extension
REVOKE USAGE ON FOREIGN DATA WRAPPER postgres_fdw FROM app;
## M785 | grant | foreign table
REVOKE SELECT ON public.remote FROM clerk;
## M786 | grant | large object: grant option
REVOKE GRANT OPTION FOR UPDATE ON LARGE OBJECT 90001 FROM clerk;
## M787 | grant | large object: one more privilege
GRANT UPDATE ON LARGE OBJECT 4101 TO clerk;
## M788 | grant | catalog function given back to PUBLIC
GRANT EXECUTE ON FUNCTION pg_catalog.pg_sleep(double precision) TO PUBLIC;
## M789 | grant | column of a system catalog
REVOKE SELECT (rolname) ON pg_catalog.pg_authid FROM report;
## M790 | grant | system view to a role
GRANT SELECT ON pg_catalog.pg_shadow TO report;
## M791 | grant | member of an extension to a role lost
REVOKE EXECUTE ON FUNCTION tools.hstore(text, text) FROM clerk;
## M792 | default privileges | one more
ALTER DEFAULT PRIVILEGES FOR ROLE app IN SCHEMA sales GRANT INSERT ON TABLES TO report;
## M793 | default privileges | sequences
ALTER DEFAULT PRIVILEGES FOR ROLE clerk REVOKE USAGE ON SEQUENCES FROM app;
## M794 | default privileges | schemas
ALTER DEFAULT PRIVILEGES FOR ROLE app REVOKE USAGE ON SCHEMAS FROM clerk;
## M795 | default privileges | types: grant option
ALTER DEFAULT PRIVILEGES FOR ROLE app IN SCHEMA sales REVOKE GRANT OPTION FOR USAGE ON TYPES FROM report;
## M796 | default privileges | types for PUBLIC
ALTER DEFAULT PRIVILEGES FOR ROLE clerk GRANT USAGE ON TYPES TO PUBLIC;
## M797 | default privileges | functions in a schema
ALTER DEFAULT PRIVILEGES FOR ROLE app IN SCHEMA sales REVOKE EXECUTE ON FUNCTIONS FROM auditor;
## M798 | default privileges | of a role with an odd name
ALTER DEFAULT PRIVILEGES FOR ROLE "Odd ""Role" REVOKE SELECT ON TABLES FROM PUBLIC;
## M799 | default privileges | of another role instead
ALTER DEFAULT PRIVILEGES FOR ROLE app IN SCHEMA sales REVOKE SELECT ON TABLES FROM report; ALTER DEFAULT PRIVILEGES FOR ROLE clerk IN SCHEMA sales GRANT SELECT ON TABLES TO report;
