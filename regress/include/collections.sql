-- For the tests of collections, which include this file: vectors; and what a collection has and what its table has, compared whole,
-- and what zvec_check says of it.
CREATE FUNCTION v(i int) RETURNS float4[] LANGUAGE sql IMMUTABLE AS $$ SELECT ARRAY[i, i % 7, 1]::float4[] $$;
CREATE FUNCTION differences(collection text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    c record;
BEGIN
    SELECT * INTO STRICT c FROM public.zvec_collections WHERE name = collection;
    RETURN QUERY EXECUTE format('SELECT coalesce(s.k || '' differs'', ''the collection alone has '' || c.key)
        FROM (SELECT %1$I::text AS k, %2$I::float4[]::public.zvec AS v FROM %3$s WHERE num_nulls(%1$I, %2$I) = 0) AS s
        FULL JOIN %4$s AS c ON c.key = s.k
        WHERE s.k IS NULL OR c.key IS NULL OR c.vector <> s.v', c.key_column, c.vector_column, c.table_name, c.relation);
    RETURN QUERY SELECT invariant || ': ' || message FROM public.zvec_check(c.relation);
END $$;
