
-- @T@: the type, its order and its operators.

CREATE TYPE @T@;

CREATE FUNCTION @T@_in(cstring, oid, integer) RETURNS @T@
    AS 'MODULE_PATHNAME', '@T@_in' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION @T@_out(@T@) RETURNS cstring
    AS 'MODULE_PATHNAME', '@T@_out' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION @T@_recv(internal, oid, integer) RETURNS @T@
    AS 'MODULE_PATHNAME', '@T@_recv' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION @T@_send(@T@) RETURNS bytea
    AS 'MODULE_PATHNAME', '@T@_send' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION @T@_typmod_in(cstring[]) RETURNS integer
    AS 'MODULE_PATHNAME', '@T@_typmod_in' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION @T@_typmod_out(integer) RETURNS cstring
    AS 'MODULE_PATHNAME', '@T@_typmod_out' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE TYPE @T@ (
    INPUT = @T@_in,
    OUTPUT = @T@_out,
    RECEIVE = @T@_recv,
    SEND = @T@_send,
    TYPMOD_IN = @T@_typmod_in,
    TYPMOD_OUT = @T@_typmod_out,
    ANALYZE = zvec_typanalyze,
    INTERNALLENGTH = VARIABLE,
    ALIGNMENT = int4,
    STORAGE = external
);
COMMENT ON TYPE @T@ IS '@WHAT@';

CREATE FUNCTION @T@(@T@, integer, boolean) RETURNS @T@
    AS 'MODULE_PATHNAME', '@T@_coerce' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE CAST (@T@ AS @T@) WITH FUNCTION @T@(@T@, integer, boolean) AS IMPLICIT;

CREATE FUNCTION vector_dims(@T@) RETURNS integer
    AS 'MODULE_PATHNAME', '@T@_vector_dims' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION @T@_distance(@T@, @T@, metric text) RETURNS real
    AS 'MODULE_PATHNAME', '@T@_distance' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 20
    SUPPORT zvec_distance_support;

CREATE FUNCTION @T@_lt(@T@, @T@) RETURNS boolean
    AS 'MODULE_PATHNAME', '@T@_lt' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION @T@_le(@T@, @T@) RETURNS boolean
    AS 'MODULE_PATHNAME', '@T@_le' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION @T@_eq(@T@, @T@) RETURNS boolean
    AS 'MODULE_PATHNAME', '@T@_eq' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION @T@_ne(@T@, @T@) RETURNS boolean
    AS 'MODULE_PATHNAME', '@T@_ne' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION @T@_ge(@T@, @T@) RETURNS boolean
    AS 'MODULE_PATHNAME', '@T@_ge' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION @T@_gt(@T@, @T@) RETURNS boolean
    AS 'MODULE_PATHNAME', '@T@_gt' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION @T@_cmp(@T@, @T@) RETURNS integer
    AS 'MODULE_PATHNAME', '@T@_cmp' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE OPERATOR < (
    LEFTARG = @T@, RIGHTARG = @T@, FUNCTION = @T@_lt, COMMUTATOR = >, NEGATOR = >=,
    RESTRICT = scalarltsel, JOIN = scalarltjoinsel
);
CREATE OPERATOR <= (
    LEFTARG = @T@, RIGHTARG = @T@, FUNCTION = @T@_le, COMMUTATOR = >=, NEGATOR = >,
    RESTRICT = scalarlesel, JOIN = scalarlejoinsel
);
CREATE OPERATOR = (
    LEFTARG = @T@, RIGHTARG = @T@, FUNCTION = @T@_eq, COMMUTATOR = =, NEGATOR = <>,
    RESTRICT = eqsel, JOIN = eqjoinsel, HASHES, MERGES
);
CREATE OPERATOR <> (
    LEFTARG = @T@, RIGHTARG = @T@, FUNCTION = @T@_ne, COMMUTATOR = <>, NEGATOR = =,
    RESTRICT = neqsel, JOIN = neqjoinsel
);
CREATE OPERATOR >= (
    LEFTARG = @T@, RIGHTARG = @T@, FUNCTION = @T@_ge, COMMUTATOR = <=, NEGATOR = <,
    RESTRICT = scalargesel, JOIN = scalargejoinsel
);
CREATE OPERATOR > (
    LEFTARG = @T@, RIGHTARG = @T@, FUNCTION = @T@_gt, COMMUTATOR = <, NEGATOR = <=,
    RESTRICT = scalargtsel, JOIN = scalargtjoinsel
);

CREATE OPERATOR CLASS @T@_ops DEFAULT FOR TYPE @T@ USING btree AS
    OPERATOR 1 <,
    OPERATOR 2 <=,
    OPERATOR 3 =,
    OPERATOR 4 >=,
    OPERATOR 5 >,
    FUNCTION 1 @T@_cmp(@T@, @T@);

CREATE FUNCTION @T@_hash(@T@) RETURNS integer
    AS 'MODULE_PATHNAME', '@T@_hash' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
