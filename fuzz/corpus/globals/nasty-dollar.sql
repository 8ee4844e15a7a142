ALTER ROLE a SET x TO $$ ' $$ \! id ';
