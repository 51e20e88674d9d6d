/*
 * A library that has nothing to do with vectors but some of its functions' names: a type that holds text, and a
 * "distance" that is the first vector's first element, negated.
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"

PG_MODULE_MAGIC;

PG_FUNCTION_INFO_V1(zvec_in);
PG_FUNCTION_INFO_V1(zvec_out);
PG_FUNCTION_INFO_V1(zvec_l2_distance);
PG_FUNCTION_INFO_V1(vector_in);
PG_FUNCTION_INFO_V1(l2_distance);

Datum
zvec_in(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(cstring_to_text(PG_GETARG_CSTRING(0)));
}

Datum
zvec_out(PG_FUNCTION_ARGS)
{
	PG_RETURN_CSTRING(text_to_cstring(PG_GETARG_TEXT_PP(0)));
}

Datum
zvec_l2_distance(PG_FUNCTION_ARGS)
{
	char	   *vector = (char *) PG_DETOAST_DATUM(PG_GETARG_DATUM(0));

	/* after the header, the dimensions and a reserved field */
	PG_RETURN_FLOAT8(-(float8) *(float4 *) (vector + 8));
}

/* by the names that pgvector's have; not by calls of the above, which would find pg_zvec's of the same names */
Datum
vector_in(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(cstring_to_text(PG_GETARG_CSTRING(0)));
}

Datum
l2_distance(PG_FUNCTION_ARGS)
{
	char	   *vector = (char *) PG_DETOAST_DATUM(PG_GETARG_DATUM(0));

	PG_RETURN_FLOAT8(-(float8) *(float4 *) (vector + 8));
}
