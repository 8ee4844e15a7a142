//! Messages of PostgreSQL and its tools, with `{}` where they name something.

/// One message for each line; the first that fits decides. A message that is not here is told by its length alone, so
/// this list says which ones help a person.
pub(super) const TEMPLATES: &str = r#"
{} has ended, and a process that it started holds its output
{} is violated by some row
{}: No space left on device
"{}" is a {}
"{}" is an {}
"{}" is not a {}
"{}" is not an {}
"{}" is already a {}
access method "{}" does not exist
aggregate {} does not exist
cache lookup failed for {}
canceling statement due to {}
cannot execute {} in a read-only transaction
cannot insert multiple commands into a prepared statement
cannot {}
character with byte sequence ... in encoding "{}" has no equivalent in encoding "{}"
check constraint "{}" is violated by some row
check constraint "{}" of relation "{}" is violated by some row
circular dependency {}
collation "{}" already exists
collation "{}" does not exist
collation "{}" for encoding "{}" does not exist
collation {} does not exist
column "{}" contains null values
column "{}" does not exist
column "{}" has {}
column "{}" is of type {} but {} is of type {}
column "{}" of relation "{}" already exists
column "{}" of relation "{}" contains null values
column "{}" of relation "{}" does not exist
column reference "{}" is ambiguous
column {} does not exist
conflicting key value violates exclusion constraint "{}"
connection to server {}
constraint "{}" does not exist
constraint "{}" for relation "{}" already exists
constraint "{}" of relation "{}" does not exist
conversion "{}" does not exist
could not access file "{}": {}
could not close {}
could not create exclusion constraint "{}"
could not create locale "{}": {}
could not create unique index "{}"
could not determine {}
could not extend file "{}": {}
could not find function "{}" in file "{}"
could not find {}
could not identify {}
could not implement {}
could not load library "{}": {}
could not open extension control file "{}": {}
could not open file "{}": {}
could not open relation {}
could not read {}
could not resize {}
could not send {}
could not write {}
cross page item order invariant violated for index "{}"
current transaction is aborted, commands ignored until end of transaction block
data type {} has no default operator class for access method "{}"
database "{}" already exists
database "{}" does not exist
date/time field value out of range: "{}"
deadlock detected
division by zero
domain {} does not allow null values
down-link lower bound invariant violated for index "{}"
duplicate key value violates unique constraint "{}"
empty range bound specified for partition "{}"
encoding "{}" does not match locale "{}"
event trigger "{}" already exists
event trigger "{}" does not exist
extension "{}" already exists
extension "{}" does not exist
extension "{}" has no installation script nor update path for version "{}"
extension "{}" has no update path {}
extension "{}" is not available
extension "{}" must be {}
extra data after last expected column
foreign key constraint "{}" cannot be implemented
foreign-data wrapper "{}" does not exist
function "{}" already exists with same argument types
function "{}" does not exist
function {} does not exist
function {} is not unique
functions in index {} must be marked IMMUTABLE
generation expression is not immutable
heap tuple {} from table "{}" lacks matching index tuple within index "{}"
high key invariant violated for index "{}"
index "{}" contains {}
index "{}" does not exist
index "{}" has {}
index "{}" is {}
index "{}" lacks {}
index row size {}
input file {}
insert or update on table "{}" violates foreign key constraint "{}"
invalid byte sequence for encoding "{}": ...
invalid input syntax for type {}: "{}"
invalid input syntax for type {}
invalid input value for enum {}: "{}"
invalid locale name: "{}"
invalid page in block {} of relation {}
invalid value for parameter "{}": {}
item order invariant violated for index "{}"
language "{}" already exists
language "{}" does not exist
library "{}" {}
lost synchronization with server: {}
malformed {} literal: "{}"
materialized view "{}" does not exist
materialized view "{}" has not been populated
missing data for column "{}"
must be a {}
must be able to SET ROLE "{}"
must be member of role "{}"
must be owner of {}
must be superuser {}
must have {}
new row for relation "{}" violates check constraint "{}"
new row for relation "{}" violates partition constraint
no connection to the server
no partition of relation "{}" found for row
null value in column "{}" of relation "{}" violates not-null constraint
null value in column "{}" violates not-null constraint
numeric field overflow
only superuser {}
operator class "{}" does not accept data type {}
operator class "{}" does not exist for access method "{}"
operator does not exist: {}
operator family "{}" does not exist for access method "{}"
operator is not unique: {}
operator {} already exists
option "{}" not recognized
out of memory
out of shared memory
parameter "{}" cannot be {}
partition "{}" would overlap partition "{}"
permission denied
permission denied for {}
permission denied to set session authorization "{}"
permission denied to {}
permission denied: {}
policy "{}" for table "{}" already exists
policy "{}" for table "{}" does not exist
publication "{}" already exists
publication "{}" does not exist
query would be affected by row-level security policy for table "{}"
relation "{}" already exists
relation "{}" does not exist
relation "{}" is {}
required extension "{}" is not installed
role "{}" already exists
role "{}" cannot {}
role "{}" does not exist
row is too big: {}
rule "{}" for relation "{}" already exists
rule "{}" for relation "{}" does not exist
schema "{}" already exists
schema "{}" does not exist
sequence "{}" does not exist
server "{}" does not exist
server closed the connection unexpectedly
sorry, too many clients already
SSL {}
stack depth limit exceeded
statistics object "{}" already exists
statistics object "{}" does not exist
subscription "{}" already exists
syntax error at end of input
syntax error at or near "{}"
table "{}" does not exist
tablespace "{}" does not exist
terminating connection due to {}
text search configuration "{}" does not exist
text search dictionary "{}" does not exist
text search parser "{}" does not exist
text search template "{}" does not exist
the database system is {}
there is no unique constraint matching given keys for referenced table "{}"
trigger "{}" for relation "{}" already exists
trigger "{}" for relation "{}" does not exist
trigger "{}" for table "{}" does not exist
type "{}" already exists
type "{}" does not exist
type "{}" is only a shell
unexpected {}
unrecognized configuration parameter "{}"
unrecognized {}
unsupported version {}
update or delete on table "{}" violates foreign key constraint "{}" on table "{}"
updated partition constraint for default partition "{}" would be violated by some row
value "{}" is out of range for type {}
value for domain {} violates check constraint "{}"
value too long for type {}
view "{}" does not exist
{} out of range
"#;

