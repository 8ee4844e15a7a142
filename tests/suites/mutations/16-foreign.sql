-- Mutations of the restored zoo: foreign. Each must turn a drill red.
## M142 | server | option
ALTER SERVER far OPTIONS (SET host 'i');
## M143 | user mapping | option (password)
ALTER USER MAPPING FOR clerk SERVER far OPTIONS (DROP password);
## M145 | foreign table | column option
ALTER FOREIGN TABLE public.away ALTER id OPTIONS (SET x 'z');
## M650 | foreign data wrapper | dropped
DROP FOREIGN DATA WRAPPER handled;
## M651 | foreign data wrapper | option
ALTER FOREIGN DATA WRAPPER nowhere OPTIONS (SET a '2');
## M652 | foreign data wrapper | owner
UPDATE pg_foreign_data_wrapper SET fdwowner = 'app'::regrole WHERE fdwname = 'handled';
## M653 | foreign data wrapper | validator
ALTER FOREIGN DATA WRAPPER handled NO VALIDATOR;
## M654 | foreign data wrapper | handler
ALTER FOREIGN DATA WRAPPER handled NO HANDLER;
## M655 | server | dropped with all that hangs on it
DROP SERVER files CASCADE;
## M656 | server | type
UPDATE pg_foreign_server SET srvtype = 't2' WHERE srvname = 'far';
## M657 | server | version
ALTER SERVER far VERSION '2';
## M658 | server | owner
ALTER SERVER pg_far OWNER TO postgres;
## M659 | server | option dropped
ALTER SERVER pg_far OPTIONS (DROP fetch_size);
## M660 | server | renamed
ALTER SERVER files RENAME TO files2;
## M661 | user mapping | dropped
DROP USER MAPPING FOR clerk SERVER far;
## M662 | user mapping | for PUBLIC dropped
DROP USER MAPPING FOR PUBLIC SERVER pg_far;
## M663 | user mapping | user changed
ALTER USER MAPPING FOR clerk SERVER far OPTIONS (SET "user" 'v');
## M664 | user mapping | without options dropped
DROP USER MAPPING FOR app SERVER far;
## M665 | user mapping | one more
CREATE USER MAPPING FOR auditor SERVER far OPTIONS ("user" 'w');
## M666 | foreign table | dropped
DROP FOREIGN TABLE public.remote;
## M667 | foreign table | option
ALTER FOREIGN TABLE public.remote OPTIONS (SET table_name 'r2');
## M668 | foreign table | owner
ALTER FOREIGN TABLE public.remote OWNER TO clerk;
## M669 | foreign table | column's default
ALTER FOREIGN TABLE public.remote ALTER t SET DEFAULT 'y';
## M670 | foreign table | column's NOT NULL
ALTER FOREIGN TABLE public.away ALTER id DROP NOT NULL;
## M671 | foreign table | column's collation
ALTER FOREIGN TABLE public.remote ALTER t TYPE text COLLATE "POSIX";
## M672 | foreign table | on another server
DROP FOREIGN TABLE public.away; CREATE SERVER far2 FOREIGN DATA WRAPPER nowhere; CREATE FOREIGN TABLE public.away (id int OPTIONS (x 'y') NOT NULL) SERVER far2 OPTIONS (t 'u');
## M673 | foreign table | became a plain table
DROP FOREIGN TABLE public.away; CREATE TABLE public.away (id int NOT NULL);
