\echo Use "CREATE EXTENSION pg_zvec" to load this file. \quit

-- Runs as superuser whoever installs the extension, in a schema that others may write to: names that are not made here are
-- the server's, which come first in the search path, and nothing is replaced.

-- The type. Functions that share a name with pgvector's or the server's differ in their argument types, so that both
-- extensions can live in one schema.

CREATE TYPE zvec;

CREATE FUNCTION zvec_in(cstring, oid, integer) RETURNS zvec
    AS 'MODULE_PATHNAME', 'zvec_in' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION zvec_out(zvec) RETURNS cstring
    AS 'MODULE_PATHNAME', 'zvec_out' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION zvec_recv(internal, oid, integer) RETURNS zvec
    AS 'MODULE_PATHNAME', 'zvec_recv' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION zvec_send(zvec) RETURNS bytea
    AS 'MODULE_PATHNAME', 'zvec_send' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION zvec_typmod_in(cstring[]) RETURNS integer
    AS 'MODULE_PATHNAME', 'zvec_typmod_in' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION zvec_typmod_out(integer) RETURNS cstring
    AS 'MODULE_PATHNAME', 'zvec_typmod_out' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION zvec_typanalyze(internal) RETURNS boolean
    AS 'MODULE_PATHNAME', 'zvec_typanalyze' LANGUAGE C STABLE STRICT PARALLEL SAFE;

CREATE TYPE zvec (
    INPUT = zvec_in,
    OUTPUT = zvec_out,
    RECEIVE = zvec_recv,
    SEND = zvec_send,
    TYPMOD_IN = zvec_typmod_in,
    TYPMOD_OUT = zvec_typmod_out,
    ANALYZE = zvec_typanalyze,
    INTERNALLENGTH = VARIABLE,
    ALIGNMENT = int4,
    STORAGE = external
);
COMMENT ON TYPE zvec IS 'vector of 1 to 16,000 single-precision elements';

-- Casts. An assignment cast to zvec, so that an array never becomes a vector by accident; from text[] an explicit one, as
-- from text to anything.

CREATE FUNCTION zvec(zvec, integer, boolean) RETURNS zvec
    AS 'MODULE_PATHNAME', 'zvec_coerce' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION array_to_zvec(real[], integer, boolean) RETURNS zvec
    AS 'MODULE_PATHNAME', 'zvec_from_float4' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
CREATE FUNCTION array_to_zvec(double precision[], integer, boolean) RETURNS zvec
    AS 'MODULE_PATHNAME', 'zvec_from_float8' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
CREATE FUNCTION array_to_zvec(integer[], integer, boolean) RETURNS zvec
    AS 'MODULE_PATHNAME', 'zvec_from_int4' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
CREATE FUNCTION array_to_zvec(numeric[], integer, boolean) RETURNS zvec
    AS 'MODULE_PATHNAME', 'zvec_from_numeric' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
CREATE FUNCTION array_to_zvec(smallint[], integer, boolean) RETURNS zvec
    AS 'MODULE_PATHNAME', 'zvec_from_int2' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
CREATE FUNCTION array_to_zvec(bigint[], integer, boolean) RETURNS zvec
    AS 'MODULE_PATHNAME', 'zvec_from_int8' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
CREATE FUNCTION array_to_zvec(text[], integer, boolean) RETURNS zvec
    AS 'MODULE_PATHNAME', 'zvec_from_text' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
CREATE FUNCTION zvec_to_float4(zvec, integer, boolean) RETURNS real[]
    AS 'MODULE_PATHNAME', 'zvec_to_float4' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
CREATE FUNCTION zvec_to_float8(zvec, integer, boolean) RETURNS double precision[]
    AS 'MODULE_PATHNAME', 'zvec_to_float8' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
CREATE FUNCTION zvec_to_int4(zvec, integer, boolean) RETURNS integer[]
    AS 'MODULE_PATHNAME', 'zvec_to_int4' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
CREATE FUNCTION zvec_to_numeric(zvec, integer, boolean) RETURNS numeric[]
    AS 'MODULE_PATHNAME', 'zvec_to_numeric' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
CREATE FUNCTION zvec_to_int2(zvec, integer, boolean) RETURNS smallint[]
    AS 'MODULE_PATHNAME', 'zvec_to_int2' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
CREATE FUNCTION zvec_to_int8(zvec, integer, boolean) RETURNS bigint[]
    AS 'MODULE_PATHNAME', 'zvec_to_int8' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
CREATE FUNCTION zvec_to_text(zvec, integer, boolean) RETURNS text[]
    AS 'MODULE_PATHNAME', 'zvec_to_text' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;

CREATE CAST (zvec AS zvec) WITH FUNCTION zvec(zvec, integer, boolean) AS IMPLICIT;
CREATE CAST (real[] AS zvec) WITH FUNCTION array_to_zvec(real[], integer, boolean) AS ASSIGNMENT;
CREATE CAST (double precision[] AS zvec) WITH FUNCTION array_to_zvec(double precision[], integer, boolean) AS ASSIGNMENT;
CREATE CAST (integer[] AS zvec) WITH FUNCTION array_to_zvec(integer[], integer, boolean) AS ASSIGNMENT;
CREATE CAST (numeric[] AS zvec) WITH FUNCTION array_to_zvec(numeric[], integer, boolean) AS ASSIGNMENT;
CREATE CAST (smallint[] AS zvec) WITH FUNCTION array_to_zvec(smallint[], integer, boolean) AS ASSIGNMENT;
CREATE CAST (bigint[] AS zvec) WITH FUNCTION array_to_zvec(bigint[], integer, boolean) AS ASSIGNMENT;
CREATE CAST (text[] AS zvec) WITH FUNCTION array_to_zvec(text[], integer, boolean);
CREATE CAST (zvec AS real[]) WITH FUNCTION zvec_to_float4(zvec, integer, boolean) AS IMPLICIT;
CREATE CAST (zvec AS double precision[]) WITH FUNCTION zvec_to_float8(zvec, integer, boolean) AS ASSIGNMENT;
CREATE CAST (zvec AS integer[]) WITH FUNCTION zvec_to_int4(zvec, integer, boolean) AS ASSIGNMENT;
CREATE CAST (zvec AS numeric[]) WITH FUNCTION zvec_to_numeric(zvec, integer, boolean) AS ASSIGNMENT;
CREATE CAST (zvec AS smallint[]) WITH FUNCTION zvec_to_int2(zvec, integer, boolean) AS ASSIGNMENT;
CREATE CAST (zvec AS bigint[]) WITH FUNCTION zvec_to_int8(zvec, integer, boolean) AS ASSIGNMENT;
CREATE CAST (zvec AS text[]) WITH FUNCTION zvec_to_text(zvec, integer, boolean) AS ASSIGNMENT;

