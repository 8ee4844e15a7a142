-- Good databases: locales. Each must be backed up, drilled green and restored as it was.
## FL01 | plain | money where lc_monetary is de_DE
-- locale: de_DE.UTF-8
SELECT format('ALTER DATABASE %I SET lc_monetary = ''de_DE.UTF-8''', current_database()) \gexec
CREATE TABLE t (m money); INSERT INTO t VALUES (1234.56);
## FL02 | plain | range partition by text whose bounds are in order in en_US only
-- locale: en_US.UTF-8
-- db: LC_COLLATE 'en_US.UTF-8' LC_CTYPE 'en_US.UTF-8'
CREATE TABLE p (n text) PARTITION BY RANGE (n); CREATE TABLE p1 PARTITION OF p FOR VALUES FROM ('a') TO ('N'); CREATE TABLE p2 PARTITION OF p FOR VALUES FROM ('N') TO (MAXVALUE); INSERT INTO p VALUES ('Bob'), ('alice'), ('zoe');
## FL04 | plain | a collation of libc in the database
-- locale: de_DE.UTF-8
CREATE COLLATION german (locale = 'de_DE.UTF-8'); CREATE TABLE t (a text COLLATE german); INSERT INTO t VALUES ('a');
## FL05 | plain | a key in the order of en_US
-- locale: en_US.UTF-8
-- db: LC_COLLATE 'en_US.UTF-8' LC_CTYPE 'en_US.UTF-8'
CREATE TABLE t (a text PRIMARY KEY); INSERT INTO t VALUES ('a'), ('B');
