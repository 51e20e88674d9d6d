
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