-- Distances.

CREATE FUNCTION zvec_distance_support(internal) RETURNS internal
    AS 'MODULE_PATHNAME', 'zvec_distance_support' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION l2_distance(zvec, zvec) RETURNS double precision
    AS 'MODULE_PATHNAME', 'zvec_l2_distance' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 20
    SUPPORT zvec_distance_support;
CREATE FUNCTION inner_product(zvec, zvec) RETURNS double precision
    AS 'MODULE_PATHNAME', 'zvec_inner_product' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 20
    SUPPORT zvec_distance_support;
CREATE FUNCTION zvec_negative_inner_product(zvec, zvec) RETURNS double precision
    AS 'MODULE_PATHNAME', 'zvec_negative_inner_product' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 20
    SUPPORT zvec_distance_support;
CREATE FUNCTION cosine_distance(zvec, zvec) RETURNS double precision
    AS 'MODULE_PATHNAME', 'zvec_cosine_distance' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 20
    SUPPORT zvec_distance_support;
CREATE FUNCTION l1_distance(zvec, zvec) RETURNS double precision
    AS 'MODULE_PATHNAME', 'zvec_l1_distance' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 20
    SUPPORT zvec_distance_support;
CREATE FUNCTION zvec_distance(zvec, zvec, metric text) RETURNS real
    AS 'MODULE_PATHNAME', 'zvec_distance' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 20
    SUPPORT zvec_distance_support;
COMMENT ON FUNCTION zvec_distance(zvec, zvec, text) IS 'distance by metric l2, cosine, ip (negative inner product) or l1';

CREATE OPERATOR <-> (LEFTARG = zvec, RIGHTARG = zvec, FUNCTION = l2_distance, COMMUTATOR = <->);
CREATE OPERATOR <#> (LEFTARG = zvec, RIGHTARG = zvec, FUNCTION = zvec_negative_inner_product, COMMUTATOR = <#>);
CREATE OPERATOR <=> (LEFTARG = zvec, RIGHTARG = zvec, FUNCTION = cosine_distance, COMMUTATOR = <=>);
CREATE OPERATOR <+> (LEFTARG = zvec, RIGHTARG = zvec, FUNCTION = l1_distance, COMMUTATOR = <+>);

-- Norms, parts and arithmetic.

CREATE FUNCTION vector_dims(zvec) RETURNS integer
    AS 'MODULE_PATHNAME', 'zvec_vector_dims' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION array_length(zvec, integer) RETURNS integer
    AS 'MODULE_PATHNAME', 'zvec_array_length' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION unnest(zvec) RETURNS SETOF real
    AS 'MODULE_PATHNAME', 'zvec_unnest' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10 ROWS 400;
CREATE FUNCTION vector_norm(zvec) RETURNS double precision
    AS 'MODULE_PATHNAME', 'zvec_l2_norm' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
CREATE FUNCTION l2_norm(zvec) RETURNS double precision
    AS 'MODULE_PATHNAME', 'zvec_l2_norm' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
CREATE FUNCTION l2_normalize(zvec) RETURNS zvec
    AS 'MODULE_PATHNAME', 'zvec_l2_normalize' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
CREATE FUNCTION subvector(zvec, start integer, count integer) RETURNS zvec
    AS 'MODULE_PATHNAME', 'zvec_subvector' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
CREATE FUNCTION zvec_add(zvec, zvec) RETURNS zvec
    AS 'MODULE_PATHNAME', 'zvec_add' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
CREATE FUNCTION zvec_sub(zvec, zvec) RETURNS zvec
    AS 'MODULE_PATHNAME', 'zvec_sub' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
CREATE FUNCTION zvec_mul(zvec, zvec) RETURNS zvec
    AS 'MODULE_PATHNAME', 'zvec_mul' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
CREATE FUNCTION zvec_mul_float8(zvec, double precision) RETURNS zvec
    AS 'MODULE_PATHNAME', 'zvec_mul_float8' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
CREATE FUNCTION float8_mul_zvec(double precision, zvec) RETURNS zvec
    AS 'MODULE_PATHNAME', 'zvec_float8_mul' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
CREATE FUNCTION zvec_div_float8(zvec, double precision) RETURNS zvec
    AS 'MODULE_PATHNAME', 'zvec_div_float8' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
CREATE FUNCTION zvec_neg(zvec) RETURNS zvec
    AS 'MODULE_PATHNAME', 'zvec_neg' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
CREATE FUNCTION zvec_concat(zvec, zvec) RETURNS zvec
    AS 'MODULE_PATHNAME', 'zvec_concat' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;

CREATE OPERATOR + (LEFTARG = zvec, RIGHTARG = zvec, FUNCTION = zvec_add, COMMUTATOR = +);
CREATE OPERATOR - (LEFTARG = zvec, RIGHTARG = zvec, FUNCTION = zvec_sub);
CREATE OPERATOR * (LEFTARG = zvec, RIGHTARG = zvec, FUNCTION = zvec_mul, COMMUTATOR = *);
CREATE OPERATOR * (LEFTARG = zvec, RIGHTARG = double precision, FUNCTION = zvec_mul_float8, COMMUTATOR = *);
CREATE OPERATOR * (LEFTARG = double precision, RIGHTARG = zvec, FUNCTION = float8_mul_zvec, COMMUTATOR = *);
CREATE OPERATOR / (LEFTARG = zvec, RIGHTARG = double precision, FUNCTION = zvec_div_float8);
CREATE OPERATOR - (RIGHTARG = zvec, FUNCTION = zvec_neg);
CREATE OPERATOR || (LEFTARG = zvec, RIGHTARG = zvec, FUNCTION = zvec_concat);

-- Order: element by element, then by dimensions.

