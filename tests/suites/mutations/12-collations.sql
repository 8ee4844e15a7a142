-- Mutations of the restored zoo: collations. Each must turn a drill red.
## M107 | collation | dropped
DROP COLLATION sales.unused;
## M109 | collation | recorded version
UPDATE pg_collation SET collversion = '1.2.3' WHERE collname = 'num' AND collnamespace = 'sales'::regnamespace;
## M110 | conversion | dropped
DROP CONVERSION sales.conv;
## M112 | text search | mapping
ALTER TEXT SEARCH CONFIGURATION sales.conf ALTER MAPPING FOR asciiword WITH english_stem;
## M113 | text search | dictionary option
ALTER TEXT SEARCH DICTIONARY sales.dict (STOPWORDS);
## M115 | text search | parser dropped
DROP TEXT SEARCH PARSER public.prs;
## M146 | text search | mapping added
ALTER TEXT SEARCH CONFIGURATION sales.conf ALTER MAPPING FOR tag WITH simple;
## M227 | text search | configuration: dropped
DROP TEXT SEARCH CONFIGURATION sales.conf;
## M580 | collation | added
CREATE COLLATION sales.extra (provider = icu, locale = 'de');
## M581 | collation | renamed
ALTER COLLATION sales.num RENAME TO num2;
## M582 | collation | owner
ALTER COLLATION sales.num OWNER TO clerk;
## M583 | collation | locale
UPDATE pg_collation SET colliculocale = 'en-u-kn' WHERE collname = 'num' AND collnamespace = 'sales'::regnamespace;
## M584 | collation | nondeterministic became deterministic
UPDATE pg_collation SET collisdeterministic = true WHERE collname = 'ci' AND collnamespace = 'sales'::regnamespace;
## M585 | conversion | owner
ALTER CONVERSION sales.conv_back OWNER TO clerk;
## M586 | conversion | default one no longer default
UPDATE pg_conversion SET condefault = false WHERE conname = 'conv_default';
## M587 | conversion | target encoding and function
DROP CONVERSION sales.conv; CREATE CONVERSION sales.conv FOR 'UTF8' TO 'LATIN2' FROM utf8_to_iso8859; COMMENT ON CONVERSION sales.conv IS 'a conversion'; ALTER CONVERSION sales.conv OWNER TO clerk;
## M588 | conversion | renamed
ALTER CONVERSION sales.conv RENAME TO conv2;
## M589 | text search | configuration: owner
ALTER TEXT SEARCH CONFIGURATION sales.conf2 OWNER TO clerk;
## M590 | text search | configuration: mapping dropped
ALTER TEXT SEARCH CONFIGURATION sales.conf DROP MAPPING FOR url;
## M591 | text search | configuration: order of two dictionaries
ALTER TEXT SEARCH CONFIGURATION sales.conf2 ALTER MAPPING FOR word WITH pg_catalog.simple, sales.stem;
## M592 | text search | configuration: its parser
DO $$ BEGIN PERFORM FROM pg_ts_parser WHERE prsname = 'prs'; IF NOT FOUND THEN RAISE undefined_object; END IF; END $$;
UPDATE pg_ts_config SET cfgparser = (SELECT oid FROM pg_ts_parser WHERE prsname = 'prs') WHERE cfgname = 'conf2';
## M593 | text search | dictionary: dropped
DROP TEXT SEARCH DICTIONARY sales.stem CASCADE;
## M594 | text search | dictionary: language
ALTER TEXT SEARCH DICTIONARY sales.stem (LANGUAGE = 'dutch');
## M595 | text search | dictionary: owner
ALTER TEXT SEARCH DICTIONARY sales.stem OWNER TO clerk;
## M596 | text search | template: dropped
DROP TEXT SEARCH TEMPLATE public.tmpl;
## M597 | text search | template: init function
UPDATE pg_ts_template SET tmplinit = 'dsimple_init'::regproc WHERE tmplname = 'tmpl';
## M598 | text search | parser: headline function
UPDATE pg_ts_parser SET prsheadline = 'prsd_headline'::regproc WHERE prsname = 'prs';