/// Words that PostgreSQL itself uses in the places of a message that may hold anything: names of types and kinds, and
/// what holds sentences together.
pub(super) const WORDS: &str = "
    a access admin aggregate all an and any archive are array as at attribute backup bigint bit block boolean box btree
    but by bytea c cannot cast change changed char character check cidr circle class client collation column columns
    command commands commit common composite compression conflicting connect connection constraint constraints
    conversion count create created crossed ctid data database date daterange default define deferrable delete deleted depend
    depends directory does domain double drop due duplicate each empty encoding end entry enum event exceeds exclusion
    exist exists expression extension failed false family file first float4 float8 for foreign from function functions
    gin gist grant group half has hash header host id if immutable in index indexes inet inherited input insert int int2
    int4 int4range int8 int8range integer interval into invalid is isnull it json jsonb jsonpath key language large later
    leakproof length level library limit line local locale lock log lseg macaddr macaddr8 main make materialized member
    method missing money more must name no non not null number numeric numrange object objects of off oid on one only
    open operation operator option or other output own owned owner page parallel parameter parent partition partitioned
    password path permission pg_catalog plan point policy polygon precision preloaded primary privileges procedure
    provider publication query range read real record recovering recovery references referenced regclass relation
    relations replication requires reset restore restoring role row rows rule schema security select sequence server set
    setting settings shared_preload_libraries shutdown shutting sign single size slot smallint socket space sql ssl
    starting statement statements statistics such superuser support system table tables tablespace temporary template
    text than the their there this time timeout timestamp timestamptz timetz to toast transaction transform trigger true
    trusted tsquery tsrange tstzrange tsvector type types unique unknown unlogged unpopulated unsupported up update usage
    use used user using uuid value values varbit varchar varying version view void was with without wrapper write xid xml
    zone connections administrator abruptly before closed unexpectedly refused reached expected many no_data_found
    directory such such_file execute multiple prepared transaction_timeout amcheck acl attach fk";
