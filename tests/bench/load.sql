-- The database of the benchmark: about :mb MiB of rows and indexes.
--
--   half      rows of jsonb and text, as an application's log of events or orders looks
--   quarter   bytea of random bytes, as pictures, archives and encrypted columns look
--   quarter   300 narrow tables of numbers, dates and short text
--
-- Everything is made in one transaction per part, so that the server need not log what it can
-- write at once (wal_level=minimal). :part chooses, so that two sessions share the work.
\set ON_ERROR_STOP on
\set QUIET on
set synchronous_commit = off;
set maintenance_work_mem = '256MB';
select :'part' = 'events' as is_events, :'part' = 'rest' as is_rest
\gset

\if :is_events
begin;
create table events (
  id bigint not null,
  at timestamptz not null,
  kind text not null,
  payload jsonb not null,
  note text
);
with vocabulary as (
  select array['pending', 'paid', 'packed', 'shipped', 'returned', 'cancelled'] as states,
         array['Berlin', 'Lyon', 'Porto', 'Aarhus', 'Graz', 'Ghent', 'Turin', 'Malmö'] as cities,
         array['asked for a later delivery', 'the parcel was left with a neighbour', 'paid by invoice',
               'address checked by hand', 'first order of this customer', 'wants no paper in the box',
               'called twice and nobody answered', 'moved to the other warehouse'] as remarks
), draws as (
  select i, random() as a, random() as b, random() as c, random() as d
  from generate_series(1, :mb * 870) as i
)
insert into events
select i,
       timestamptz '2024-01-01 00:00:00+00' + i * interval '7 seconds' + a * interval '5 seconds',
       states[1 + (6 * a)::int % 6],
       jsonb_build_object(
         'order', i, 'customer', (b * 200000)::int, 'session', md5(i::text),
         'city', cities[1 + (8 * c)::int % 8], 'total', round((d * 900)::numeric, 2),
         'items', jsonb_build_array(
           jsonb_build_object('sku', 'A-' || (a * 90000)::int, 'quantity', 1 + (b * 4)::int, 'price', round((c * 99)::numeric, 2)),
           jsonb_build_object('sku', 'B-' || (d * 90000)::int, 'quantity', 1 + (c * 4)::int, 'price', round((b * 99)::numeric, 2))),
         'client', jsonb_build_object('agent', 'Mozilla/5.0 (X11; Linux x86_64)', 'address', '10.' || (a * 255)::int || '.' || (b * 255)::int || '.' || (c * 255)::int)),
       concat_ws('; ', remarks[1 + (8 * a)::int % 8], remarks[1 + (8 * b)::int % 8], remarks[1 + (8 * c)::int % 8])
from draws, vocabulary;
alter table events add primary key (id);
create index on events (at);
commit;
\endif

\if :is_rest
begin;
create extension pgcrypto;
create table files (id int primary key, body bytea not null);
alter table files alter column body set storage external;
insert into files
select i, (select string_agg(gen_random_bytes(1024), ''::bytea) from generate_series(1, 64) where i > 0)
from generate_series(1, :mb * 4) as i;
commit;

begin;
select format(
  'create table small_%s (id int primary key, amount numeric(12,2), day date, code text);'
  'insert into small_%s select i, round((random() * 1e6)::numeric, 2), date %L + (random() * 3000)::int, '
  'left(md5(random()::text), 10) from generate_series(1, %s) as i',
  n, n, '2018-01-01', :mb * 9)
from generate_series(1, 300) as n
\gexec
commit;
\endif
