
-- Casts among the types of numbers.

CREATE FUNCTION zhalf(zint8, integer, boolean) RETURNS zhalf
    AS 'MODULE_PATHNAME', 'zhalf_from_zint8' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
CREATE FUNCTION zint8(zhalf, integer, boolean) RETURNS zint8
    AS 'MODULE_PATHNAME', 'zint8_from_zhalf' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
CREATE CAST (zint8 AS zhalf) WITH FUNCTION zhalf(zint8, integer, boolean) AS ASSIGNMENT;
CREATE CAST (zhalf AS zint8) WITH FUNCTION zint8(zhalf, integer, boolean) AS ASSIGNMENT;

-- zbit: the server's strings of bits, and single bits. Of numbers it is made by binary_quantize.

CREATE FUNCTION zbit(bit varying, integer, boolean) RETURNS zbit
    AS 'MODULE_PATHNAME', 'zbit_from_bit' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION zbit(bit, integer, boolean) RETURNS zbit
    AS 'MODULE_PATHNAME', 'zbit_from_bit' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION zbit_to_varbit(zbit) RETURNS bit varying
    AS 'MODULE_PATHNAME', 'zbit_to_bit' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION zbit_to_bit(zbit) RETURNS bit
    AS 'MODULE_PATHNAME', 'zbit_to_bit' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE CAST (bit varying AS zbit) WITH FUNCTION zbit(bit varying, integer, boolean) AS ASSIGNMENT;
CREATE CAST (bit AS zbit) WITH FUNCTION zbit(bit, integer, boolean) AS ASSIGNMENT;
CREATE CAST (zbit AS bit varying) WITH FUNCTION zbit_to_varbit(zbit) AS ASSIGNMENT;
CREATE CAST (zbit AS bit) WITH FUNCTION zbit_to_bit(zbit) AS ASSIGNMENT;

CREATE FUNCTION binary_quantize(zvec) RETURNS zbit
    AS 'MODULE_PATHNAME', 'zbit_quantize' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
CREATE FUNCTION bit_count(zbit) RETURNS bigint
    AS 'MODULE_PATHNAME', 'zbit_bit_count' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION get_bit(zbit, integer) RETURNS integer
    AS 'MODULE_PATHNAME', 'zbit_get_bit' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

COMMENT ON FUNCTION zhalf(zint8, integer, boolean) IS 'the same vector as zhalf';
COMMENT ON CAST (zint8 AS zhalf) IS 'the same vector as zhalf';
COMMENT ON FUNCTION zint8(zhalf, integer, boolean) IS 'the vector with rounded elements';
COMMENT ON CAST (zhalf AS zint8) IS 'the vector with rounded elements';
COMMENT ON FUNCTION zbit(bit varying, integer, boolean) IS 'makes a vector of a bit string';
COMMENT ON FUNCTION zbit(bit, integer, boolean) IS 'makes a vector of a bit string';
COMMENT ON FUNCTION zbit_to_varbit(zbit) IS 'a vector''s bits as a bit string';
COMMENT ON FUNCTION zbit_to_bit(zbit) IS 'a vector''s bits as a bit string';
COMMENT ON CAST (bit varying AS zbit) IS 'makes a vector of a bit string';
COMMENT ON CAST (bit AS zbit) IS 'makes a vector of a bit string';
COMMENT ON CAST (zbit AS bit varying) IS 'a vector''s bits as a bit string';
COMMENT ON CAST (zbit AS bit) IS 'a vector''s bits as a bit string';
COMMENT ON FUNCTION binary_quantize(zvec) IS 'a bit for each element: whether it is greater than zero';
COMMENT ON FUNCTION bit_count(zbit) IS 'number of bits that are set';
COMMENT ON FUNCTION get_bit(zbit, integer) IS 'a bit by its number, from 0 on';