CREATE FUNCTION zvec_lt(zvec, zvec) RETURNS boolean
    AS 'MODULE_PATHNAME', 'zvec_lt' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION zvec_le(zvec, zvec) RETURNS boolean
    AS 'MODULE_PATHNAME', 'zvec_le' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION zvec_eq(zvec, zvec) RETURNS boolean
    AS 'MODULE_PATHNAME', 'zvec_eq' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION zvec_ne(zvec, zvec) RETURNS boolean
    AS 'MODULE_PATHNAME', 'zvec_ne' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION zvec_ge(zvec, zvec) RETURNS boolean
    AS 'MODULE_PATHNAME', 'zvec_ge' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION zvec_gt(zvec, zvec) RETURNS boolean
    AS 'MODULE_PATHNAME', 'zvec_gt' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION zvec_cmp(zvec, zvec) RETURNS integer
    AS 'MODULE_PATHNAME', 'zvec_cmp' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE OPERATOR < (
    LEFTARG = zvec, RIGHTARG = zvec, FUNCTION = zvec_lt, COMMUTATOR = >, NEGATOR = >=,
    RESTRICT = scalarltsel, JOIN = scalarltjoinsel
);
CREATE OPERATOR <= (
    LEFTARG = zvec, RIGHTARG = zvec, FUNCTION = zvec_le, COMMUTATOR = >=, NEGATOR = >,
    RESTRICT = scalarlesel, JOIN = scalarlejoinsel
);
CREATE OPERATOR = (
    LEFTARG = zvec, RIGHTARG = zvec, FUNCTION = zvec_eq, COMMUTATOR = =, NEGATOR = <>,
    RESTRICT = eqsel, JOIN = eqjoinsel, HASHES, MERGES
);
CREATE OPERATOR <> (
    LEFTARG = zvec, RIGHTARG = zvec, FUNCTION = zvec_ne, COMMUTATOR = <>, NEGATOR = =,
    RESTRICT = neqsel, JOIN = neqjoinsel
);
CREATE OPERATOR >= (
    LEFTARG = zvec, RIGHTARG = zvec, FUNCTION = zvec_ge, COMMUTATOR = <=, NEGATOR = <,
    RESTRICT = scalargesel, JOIN = scalargejoinsel
);
CREATE OPERATOR > (
    LEFTARG = zvec, RIGHTARG = zvec, FUNCTION = zvec_gt, COMMUTATOR = <, NEGATOR = <=,
    RESTRICT = scalargtsel, JOIN = scalargtjoinsel
);

CREATE OPERATOR CLASS zvec_ops DEFAULT FOR TYPE zvec USING btree AS
    OPERATOR 1 <,
    OPERATOR 2 <=,
    OPERATOR 3 =,
    OPERATOR 4 >=,
    OPERATOR 5 >,
    FUNCTION 1 zvec_cmp(zvec, zvec);

CREATE FUNCTION zvec_hash(zvec) RETURNS integer
    AS 'MODULE_PATHNAME', 'zvec_hash' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
CREATE FUNCTION zvec_hash_extended(zvec, bigint) RETURNS bigint
    AS 'MODULE_PATHNAME', 'zvec_hash_extended' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;

CREATE OPERATOR CLASS zvec_ops DEFAULT FOR TYPE zvec USING hash AS
    OPERATOR 1 =,
    FUNCTION 1 zvec_hash(zvec),
    FUNCTION 2 zvec_hash_extended(zvec, bigint);

-- Aggregates. The state of sums is the number of rows and the sum of each element.

CREATE FUNCTION zvec_accum(double precision[], zvec) RETURNS double precision[]
    AS 'MODULE_PATHNAME', 'zvec_accum' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
CREATE FUNCTION zvec_combine(double precision[], double precision[]) RETURNS double precision[]
    AS 'MODULE_PATHNAME', 'zvec_combine' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
CREATE FUNCTION zvec_avg(double precision[]) RETURNS zvec
    AS 'MODULE_PATHNAME', 'zvec_avg' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
CREATE FUNCTION zvec_sum(double precision[]) RETURNS zvec
    AS 'MODULE_PATHNAME', 'zvec_sum' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;

CREATE AGGREGATE avg(zvec) (
    SFUNC = zvec_accum,
    STYPE = double precision[],
    FINALFUNC = zvec_avg,
    COMBINEFUNC = zvec_combine,
    INITCOND = '{0}',
    PARALLEL = SAFE
);

CREATE AGGREGATE sum(zvec) (
    SFUNC = zvec_accum,
    STYPE = double precision[],
    FINALFUNC = zvec_sum,
    COMBINEFUNC = zvec_combine,
    INITCOND = '{0}',
    PARALLEL = SAFE
);

CREATE FUNCTION zvec_larger(zvec, zvec) RETURNS zvec
    AS 'MODULE_PATHNAME', 'zvec_larger' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION zvec_smaller(zvec, zvec) RETURNS zvec
    AS 'MODULE_PATHNAME', 'zvec_smaller' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE AGGREGATE max(zvec) (
    SFUNC = zvec_larger,
    STYPE = zvec,
    COMBINEFUNC = zvec_larger,
    SORTOP = >,
    PARALLEL = SAFE
);

CREATE AGGREGATE min(zvec) (
    SFUNC = zvec_smaller,
    STYPE = zvec,
    COMBINEFUNC = zvec_smaller,
    SORTOP = <,
    PARALLEL = SAFE
);

-- Table access methods. zvec_segment is for the TOAST relations of zvec tables, which hold their vectors.

CREATE FUNCTION zvec_tableam_handler(internal) RETURNS table_am_handler
    AS 'MODULE_PATHNAME', 'zvec_tableam_handler' LANGUAGE C STRICT;
CREATE FUNCTION zvec_segment_tableam_handler(internal) RETURNS table_am_handler
    AS 'MODULE_PATHNAME', 'zvec_segment_tableam_handler' LANGUAGE C STRICT;

CREATE ACCESS METHOD zvec TYPE TABLE HANDLER zvec_tableam_handler;
COMMENT ON ACCESS METHOD zvec IS 'tables that store their vectors natively';
CREATE ACCESS METHOD zvec_segment TYPE TABLE HANDLER zvec_segment_tableam_handler;
COMMENT ON ACCESS METHOD zvec_segment IS 'vector stores of zvec tables (internal)';

-- Index access methods. Support function 1 of an operator class tells which distance it stands for.

CREATE FUNCTION zvec_l2_metric(internal) RETURNS integer
    AS 'MODULE_PATHNAME', 'zvec_l2_metric' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION zvec_ip_metric(internal) RETURNS integer
    AS 'MODULE_PATHNAME', 'zvec_ip_metric' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION zvec_cosine_metric(internal) RETURNS integer
    AS 'MODULE_PATHNAME', 'zvec_cosine_metric' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION zvec_l1_metric(internal) RETURNS integer
    AS 'MODULE_PATHNAME', 'zvec_l1_metric' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

