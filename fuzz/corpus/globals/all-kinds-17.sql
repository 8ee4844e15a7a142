--
-- PostgreSQL database cluster dump
--

\restrict a1B

SET default_transaction_read_only = off;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;

CREATE ROLE "A ""b";
ALTER ROLE "A ""b" WITH NOSUPERUSER INHERIT NOCREATEROLE NOCREATEDB LOGIN NOREPLICATION NOBYPASSRLS CONNECTION LIMIT 7 VALID UNTIL '2030-01-01 00:00:00+00';
COMMENT ON ROLE "A ""b" IS 'it''s; -- not a comment
DROP ROLE x;';
ALTER ROLE "A ""b" SET search_path TO 'a', 'B "c"';
ALTER ROLE "A ""b" IN DATABASE app SET my.setting TO E'back\\slash';
SECURITY LABEL FOR "dummy" ON ROLE a IS 'secret';
GRANT a TO "A ""b" WITH ADMIN OPTION, INHERIT FALSE, SET TRUE GRANTED BY postgres;
GRANT SET,ALTER SYSTEM ON PARAMETER my.setting TO a WITH GRANT OPTION;
CREATE TABLESPACE fast OWNER a LOCATION '/srv/fast';
GRANT ALL ON TABLESPACE fast TO a;

\unrestrict a1B

--
-- PostgreSQL database cluster dump complete
--
