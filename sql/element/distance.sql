
CREATE FUNCTION @FUNCTION@(@T@, @T@) RETURNS double precision
    AS 'MODULE_PATHNAME', '@SYMBOL@' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 20
    SUPPORT zvec_distance_support;
CREATE OPERATOR @OPERATOR@ (LEFTARG = @T@, RIGHTARG = @T@, FUNCTION = @FUNCTION@, COMMUTATOR = @OPERATOR@);
CREATE OPERATOR CLASS @T@_@METRIC@_ops @DEFAULT@ FOR TYPE @T@ USING zvec_flat AS
    OPERATOR 1 @OPERATOR@ (@T@, @T@) FOR ORDER BY pg_catalog.float_ops,
    OPERATOR 2 @~ (@T@, double precision),
    OPERATOR 3 @~ (@T@, text),
    FUNCTION 1 zvec_@METRIC@_metric(internal);
CREATE OPERATOR CLASS @T@_@METRIC@_ops @DEFAULT@ FOR TYPE @T@ USING zvec_hnsw AS
    OPERATOR 1 @OPERATOR@ (@T@, @T@) FOR ORDER BY pg_catalog.float_ops,
    OPERATOR 2 @~ (@T@, double precision),
    OPERATOR 3 @~ (@T@, text),
    FUNCTION 1 zvec_@METRIC@_metric(internal);
