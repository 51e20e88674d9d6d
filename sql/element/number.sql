
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
