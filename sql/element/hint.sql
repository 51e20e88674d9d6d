
CREATE FUNCTION zvec_scan_hint(@T@, double precision) RETURNS boolean
    AS 'MODULE_PATHNAME', 'zvec_scan_hint' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION zvec_scan_hint(@T@, text) RETURNS boolean
    AS 'MODULE_PATHNAME', 'zvec_scan_hint' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE OPERATOR @~ (LEFTARG = @T@, RIGHTARG = double precision, FUNCTION = zvec_scan_hint);
CREATE OPERATOR @~ (LEFTARG = @T@, RIGHTARG = text, FUNCTION = zvec_scan_hint);
COMMENT ON OPERATOR @~ (@T@, double precision) IS 'what the planner tells an index scan: how far it is to go (internal)';
COMMENT ON OPERATOR @~ (@T@, text) IS 'what the planner tells an index scan: which rows come first (internal)';
COMMENT ON FUNCTION zvec_scan_hint(@T@, double precision) IS
    'true; what the planner tells an index scan: how far it is to go (internal)';
COMMENT ON FUNCTION zvec_scan_hint(@T@, text) IS
    'true; what the planner tells an index scan: which rows come first (internal)';
