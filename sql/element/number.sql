
-- @T@: arrays, zvec (to which it is cast by itself, since that loses nothing: so arithmetic on it is that of zvec), sums.

CREATE FUNCTION array_to_@T@(real[], integer, boolean) RETURNS @T@
    AS 'MODULE_PATHNAME', '@T@_from_float4' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
CREATE FUNCTION array_to_@T@(double precision[], integer, boolean) RETURNS @T@
    AS 'MODULE_PATHNAME', '@T@_from_float8' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
CREATE FUNCTION array_to_@T@(integer[], integer, boolean) RETURNS @T@
    AS 'MODULE_PATHNAME', '@T@_from_int4' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
CREATE FUNCTION @T@_to_float4(@T@, integer, boolean) RETURNS real[]
    AS 'MODULE_PATHNAME', '@T@_to_float4' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
CREATE FUNCTION @T@_to_float8(@T@, integer, boolean) RETURNS double precision[]
    AS 'MODULE_PATHNAME', '@T@_to_float8' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
CREATE FUNCTION @T@_to_int4(@T@, integer, boolean) RETURNS integer[]
    AS 'MODULE_PATHNAME', '@T@_to_int4' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
CREATE FUNCTION @T@(zvec, integer, boolean) RETURNS @T@
    AS 'MODULE_PATHNAME', '@T@_from_zvec' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
CREATE FUNCTION zvec(@T@, integer, boolean) RETURNS zvec
    AS 'MODULE_PATHNAME', 'zvec_from_@T@' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;

CREATE CAST (real[] AS @T@) WITH FUNCTION array_to_@T@(real[], integer, boolean) AS ASSIGNMENT;
CREATE CAST (double precision[] AS @T@) WITH FUNCTION array_to_@T@(double precision[], integer, boolean) AS ASSIGNMENT;
CREATE CAST (integer[] AS @T@) WITH FUNCTION array_to_@T@(integer[], integer, boolean) AS ASSIGNMENT;
CREATE CAST (@T@ AS real[]) WITH FUNCTION @T@_to_float4(@T@, integer, boolean) AS ASSIGNMENT;
CREATE CAST (@T@ AS double precision[]) WITH FUNCTION @T@_to_float8(@T@, integer, boolean) AS ASSIGNMENT;
CREATE CAST (@T@ AS integer[]) WITH FUNCTION @T@_to_int4(@T@, integer, boolean) AS ASSIGNMENT;
CREATE CAST (zvec AS @T@) WITH FUNCTION @T@(zvec, integer, boolean) AS ASSIGNMENT;
CREATE CAST (@T@ AS zvec) WITH FUNCTION zvec(@T@, integer, boolean) AS IMPLICIT;

CREATE FUNCTION inner_product(@T@, @T@) RETURNS double precision
    AS 'MODULE_PATHNAME', '@T@_inner_product' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 20
    SUPPORT zvec_distance_support;

CREATE FUNCTION @T@_accum(double precision[], @T@) RETURNS double precision[]
    AS 'MODULE_PATHNAME', '@T@_accum' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;

CREATE AGGREGATE avg(@T@) (
    SFUNC = @T@_accum,
    STYPE = double precision[],
    FINALFUNC = zvec_avg,
    COMBINEFUNC = zvec_combine,
    INITCOND = '{0}',
    PARALLEL = SAFE
);

CREATE AGGREGATE sum(@T@) (
    SFUNC = @T@_accum,
    STYPE = double precision[],
    FINALFUNC = zvec_sum,
    COMBINEFUNC = zvec_combine,
    INITCOND = '{0}',
    PARALLEL = SAFE
);

COMMENT ON FUNCTION array_to_@T@(real[], integer, boolean) IS 'makes a vector of an array of real';
COMMENT ON CAST (real[] AS @T@) IS 'makes a vector of an array';
COMMENT ON FUNCTION array_to_@T@(double precision[], integer, boolean) IS 'makes a vector of an array of double precision';
COMMENT ON CAST (double precision[] AS @T@) IS 'makes a vector of an array';
COMMENT ON FUNCTION array_to_@T@(integer[], integer, boolean) IS 'makes a vector of an array of integer';
COMMENT ON CAST (integer[] AS @T@) IS 'makes a vector of an array';
COMMENT ON FUNCTION @T@_to_float4(@T@, integer, boolean) IS 'a vector''s elements as an array of real';
COMMENT ON CAST (@T@ AS real[]) IS 'a vector''s elements as an array';
COMMENT ON FUNCTION @T@_to_float8(@T@, integer, boolean) IS 'a vector''s elements as an array of double precision';
COMMENT ON CAST (@T@ AS double precision[]) IS 'a vector''s elements as an array';
COMMENT ON FUNCTION @T@_to_int4(@T@, integer, boolean) IS 'a vector''s elements as an array of integer, rounded';
COMMENT ON CAST (@T@ AS integer[]) IS 'a vector''s elements as an array, rounded';
COMMENT ON FUNCTION @T@(zvec, integer, boolean) IS 'the vector with rounded elements';
COMMENT ON CAST (zvec AS @T@) IS 'the vector with rounded elements';
COMMENT ON FUNCTION zvec(@T@, integer, boolean) IS 'the same vector as zvec';
COMMENT ON CAST (@T@ AS zvec) IS 'the same vector as zvec';
COMMENT ON FUNCTION inner_product(@T@, @T@) IS 'inner product';
COMMENT ON FUNCTION @T@_accum(double precision[], @T@) IS 'adds a vector to the state of avg and sum';
COMMENT ON AGGREGATE avg(@T@) IS 'average, element by element';
COMMENT ON AGGREGATE sum(@T@) IS 'sum, element by element';
