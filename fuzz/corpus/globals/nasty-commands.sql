CREATE ROLE a;
\! id
