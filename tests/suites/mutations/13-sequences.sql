-- Mutations of the restored zoo: sequences. Each must turn a drill red.
## M116 | sequence | increment
ALTER SEQUENCE sales.lone INCREMENT 6;
## M118 | sequence | NO CYCLE
ALTER SEQUENCE sales.lone NO CYCLE;
## M119 | sequence | value
SELECT setval('sales.lone', 10);
## M121 | sequence | OWNED BY NONE
ALTER SEQUENCE sales.orders_id_seq OWNED BY NONE;
## M122 | sequence | type
ALTER SEQUENCE sales.unused AS int;
## M124 | sequence | value of an identity
SELECT setval('sales.customers_id_seq', 1000);
## M233 | sequence | unlogged/persistence
ALTER SEQUENCE sales.unused SET UNLOGGED;
## M599 | sequence | dropped
DROP SEQUENCE sales.unused;
## M600 | sequence | added
CREATE SEQUENCE sales.extra;
## M601 | sequence | renamed
ALTER SEQUENCE sales.unused RENAME TO unused2;
## M602 | sequence | start
ALTER SEQUENCE sales.unused START 78;
## M603 | sequence | minimum
ALTER SEQUENCE sales.lone MINVALUE 4;
## M604 | sequence | maximum
ALTER SEQUENCE sales.lone MAXVALUE 5001;
## M605 | sequence | cache
ALTER SEQUENCE sales.lone CACHE 4;
## M606 | sequence | CYCLE added
ALTER SEQUENCE sales.down CYCLE;
## M607 | sequence | direction
ALTER SEQUENCE sales.down INCREMENT 2 START -1;
## M608 | sequence | owner
ALTER SEQUENCE sales.unused OWNER TO clerk;
## M609 | sequence | owned by a column
ALTER SEQUENCE sales.unused OWNED BY sales.heap.a;
## M610 | sequence | is_called
SELECT setval('sales.lone', (SELECT last_value FROM sales.lone), false);
## M611 | sequence | never called one was called
SELECT nextval('sales.unused');
## M612 | sequence | exhausted one has room again
SELECT setval('sales.full', 1);
## M613 | sequence | value of a serial
SELECT setval('sales.orders_id_seq', 1);
## M614 | sequence | value of a descending one
SELECT setval('sales.down', -1, false);
## M615 | sequence | value of an identity ALWAYS
ALTER TABLE sales.always ALTER id RESTART;
## M616 | sequence | unlogged one became logged
ALTER SEQUENCE sales.light SET LOGGED;