-- By these the planner tells a scan more than the query: how far it is to go, and which rows come first.
CREATE FUNCTION zvec_scan_hint(zvec, double precision) RETURNS boolean
    AS 'MODULE_PATHNAME', 'zvec_scan_hint' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION zvec_scan_hint(zvec, text) RETURNS boolean
    AS 'MODULE_PATHNAME', 'zvec_scan_hint' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE OPERATOR @~ (LEFTARG = zvec, RIGHTARG = double precision, FUNCTION = zvec_scan_hint);
CREATE OPERATOR @~ (LEFTARG = zvec, RIGHTARG = text, FUNCTION = zvec_scan_hint);
COMMENT ON OPERATOR @~ (zvec, double precision) IS 'what the planner tells an index scan: how far it is to go (internal)';
COMMENT ON OPERATOR @~ (zvec, text) IS 'what the planner tells an index scan: which rows come first (internal)';

CREATE FUNCTION zvec_flat_handler(internal) RETURNS index_am_handler
    AS 'MODULE_PATHNAME', 'zvec_flat_handler' LANGUAGE C STRICT;
CREATE ACCESS METHOD zvec_flat TYPE INDEX HANDLER zvec_flat_handler;
COMMENT ON ACCESS METHOD zvec_flat IS 'exact nearest neighbours in zvec tables; nothing is built or stored';

CREATE OPERATOR CLASS zvec_l2_ops DEFAULT FOR TYPE zvec USING zvec_flat AS
    OPERATOR 1 <-> (zvec, zvec) FOR ORDER BY pg_catalog.float_ops,
    OPERATOR 2 @~ (zvec, double precision),
    OPERATOR 3 @~ (zvec, text),
    FUNCTION 1 zvec_l2_metric(internal);
CREATE OPERATOR CLASS zvec_ip_ops FOR TYPE zvec USING zvec_flat AS
    OPERATOR 1 <#> (zvec, zvec) FOR ORDER BY pg_catalog.float_ops,
    OPERATOR 2 @~ (zvec, double precision),
    OPERATOR 3 @~ (zvec, text),
    FUNCTION 1 zvec_ip_metric(internal);
CREATE OPERATOR CLASS zvec_cosine_ops FOR TYPE zvec USING zvec_flat AS
    OPERATOR 1 <=> (zvec, zvec) FOR ORDER BY pg_catalog.float_ops,
    OPERATOR 2 @~ (zvec, double precision),
    OPERATOR 3 @~ (zvec, text),
    FUNCTION 1 zvec_cosine_metric(internal);
CREATE OPERATOR CLASS zvec_l1_ops FOR TYPE zvec USING zvec_flat AS
    OPERATOR 1 <+> (zvec, zvec) FOR ORDER BY pg_catalog.float_ops,
    OPERATOR 2 @~ (zvec, double precision),
    OPERATOR 3 @~ (zvec, text),
    FUNCTION 1 zvec_l1_metric(internal);

CREATE FUNCTION zvec_hnsw_handler(internal) RETURNS index_am_handler
    AS 'MODULE_PATHNAME', 'zvec_hnsw_handler' LANGUAGE C STRICT;
CREATE ACCESS METHOD zvec_hnsw TYPE INDEX HANDLER zvec_hnsw_handler;
COMMENT ON ACCESS METHOD zvec_hnsw IS 'graphs for nearest neighbours in zvec tables';

CREATE OPERATOR CLASS zvec_l2_ops DEFAULT FOR TYPE zvec USING zvec_hnsw AS
    OPERATOR 1 <-> (zvec, zvec) FOR ORDER BY pg_catalog.float_ops,
    OPERATOR 2 @~ (zvec, double precision),
    OPERATOR 3 @~ (zvec, text),
    FUNCTION 1 zvec_l2_metric(internal);
CREATE OPERATOR CLASS zvec_ip_ops FOR TYPE zvec USING zvec_hnsw AS
    OPERATOR 1 <#> (zvec, zvec) FOR ORDER BY pg_catalog.float_ops,
    OPERATOR 2 @~ (zvec, double precision),
    OPERATOR 3 @~ (zvec, text),
    FUNCTION 1 zvec_ip_metric(internal);
CREATE OPERATOR CLASS zvec_cosine_ops FOR TYPE zvec USING zvec_hnsw AS
    OPERATOR 1 <=> (zvec, zvec) FOR ORDER BY pg_catalog.float_ops,
    OPERATOR 2 @~ (zvec, double precision),
    OPERATOR 3 @~ (zvec, text),
    FUNCTION 1 zvec_cosine_metric(internal);
CREATE OPERATOR CLASS zvec_l1_ops FOR TYPE zvec USING zvec_hnsw AS
    OPERATOR 1 <+> (zvec, zvec) FOR ORDER BY pg_catalog.float_ops,
    OPERATOR 2 @~ (zvec, double precision),
    OPERATOR 3 @~ (zvec, text),
    FUNCTION 1 zvec_l1_metric(internal);

-- Inspection.

CREATE FUNCTION zvec_segments(
    "table" regclass,
    OUT segment integer, OUT column_name text, OUT dimensions integer,
    OUT slots bigint, OUT live bigint, OUT dead bigint, OUT free bigint, OUT dead_share double precision,
    OUT slot_bytes bigint, OUT data_bytes bigint
) RETURNS SETOF record
    AS 'MODULE_PATHNAME', 'zvec_segments' LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED;
COMMENT ON FUNCTION zvec_segments(regclass) IS 'segments of a zvec table''s vector store, their slots by state, their size';

CREATE FUNCTION zvec_check(
    "table" regclass,
    OUT invariant text, OUT location text, OUT message text
) RETURNS SETOF record
    AS 'MODULE_PATHNAME', 'zvec_check' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION zvec_check(regclass) IS 'broken invariants of a zvec table, its vectors and indexes, or of an index; none if healthy';

-- Indexes. An argument that is a table stands for all its indexes, a partitioned one for those of its partitions.

CREATE FUNCTION zvec_optimize(
    relation regclass,
    OUT index regclass, OUT drained bigint, OUT removed bigint
) RETURNS SETOF record
    AS 'MODULE_PATHNAME', 'zvec_optimize' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE ROWS 1 COST 100000;
COMMENT ON FUNCTION zvec_optimize(regclass) IS
    'moves all waiting vectors of zvec_hnsw indexes into their graphs and takes deleted ones out; how many of each';

