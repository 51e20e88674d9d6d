
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
CREATE FUNCTION zsparse(zvec, integer, boolean) RETURNS zsparse
    AS 'MODULE_PATHNAME', 'zsparse_from_zvec' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
CREATE FUNCTION zvec(zsparse, integer, boolean) RETURNS zvec
    AS 'MODULE_PATHNAME', 'zvec_from_zsparse' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
CREATE CAST (real[] AS zsparse) WITH FUNCTION array_to_zsparse(real[], integer, boolean) AS ASSIGNMENT;
CREATE CAST (zvec AS zsparse) WITH FUNCTION zsparse(zvec, integer, boolean) AS ASSIGNMENT;
CREATE CAST (zsparse AS zvec) WITH FUNCTION zvec(zsparse, integer, boolean) AS ASSIGNMENT;
