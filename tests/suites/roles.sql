-- The roles that the zoo, its mutations and the good databases name. Run once per server, as a superuser, before anything else.
-- All but app, authenticator and member cannot log in.
CREATE ROLE app LOGIN; CREATE ROLE clerk; CREATE ROLE report; CREATE ROLE "Odd ""Role"; CREATE ROLE auditor;
CREATE ROLE anon; CREATE ROLE authenticated; CREATE ROLE service_role BYPASSRLS;
CREATE ROLE authenticator LOGIN NOINHERIT; GRANT anon, authenticated, service_role TO authenticator;
CREATE ROLE member LOGIN; GRANT clerk TO member; GRANT report TO member WITH ADMIN OPTION;