CREATE FUNCTION zvec_index_stats(
    relation regclass,
    OUT index regclass, OUT segment integer, OUT nodes bigint, OUT dead bigint, OUT dead_share double precision,
    OUT levels integer, OUT pending bigint, OUT bytes bigint, OUT codes text
) RETURNS SETOF record
    AS 'MODULE_PATHNAME', 'zvec_index_stats' LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED ROWS 10 COST 10000;
COMMENT ON FUNCTION zvec_index_stats(regclass) IS 'what each graph of zvec_hnsw indexes consists of';

CREATE FUNCTION zvec_recall(
    index regclass, queries integer DEFAULT 100, k integer DEFAULT 10, ef_search integer DEFAULT NULL
) RETURNS double precision
    AS 'MODULE_PATHNAME', 'zvec_recall' LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000000;
COMMENT ON FUNCTION zvec_recall(regclass, integer, integer, integer) IS
    'share of the k nearest rows that an index finds, measured with rows drawn at random';

CREATE FUNCTION zvec_prewarm(relation regclass) RETURNS bigint
    AS 'MODULE_PATHNAME', 'zvec_prewarm' LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED COST 100000;
COMMENT ON FUNCTION zvec_prewarm(regclass) IS
    'loads an index and its vectors, or a table''s, into the shared buffers; how many pages';

CREATE FUNCTION zvec_worker_status(OUT key text, OUT value text) RETURNS SETOF record
    AS 'MODULE_PATHNAME', 'zvec_worker_status' LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED ROWS 9;
COMMENT ON FUNCTION zvec_worker_status() IS 'what background workers do, what they did last, and whether there are any';

-- Collections: vectors of ordinary tables, found by keys. The tables that hold them are in a schema of their own, in which nobody
-- may create; what is said of each collection is in a table that pg_dump carries over. See design/collections.md.

CREATE SCHEMA zvec_collection;
GRANT USAGE ON SCHEMA zvec_collection TO PUBLIC;
COMMENT ON SCHEMA zvec_collection IS 'tables of collections, made by zvec_create_collection';

CREATE TABLE zvec_collection_catalog (
    name pg_catalog.text NOT NULL,
    collection pg_catalog.regclass NOT NULL,
    source pg_catalog.regclass NOT NULL,
    vector_column pg_catalog.text NOT NULL,
    metric pg_catalog.text NOT NULL,
    index_type pg_catalog.text NOT NULL,
    m pg_catalog.int4,
    ef_construction pg_catalog.int4,
    ef_search pg_catalog.int4,
    behind pg_catalog.bool NOT NULL DEFAULT false,
    CONSTRAINT zvec_collection_catalog_pkey PRIMARY KEY (name) USING INDEX TABLESPACE pg_default,
    CONSTRAINT zvec_collection_catalog_metric_check
        CHECK (metric OPERATOR(pg_catalog.=) ANY ('{cosine,l2,ip,l1}'::pg_catalog.text[])),
    CONSTRAINT zvec_collection_catalog_index_type_check
        CHECK (index_type OPERATOR(pg_catalog.=) ANY ('{hnsw,flat}'::pg_catalog.text[]))
) USING heap TABLESPACE pg_default;
GRANT SELECT ON zvec_collection_catalog TO PUBLIC;
COMMENT ON TABLE zvec_collection_catalog IS 'collections, as they were made; zvec_collections shows more';
-- The owner of the database may restore a dump: rows about tables that are theirs, and these tables.
GRANT INSERT ON zvec_collection_catalog TO pg_database_owner;
GRANT CREATE ON SCHEMA zvec_collection TO pg_database_owner;
CREATE FUNCTION zvec_check_collection() RETURNS trigger
    AS 'MODULE_PATHNAME', 'zvec_check_collection' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION zvec_check_collection() IS 'lets nobody enter collections of others'' tables (internal)';
CREATE TRIGGER zvec_check_collection BEFORE INSERT OR UPDATE ON zvec_collection_catalog
    FOR EACH ROW EXECUTE FUNCTION zvec_check_collection();
ALTER TABLE zvec_collection_catalog ENABLE ALWAYS TRIGGER zvec_check_collection;
SELECT pg_catalog.pg_extension_config_dump('zvec_collection_catalog'::pg_catalog.regclass, ''::pg_catalog.text);

CREATE FUNCTION zvec_create_collection(
    collection_name text, table_name text, vector_column text, dimension integer,
    metric text DEFAULT 'cosine', index_type text DEFAULT 'hnsw', params json DEFAULT '{}', data_dir text DEFAULT ''
) RETURNS void
    AS 'MODULE_PATHNAME', 'zvec_create_collection' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION zvec_create_collection(text, text, text, integer, text, text, json, text) IS
    'makes an empty collection for a column of a table; metric cosine, l2, ip or l1; index type hnsw or flat';
CREATE FUNCTION zvec_attach_table(collection_name text, table_name text, pk_column text, vector_column text) RETURNS bigint
    AS 'MODULE_PATHNAME', 'zvec_attach_table' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION zvec_attach_table(text, text, text, text) IS
    'loads a table into its collection, which follows it from then on; how many vectors were loaded';
CREATE FUNCTION zvec_detach_table(collection_name text) RETURNS void
    AS 'MODULE_PATHNAME', 'zvec_detach_table' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION zvec_detach_table(text) IS 'ends that a collection follows its table, and empties it';
CREATE FUNCTION zvec_drop_collection(collection_name text) RETURNS void
    AS 'MODULE_PATHNAME', 'zvec_drop_collection' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION zvec_drop_collection(text) IS 'drops a collection; its table stays as it is';

CREATE FUNCTION zvec_search(collection text, query real[], topk integer, OUT pk text, OUT score real) RETURNS SETOF record
    AS 'MODULE_PATHNAME', 'zvec_search' LANGUAGE C STABLE STRICT PARALLEL RESTRICTED ROWS 10 COST 10000;
COMMENT ON FUNCTION zvec_search(text, real[], integer) IS
    'keys of the nearest vectors of a collection and their distances, nearest first';
CREATE FUNCTION zvec_search_filtered(
    collection text, query real[], topk integer, filter text, OUT pk text, OUT score real
) RETURNS SETOF record
    AS 'MODULE_PATHNAME', 'zvec_search_filtered' LANGUAGE C STABLE STRICT PARALLEL RESTRICTED ROWS 10 COST 100000;
