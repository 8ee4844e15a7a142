-- Mutations of the restored zoo: constraints. Each must turn a drill red.
## M044 | constraint | FK dropped
ALTER TABLE sales.orders DROP CONSTRAINT orders_customer;
## M046 | constraint | FK action changed
ALTER TABLE sales.orders DROP CONSTRAINT orders_customer; ALTER TABLE sales.orders ADD CONSTRAINT orders_customer FOREIGN KEY (customer) REFERENCES sales.customers ON DELETE CASCADE ON UPDATE CASCADE DEFERRABLE INITIALLY DEFERRED;
## M047 | constraint | FK deferrability
ALTER TABLE sales.orders ALTER CONSTRAINT orders_customer NOT DEFERRABLE;
## M049 | constraint | internal FK triggers disabled, user triggers as they were (orders)
UPDATE pg_trigger SET tgenabled = 'D' WHERE tgrelid = 'sales.orders'::regclass AND tgisinternal;
## M050 | constraint | check dropped
ALTER TABLE sales.orders DROP CONSTRAINT notelen;
## M052 | constraint | check NO INHERIT became inheriting
ALTER TABLE sales.orders DROP CONSTRAINT notelen; ALTER TABLE sales.orders ADD CONSTRAINT notelen CHECK (length(note) < 1000);
## M053 | constraint | primary key dropped
ALTER TABLE sales.bins DROP CONSTRAINT bins_pkey;
## M055 | constraint | unique NULLS NOT DISTINCT lost
ALTER TABLE sales.items DROP CONSTRAINT items_order_id_n_key; ALTER TABLE sales.items ADD CONSTRAINT items_order_id_n_key UNIQUE (order_id, n);
## M056 | constraint | exclusion constraint dropped
ALTER TABLE sales.items DROP CONSTRAINT noclash;
## M058 | constraint | constraint renamed
ALTER TABLE sales.orders RENAME CONSTRAINT notelen TO notelen2;
## M236 | constraint | inherited check lost conislocal
UPDATE pg_constraint SET conislocal = true WHERE conrelid = 'sales.child'::regclass;
## M365 | constraint | check added
ALTER TABLE sales.heap ADD CONSTRAINT extra CHECK (a > 0);
## M366 | constraint | check expression
ALTER TABLE sales.orders DROP CONSTRAINT notelen; ALTER TABLE sales.orders ADD CONSTRAINT notelen CHECK (length(note) < 1001) NO INHERIT;
## M367 | constraint | check validated that was not
ALTER TABLE sales.orders VALIDATE CONSTRAINT late;
## M368 | constraint | valid check marked as not validated
UPDATE pg_constraint SET convalidated = false WHERE conname = 'notelen' AND conrelid = 'sales.orders'::regclass;
## M369 | constraint | inherited check dropped from the parent and its child
ALTER TABLE sales.parent DROP CONSTRAINT pos;
## M370 | constraint | check of an inherited table NO INHERIT
ALTER TABLE sales.parent DROP CONSTRAINT pos; ALTER TABLE sales.parent ADD CONSTRAINT pos CHECK (a > 0) NO INHERIT;
## M371 | constraint | foreign key added
ALTER TABLE sales.refs ADD CONSTRAINT q_tree FOREIGN KEY (q) REFERENCES sales.tree (id);
## M372 | constraint | foreign key not validated
ALTER TABLE sales.orders DROP CONSTRAINT orders_customer; ALTER TABLE sales.orders ADD CONSTRAINT orders_customer FOREIGN KEY (customer) REFERENCES sales.customers ON DELETE RESTRICT ON UPDATE CASCADE DEFERRABLE INITIALLY DEFERRED NOT VALID;
## M373 | constraint | foreign key that was not valid validated
UPDATE pg_constraint SET convalidated = true WHERE conname = 'leaf_who';
## M374 | constraint | foreign key MATCH FULL became SIMPLE
ALTER TABLE sales.leaf DROP CONSTRAINT leaf_ab; ALTER TABLE sales.leaf ADD CONSTRAINT leaf_ab FOREIGN KEY (a, b) REFERENCES sales.tree (a, b) ON UPDATE SET DEFAULT ON DELETE SET DEFAULT (a);
## M375 | constraint | columns of ON DELETE SET DEFAULT
ALTER TABLE sales.leaf DROP CONSTRAINT leaf_ab; ALTER TABLE sales.leaf ADD CONSTRAINT leaf_ab FOREIGN KEY (a, b) REFERENCES sales.tree (a, b) MATCH FULL ON UPDATE SET DEFAULT ON DELETE SET DEFAULT;
## M376 | constraint | ON UPDATE action
ALTER TABLE sales.leaf DROP CONSTRAINT leaf_ab; ALTER TABLE sales.leaf ADD CONSTRAINT leaf_ab FOREIGN KEY (a, b) REFERENCES sales.tree (a, b) MATCH FULL ON UPDATE CASCADE ON DELETE SET DEFAULT (a);
## M377 | constraint | foreign key references another table
ALTER TABLE sales.hen DROP CONSTRAINT hen_egg_fkey; ALTER TABLE sales.hen ADD CONSTRAINT hen_egg_fkey FOREIGN KEY (egg) REFERENCES sales.tree (id);
## M378 | constraint | foreign key initially deferred to immediate
ALTER TABLE sales.orders ALTER CONSTRAINT orders_customer DEFERRABLE INITIALLY IMMEDIATE;
## M379 | constraint | foreign key of a circle dropped
ALTER TABLE sales.egg DROP CONSTRAINT egg_hen;
## M380 | constraint | foreign key to a partitioned table dropped
ALTER TABLE sales.refs DROP CONSTRAINT refs_id_fkey;
## M381 | constraint | self reference: columns of ON DELETE SET NULL lost
ALTER TABLE sales.tree DROP CONSTRAINT tree_up; ALTER TABLE sales.tree ADD CONSTRAINT tree_up FOREIGN KEY (up) REFERENCES sales.tree (id) ON DELETE SET NULL;
## M382 | constraint | foreign key triggers of the referenced table disabled
UPDATE pg_trigger SET tgenabled = 'D' WHERE tgrelid = 'sales.customers'::regclass AND tgisinternal;
## M383 | constraint | internal triggers of deferrable unique keys disabled
UPDATE pg_trigger SET tgenabled = 'D' WHERE tgrelid = 'sales.tree'::regclass AND tgisinternal;
## M384 | constraint | primary key became a unique constraint
ALTER TABLE sales.bins DROP CONSTRAINT bins_pkey; ALTER TABLE sales.bins ADD CONSTRAINT bins_pkey UNIQUE (id);
## M385 | constraint | primary key lost its included column
ALTER TABLE sales.items DROP CONSTRAINT items_order_id_fkey; ALTER TABLE sales.orders DROP CONSTRAINT orders_pk; ALTER TABLE sales.orders ADD CONSTRAINT orders_pk PRIMARY KEY (id); ALTER TABLE sales.orders CLUSTER ON orders_pk; COMMENT ON CONSTRAINT orders_pk ON sales.orders IS 'pk'; ALTER TABLE sales.items ADD FOREIGN KEY (order_id) REFERENCES sales.orders;
## M386 | constraint | deferrable primary key became immediate
ALTER TABLE sales.tree DROP CONSTRAINT tree_pk; ALTER TABLE sales.tree ADD CONSTRAINT tree_pk PRIMARY KEY (id);
## M387 | constraint | unique constraint dropped
ALTER TABLE sales.items DROP CONSTRAINT items_order_id_n_key;
## M388 | constraint | unique constraint became a unique index
ALTER TABLE sales.customers DROP CONSTRAINT customers_email_key; CREATE UNIQUE INDEX customers_email_key ON sales.customers (email);
## M389 | constraint | storage parameter of a unique constraint
ALTER INDEX sales.tree_ab SET (fillfactor = 66);
## M390 | constraint | order of columns of a unique constraint
ALTER TABLE sales.items DROP CONSTRAINT items_order_id_n_key; ALTER TABLE sales.items ADD CONSTRAINT items_order_id_n_key UNIQUE NULLS NOT DISTINCT (n, order_id);
## M391 | constraint | exclusion operator
ALTER TABLE sales.items DROP CONSTRAINT noclash; ALTER TABLE sales.items ADD CONSTRAINT noclash EXCLUDE USING gist (room WITH =, during WITH =) DEFERRABLE;
## M392 | constraint | exclusion not deferrable
ALTER TABLE sales.items DROP CONSTRAINT noclash; ALTER TABLE sales.items ADD CONSTRAINT noclash EXCLUDE USING gist (room WITH =, during WITH &&);
## M393 | constraint | predicate of an exclusion
ALTER TABLE sales.circles DROP CONSTRAINT apart; ALTER TABLE sales.circles ADD CONSTRAINT apart EXCLUDE USING gist (c WITH &&) WHERE (n > 1);
## M394 | constraint | primary key of a partitioned table dropped
ALTER TABLE sales.listed DROP CONSTRAINT listed_pk;
## M395 | constraint | check of a foreign table dropped
ALTER FOREIGN TABLE public.remote DROP CONSTRAINT pos;
## M396 | constraint | check of a partitioned table dropped
ALTER TABLE sales.hashed DROP CONSTRAINT hashed_n;
## M397 | constraint | row that contradicts a check, which is valid by the catalog
ALTER TABLE sales.wide REPLICA IDENTITY FULL; UPDATE pg_class SET relchecks = 0 WHERE oid = 'sales.wide'::regclass; UPDATE sales.wide SET e = -1 WHERE a = 'a1'; UPDATE pg_class SET relchecks = 1 WHERE oid = 'sales.wide'::regclass; ALTER TABLE sales.wide REPLICA IDENTITY DEFAULT;
## M398 | constraint | row that its foreign key forbids
SET session_replication_role = replica; INSERT INTO sales.refs VALUES (99999, 3);
