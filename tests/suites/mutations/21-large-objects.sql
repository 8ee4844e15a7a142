-- Mutations of the restored zoo: large objects. Each must turn a drill red.
## M187 | large object | dropped
SELECT lo_unlink(4103);
## M188 | large object | owner
ALTER LARGE OBJECT 4102 OWNER TO app;
## M812 | large object | one more
SELECT lo_from_bytea(4999, 'extra'); ALTER LARGE OBJECT 4999 OWNER TO :"owner";
## M813 | large object | one byte changed
SELECT lo_put(4102, 9000, '\x01');
## M814 | large object | emptied
SELECT lo_put(4101, 0, ''), lo_truncate(lo_open(4101, 131072), 0);
## M815 | large object | shorter by a byte
SELECT lo_truncate(lo_open(4102, 131072), 17999);
## M816 | large object | longer by a zero byte
SELECT lo_truncate(lo_open(4102, 131072), 18001);
## M817 | large object | empty one filled
SELECT lo_put(4103, 0, 'x');
## M818 | large object | two swapped their bytes
SELECT lo_unlink(4101), lo_unlink(90001); SELECT lo_from_bytea(4101, 'x'), lo_from_bytea(90001, 'one'); ALTER LARGE OBJECT 4101 OWNER TO app; ALTER LARGE OBJECT 90001 OWNER TO app; COMMENT ON LARGE OBJECT 4101 IS 'lo'; COMMENT ON LARGE OBJECT 90001 IS 'lo big oid'; GRANT SELECT ON LARGE OBJECT 4101 TO clerk; GRANT UPDATE ON LARGE OBJECT 90001 TO clerk WITH GRANT OPTION;
## M819 | large object | another number
SELECT lo_from_bytea(4104, lo_get(4103)), lo_unlink(4103); ALTER LARGE OBJECT 4104 OWNER TO :"owner";
## M820 | large object | a page of it missing
DELETE FROM pg_largeobject WHERE loid = 4102 AND pageno = 2;
## M821 | large object | owner of an empty one
ALTER LARGE OBJECT 4103 OWNER TO report;
## M822 | large object | the owner's own rights
REVOKE UPDATE ON LARGE OBJECT 4101 FROM app;
