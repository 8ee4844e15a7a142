-- Mutations of the restored zoo: tables. Each must turn a drill red.
## M028 | table | became UNLOGGED
ALTER TABLE sales.values SET UNLOGGED;
## M029 | table | unlogged became logged
ALTER TABLE sales.fast SET LOGGED;
## M031 | table | toast storage parameter
ALTER TABLE sales.orders SET (toast.autovacuum_enabled = on);
## M032 | table | replica identity FULL to default
ALTER TABLE sales.items REPLICA IDENTITY DEFAULT;
## M034 | table | row security off
ALTER TABLE sales.customers DISABLE ROW LEVEL SECURITY;
## M035 | table | FORCE row security off
ALTER TABLE sales.customers NO FORCE ROW LEVEL SECURITY;
## M037 | table | OF type cut
ALTER TABLE sales.typed NOT OF;
## M038 | table | table access method
ALTER TABLE public.other_am SET ACCESS METHOD heap;
## M040 | table | partition bound changed
ALTER TABLE sales.refs DROP CONSTRAINT refs_id_fkey; ALTER TABLE sales.part DETACH PARTITION sales.part_d; ALTER TABLE sales.part DETACH PARTITION sales.part_1; ALTER TABLE sales.part ATTACH PARTITION sales.part_1 FOR VALUES FROM (-5) TO (100); ALTER TABLE sales.part ATTACH PARTITION sales.part_d DEFAULT; ALTER TABLE sales.part_1 DISABLE TRIGGER part_tg; ALTER TABLE sales.refs ADD FOREIGN KEY (id) REFERENCES sales.part (k);
## M041 | table | empty table added
CREATE TABLE sales.more (a int);
## M043 | table | owner
ALTER TABLE sales.heap OWNER TO clerk;
## M235 | inheritance | inherited column made local (attislocal)
ALTER TABLE sales.child NO INHERIT sales.parent; ALTER TABLE sales.child INHERIT sales.parent;
## M320 | table | dropped with its rows
DROP TABLE sales.genonly;
## M321 | table | renamed
ALTER TABLE sales.genonly RENAME TO genonly2;
## M322 | table | two swapped their names
ALTER TABLE sales.mother RENAME TO m2; ALTER TABLE sales.heap RENAME TO mother; ALTER TABLE sales.m2 RENAME TO heap;
## M323 | table | moved to another schema
ALTER TABLE sales.genonly SET SCHEMA public;
## M324 | table | copied beside the original
CREATE TABLE sales.orders_copy AS SELECT * FROM sales.orders;
## M325 | table | owner of a table with a sequence
ALTER TABLE sales.orders OWNER TO auditor;
## M326 | table | fill factor
ALTER TABLE sales.orders SET (fillfactor = 78);
## M327 | table | autovacuum enabled again
ALTER TABLE sales.orders RESET (autovacuum_enabled);
## M328 | table | scale factor of autovacuum
ALTER TABLE sales.wide SET (autovacuum_vacuum_scale_factor = 0.06);
## M329 | table | parallel workers
ALTER TABLE sales.wide SET (parallel_workers = 3);
## M330 | table | TOAST tuple target
ALTER TABLE sales.wide RESET (toast_tuple_target);
## M331 | table | cost limit of the TOAST table
ALTER TABLE sales.wide RESET (toast.autovacuum_vacuum_cost_limit);
## M332 | table | storage parameter added
ALTER TABLE sales.heap SET (user_catalog_table = true);
## M333 | table | replica identity NOTHING
ALTER TABLE sales.orders REPLICA IDENTITY NOTHING;
## M334 | table | row security enabled without a policy
ALTER TABLE sales.orders ENABLE ROW LEVEL SECURITY;
## M335 | table | FORCE row security added
ALTER TABLE sales.leaf FORCE ROW LEVEL SECURITY;
## M336 | table | became a table of a type
ALTER TABLE sales.refs RENAME id TO a; ALTER TABLE sales.refs RENAME q TO b; CREATE TYPE sales.row2 AS (a int, b int); ALTER TABLE sales.refs OF sales.row2;
## M337 | table | unlogged one with rows dropped and made again, empty
DROP TABLE sales.fast; SET ROLE :"owner"; CREATE UNLOGGED TABLE sales.fast (a int); RESET ROLE;
## M338 | table | plain table became a view of the same rows
ALTER TABLE sales.genonly RENAME TO genonly_t; SET ROLE :"owner"; CREATE VIEW sales.genonly AS SELECT g FROM sales.genonly_t; RESET ROLE;
## M339 | inheritance | child no longer inherits
ALTER TABLE sales.child NO INHERIT sales.parent;
## M340 | inheritance | one of two parents lost
ALTER TABLE sales.both NO INHERIT sales.father;
## M341 | inheritance | order of two parents
ALTER TABLE sales.both NO INHERIT sales.mother; ALTER TABLE sales.both INHERIT sales.mother;
## M342 | inheritance | default of an inherited column
ALTER TABLE sales.both ALTER m SET DEFAULT 'mother';
## M343 | inheritance | NOT NULL of an inherited column
ALTER TABLE sales.both ALTER f DROP NOT NULL;
## M344 | inheritance | default of the parent alone
ALTER TABLE ONLY sales.mother ALTER a SET DEFAULT 9;
## M345 | inheritance | one more child
CREATE TABLE sales.child2 () INHERITS (sales.parent); ALTER TABLE sales.child2 OWNER TO app;
