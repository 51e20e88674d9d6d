
-- zsparse: distances, zvec, arrays. There is no index on it.

CREATE FUNCTION l2_distance(zsparse, zsparse) RETURNS double precision
    AS 'MODULE_PATHNAME', 'zsparse_l2_distance' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 20;
CREATE FUNCTION inner_product(zsparse, zsparse) RETURNS double precision
    AS 'MODULE_PATHNAME', 'zsparse_inner_product' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 20;
CREATE FUNCTION zsparse_negative_inner_product(zsparse, zsparse) RETURNS double precision
    AS 'MODULE_PATHNAME', 'zsparse_negative_inner_product' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 20;
CREATE FUNCTION cosine_distance(zsparse, zsparse) RETURNS double precision
    AS 'MODULE_PATHNAME', 'zsparse_cosine_distance' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 20;
CREATE FUNCTION l1_distance(zsparse, zsparse) RETURNS double precision
    AS 'MODULE_PATHNAME', 'zsparse_l1_distance' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 20;
CREATE OPERATOR <-> (LEFTARG = zsparse, RIGHTARG = zsparse, FUNCTION = l2_distance, COMMUTATOR = <->);
CREATE OPERATOR <#> (LEFTARG = zsparse, RIGHTARG = zsparse, FUNCTION = zsparse_negative_inner_product, COMMUTATOR = <#>);
CREATE OPERATOR <=> (LEFTARG = zsparse, RIGHTARG = zsparse, FUNCTION = cosine_distance, COMMUTATOR = <=>);
CREATE OPERATOR <+> (LEFTARG = zsparse, RIGHTARG = zsparse, FUNCTION = l1_distance, COMMUTATOR = <+>);

CREATE FUNCTION l2_norm(zsparse) RETURNS double precision
    AS 'MODULE_PATHNAME', 'zsparse_l2_norm' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;

CREATE FUNCTION array_to_zsparse(real[], integer, boolean) RETURNS zsparse
    AS 'MODULE_PATHNAME', 'zsparse_from_float4' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
CREATE FUNCTION array_to_zsparse(double precision[], integer, boolean) RETURNS zsparse
    AS 'MODULE_PATHNAME', 'zsparse_from_float8' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
CREATE FUNCTION array_to_zsparse(integer[], integer, boolean) RETURNS zsparse
    AS 'MODULE_PATHNAME', 'zsparse_from_int4' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
CREATE FUNCTION zsparse(zvec, integer, boolean) RETURNS zsparse
    AS 'MODULE_PATHNAME', 'zsparse_from_zvec' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
CREATE FUNCTION zvec(zsparse, integer, boolean) RETURNS zvec
    AS 'MODULE_PATHNAME', 'zvec_from_zsparse' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
CREATE CAST (real[] AS zsparse) WITH FUNCTION array_to_zsparse(real[], integer, boolean) AS ASSIGNMENT;
CREATE CAST (double precision[] AS zsparse)
    WITH FUNCTION array_to_zsparse(double precision[], integer, boolean) AS ASSIGNMENT;
CREATE CAST (integer[] AS zsparse) WITH FUNCTION array_to_zsparse(integer[], integer, boolean) AS ASSIGNMENT;
CREATE CAST (zvec AS zsparse) WITH FUNCTION zsparse(zvec, integer, boolean) AS ASSIGNMENT;
CREATE CAST (zsparse AS zvec) WITH FUNCTION zvec(zsparse, integer, boolean) AS ASSIGNMENT;

COMMENT ON FUNCTION l2_distance(zsparse, zsparse) IS 'Euclidean distance';
COMMENT ON FUNCTION inner_product(zsparse, zsparse) IS 'inner product';
COMMENT ON FUNCTION zsparse_negative_inner_product(zsparse, zsparse) IS 'negative inner product';
COMMENT ON FUNCTION cosine_distance(zsparse, zsparse) IS 'cosine distance: 1 - cosine of the angle; NaN for a zero vector';
COMMENT ON FUNCTION l1_distance(zsparse, zsparse) IS 'city block distance';
COMMENT ON OPERATOR <-> (zsparse, zsparse) IS 'Euclidean distance';
COMMENT ON OPERATOR <#> (zsparse, zsparse) IS 'negative inner product';
COMMENT ON OPERATOR <=> (zsparse, zsparse) IS 'cosine distance: 1 - cosine of the angle';
COMMENT ON OPERATOR <+> (zsparse, zsparse) IS 'city block distance';
COMMENT ON FUNCTION l2_norm(zsparse) IS 'Euclidean norm';
COMMENT ON FUNCTION array_to_zsparse(real[], integer, boolean) IS 'makes a vector of an array of real';
COMMENT ON FUNCTION array_to_zsparse(double precision[], integer, boolean) IS 'makes a vector of an array of double precision';
COMMENT ON FUNCTION array_to_zsparse(integer[], integer, boolean) IS 'makes a vector of an array of integer';
COMMENT ON CAST (real[] AS zsparse) IS 'makes a vector of an array';
COMMENT ON CAST (double precision[] AS zsparse) IS 'makes a vector of an array';
COMMENT ON CAST (integer[] AS zsparse) IS 'makes a vector of an array';
COMMENT ON FUNCTION zsparse(zvec, integer, boolean) IS 'the same vector as zsparse';
COMMENT ON CAST (zvec AS zsparse) IS 'the same vector as zsparse';
COMMENT ON FUNCTION zvec(zsparse, integer, boolean) IS 'the same vector as zvec';
COMMENT ON CAST (zsparse AS zvec) IS 'the same vector as zvec';
