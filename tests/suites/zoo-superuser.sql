-- The part of the zoo whose rows depend on objects that only superusers create. Run it as a superuser in the same database, after zoo.sql.
\set ON_ERROR_STOP 1
CREATE TABLE public.other_am (a int) USING heap2; INSERT INTO public.other_am VALUES (1),(2);
CREATE TABLE public.with_raw (r public.raw); INSERT INTO public.with_raw VALUES ('x');
CREATE INDEX by_own ON sales.orders (customer public.own_order);
CREATE TABLE public.with_vec (id int PRIMARY KEY, v public.vec(5) DEFAULT 'd', r public.steps); INSERT INTO public.with_vec VALUES (1, 'abc', '[1,4]'), (2, NULL, 'empty');
CREATE TABLE public.own_index (a int, c circle); INSERT INTO public.own_index VALUES (1, '<(0,0),1>'), (2, '<(5,5),1>'); CREATE INDEX by_brin2 ON public.own_index USING brin2 (a); CREATE INDEX by_own_hash ON public.own_index USING hash (a public.own_hash); CREATE INDEX by_own_gist ON public.own_index USING gist (c public.own_gist);
CREATE TABLE public.hash_parts (a int) PARTITION BY HASH (a public.own_hash); CREATE TABLE public.hash_parts_0 PARTITION OF public.hash_parts FOR VALUES WITH (MODULUS 1, REMAINDER 0); INSERT INTO public.hash_parts VALUES (1), (2), (3);
CREATE MATERIALIZED VIEW public.mv_su AS SELECT public.in_own() AS a, count(*) AS roles FROM pg_catalog.pg_authid WHERE rolname = 'app';
