-- Mutations of the restored zoo: views. Each must turn a drill red.
## M073 | view | definition
CREATE OR REPLACE VIEW sales.v WITH (security_barrier, check_option = local) AS SELECT id, note FROM sales.orders WHERE state = 'sad';
## M074 | view | security_barrier off
ALTER VIEW sales.v RESET (security_barrier);
## M076 | view | column default
ALTER VIEW sales.v ALTER COLUMN note DROP DEFAULT;
## M077 | matview | WITH NO DATA
REFRESH MATERIALIZED VIEW sales.mv WITH NO DATA;
## M079 | matview | unpopulated one filled
REFRESH MATERIALIZED VIEW sales.mv_empty;
## M080 | matview | index dropped
DROP INDEX sales.mv_c;
## M232 | matview | definition
DROP MATERIALIZED VIEW sales.mv_of; SET ROLE :"owner"; CREATE MATERIALIZED VIEW sales.mv_of AS SELECT count(*) AS n, min(s) AS most FROM sales.mv; CREATE INDEX mv_of_n ON sales.mv_of (n); ALTER MATERIALIZED VIEW sales.mv_of ALTER n SET STATISTICS 11; ALTER MATERIALIZED VIEW sales.mv_of DEPENDS ON EXTENSION citext; REVOKE SELECT ON sales.mv_of FROM report; GRANT SELECT (n), INSERT (most) ON sales.mv_of TO clerk; RESET ROLE;
## M443 | view | dropped
DROP VIEW sales.v2;
## M444 | view | renamed
ALTER VIEW sales.v2 RENAME TO v22;
## M445 | view | column renamed
ALTER VIEW sales.v2 RENAME COLUMN n TO m;
## M446 | view | check option lost
ALTER VIEW sales.v RESET (check_option);
## M447 | view | check option cascaded to local
ALTER VIEW sales.v_cascade SET (check_option = local);
## M448 | view | security_invoker off
ALTER VIEW sales.v2 SET (security_invoker = false);
## M449 | view | owner
ALTER VIEW sales.v2 OWNER TO clerk;
## M450 | view | schema
ALTER VIEW sales.v2 SET SCHEMA public;
## M451 | view | one more column
CREATE OR REPLACE VIEW sales.v_named (x, "y y", z) AS SELECT id, note, state FROM sales.orders;
## M452 | view | recursive one: its bound
CREATE OR REPLACE RECURSIVE VIEW sales.v_rec (n) AS VALUES (1) UNION ALL SELECT n + 1 FROM v_rec WHERE n < 6;
## M453 | view | default of its column changed
ALTER VIEW sales.v ALTER COLUMN note SET DEFAULT 'other';
## M454 | view | its odd column name
ALTER VIEW sales.v_odd RENAME COLUMN "p%" TO "p%%";
## M455 | view | became a table of the same rows
DROP VIEW sales.v_rec; CREATE TABLE sales.v_rec AS SELECT generate_series(1,5) AS n; ALTER TABLE sales.v_rec OWNER TO clerk;
## M456 | view | became a materialized view
DROP VIEW sales.v_rec; CREATE MATERIALIZED VIEW sales.v_rec AS SELECT generate_series(1,5) AS n; ALTER TABLE sales.v_rec OWNER TO clerk;
## M457 | matview | dropped
DROP MATERIALIZED VIEW sales.mv_empty;
## M458 | matview | owner
ALTER MATERIALIZED VIEW sales.mv_of OWNER TO clerk;
## M459 | matview | storage parameter
ALTER MATERIALIZED VIEW sales.mv SET (fillfactor = 91);
## M460 | matview | statistics target of a column
ALTER MATERIALIZED VIEW sales.mv_of ALTER n SET STATISTICS 12;
## M461 | matview | cluster mark
ALTER MATERIALIZED VIEW sales.mv SET WITHOUT CLUSTER;
## M462 | matview | DEPENDS ON EXTENSION lost
ALTER MATERIALIZED VIEW sales.mv_of NO DEPENDS ON EXTENSION citext;
## M463 | matview | column renamed
ALTER MATERIALIZED VIEW sales.mv_of RENAME COLUMN most TO max;
## M464 | matview | stale: filled from rows that are gone
ALTER TABLE sales.orders DISABLE TRIGGER USER; BEGIN; UPDATE sales.orders SET amount = amount + 1000; REFRESH MATERIALIZED VIEW sales.mv; UPDATE sales.orders SET amount = amount - 1000; COMMIT; ALTER TABLE sales.orders ENABLE TRIGGER USER; ALTER TABLE sales.orders DISABLE TRIGGER t_off; ALTER TABLE sales.orders ENABLE ALWAYS TRIGGER t_always;
## M465 | matview | one over another one not filled again
REFRESH MATERIALIZED VIEW sales.mv_of WITH NO DATA;
