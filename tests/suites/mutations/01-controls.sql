-- Controls: changes of which an archive holds nothing. A drill must stay green.
## M001 | control | nothing changed
SELECT 1;
## M220 | control | ANALYZE: pg_statistic filled
ANALYZE sales.orders; ANALYZE sales.wide; ANALYZE sales.part;
## M238 | control | nothing changed, once more
SELECT 1;
## M240 | control | VACUUM (FREEZE) and ANALYZE of some tables
VACUUM (FREEZE, ANALYZE) sales.orders, sales.items, sales.bins, sales.part_1;
## M241 | control | a checkpoint
CHECKPOINT;
## M242 | control | the counters of the statistics views reset
SELECT pg_stat_reset();
## M243 | control | a temporary table with a comment, an index and a sequence
CREATE TEMP TABLE passing (id serial PRIMARY KEY, t text); COMMENT ON TABLE passing IS 'gone soon'; INSERT INTO passing (t) VALUES ('x');
## M244 | control | a row added, deleted and vacuumed away
BEGIN; INSERT INTO sales.bins (id) VALUES (9999); ROLLBACK; INSERT INTO sales.bins (id) VALUES (9998); DELETE FROM sales.bins WHERE id = 9998; VACUUM sales.bins;
## M245 | control | every index of a table built anew
REINDEX TABLE sales.orders; REINDEX TABLE sales.wide;
## M246 | control | a table rewritten in the order of its clustered index
CLUSTER sales.orders;
## M247 | control | VACUUM FULL of a table with large values
VACUUM FULL sales.bins;
## M248 | control | a materialized view refreshed to the same rows
REFRESH MATERIALIZED VIEW sales.mv;
## M249 | control | an object made and dropped again
CREATE TABLE sales.passing (a int); CREATE FUNCTION sales.passing() RETURNS int LANGUAGE sql AS 'SELECT 1'; DROP FUNCTION sales.passing(); DROP TABLE sales.passing; SELECT lo_unlink(lo_create(77777));
## M250 | control | a grant given and taken back, a comment set to what it is
GRANT DELETE ON sales.orders TO clerk; REVOKE DELETE ON sales.orders FROM clerk; COMMENT ON TABLE sales.orders IS 'the orders';
## M251 | control | updates and deletes that were rolled back
BEGIN; UPDATE sales.orders SET amount = 0; DELETE FROM sales.items; DROP TABLE sales.heap CASCADE; ROLLBACK;
