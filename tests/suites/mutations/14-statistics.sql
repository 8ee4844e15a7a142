-- Mutations of the restored zoo: statistics. Each must turn a drill red.
## M125 | statistics | dropped
DROP STATISTICS sales.st;
## M127 | statistics | kinds
DROP STATISTICS sales.st; CREATE STATISTICS sales.st (ndistinct) ON customer, note FROM sales.orders; ALTER STATISTICS sales.st SET STATISTICS 55; COMMENT ON STATISTICS sales.st IS 'st';
## M617 | statistics | renamed
ALTER STATISTICS sales.st RENAME TO st2;
## M618 | statistics | target
ALTER STATISTICS sales.st SET STATISTICS 56;
## M619 | statistics | owner
ALTER STATISTICS sales.st OWNER TO clerk;
## M620 | statistics | expression
DROP STATISTICS sales.st_expr; CREATE STATISTICS sales.st_expr ON (upper(a)), (e % 3), late FROM sales.wide; ALTER STATISTICS sales.st_expr OWNER TO app;
## M621 | statistics | columns
DROP STATISTICS sales.st_dep; CREATE STATISTICS sales.st_dep (dependencies) ON a, e FROM sales.wide; ALTER STATISTICS sales.st_dep OWNER TO clerk;
## M622 | statistics | added
CREATE STATISTICS sales.extra ON a, b FROM sales.tree;
