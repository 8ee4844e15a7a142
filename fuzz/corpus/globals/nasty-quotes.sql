SET x TO 'a\' \! id ';
ALTER ROLE a SET x TO E'\'' \! id ';
SET x TO E'a'
'\' \! id ';