COMMENT ON FUNCTION zvec_search_filtered(text, real[], integer, text) IS
    'the same among the rows for which an SQL expression over the table''s columns holds';

CREATE FUNCTION zvec_optimize(
    name text,
    OUT index regclass, OUT drained bigint, OUT removed bigint
) RETURNS SETOF record
    AS 'MODULE_PATHNAME', 'zvec_optimize_named' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE ROWS 1 COST 100000;
COMMENT ON FUNCTION zvec_optimize(text) IS 'the same for a collection, or for a table or an index';
CREATE FUNCTION zvec_stats(name text, OUT key text, OUT value text) RETURNS SETOF record
    AS 'MODULE_PATHNAME', 'zvec_stats' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE ROWS 12 COST 100000;
COMMENT ON FUNCTION zvec_stats(text) IS 'what a collection consists of';

CREATE FUNCTION zvec_sync_trigger() RETURNS trigger
    AS 'MODULE_PATHNAME', 'zvec_sync_trigger' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION zvec_sync_trigger() IS 'makes a collection follow its table; the triggers are made by zvec_attach_table';
-- who may make triggers that call it could have others' collections follow tables that are not theirs
REVOKE EXECUTE ON FUNCTION zvec_sync_trigger() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION zvec_sync_trigger() TO pg_database_owner;
CREATE FUNCTION zvec_follow_changes() RETURNS event_trigger
    AS 'MODULE_PATHNAME', 'zvec_follow_changes' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION zvec_follow_changes() IS 'makes collections follow what becomes of their tables and partitions (internal)';

CREATE EVENT TRIGGER zvec_follow_drops ON sql_drop EXECUTE FUNCTION zvec_follow_changes();
CREATE EVENT TRIGGER zvec_follow_changes ON ddl_command_end 
    WHEN TAG IN ('ALTER TABLE', 'CREATE TABLE', 'ALTER FOREIGN TABLE', 'CREATE FOREIGN TABLE', 'CREATE SCHEMA')
    EXECUTE FUNCTION zvec_follow_changes();
CREATE EVENT TRIGGER zvec_keep_keys ON ddl_command_start WHEN TAG IN ('DROP INDEX') EXECUTE FUNCTION zvec_follow_changes();
ALTER EVENT TRIGGER zvec_keep_keys ENABLE ALWAYS;
ALTER EVENT TRIGGER zvec_follow_drops ENABLE ALWAYS;
ALTER EVENT TRIGGER zvec_follow_changes ENABLE ALWAYS;
COMMENT ON EVENT TRIGGER zvec_keep_keys IS 'refuses to drop concurrently the unique index of an attached table''s key';
COMMENT ON EVENT TRIGGER zvec_follow_drops IS 'drops what is left of collections whose tables are dropped';
COMMENT ON EVENT TRIGGER zvec_follow_changes IS 'has collections follow new and detached partitions, owners, UNLOGGED, and enabled triggers';

CREATE VIEW zvec_collections AS
SELECT c.name, c.source AS table_name, k.attname AS key_column, v.attname AS vector_column,
    d.atttypmod AS dimension, c.metric, c.index_type, c.m, c.ef_construction, c.ef_search,
    t.oid IS NOT NULL AS attached, t.oid IS NOT NULL AND NOT c.behind AS follows, r.relowner::pg_catalog.regrole AS owner, c.collection AS relation
FROM zvec_collection_catalog AS c
    JOIN pg_catalog.pg_class AS r ON r.oid OPERATOR(pg_catalog.=) c.collection::pg_catalog.oid
    JOIN pg_catalog.pg_attribute AS d ON d.attrelid OPERATOR(pg_catalog.=) c.collection::pg_catalog.oid
        AND d.attname OPERATOR(pg_catalog.=) 'vector'::pg_catalog.name
    LEFT JOIN pg_catalog.pg_trigger AS t ON t.tgrelid OPERATOR(pg_catalog.=) c.source::pg_catalog.oid
        AND t.tgfoid OPERATOR(pg_catalog.=) 'zvec_sync_trigger()'::pg_catalog.regprocedure::pg_catalog.oid
        AND pg_catalog.array_length(t.tgattr::pg_catalog.int2[], 1) OPERATOR(pg_catalog.=) 2
        AND t.tgargs OPERATOR(pg_catalog.=) (
            pg_catalog.convert_to(c.name, pg_catalog.getdatabaseencoding())
            OPERATOR(pg_catalog.||) pg_catalog.decode('00', 'hex'))
    LEFT JOIN pg_catalog.pg_attribute AS k ON k.attrelid OPERATOR(pg_catalog.=) t.tgrelid
        AND k.attnum OPERATOR(pg_catalog.=) t.tgattr[0]
    LEFT JOIN pg_catalog.pg_attribute AS v ON v.attrelid OPERATOR(pg_catalog.=) t.tgrelid
        AND v.attnum OPERATOR(pg_catalog.=) t.tgattr[1];
GRANT SELECT ON zvec_collections TO PUBLIC;
COMMENT ON VIEW zvec_collections IS 'collections: their tables, columns, distances and indexes';

-- What \df+, \do+, \dT+, \dA+, \dAc+, \dAf+ and \dC+ say. Every member of the extension has a comment; regress/sql/comments.sql
-- finds those without.
COMMENT ON FUNCTION zvec_in(cstring, oid, integer) IS 'reads a vector as text: [1,2.5,-3e-4]';
COMMENT ON FUNCTION zvec_out(zvec) IS 'a vector as text: [1,2.5,-3e-4]';
COMMENT ON FUNCTION zvec_recv(internal, oid, integer) IS 'reads a vector in binary form';
COMMENT ON FUNCTION zvec_send(zvec) IS 'a vector in binary form';
COMMENT ON FUNCTION zvec_typmod_in(cstring[]) IS 'reads the dimensions in zvec(n)';
COMMENT ON FUNCTION zvec_typmod_out(integer) IS 'the dimensions in zvec(n), as text';
COMMENT ON FUNCTION zvec_typanalyze(internal) IS 'statistics that ANALYZE collects of vectors';
COMMENT ON FUNCTION zvec(zvec, integer, boolean) IS
    'checks that a vector has the dimensions that its column declares';
COMMENT ON FUNCTION array_to_zvec(real[], integer, boolean) IS 'makes a vector of an array of real';
COMMENT ON FUNCTION array_to_zvec(double precision[], integer, boolean) IS
    'makes a vector of an array of double precision';
