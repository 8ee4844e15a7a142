SET client_encoding = 'LATIN1';
CREATE ROLE "Größe";
COMMENT ON ROLE "Größe" IS 'ÿ';