CREATE FUNCTION @T@_hash_extended(@T@, bigint) RETURNS bigint
    AS 'MODULE_PATHNAME', '@T@_hash_extended' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;

CREATE OPERATOR CLASS @T@_ops DEFAULT FOR TYPE @T@ USING hash AS
    OPERATOR 1 =,
    FUNCTION 1 @T@_hash(@T@),
    FUNCTION 2 @T@_hash_extended(@T@, bigint);

CREATE FUNCTION @T@_larger(@T@, @T@) RETURNS @T@
    AS 'MODULE_PATHNAME', '@T@_larger' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION @T@_smaller(@T@, @T@) RETURNS @T@
    AS 'MODULE_PATHNAME', '@T@_smaller' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE AGGREGATE max(@T@) (
    SFUNC = @T@_larger,
    STYPE = @T@,
    COMBINEFUNC = @T@_larger,
    SORTOP = >,
    PARALLEL = SAFE
);

CREATE AGGREGATE min(@T@) (
    SFUNC = @T@_smaller,
    STYPE = @T@,
    COMBINEFUNC = @T@_smaller,
    SORTOP = <,
    PARALLEL = SAFE
);

COMMENT ON FUNCTION @T@_in(cstring, oid, integer) IS 'reads a vector as text: @TEXT@';
COMMENT ON FUNCTION @T@_out(@T@) IS 'a vector as text: @TEXT@';
COMMENT ON FUNCTION @T@_recv(internal, oid, integer) IS 'reads a vector in binary form';
COMMENT ON FUNCTION @T@_send(@T@) IS 'a vector in binary form';
COMMENT ON FUNCTION @T@_typmod_in(cstring[]) IS 'reads the dimensions in @T@(n)';
COMMENT ON FUNCTION @T@_typmod_out(integer) IS 'the dimensions in @T@(n), as text';
COMMENT ON FUNCTION @T@(@T@, integer, boolean) IS 'checks the dimensions that @T@(n) declares';
COMMENT ON CAST (@T@ AS @T@) IS 'checks the dimensions that @T@(n) declares';
COMMENT ON FUNCTION vector_dims(@T@) IS 'dimensions of a vector';
COMMENT ON FUNCTION @T@_distance(@T@, @T@, text) IS 'distance by the name of a metric';
COMMENT ON FUNCTION @T@_lt(@T@, @T@) IS 'less than: element by element, then by dimensions';
COMMENT ON OPERATOR < (@T@, @T@) IS 'less than: element by element, then by dimensions';
COMMENT ON FUNCTION @T@_le(@T@, @T@) IS 'less than or equal: element by element, then by dimensions';
COMMENT ON OPERATOR <= (@T@, @T@) IS 'less than or equal: element by element, then by dimensions';
COMMENT ON FUNCTION @T@_eq(@T@, @T@) IS 'equal: element by element, then by dimensions';
COMMENT ON OPERATOR = (@T@, @T@) IS 'equal: element by element, then by dimensions';
COMMENT ON FUNCTION @T@_ne(@T@, @T@) IS 'not equal: element by element, then by dimensions';
COMMENT ON OPERATOR <> (@T@, @T@) IS 'not equal: element by element, then by dimensions';
COMMENT ON FUNCTION @T@_ge(@T@, @T@) IS 'greater than or equal: element by element, then by dimensions';
COMMENT ON OPERATOR >= (@T@, @T@) IS 'greater than or equal: element by element, then by dimensions';
COMMENT ON FUNCTION @T@_gt(@T@, @T@) IS 'greater than: element by element, then by dimensions';
COMMENT ON OPERATOR > (@T@, @T@) IS 'greater than: element by element, then by dimensions';
COMMENT ON FUNCTION @T@_cmp(@T@, @T@) IS '-1, 0 or 1: element by element, then by dimensions';
COMMENT ON FUNCTION @T@_hash(@T@) IS 'hash of a vector';
COMMENT ON FUNCTION @T@_hash_extended(@T@, bigint) IS 'hash of a vector and a seed';
COMMENT ON OPERATOR FAMILY @T@_ops USING btree IS 'order of vectors, element by element, then by dimensions';
COMMENT ON OPERATOR CLASS @T@_ops USING btree IS 'order of vectors, element by element, then by dimensions';
COMMENT ON OPERATOR FAMILY @T@_ops USING hash IS 'equality of vectors';
COMMENT ON OPERATOR CLASS @T@_ops USING hash IS 'equality of vectors';
COMMENT ON FUNCTION @T@_larger(@T@, @T@) IS 'the greater of two vectors';
COMMENT ON FUNCTION @T@_smaller(@T@, @T@) IS 'the lesser of two vectors';
COMMENT ON AGGREGATE max(@T@) IS 'greatest vector, in the order of <';
COMMENT ON AGGREGATE min(@T@) IS 'least vector, in the order of <';