COMMENT ON FUNCTION array_to_zvec(integer[], integer, boolean) IS 'makes a vector of an array of integer';
COMMENT ON FUNCTION array_to_zvec(numeric[], integer, boolean) IS 'makes a vector of an array of numeric';
COMMENT ON FUNCTION array_to_zvec(smallint[], integer, boolean) IS 'makes a vector of an array of smallint';
COMMENT ON FUNCTION array_to_zvec(bigint[], integer, boolean) IS 'makes a vector of an array of bigint';
COMMENT ON FUNCTION array_to_zvec(text[], integer, boolean) IS 'makes a vector of an array of text';
COMMENT ON FUNCTION zvec_to_float4(zvec, integer, boolean) IS 'a vector''s elements as an array of real';
COMMENT ON FUNCTION zvec_to_float8(zvec, integer, boolean) IS 'a vector''s elements as an array of double precision';
COMMENT ON FUNCTION zvec_to_int4(zvec, integer, boolean) IS 'a vector''s elements as an array of integer, rounded';
COMMENT ON FUNCTION zvec_to_numeric(zvec, integer, boolean) IS 'a vector''s elements as an array of numeric';
COMMENT ON FUNCTION zvec_to_int2(zvec, integer, boolean) IS 'a vector''s elements as an array of smallint, rounded';
COMMENT ON FUNCTION zvec_to_int8(zvec, integer, boolean) IS 'a vector''s elements as an array of bigint, rounded';
COMMENT ON FUNCTION zvec_to_text(zvec, integer, boolean) IS 'a vector''s elements as an array of text';
COMMENT ON CAST (zvec AS zvec) IS 'checks the dimensions that zvec(n) declares';
COMMENT ON CAST (real[] AS zvec) IS 'makes a vector of an array';
COMMENT ON CAST (double precision[] AS zvec) IS 'makes a vector of an array';
COMMENT ON CAST (integer[] AS zvec) IS 'makes a vector of an array';
COMMENT ON CAST (numeric[] AS zvec) IS 'makes a vector of an array';
COMMENT ON CAST (smallint[] AS zvec) IS 'makes a vector of an array';
COMMENT ON CAST (bigint[] AS zvec) IS 'makes a vector of an array';
COMMENT ON CAST (text[] AS zvec) IS 'makes a vector of an array, when asked to';
COMMENT ON CAST (zvec AS real[]) IS 'a vector''s elements as an array';
COMMENT ON CAST (zvec AS double precision[]) IS 'a vector''s elements as an array';
COMMENT ON CAST (zvec AS integer[]) IS 'a vector''s elements as an array, rounded';
COMMENT ON CAST (zvec AS numeric[]) IS 'a vector''s elements as an array';
COMMENT ON CAST (zvec AS smallint[]) IS 'a vector''s elements as an array, rounded';
COMMENT ON CAST (zvec AS bigint[]) IS 'a vector''s elements as an array, rounded';
COMMENT ON CAST (zvec AS text[]) IS 'a vector''s elements as an array';

-- Distances.
COMMENT ON FUNCTION zvec_distance_support(internal) IS
    'what the planner asks of a distance: its costs, and conditions that an index serves (internal)';
COMMENT ON FUNCTION l2_distance(zvec, zvec) IS 'Euclidean distance';
COMMENT ON FUNCTION inner_product(zvec, zvec) IS 'inner product';
COMMENT ON FUNCTION zvec_negative_inner_product(zvec, zvec) IS 'negative inner product';
COMMENT ON FUNCTION cosine_distance(zvec, zvec) IS 'cosine distance: 1 - cosine of the angle; NaN for a zero vector';
COMMENT ON FUNCTION l1_distance(zvec, zvec) IS 'city block distance';
COMMENT ON OPERATOR <-> (zvec, zvec) IS 'Euclidean distance';
COMMENT ON OPERATOR <#> (zvec, zvec) IS 'negative inner product';
COMMENT ON OPERATOR <=> (zvec, zvec) IS 'cosine distance: 1 - cosine of the angle';
COMMENT ON OPERATOR <+> (zvec, zvec) IS 'city block distance';

-- Norms, parts and arithmetic.
COMMENT ON FUNCTION vector_dims(zvec) IS 'dimensions of a vector; the vector is not read';
COMMENT ON FUNCTION array_length(zvec, integer) IS 'dimensions of a vector; NULL unless the second argument is 1';
COMMENT ON FUNCTION unnest(zvec) IS 'a row for each element of a vector';
COMMENT ON FUNCTION vector_norm(zvec) IS 'Euclidean norm';
COMMENT ON FUNCTION l2_norm(zvec) IS 'Euclidean norm';
COMMENT ON FUNCTION l2_normalize(zvec) IS 'the vector scaled to norm 1; a zero vector stays zero';
COMMENT ON FUNCTION subvector(zvec, integer, integer) IS
    'a part of a vector: where it starts, from 1, and how many elements it has';
COMMENT ON FUNCTION zvec_add(zvec, zvec) IS 'sum, element by element';
COMMENT ON FUNCTION zvec_sub(zvec, zvec) IS 'difference, element by element';
COMMENT ON FUNCTION zvec_mul(zvec, zvec) IS 'product, element by element';
COMMENT ON FUNCTION zvec_mul_float8(zvec, double precision) IS 'vector times number';
COMMENT ON FUNCTION float8_mul_zvec(double precision, zvec) IS 'number times vector';
COMMENT ON FUNCTION zvec_div_float8(zvec, double precision) IS 'vector divided by number';
COMMENT ON FUNCTION zvec_neg(zvec) IS 'the opposite vector';
COMMENT ON FUNCTION zvec_concat(zvec, zvec) IS 'one vector after the other';
COMMENT ON OPERATOR + (zvec, zvec) IS 'sum, element by element';
COMMENT ON OPERATOR - (zvec, zvec) IS 'difference, element by element';
COMMENT ON OPERATOR * (zvec, zvec) IS 'product, element by element';
COMMENT ON OPERATOR * (zvec, double precision) IS 'vector times number';
COMMENT ON OPERATOR * (double precision, zvec) IS 'number times vector';
COMMENT ON OPERATOR / (zvec, double precision) IS 'vector divided by number';
COMMENT ON OPERATOR - (NONE, zvec) IS 'the opposite vector';
COMMENT ON OPERATOR || (zvec, zvec) IS 'one vector after the other';

