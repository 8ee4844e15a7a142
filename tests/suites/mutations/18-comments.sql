-- Mutations of the restored zoo: comments. Each must turn a drill red.
## M151 | comment | table comment changed
COMMENT ON TABLE sales.orders IS 'other';
## M152 | comment | column comment dropped
COMMENT ON COLUMN sales.orders.note IS NULL;
## M154 | comment | operator comment
COMMENT ON OPERATOR sales.=== (sales.pair, sales.pair) IS 'x';
## M155 | comment | cast comment
COMMENT ON CAST (sales.mood AS int) IS 'x';
## M157 | comment | large object comment (oid below 16384) dropped
COMMENT ON LARGE OBJECT 4101 IS NULL;
## M158 | comment | large object comment (oid above 16384) dropped
COMMENT ON LARGE OBJECT 90001 IS NULL;
## M160 | comment | database comment
SELECT format('COMMENT ON DATABASE %I IS ''other''', current_database()) \gexec
## M161 | comment | event trigger comment
COMMENT ON EVENT TRIGGER watch IS 'x';
## M697 | comment | added to a table without one
COMMENT ON TABLE sales.heap IS 'new';
## M698 | comment | with a newline and quotes
COMMENT ON COLUMN sales."Odd ""table"" % . $x"."a""b" IS E'odd ''comment'' of two lines';
## M699 | comment | one space at its end
COMMENT ON TABLE sales.orders IS 'the orders ';
## M700 | comment | schema
COMMENT ON SCHEMA sales IS NULL;
## M701 | comment | schema public
COMMENT ON SCHEMA public IS 'mine';
## M702 | comment | type
COMMENT ON TYPE sales.mood IS NULL;
## M703 | comment | attribute of a composite
COMMENT ON COLUMN sales.pair.a IS NULL;
## M704 | comment | domain
COMMENT ON DOMAIN sales.over IS NULL;
## M705 | comment | constraint of a domain
COMMENT ON CONSTRAINT only_ab ON DOMAIN sales.letter IS 'x';
## M706 | comment | constraint of a table
COMMENT ON CONSTRAINT orders_pk ON sales.orders IS NULL;
## M707 | comment | function
COMMENT ON FUNCTION sales.add(int,int) IS NULL;
## M708 | comment | two overloads with their comments swapped
COMMENT ON FUNCTION sales.add(int,int) IS 'the other one'; COMMENT ON FUNCTION sales.add(text) IS 'adds';
## M709 | comment | procedure
COMMENT ON PROCEDURE sales.work(int) IS NULL;
## M710 | comment | aggregate
COMMENT ON AGGREGATE sales.total(int) IS NULL;
## M711 | comment | operator class
COMMENT ON OPERATOR CLASS public.own_order USING btree IS NULL;
## M712 | comment | operator family
COMMENT ON OPERATOR FAMILY public.of USING btree IS NULL;
## M713 | comment | collation
COMMENT ON COLLATION sales.num IS NULL;
## M714 | comment | conversion
COMMENT ON CONVERSION sales.conv IS NULL;
## M715 | comment | text search configuration
COMMENT ON TEXT SEARCH CONFIGURATION sales.conf IS NULL;
## M716 | comment | text search dictionary
COMMENT ON TEXT SEARCH DICTIONARY sales.dict IS NULL;
## M717 | comment | text search parser
COMMENT ON TEXT SEARCH PARSER public.prs IS NULL;
## M718 | comment | text search template
COMMENT ON TEXT SEARCH TEMPLATE public.tmpl IS 'x';
## M719 | comment | sequence
COMMENT ON SEQUENCE sales.down IS NULL;
## M720 | comment | index
COMMENT ON INDEX sales.orders_note IS NULL;
## M721 | comment | index of a constraint
COMMENT ON INDEX sales.orders_pk IS 'x';
## M722 | comment | statistics
COMMENT ON STATISTICS sales.st IS NULL;
## M723 | comment | view
COMMENT ON VIEW sales.v IS NULL;
## M724 | comment | column of a view
COMMENT ON COLUMN sales.v.note IS 'x';
## M725 | comment | materialized view
COMMENT ON MATERIALIZED VIEW sales.mv IS NULL;
## M726 | comment | column of a materialized view
COMMENT ON COLUMN sales.mv.s IS NULL;
## M727 | comment | rule
COMMENT ON RULE r_log ON sales.dropped IS NULL;
## M728 | comment | trigger
COMMENT ON TRIGGER t_before ON sales.orders IS NULL;
## M729 | comment | policy
COMMENT ON POLICY p_read ON sales.customers IS NULL;
## M730 | comment | publication
COMMENT ON PUBLICATION pub_part IS NULL;
## M731 | comment | subscription
COMMENT ON SUBSCRIPTION elsewhere IS NULL;
## M732 | comment | foreign data wrapper
COMMENT ON FOREIGN DATA WRAPPER nowhere IS NULL;
## M733 | comment | server
COMMENT ON SERVER far IS NULL;
## M734 | comment | foreign table
COMMENT ON FOREIGN TABLE public.remote IS NULL;
## M735 | comment | column of a foreign table
COMMENT ON COLUMN public.remote.t IS NULL;
## M736 | comment | language
COMMENT ON LANGUAGE own IS NULL;
## M737 | comment | access method
COMMENT ON ACCESS METHOD heap2 IS NULL;
## M738 | comment | transform
COMMENT ON TRANSFORM FOR int LANGUAGE sql IS NULL;
## M739 | comment | extension
COMMENT ON EXTENSION citext IS 'data type for case-insensitive character strings';
## M740 | comment | base type
COMMENT ON TYPE public.vec IS NULL;
## M741 | comment | large object changed
COMMENT ON LARGE OBJECT 4101 IS 'other';
## M742 | comment | large object without one got one
COMMENT ON LARGE OBJECT 4103 IS 'new';
## M743 | security label | on a table, of a provider that is not loaded
INSERT INTO pg_seclabel VALUES ('sales.orders'::regclass, 'pg_class'::regclass, 0, 'dummy', 'secret');
## M744 | security label | on a column
INSERT INTO pg_seclabel VALUES ('sales.orders'::regclass, 'pg_class'::regclass, 3, 'dummy', 'secret');
## M745 | security label | on a function
INSERT INTO pg_seclabel VALUES ('sales.many()'::regprocedure, 'pg_proc'::regclass, 0, 'dummy', 'secret');
