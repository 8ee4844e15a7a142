-- Prints what a manifest promises, one table a line: `table|rows`. Reads the file :manifest_file.
\set ON_ERROR_STOP on
\set QUIET on
\pset format unaligned
\pset tuples_only on
\set manifest `cat :'manifest_file'`
select format('%I.%I|%s', t ->> 'schema', t ->> 'name', t ->> 'rows')
from jsonb_array_elements(:'manifest'::jsonb #> '{inventory,tables}') as t
where t ->> 'rows' is not null;