-- Order.
COMMENT ON FUNCTION zvec_lt(zvec, zvec) IS 'less than: element by element, then by dimensions';
COMMENT ON FUNCTION zvec_le(zvec, zvec) IS 'less than or equal: element by element, then by dimensions';
COMMENT ON FUNCTION zvec_eq(zvec, zvec) IS 'equal: element by element, then by dimensions';
COMMENT ON FUNCTION zvec_ne(zvec, zvec) IS 'not equal: element by element, then by dimensions';
COMMENT ON FUNCTION zvec_ge(zvec, zvec) IS 'greater than or equal: element by element, then by dimensions';
COMMENT ON FUNCTION zvec_gt(zvec, zvec) IS 'greater than: element by element, then by dimensions';
COMMENT ON FUNCTION zvec_cmp(zvec, zvec) IS
    '-1, 0 or 1: less, equal or greater, element by element, then by dimensions';
COMMENT ON OPERATOR < (zvec, zvec) IS 'less than: element by element, then by dimensions';
COMMENT ON OPERATOR <= (zvec, zvec) IS 'less than or equal: element by element, then by dimensions';
COMMENT ON OPERATOR = (zvec, zvec) IS 'equal: element by element, then by dimensions';
COMMENT ON OPERATOR <> (zvec, zvec) IS 'not equal: element by element, then by dimensions';
COMMENT ON OPERATOR >= (zvec, zvec) IS 'greater than or equal: element by element, then by dimensions';
COMMENT ON OPERATOR > (zvec, zvec) IS 'greater than: element by element, then by dimensions';
COMMENT ON FUNCTION zvec_hash(zvec) IS 'hash of a vector';
COMMENT ON FUNCTION zvec_hash_extended(zvec, bigint) IS 'hash of a vector and a seed';
COMMENT ON OPERATOR FAMILY zvec_ops USING btree IS 'order of vectors, element by element, then by dimensions';
COMMENT ON OPERATOR CLASS zvec_ops USING btree IS 'order of vectors, element by element, then by dimensions';
COMMENT ON OPERATOR FAMILY zvec_ops USING hash IS 'equality of vectors';
COMMENT ON OPERATOR CLASS zvec_ops USING hash IS 'equality of vectors';

-- Aggregates.
COMMENT ON FUNCTION zvec_accum(double precision[], zvec) IS 'adds a vector to the state of avg and sum';
COMMENT ON FUNCTION zvec_combine(double precision[], double precision[]) IS 'adds two states of avg and sum';
COMMENT ON FUNCTION zvec_avg(double precision[]) IS 'the result of avg';
COMMENT ON FUNCTION zvec_sum(double precision[]) IS 'the result of sum';
COMMENT ON FUNCTION zvec_larger(zvec, zvec) IS 'the greater of two vectors';
COMMENT ON FUNCTION zvec_smaller(zvec, zvec) IS 'the lesser of two vectors';
COMMENT ON AGGREGATE avg(zvec) IS 'average, element by element';
COMMENT ON AGGREGATE sum(zvec) IS 'sum, element by element';
COMMENT ON AGGREGATE max(zvec) IS 'greatest vector, in the order of <';
COMMENT ON AGGREGATE min(zvec) IS 'least vector, in the order of <';

-- Access methods and their operator classes.
COMMENT ON FUNCTION zvec_tableam_handler(internal) IS 'handler of the table access method zvec';
COMMENT ON FUNCTION zvec_segment_tableam_handler(internal) IS
    'handler of the table access method zvec_segment (internal)';
COMMENT ON FUNCTION zvec_flat_handler(internal) IS 'handler of the index access method zvec_flat';
COMMENT ON FUNCTION zvec_hnsw_handler(internal) IS 'handler of the index access method zvec_hnsw';
COMMENT ON FUNCTION zvec_l2_metric(internal) IS
    'tells that an operator class stands for the Euclidean distance (internal)';
COMMENT ON FUNCTION zvec_ip_metric(internal) IS
    'tells that an operator class stands for the negative inner product (internal)';
COMMENT ON FUNCTION zvec_cosine_metric(internal) IS
    'tells that an operator class stands for the cosine distance (internal)';
COMMENT ON FUNCTION zvec_l1_metric(internal) IS
    'tells that an operator class stands for the city block distance (internal)';
COMMENT ON FUNCTION zvec_scan_hint(zvec, double precision) IS
    'what the planner tells an index scan: how far it is to go (internal)';
COMMENT ON FUNCTION zvec_scan_hint(zvec, text) IS
    'what the planner tells an index scan: which rows come first (internal)';
COMMENT ON OPERATOR FAMILY zvec_l2_ops USING zvec_flat IS 'Euclidean distance, <->';
COMMENT ON OPERATOR CLASS zvec_l2_ops USING zvec_flat IS 'Euclidean distance, <->';
COMMENT ON OPERATOR FAMILY zvec_ip_ops USING zvec_flat IS 'negative inner product, <#>';
COMMENT ON OPERATOR CLASS zvec_ip_ops USING zvec_flat IS 'negative inner product, <#>';
COMMENT ON OPERATOR FAMILY zvec_cosine_ops USING zvec_flat IS 'cosine distance, <=>';
COMMENT ON OPERATOR CLASS zvec_cosine_ops USING zvec_flat IS 'cosine distance, <=>';
COMMENT ON OPERATOR FAMILY zvec_l1_ops USING zvec_flat IS 'city block distance, <+>';
COMMENT ON OPERATOR CLASS zvec_l1_ops USING zvec_flat IS 'city block distance, <+>';
COMMENT ON OPERATOR FAMILY zvec_l2_ops USING zvec_hnsw IS 'Euclidean distance, <->';
COMMENT ON OPERATOR CLASS zvec_l2_ops USING zvec_hnsw IS 'Euclidean distance, <->';
COMMENT ON OPERATOR FAMILY zvec_ip_ops USING zvec_hnsw IS 'negative inner product, <#>';
COMMENT ON OPERATOR CLASS zvec_ip_ops USING zvec_hnsw IS 'negative inner product, <#>';
COMMENT ON OPERATOR FAMILY zvec_cosine_ops USING zvec_hnsw IS 'cosine distance, <=>';
COMMENT ON OPERATOR CLASS zvec_cosine_ops USING zvec_hnsw IS 'cosine distance, <=>';
COMMENT ON OPERATOR FAMILY zvec_l1_ops USING zvec_hnsw IS 'city block distance, <+>';
COMMENT ON OPERATOR CLASS zvec_l1_ops USING zvec_hnsw IS 'city block distance, <+>';
