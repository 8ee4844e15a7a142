-- Prints what a database is, one fact a line, sorted: `kind|name|value`. Two databases with the same
-- output have the same contents, and the same objects with the same definitions.
\set ON_ERROR_STOP on
\set QUIET on
\pset format unaligned
\pset tuples_only on
\pset fieldsep '|'
-- Names are always printed with their schema, and values in one way whatever the server's settings.
set search_path = pg_catalog;
set timezone = 'UTC';
set extra_float_digits = 1;
set bytea_output = hex;

-- Rows of every table and filled materialized view: their number, and the sum of one hash per row, which
-- does not depend on their order. Partitions and inheriting tables are counted for themselves.
select format($$select %L, %L, (select count(*) || ' ' || coalesce(sum(hashtextextended(t::text, 0)), 0) from only %s as t)$$,
              case c.relkind when 'r' then 'table' else 'materialized view' end, c.oid::regclass, c.oid::regclass)
from pg_class as c
where c.relkind in ('r', 'm') and c.relispopulated
  and c.relnamespace not in (select oid from pg_namespace where nspname ~ '^pg_' or nspname = 'information_schema')
order by c.oid::regclass::text collate "C"
\gexec

select 'large object', m.oid, count(l) || ' ' || coalesce(sum(hashtextextended(l.pageno || ' ' || l.data::text, 0)), 0)
from pg_largeobject_metadata as m left join pg_largeobject as l on l.loid = m.oid
group by m.oid order by m.oid;

select 'sequence', format('%I.%I', schemaname, sequencename), concat_ws(' ', data_type, start_value, min_value, max_value, increment_by, cycle, cache_size, coalesce(last_value::text, 'unused'))
from pg_sequences order by schemaname, sequencename;

-- Objects by kind: how many, and a digest of all definitions together.
with own as (
  select oid from pg_namespace where nspname !~ '^pg_' and nspname <> 'information_schema'
), objects (kind, definition) as (
  select 'extensions', extname || ' ' || extversion from pg_extension
  union all
  select 'schemas', concat_ws(' ', nspname, nspowner::regrole, nspacl::text) from pg_namespace where oid in (select oid from own)
  union all
  select case relkind when 'r' then 'tables' when 'p' then 'partitioned tables' when 'v' then 'views' when 'm' then 'materialized views' end,
         concat_ws(' ', oid::regclass, relowner::regrole, relacl::text, relpersistence, relrowsecurity, relforcerowsecurity, reloptions::text,
                   pg_get_expr(relpartbound, oid), case when relkind in ('v', 'm') then pg_get_viewdef(oid) end)
  from pg_class where relkind in ('r', 'p', 'v', 'm') and relnamespace in (select oid from own)
  union all
  select 'columns', concat_ws(' ', a.attrelid::regclass, a.attnum, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity, a.attgenerated,
                              a.attstorage, a.attcollation::regcollation, a.attacl::text, a.attstattarget, pg_get_expr(d.adbin, d.adrelid))
  from pg_attribute as a join pg_class as c on c.oid = a.attrelid left join pg_attrdef as d on d.adrelid = a.attrelid and d.adnum = a.attnum
  where c.relkind in ('r', 'p', 'v', 'm', 'c') and a.attnum > 0 and not a.attisdropped and c.relnamespace in (select oid from own)
  union all
  select 'indexes', pg_get_indexdef(indexrelid) || ' ' || indisvalid from pg_index join pg_class on oid = indrelid where relnamespace in (select oid from own)
  union all
  select 'constraints', concat_ws(' ', conrelid::regclass, contypid::regtype, conname, pg_get_constraintdef(oid), convalidated) from pg_constraint where connamespace in (select oid from own)
  union all
  select 'functions', case prokind when 'a' then oid::regprocedure::text else pg_get_functiondef(oid) end || ' ' || proowner::regrole || coalesce(proacl::text, '')
  from pg_proc where pronamespace in (select oid from own)
  union all
  select 'operators', oid::regoperator::text || oprcode::regprocedure::text from pg_operator where oprnamespace in (select oid from own)
  union all
  select 'triggers', concat_ws(' ', pg_get_triggerdef(oid), tgenabled) from pg_trigger where not tgisinternal
  union all
  select 'rules', pg_get_ruledef(r.oid) from pg_rewrite as r join pg_class as c on c.oid = r.ev_class where c.relnamespace in (select oid from own)
  union all
  select 'types', concat_ws(' ', t.oid::regtype, t.typtype, t.typowner::regrole, (select string_agg(enumlabel, ',' order by enumsortorder) from pg_enum where enumtypid = t.oid))
  from pg_type as t where typnamespace in (select oid from own) and typtype in ('c', 'd', 'e', 'r')
  union all
  select 'collations', concat_ws(' ', collname, collprovider, collencoding) from pg_collation where collnamespace in (select oid from own)
  union all
  select 'extended statistics', pg_get_statisticsobjdef(oid) from pg_statistic_ext
  union all
  select 'policies', p::text from pg_policies as p
  union all
  select 'comments', classoid::regclass || ' ' || objsubid || ' ' || description from pg_description
  where objoid >= 16384 or classoid in ('pg_largeobject'::regclass)
  union all
  select 'default privileges', concat_ws(' ', defaclnamespace::regnamespace, defaclobjtype, defaclacl::text) from pg_default_acl
  union all
  select 'publications', pubname || ' ' || schemaname || ' ' || tablename from pg_publication_tables
)
select 'objects', kind, count(*) || ' ' || md5(string_agg(definition, E'\n' order by definition collate "C"))
from objects group by kind order by kind;
