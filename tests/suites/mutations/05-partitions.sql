-- Mutations of the restored zoo: partitions. Each must turn a drill red.
## M346 | partition | detached
ALTER TABLE sales.nulls DETACH PARTITION sales.nulls_1;
## M347 | partition | dropped with its rows
DROP TABLE sales.nulls_1;
## M348 | partition | default partition lost
ALTER TABLE sales.part DETACH PARTITION sales.part_d;
## M349 | partition | one more, empty
CREATE TABLE sales.nulls_2 PARTITION OF sales.nulls FOR VALUES IN (2); ALTER TABLE sales.nulls_2 OWNER TO app;
## M350 | partition | NULL no longer in its list, its row lost
ALTER TABLE sales.nulls DETACH PARTITION sales.nulls_n; ALTER TABLE sales.nulls_n REPLICA IDENTITY FULL; DELETE FROM sales.nulls_n WHERE v IS NULL; ALTER TABLE sales.nulls_n REPLICA IDENTITY DEFAULT; ALTER TABLE sales.nulls ATTACH PARTITION sales.nulls_n FOR VALUES IN (0);
## M351 | partition | one more value in its list
ALTER TABLE sales.nulls DETACH PARTITION sales.nulls_1; ALTER TABLE sales.nulls ATTACH PARTITION sales.nulls_1 FOR VALUES IN (1, 5);
## M352 | partition | upper bound of two columns
ALTER TABLE sales.ranged DETACH PARTITION sales.ranged_2; ALTER TABLE sales.ranged ATTACH PARTITION sales.ranged_2 FOR VALUES FROM (10, 'm') TO (100, MINVALUE);
## M353 | partition | modulus of a hash partition
ALTER TABLE sales.hashed DETACH PARTITION sales.hashed_1; CREATE TABLE sales.hashed_1a PARTITION OF sales.hashed FOR VALUES WITH (MODULUS 4, REMAINDER 1); CREATE TABLE sales.hashed_1b PARTITION OF sales.hashed FOR VALUES WITH (MODULUS 4, REMAINDER 3); INSERT INTO sales.hashed SELECT * FROM sales.hashed_1; DROP TABLE sales.hashed_1;
## M354 | partition | two hash partitions in each other's place
ALTER TABLE sales.hashed DETACH PARTITION sales.hashed_0; ALTER TABLE sales.hashed DETACH PARTITION sales.hashed_1; ALTER TABLE sales.hashed_0 RENAME TO hashed_x; ALTER TABLE sales.hashed_1 RENAME TO hashed_0; ALTER TABLE sales.hashed_x RENAME TO hashed_1; ALTER TABLE sales.hashed ATTACH PARTITION sales.hashed_1 FOR VALUES WITH (MODULUS 2, REMAINDER 0); ALTER TABLE sales.hashed ATTACH PARTITION sales.hashed_0 FOR VALUES WITH (MODULUS 2, REMAINDER 1);
## M355 | partition | default of one partition
ALTER TABLE sales.listed_ab ALTER n SET DEFAULT 3;
## M356 | partition | check of one partition dropped
ALTER TABLE sales.listed_ab DROP CONSTRAINT n_pos;
## M357 | partition | storage parameter of one partition
ALTER TABLE sales.listed_ab RESET (fillfactor);
## M358 | partition | owner of one partition
ALTER TABLE sales.part_2a OWNER TO clerk;
## M359 | partition | renamed
ALTER TABLE sales.part_2d RENAME TO part_2_rest;
## M360 | partition | whole sub-partitioned branch flattened
CREATE TEMP TABLE k AS SELECT * FROM sales.part_2; ALTER TABLE sales.refs DROP CONSTRAINT refs_id_fkey; DROP TABLE sales.part_2; CREATE TABLE sales.part_2 PARTITION OF sales.part FOR VALUES FROM (100) TO (200); INSERT INTO sales.part SELECT * FROM k; DROP TABLE k; ALTER TABLE sales.refs ADD FOREIGN KEY (id) REFERENCES sales.part (k);
## M361 | partition | key: strategy of the parent, partitions as they were
CREATE TABLE sales.nulls2 (v int, w int) PARTITION BY RANGE (v); ALTER TABLE sales.nulls2 OWNER TO app; ALTER TABLE sales.nulls DETACH PARTITION sales.nulls_n; ALTER TABLE sales.nulls DETACH PARTITION sales.nulls_1; DROP TABLE sales.nulls; ALTER TABLE sales.nulls2 RENAME TO nulls; ALTER TABLE sales.nulls ATTACH PARTITION sales.nulls_1 FOR VALUES FROM (1) TO (2); ALTER TABLE sales.nulls ATTACH PARTITION sales.nulls_n DEFAULT;
## M362 | partition | dropped and made again without its rows
DROP TABLE sales.nulls_1; SET ROLE :"owner"; CREATE TABLE sales.nulls_1 PARTITION OF sales.nulls FOR VALUES IN (1); RESET ROLE;
## M363 | partition | foreign partition detached
ALTER TABLE public.mixed DETACH PARTITION public.mixed_far;
## M364 | partition | index no longer attached to its parent
UPDATE pg_class SET relispartition = false WHERE oid = 'sales.part_1_t_idx'::regclass; DELETE FROM pg_inherits WHERE inhrelid = 'sales.part_1_t_idx'::regclass;
