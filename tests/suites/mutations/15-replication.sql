-- Mutations of the restored zoo: replication. Each must turn a drill red.
## M128 | publication | table dropped from it
ALTER PUBLICATION pub DROP TABLE sales.items;
## M130 | publication | column list
ALTER PUBLICATION pub SET TABLE sales.orders (id) WHERE (id > 5), TABLE sales.items;
## M131 | publication | options
ALTER PUBLICATION pub SET (publish = 'insert');
## M133 | publication | FOR ALL TABLES dropped
DROP PUBLICATION everything;
## M134 | publication | owner
ALTER PUBLICATION everything OWNER TO app;
## M136 | subscription | option
ALTER SUBSCRIPTION elsewhere SET (streaming = off);
## M137 | subscription | dropped
ALTER SUBSCRIPTION elsewhere DISABLE; ALTER SUBSCRIPTION elsewhere SET (slot_name = NONE); DROP SUBSCRIPTION elsewhere;
## M139 | event trigger | enabled state
ALTER EVENT TRIGGER watch DISABLE;
## M140 | event trigger | body of its function
CREATE OR REPLACE FUNCTION public.watch() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN NULL; END';
## M623 | publication | added
CREATE PUBLICATION extra FOR TABLE sales.heap;
## M624 | publication | renamed
ALTER PUBLICATION pub_none RENAME TO pub_nothing;
## M625 | publication | row filter
ALTER PUBLICATION pub SET TABLE sales.orders (id, customer) WHERE (id > 6), TABLE sales.items;
## M626 | publication | row filter lost
ALTER PUBLICATION pub SET TABLE sales.orders (id, customer), TABLE sales.items;
## M627 | publication | column list lost
ALTER PUBLICATION pub SET TABLE sales.orders WHERE (id > 5), TABLE sales.items;
## M628 | publication | table added to an empty one
ALTER PUBLICATION pub_none ADD TABLE sales.tree;
## M629 | publication | one more operation
ALTER PUBLICATION pub SET (publish = 'insert, update, delete');
## M630 | publication | publish_via_partition_root
ALTER PUBLICATION pub SET (publish_via_partition_root = false);
## M631 | publication | schema dropped from it
ALTER PUBLICATION a_schema DROP TABLES IN SCHEMA sales;
## M632 | publication | schema added
ALTER PUBLICATION a_schema ADD TABLES IN SCHEMA tools;
## M633 | publication | owner to a plain role
ALTER PUBLICATION pub OWNER TO postgres;
## M634 | publication | FOR ALL TABLES became one of a list
DROP PUBLICATION everything; CREATE PUBLICATION everything FOR TABLE sales.orders WITH (publish = 'insert');
## M635 | subscription | its publications
ALTER SUBSCRIPTION elsewhere SET PUBLICATION q WITH (refresh = false);
## M636 | subscription | connection
ALTER SUBSCRIPTION elsewhere CONNECTION 'host=other.invalid';
## M637 | subscription | binary
ALTER SUBSCRIPTION elsewhere2 SET (binary = false);
## M638 | subscription | synchronous_commit
ALTER SUBSCRIPTION elsewhere2 SET (synchronous_commit = off);
## M639 | subscription | disable_on_error
ALTER SUBSCRIPTION elsewhere2 SET (disable_on_error = false);
## M640 | subscription | two_phase
UPDATE pg_subscription SET subtwophasestate = 'd' WHERE subname = 'elsewhere2' AND subdbid = (SELECT oid FROM pg_database WHERE datname = current_database());
## M641 | subscription | slot name
ALTER SUBSCRIPTION elsewhere SET (slot_name = 'other_slot');
## M642 | subscription | renamed
ALTER SUBSCRIPTION elsewhere2 RENAME TO elsewhere3;
## M643 | event trigger | dropped
DROP EVENT TRIGGER watch;
## M644 | event trigger | renamed
ALTER EVENT TRIGGER watch RENAME TO watch2;
## M645 | event trigger | disabled one enabled
ALTER EVENT TRIGGER watch_start ENABLE;
## M646 | event trigger | ALWAYS became origin
ALTER EVENT TRIGGER watch_drop ENABLE;
## M647 | event trigger | tags
DROP EVENT TRIGGER watch_rewrite; CREATE EVENT TRIGGER watch_rewrite ON table_rewrite WHEN TAG IN ('ALTER TABLE') EXECUTE FUNCTION public.watch();
## M648 | event trigger | event
DROP EVENT TRIGGER watch_start; CREATE EVENT TRIGGER watch_start ON ddl_command_end EXECUTE FUNCTION public.watch(); ALTER EVENT TRIGGER watch_start DISABLE;
## M649 | event trigger | its function
CREATE FUNCTION public.watch2() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'; UPDATE pg_event_trigger SET evtfoid = 'public.watch2'::regproc WHERE evtname = 'watch_rewrite';
