-- Mutations of the restored zoo: triggers. Each must turn a drill red.
## M059 | trigger | dropped
DROP TRIGGER t_before ON sales.orders;
## M061 | trigger | disabled one enabled
ALTER TABLE sales.orders ENABLE TRIGGER t_off;
## M062 | trigger | ALWAYS became origin
ALTER TABLE sales.orders ENABLE TRIGGER t_always;
## M064 | trigger | constraint trigger not deferred
DROP TRIGGER t_con ON sales.orders; CREATE CONSTRAINT TRIGGER t_con AFTER INSERT ON sales.orders DEFERRABLE FOR EACH ROW EXECUTE FUNCTION sales.tg2();
## M065 | trigger | clone on one partition enabled
ALTER TABLE sales.part_1 ENABLE TRIGGER part_tg;
## M067 | trigger | INSTEAD OF trigger dropped
DROP TRIGGER v_ins ON sales.v;
## M068 | rule | dropped
DROP RULE r_log ON sales.dropped;
## M070 | policy | expression
ALTER POLICY p_read ON sales.customers USING (true);
## M071 | policy | role
ALTER POLICY p_read ON sales.customers TO PUBLIC;
## M399 | trigger | added
CREATE TRIGGER extra AFTER INSERT ON sales.heap FOR EACH ROW EXECUTE FUNCTION sales.tg2();
## M400 | trigger | renamed
ALTER TRIGGER t_before ON sales.orders RENAME TO t_before2;
## M401 | trigger | enabled one disabled
ALTER TABLE sales.orders DISABLE TRIGGER t_before;
## M402 | trigger | enabled one for replicas only
ALTER TABLE sales.orders ENABLE REPLICA TRIGGER t_before;
## M403 | trigger | REPLICA became origin
ALTER TABLE sales.tree ENABLE TRIGGER t_replica;
## M404 | trigger | REPLICA became ALWAYS
ALTER TABLE sales.tree ENABLE ALWAYS TRIGGER t_replica;
## M405 | trigger | ALWAYS became origin
ALTER TABLE sales.orders ENABLE TRIGGER t_always;
## M406 | trigger | condition
DROP TRIGGER t_before ON sales.orders; CREATE TRIGGER t_before BEFORE UPDATE OF note ON sales.orders FOR EACH ROW WHEN (OLD.note <> NEW.note) EXECUTE FUNCTION sales.tg('arg1'); COMMENT ON TRIGGER t_before ON sales.orders IS 'trig';
## M407 | trigger | condition lost
DROP TRIGGER t_before ON sales.orders; CREATE TRIGGER t_before BEFORE UPDATE OF note ON sales.orders FOR EACH ROW EXECUTE FUNCTION sales.tg('arg1'); COMMENT ON TRIGGER t_before ON sales.orders IS 'trig';
## M408 | trigger | columns
DROP TRIGGER t_before ON sales.orders; CREATE TRIGGER t_before BEFORE UPDATE ON sales.orders FOR EACH ROW WHEN (OLD.note IS DISTINCT FROM NEW.note) EXECUTE FUNCTION sales.tg('arg1'); COMMENT ON TRIGGER t_before ON sales.orders IS 'trig';
## M409 | trigger | argument
DROP TRIGGER t_before ON sales.orders; CREATE TRIGGER t_before BEFORE UPDATE OF note ON sales.orders FOR EACH ROW WHEN (OLD.note IS DISTINCT FROM NEW.note) EXECUTE FUNCTION sales.tg('arg2'); COMMENT ON TRIGGER t_before ON sales.orders IS 'trig';
## M410 | trigger | timing
DROP TRIGGER t_before ON sales.orders; CREATE TRIGGER t_before AFTER UPDATE OF note ON sales.orders FOR EACH ROW WHEN (OLD.note IS DISTINCT FROM NEW.note) EXECUTE FUNCTION sales.tg('arg1'); COMMENT ON TRIGGER t_before ON sales.orders IS 'trig';
## M411 | trigger | function
DROP TRIGGER t_always ON sales.orders; CREATE TRIGGER t_always AFTER INSERT ON sales.orders FOR EACH ROW EXECUTE FUNCTION sales.tg2(); ALTER TABLE sales.orders ENABLE ALWAYS TRIGGER t_always;
## M412 | trigger | events
DROP TRIGGER t_off ON sales.orders; CREATE TRIGGER t_off AFTER INSERT OR DELETE ON sales.orders FOR EACH ROW EXECUTE FUNCTION sales.tg(); ALTER TABLE sales.orders DISABLE TRIGGER t_off;
## M413 | trigger | statement became row
DROP TRIGGER t_off ON sales.orders; CREATE TRIGGER t_off AFTER INSERT ON sales.orders FOR EACH STATEMENT EXECUTE FUNCTION sales.tg(); ALTER TABLE sales.orders DISABLE TRIGGER t_off;
## M414 | trigger | transition table lost
DROP TRIGGER t_stmt ON sales.orders; CREATE TRIGGER t_stmt AFTER UPDATE ON sales.orders REFERENCING NEW TABLE AS nt FOR EACH STATEMENT EXECUTE FUNCTION sales.tg2();
## M415 | trigger | name of a transition table
DROP TRIGGER t_stmt ON sales.orders; CREATE TRIGGER t_stmt AFTER UPDATE ON sales.orders REFERENCING NEW TABLE AS nt OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION sales.tg2();
## M416 | trigger | TRUNCATE trigger dropped
DROP TRIGGER t_trunc ON sales.tree;
## M417 | trigger | constraint trigger lost its FROM table
DROP TRIGGER t_from ON sales.leaf; CREATE CONSTRAINT TRIGGER t_from AFTER UPDATE OF who ON sales.leaf NOT DEFERRABLE FOR EACH ROW EXECUTE FUNCTION sales.tg2();
## M418 | trigger | constraint trigger became a plain one
DROP TRIGGER t_con ON sales.orders; CREATE TRIGGER t_con AFTER INSERT ON sales.orders FOR EACH ROW EXECUTE FUNCTION sales.tg2();
## M419 | trigger | clone on a partition REPLICA to origin
ALTER TABLE sales.listed_ab ENABLE TRIGGER listed_tg;
## M420 | trigger | of a partitioned table dropped with its clones
DROP TRIGGER listed_tg ON sales.listed;
## M421 | trigger | on a foreign table dropped
DROP TRIGGER far_tg ON public.remote;
## M422 | trigger | DEPENDS ON EXTENSION lost
ALTER TRIGGER t_hs ON sales.leaf NO DEPENDS ON EXTENSION hstore;
## M423 | trigger | arguments with quotes
DROP TRIGGER t_del ON sales.tree; CREATE TRIGGER t_del AFTER DELETE ON sales.tree REFERENCING OLD TABLE AS gone FOR EACH ROW EXECUTE FUNCTION sales.tg2('its', E'b\\n', '%');
## M424 | rule | added
CREATE RULE extra AS ON DELETE TO sales.heap DO ALSO NOTIFY gone;
## M425 | rule | renamed
ALTER RULE r_log ON sales.dropped RENAME TO r_log2;
## M426 | rule | disabled one enabled
ALTER TABLE sales.dropped ENABLE RULE r_off;
## M427 | rule | ALWAYS became origin
ALTER TABLE sales.dropped ENABLE RULE r_always;
## M428 | rule | REPLICA one disabled
ALTER TABLE sales.heap DISABLE RULE r_replica;
## M429 | rule | action
CREATE OR REPLACE RULE r_log AS ON DELETE TO sales.dropped DO ALSO NOTIFY gone2;
## M430 | rule | condition
CREATE OR REPLACE RULE v_named_ins AS ON INSERT TO sales.v_named WHERE NEW.x > 1 DO INSTEAD NOTHING;
## M431 | rule | ALSO became INSTEAD
CREATE OR REPLACE RULE r_log AS ON DELETE TO sales.dropped DO INSTEAD NOTIFY gone;
## M432 | rule | event
DROP RULE r_log ON sales.dropped; CREATE RULE r_log AS ON INSERT TO sales.dropped DO ALSO NOTIFY gone; COMMENT ON RULE r_log ON sales.dropped IS 'rule';
## M433 | policy | added
CREATE POLICY extra ON sales.customers FOR SELECT TO report USING (true);
## M434 | policy | dropped
DROP POLICY p_res ON sales.customers;
## M435 | policy | renamed
ALTER POLICY p_read ON sales.customers RENAME TO p_read2;
## M436 | policy | restrictive became permissive
DROP POLICY p_res ON sales.customers; CREATE POLICY p_res ON sales.customers FOR ALL TO PUBLIC USING (true) WITH CHECK (length(name) > 0);
## M437 | policy | command
DROP POLICY p_ins ON sales.leaf; CREATE POLICY p_ins ON sales.leaf TO clerk, report WITH CHECK (a > 0);
## M438 | policy | check expression
ALTER POLICY p_upd ON sales.leaf WITH CHECK (id >= 0);
## M439 | policy | check lost
DROP POLICY p_upd ON sales.leaf; CREATE POLICY p_upd ON sales.leaf FOR UPDATE TO app USING (true);
## M440 | policy | one role of two lost
ALTER POLICY p_ins ON sales.leaf TO clerk;
## M441 | policy | of a table without row security
ALTER POLICY "p %" ON sales.tree USING (true);
## M442 | policy | subquery in it
ALTER POLICY p_del ON sales.leaf USING (id IN (SELECT l.a FROM sales.leaf l));
