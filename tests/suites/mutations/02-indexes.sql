-- Mutations of the restored zoo: indexes. Each must turn a drill red.
## M002 | index | drop index
DROP INDEX sales.orders_note;
## M004 | index | statistics target of index column
ALTER INDEX sales.orders_expr ALTER COLUMN 1 SET STATISTICS 201;
## M005 | index | mark index invalid (pg_index)
UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'sales.orders_note'::regclass;
## M007 | index | CLUSTER mark removed
ALTER TABLE sales.orders SET WITHOUT CLUSTER;
## M008 | index | unique index became plain
DROP INDEX sales.cust_ri; CREATE INDEX cust_ri ON sales.customers (id, name);
## M010 | index | index lacks entries: rows re-inserted while it was not ready
ALTER TABLE sales.customers DISABLE TRIGGER ALL; UPDATE pg_index SET indisready = false, indisvalid = false WHERE indexrelid = 'sales.customers_email_key'::regclass; CREATE TEMP TABLE k AS SELECT * FROM sales.customers; DELETE FROM sales.customers; INSERT INTO sales.customers OVERRIDING SYSTEM VALUE SELECT * FROM k; UPDATE pg_index SET indisready = true, indisvalid = true WHERE indexrelid = 'sales.customers_email_key'::regclass; ALTER TABLE sales.customers ENABLE TRIGGER ALL; DROP TABLE k;
## M011 | index | index of a partition renamed
ALTER INDEX sales.part_1_t_idx RENAME TO part_1_t_other;
## M230 | index | pages per range of a BRIN index
ALTER INDEX sales.orders_brin SET (pages_per_range = 8);
## M252 | index | added
CREATE INDEX extra ON sales.orders (customer);
## M253 | index | renamed
ALTER INDEX sales.orders_hash RENAME TO orders_hash2;
## M254 | index | fill factor
ALTER INDEX sales.orders_note SET (fillfactor = 61);
## M255 | index | deduplicate_items option lost
ALTER INDEX sales.wide_many RESET (deduplicate_items);
## M256 | index | GIN options
ALTER INDEX sales.wide_gin SET (fastupdate = on);
## M257 | index | GIN pending list limit
ALTER INDEX sales.wide_gin SET (gin_pending_list_limit = 256);
## M258 | index | BRIN autosummarize
ALTER INDEX sales.wide_brin SET (autosummarize = off);
## M259 | index | predicate of a partial index lost
DROP INDEX sales.orders_note; CREATE INDEX orders_note ON sales.orders (note text_pattern_ops DESC NULLS LAST) WITH (fillfactor = 60); COMMENT ON INDEX sales.orders_note IS 'an index';
## M260 | index | predicate of a partial index is another one
DROP INDEX sales.orders_note; CREATE INDEX orders_note ON sales.orders (note text_pattern_ops DESC NULLS LAST) WITH (fillfactor = 60) WHERE state IN ('sad','happy'); COMMENT ON INDEX sales.orders_note IS 'an index';
## M261 | index | operator class
DROP INDEX sales.orders_note; CREATE INDEX orders_note ON sales.orders (note DESC NULLS LAST) WITH (fillfactor = 60) WHERE state IN ('sad','ok'); COMMENT ON INDEX sales.orders_note IS 'an index';
## M262 | index | sort order
DROP INDEX sales.orders_note; CREATE INDEX orders_note ON sales.orders (note text_pattern_ops NULLS LAST) WITH (fillfactor = 60) WHERE state IN ('sad','ok'); COMMENT ON INDEX sales.orders_note IS 'an index';
## M263 | index | order of nulls
DROP INDEX sales.orders_note; CREATE INDEX orders_note ON sales.orders (note text_pattern_ops DESC NULLS FIRST) WITH (fillfactor = 60) WHERE state IN ('sad','ok'); COMMENT ON INDEX sales.orders_note IS 'an index';
## M264 | index | parameter of an operator class
DROP INDEX sales.wide_tsv; CREATE INDEX wide_tsv ON sales.wide USING gist (tsv tsvector_ops (siglen = 101));
## M265 | index | collation of a column
DROP INDEX sales.wide_many; CREATE INDEX wide_many ON sales.wide (a COLLATE "C" NULLS FIRST, e DESC, (a || d) COLLATE "C") INCLUDE (b, late) WITH (deduplicate_items = off);
## M266 | index | included columns lost
DROP INDEX sales.wide_many; CREATE INDEX wide_many ON sales.wide (a COLLATE "POSIX" NULLS FIRST, e DESC, (a || d) COLLATE "C") WITH (deduplicate_items = off);
## M267 | index | order of columns
DROP INDEX sales.cust_ri; CREATE UNIQUE INDEX cust_ri ON sales.customers (name, id);
## M268 | index | access method
DROP INDEX sales.orders_hash; CREATE INDEX orders_hash ON sales.orders (note);
## M269 | index | NULLS NOT DISTINCT lost
ALTER TABLE sales.wide SET WITHOUT CLUSTER; DROP INDEX sales.wide_nulls; CREATE UNIQUE INDEX wide_nulls ON sales.wide (e, f); ALTER TABLE sales.wide CLUSTER ON wide_nulls;
## M270 | index | expression
DROP INDEX sales.orders_expr; CREATE INDEX orders_expr ON sales.orders (sales.add(customer), upper(note)); ALTER INDEX sales.orders_expr ALTER COLUMN 1 SET STATISTICS 200;
## M271 | index | an index of one partition alone dropped
DROP INDEX sales.listed_c_own;
## M272 | index | the partitioned index dropped with all its parts
DROP INDEX sales.part_t;
## M273 | index | one more on a single partition
CREATE INDEX part_1_extra ON sales.part_1 (t DESC);
## M274 | index | DEPENDS ON EXTENSION lost
ALTER INDEX sales.cust_tags NO DEPENDS ON EXTENSION hstore;
## M275 | index | clustered on another index
ALTER TABLE sales.orders CLUSTER ON orders_expr;
## M276 | index | replica identity index is another one
ALTER TABLE sales.customers REPLICA IDENTITY USING INDEX cust_ri;
## M277 | index | unique index marked as not immediate
UPDATE pg_index SET indimmediate = false WHERE indexrelid = 'sales.cust_ri'::regclass;
## M278 | index | entries lost in a primary key: rows inserted while it was not ready
ALTER TABLE sales.bins DISABLE TRIGGER ALL; UPDATE pg_index SET indisready = false WHERE indexrelid = 'sales.bins_pkey'::regclass; CREATE TEMP TABLE k AS SELECT * FROM sales.bins WHERE id > 20; ALTER TABLE sales.bins REPLICA IDENTITY FULL; DELETE FROM sales.bins WHERE id > 20; INSERT INTO sales.bins SELECT * FROM k; ALTER TABLE sales.bins REPLICA IDENTITY DEFAULT; UPDATE pg_index SET indisready = true WHERE indexrelid = 'sales.bins_pkey'::regclass; ALTER TABLE sales.bins ENABLE TRIGGER ALL; DROP TABLE k;
## M279 | index | index of a materialized view: statistics target of a column
ALTER INDEX sales.wide_many ALTER COLUMN 3 SET STATISTICS 77;
