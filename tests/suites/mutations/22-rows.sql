-- Mutations of the restored zoo: rows. Each must turn a drill red.
## M197 | rows | one value
UPDATE sales.orders SET note = note || ' ' WHERE id = 7;
## M199 | rows | row lost
DELETE FROM sales.items WHERE order_id = 5;
## M200 | rows | row doubled
INSERT INTO sales.heap VALUES (1);
## M202 | rows | 0 became -0
ALTER TABLE sales.values REPLICA IDENTITY FULL; UPDATE sales.values SET f8 = '-0' WHERE t = ''; ALTER TABLE sales.values REPLICA IDENTITY DEFAULT;
## M203 | rows | numeric scale
ALTER TABLE sales.values REPLICA IDENTITY FULL; UPDATE sales.values SET n = 1.0 WHERE t = ''; ALTER TABLE sales.values REPLICA IDENTITY DEFAULT;
## M205 | rows | empty text became NULL
ALTER TABLE sales.values REPLICA IDENTITY FULL; UPDATE sales.values SET t = NULL WHERE t = ''; ALTER TABLE sales.values REPLICA IDENTITY DEFAULT;
## M206 | rows | NULL element of an array became 'NULL'
ALTER TABLE sales.values REPLICA IDENTITY FULL; UPDATE sales.values SET arr = ARRAY['NULL','NULL','a,b'] WHERE t <> ''; ALTER TABLE sales.values REPLICA IDENTITY DEFAULT;
## M208 | rows | long bytea: one byte
UPDATE sales.bins SET body = set_byte(body, 3000, (get_byte(body, 3000) + 1) % 256) WHERE id = 7;
## M209 | rows | long bytea replaced by its own SHA-256 in every row
UPDATE sales.bins SET body = sha256(body) WHERE octet_length(body) >= 2048;
## M211 | rows | bytea in a composite
UPDATE sales.bins SET comp.body = '\xfe' WHERE id = 7;
## M212 | rows | row of a zero-column table
ALTER TABLE sales.nothing REPLICA IDENTITY FULL; DELETE FROM sales.nothing WHERE ctid = '(0,1)'; ALTER TABLE sales.nothing REPLICA IDENTITY DEFAULT;
## M214 | rows | generated column stale
UPDATE pg_attribute SET attgenerated = '' WHERE attrelid = 'sales.orders'::regclass AND attname = 'twice'; ALTER TABLE sales.orders DISABLE TRIGGER USER; UPDATE sales.orders SET twice = 0; ALTER TABLE sales.orders ENABLE TRIGGER USER; ALTER TABLE sales.orders DISABLE TRIGGER t_off; ALTER TABLE sales.orders ENABLE ALWAYS TRIGGER t_always; UPDATE pg_attribute SET attgenerated = 's' WHERE attrelid = 'sales.orders'::regclass AND attname = 'twice';
## M215 | rows | row in the parent instead of the child
ALTER TABLE sales.child REPLICA IDENTITY FULL; ALTER TABLE sales.parent REPLICA IDENTITY FULL; INSERT INTO sales.parent (a, later) SELECT a, later FROM sales.child; DELETE FROM sales.child; ALTER TABLE sales.child REPLICA IDENTITY DEFAULT; ALTER TABLE sales.parent REPLICA IDENTITY DEFAULT;
## M217 | rows | table emptied
TRUNCATE sales.fast;
## M218 | rows | large text: one byte
UPDATE sales.orders SET big = overlay(big placing 'Z' from 2500 for 1) WHERE id = 9;
## M239 | rows | two long bytea swapped
UPDATE sales.bins b SET body = (SELECT body FROM sales.bins c WHERE c.id = CASE b.id WHEN 7 THEN 8 ELSE 7 END) WHERE id IN (7,8);
## M823 | rows | one text: case of a letter
UPDATE sales.orders SET note = upper(note) WHERE id = 11;
## M824 | rows | one text: trailing newline
UPDATE sales.orders SET note = note || E'\n' WHERE id = 12;
## M825 | rows | one text: tab became a space
ALTER TABLE sales.values REPLICA IDENTITY FULL; UPDATE sales.values SET t = replace(t, E'\t', ' ') WHERE t <> ''; ALTER TABLE sales.values REPLICA IDENTITY DEFAULT;
## M826 | rows | one text: carriage return lost
ALTER TABLE sales.values REPLICA IDENTITY FULL; UPDATE sales.values SET t = replace(t, E'\r', '') WHERE t <> ''; ALTER TABLE sales.values REPLICA IDENTITY DEFAULT;
## M827 | rows | one text: NFC became NFD
ALTER TABLE sales.wide REPLICA IDENTITY FULL; UPDATE sales.wide SET d2 = normalize(d2, NFD) WHERE a = 'a3'; ALTER TABLE sales.wide REPLICA IDENTITY DEFAULT;
## M828 | rows | one text: no-break space became a space
UPDATE sales.more_values SET v = replace(v, U&'\00a0', ' ') WHERE id = 1;
## M829 | rows | NULLs became values
UPDATE sales.leaf SET a = 1, b = 1 WHERE id = 2; UPDATE sales.notes SET doc = 'null' WHERE id = 1;
## M830 | rows | empty bytea became NULL
UPDATE sales.bins SET body = NULL WHERE id = 100;
## M831 | rows | NULL bytea became empty
UPDATE sales.bins SET body = '' WHERE id = 101;
## M832 | rows | bytea: last byte cut
UPDATE sales.bins SET body = substr(body, 1, length(body) - 1) WHERE id = 3;
## M833 | rows | bytea became its hex as text
UPDATE sales.bins SET body = convert_to(encode(body, 'hex'), 'UTF8') WHERE id = 4;
## M834 | rows | bytea in an array
UPDATE sales.bins SET arr = ARRAY['\x02'::bytea] WHERE id = 5;
## M835 | rows | bytea of a domain
UPDATE sales.bins SET dom = '\x0103' WHERE id = 6;
## M836 | rows | two rows swapped one column
UPDATE sales.orders SET note = CASE id WHEN 21 THEN 'note 22' ELSE 'note 21' END WHERE id IN (21, 22);
## M837 | rows | one row added
INSERT INTO sales.bins (id) VALUES (500);
## M838 | rows | last row lost
DELETE FROM sales.bins WHERE id = 101;
## M839 | rows | first row lost
DELETE FROM sales.orders WHERE id = 1 AND NOT EXISTS (SELECT FROM sales.items WHERE order_id = 1); DELETE FROM sales.items WHERE order_id = 1;
## M840 | rows | one lost and one doubled: counts are equal
ALTER TABLE sales.items REPLICA IDENTITY FULL; UPDATE sales.items SET order_id = 200 WHERE order_id = 50;
## M841 | rows | two tables swapped a row
ALTER TABLE sales.father REPLICA IDENTITY FULL; INSERT INTO sales.father VALUES (5, 'f'); ALTER TABLE sales.both REPLICA IDENTITY FULL; DELETE FROM sales.both; ALTER TABLE sales.father REPLICA IDENTITY DEFAULT; ALTER TABLE sales.both REPLICA IDENTITY DEFAULT;
## M842 | rows | table emptied that had thousands of values
TRUNCATE sales.wide;
## M843 | rows | all rows of one partition lost
DELETE FROM sales.part_d;
## M844 | rows | value in a partition's table
ALTER TABLE sales.nulls REPLICA IDENTITY FULL; ALTER TABLE sales.nulls_1 REPLICA IDENTITY FULL; UPDATE sales.nulls_1 SET w = 4; ALTER TABLE sales.nulls_1 REPLICA IDENTITY DEFAULT; ALTER TABLE sales.nulls REPLICA IDENTITY DEFAULT;
## M845 | rows | row of an unlogged table
TRUNCATE sales.fast; INSERT INTO sales.fast VALUES (2);
## M846 | rows | one more row without columns
INSERT INTO sales.nothing DEFAULT VALUES;
## M847 | rows | numeric: zeros behind the point
ALTER TABLE sales.wide REPLICA IDENTITY FULL; UPDATE sales.wide SET c = c + 0.00000000000000000000000 WHERE a = 'a7'; ALTER TABLE sales.wide REPLICA IDENTITY DEFAULT;
## M848 | rows | numeric: NaN became NULL
ALTER TABLE sales.values REPLICA IDENTITY FULL; UPDATE sales.values SET n = NULL WHERE t <> ''; ALTER TABLE sales.values REPLICA IDENTITY DEFAULT;
## M849 | rows | float4: one bit
ALTER TABLE sales.values REPLICA IDENTITY FULL; UPDATE sales.values SET f4 = '1.00001e-40' WHERE t = ''; ALTER TABLE sales.values REPLICA IDENTITY DEFAULT;
## M850 | rows | float8: infinity of the other sign
ALTER TABLE sales.values REPLICA IDENTITY FULL; UPDATE sales.values SET f8 = '-Infinity' WHERE t <> ''; ALTER TABLE sales.values REPLICA IDENTITY DEFAULT;
## M851 | rows | polygon: last digit
ALTER TABLE sales.values REPLICA IDENTITY FULL; UPDATE sales.values SET p = '((0,0),(1,1),(1.1,0.3))' WHERE t <> ''; ALTER TABLE sales.values REPLICA IDENTITY DEFAULT;
## M852 | rows | money: one cent
ALTER TABLE sales.values REPLICA IDENTITY FULL; UPDATE sales.values SET m = m + '0.01'::money WHERE t = ''; ALTER TABLE sales.values REPLICA IDENTITY DEFAULT;
## M853 | rows | timestamptz: one microsecond
UPDATE sales.notes SET at = at + interval '1 microsecond' WHERE id = 1;
## M854 | rows | timestamptz: shifted by an hour
UPDATE sales.orders SET at = at - interval '1 hour';
## M855 | rows | timetz: same moment, another zone
ALTER TABLE sales.values REPLICA IDENTITY FULL; UPDATE sales.values SET ttz = '19:32:03+00' WHERE t <> ''; ALTER TABLE sales.values REPLICA IDENTITY DEFAULT;
## M856 | rows | interval: equal, spelled otherwise
UPDATE sales.more_values SET iv = '-24 hours' WHERE id = 2;
## M857 | rows | timestamp: infinity of the other sign
UPDATE sales.more_values SET ts = 'infinity' WHERE id = 2;
## M858 | rows | date: BC lost
UPDATE sales.more_values SET d = '4713-01-01' WHERE id = 1;
## M859 | rows | time: 24:00 became 00:00
UPDATE sales.more_values SET tm = '00:00' WHERE id = 1;
## M860 | rows | json: white space lost
UPDATE sales.notes SET doc = '{"b": 1, "a": 2, "a": 3}' WHERE id = 1;
## M861 | rows | json: order of keys
UPDATE sales.notes SET doc = '{ "a": 2,  "b": 1, "a": 3 }' WHERE id = 1;
## M862 | rows | jsonb: scale of a number
UPDATE sales.notes SET docb = '{"b": 1, "a": [1, 2.5, null]}' WHERE id = 1;
## M863 | rows | jsonb: number became text
UPDATE sales.notes SET docb = '{"b": "1", "a": [1, 2.50, null]}' WHERE id = 1;
## M864 | rows | JSON null became NULL
UPDATE sales.notes SET doc = NULL WHERE id = 2;
## M865 | rows | array: bounds
UPDATE sales.more_values SET arr = '{1,2}' WHERE id = 1;
## M866 | rows | array: one dimension less
UPDATE sales.more_values SET a2 = '{1,2,3,NULL}' WHERE id = 1;
## M867 | rows | array: empty became NULL
UPDATE sales.more_values SET arr = NULL WHERE id = 2;
## M868 | rows | range: bound included
UPDATE sales.more_values SET nr = '(,1.50)' WHERE id = 1;
## M869 | rows | range: empty became unbounded
UPDATE sales.more_values SET nr = '(,)' WHERE id = 2;
## M870 | rows | multirange: two joined
UPDATE sales.more_values SET i4m = '{[1,7)}' WHERE id = 1;
## M871 | rows | composite: NULL field
UPDATE sales.more_values SET ca = ARRAY[ROW(1,NULL)::sales.pair, NULL] WHERE id = 1;
## M872 | rows | composite: NULL row became a row of NULLs
UPDATE sales.more_values SET ca = ARRAY[ROW(1,'x')::sales.pair, ROW(NULL,NULL)::sales.pair] WHERE id = 1;
## M873 | rows | enum value
UPDATE sales.orders SET state = 'happy' WHERE id = 30;
## M874 | rows | citext: case
UPDATE sales.more_values SET nt = 'citext' WHERE id = 1;
## M875 | rows | a column of a nondeterministic collation: case
ALTER TABLE sales.wide REPLICA IDENTITY FULL; UPDATE sales.wide SET d = lower(d) WHERE a = 'a4'; ALTER TABLE sales.wide REPLICA IDENTITY DEFAULT;
## M876 | rows | hstore: NULL became text
UPDATE sales.more_values SET hs = 'a=>"NULL", "b c"=>"d\"e"' WHERE id = 1;
## M877 | rows | bit string: one bit more
UPDATE sales.more_values SET vb = B'10' WHERE id = 1;
## M878 | rows | char: trailing blanks do not count, another letter does
UPDATE sales.more_values SET ch = 'aB' WHERE id = 1;
## M879 | rows | "char" of one byte
ALTER TABLE sales.values REPLICA IDENTITY FULL; UPDATE sales.values SET ch = 'y' WHERE t <> ''; ALTER TABLE sales.values REPLICA IDENTITY DEFAULT;
## M880 | rows | network address: host bits
ALTER TABLE sales.wide REPLICA IDENTITY FULL; UPDATE sales.wide SET net = '10.0.0.1/24' WHERE a = 'a1'; ALTER TABLE sales.wide REPLICA IDENTITY DEFAULT;
## M881 | rows | uuid
ALTER TABLE sales.values REPLICA IDENTITY FULL; UPDATE sales.values SET u = '00000000-0000-0000-0000-000000000000' WHERE t <> ''; ALTER TABLE sales.values REPLICA IDENTITY DEFAULT;
## M882 | rows | tsvector: a position
ALTER TABLE sales.values REPLICA IDENTITY FULL; UPDATE sales.values SET tsv = 'a:1 b:3' WHERE t <> ''; ALTER TABLE sales.values REPLICA IDENTITY DEFAULT;
## M883 | rows | tsquery: a weight
UPDATE sales.more_values SET tq = '''a b'' & !c:*A | d <2> e' WHERE id = 1;
## M884 | rows | xml: white space
ALTER TABLE sales.values REPLICA IDENTITY FULL; UPDATE sales.values SET x = '<a />' WHERE t <> ''; ALTER TABLE sales.values REPLICA IDENTITY DEFAULT;
## M885 | rows | jsonpath
UPDATE sales.more_values SET jp = '$.a[*] ? (@ > 2)' WHERE id = 1;
## M886 | rows | pg_lsn
ALTER TABLE sales.values REPLICA IDENTITY FULL; UPDATE sales.values SET lsn = '0/16B3749' WHERE t <> ''; ALTER TABLE sales.values REPLICA IDENTITY DEFAULT;
## M887 | rows | oid of a table: of another one
ALTER TABLE sales.values REPLICA IDENTITY FULL; UPDATE sales.values SET rc = 'sales.items' WHERE t <> ''; ALTER TABLE sales.values REPLICA IDENTITY DEFAULT;
## M888 | rows | regrole
UPDATE sales.more_values SET rro = 'clerk' WHERE id = 1;
## M889 | rows | reference to a row: the parent's key
ALTER TABLE sales.tree REPLICA IDENTITY FULL; UPDATE sales.tree SET up = 2 WHERE id = 3; ALTER TABLE sales.tree REPLICA IDENTITY DEFAULT;
## M890 | rows | a key renumbered everywhere
SET session_replication_role = replica; UPDATE sales.hen SET id = 2; UPDATE sales.egg SET hen = 2;
## M891 | rows | row behind a policy
UPDATE sales.customers SET secret = 'S' WHERE name = 'n7';
## M892 | rows | table of a type
ALTER TABLE sales.typed REPLICA IDENTITY FULL; UPDATE sales.typed SET b = 'y'; ALTER TABLE sales.typed REPLICA IDENTITY DEFAULT;
## M893 | rows | table with a dropped column: values in each other's place
ALTER TABLE sales.dropped DISABLE RULE r_log; ALTER TABLE sales.dropped REPLICA IDENTITY FULL; UPDATE sales.dropped SET a = c, c = a; ALTER TABLE sales.dropped REPLICA IDENTITY DEFAULT; ALTER TABLE sales.dropped ENABLE RULE r_log;
## M894 | rows | table of another role
ALTER TABLE public.by_clerk REPLICA IDENTITY FULL; UPDATE public.by_clerk SET a = 2; ALTER TABLE public.by_clerk REPLICA IDENTITY DEFAULT;
## M895 | rows | table with odd names
ALTER TABLE sales."Odd ""table"" % . $x" REPLICA IDENTITY FULL; UPDATE sales."Odd ""table"" % . $x" SET "back\slash" = '\\'; ALTER TABLE sales."Odd ""table"" % . $x" REPLICA IDENTITY DEFAULT;
## M896 | rows | table of another access method
INSERT INTO public.other_am VALUES (3);
## M897 | rows | value of an own base type
UPDATE public.with_vec SET v = 'abd' WHERE id = 1;
## M898 | rows | range of an own canonical function
UPDATE public.with_vec SET r = '[1,5]' WHERE id = 1;
## M899 | rows | value of an identity ALWAYS
ALTER TABLE sales.always ALTER id SET GENERATED BY DEFAULT; UPDATE sales.always SET id = 1400 WHERE t = 'two'; ALTER TABLE sales.always ALTER id SET GENERATED ALWAYS;
