\echo Use "CREATE EXTENSION pg_zvec_pgvector" to load this file. \quit

-- Runs as superuser whoever installs the extension, in a schema that others may write to, and the schemas of the two extensions
-- may be such too: so every name that is not made here is written with its schema. Which schemas those are is known only
-- when the script runs (as @extschema:name@ from PostgreSQL 16 on alone), so the statements are put together here.
DO LANGUAGE plpgsql $install$
DECLARE
    -- the schemas of pg_zvec and of pgvector
    zvec CONSTANT text := (
        SELECT pg_catalog.quote_ident(n.nspname)
        FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) e.extnamespace
        WHERE e.extname OPERATOR(pg_catalog.=) 'pg_zvec');
    pgvector CONSTANT text := (
        SELECT pg_catalog.quote_ident(n.nspname)
        FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) e.extnamespace
        WHERE e.extname OPERATOR(pg_catalog.=) 'vector');
    the record;
    lacks text;
BEGIN
    -- What bears these names must be pgvector's, whoever may have made it: types by their input functions in C, which only
    -- superusers can declare, and operators by theirs. An older pgvector lacks some of them, and somebody else's would be taken.
    SELECT pg_catalog.format('type "%s"', theirs.type) INTO lacks
    FROM (VALUES ('vector', 'vector_in'), ('halfvec', 'halfvec_in'), ('sparsevec', 'sparsevec_in')) AS theirs(type, symbol)
    WHERE NOT EXISTS (
        SELECT FROM pg_catalog.pg_type t JOIN pg_catalog.pg_proc f ON f.oid OPERATOR(pg_catalog.=) t.typinput
        WHERE t.oid OPERATOR(pg_catalog.=) pg_catalog.to_regtype(pg_catalog.concat(pgvector, '.', theirs.type))
            AND f.prolang OPERATOR(pg_catalog.=) (SELECT oid FROM pg_catalog.pg_language WHERE lanname OPERATOR(pg_catalog.=) 'c')
            AND f.prosrc OPERATOR(pg_catalog.=) theirs.symbol AND f.probin OPERATOR(pg_catalog.~) '(^|/)vector([.]so)?$');
    IF lacks IS NULL THEN
        SELECT pg_catalog.format('operator %s for type "%s"', theirs.operator, theirs.type) INTO lacks
        FROM (VALUES
            ('vector', '<->', 'l2_distance'), ('vector', '<#>', 'vector_negative_inner_product'),
            ('vector', '<=>', 'cosine_distance'), ('vector', '<+>', 'l1_distance'),
            ('halfvec', '<->', 'halfvec_l2_distance'), ('halfvec', '<#>', 'halfvec_negative_inner_product'),
            ('halfvec', '<=>', 'halfvec_cosine_distance'), ('halfvec', '<+>', 'halfvec_l1_distance')
        ) AS theirs(type, operator, symbol)
        WHERE NOT EXISTS (
            SELECT FROM pg_catalog.pg_operator o JOIN pg_catalog.pg_proc f ON f.oid OPERATOR(pg_catalog.=) o.oprcode
            WHERE o.oid OPERATOR(pg_catalog.=) pg_catalog.to_regoperator(pg_catalog.format('%1$s.%2$s(%1$s.%3$s,%1$s.%3$s)',
                    pgvector, theirs.operator, theirs.type))
                AND f.prolang OPERATOR(pg_catalog.=) (SELECT oid FROM pg_catalog.pg_language WHERE lanname OPERATOR(pg_catalog.=) 'c')
                AND f.prosrc OPERATOR(pg_catalog.=) theirs.symbol AND f.probin OPERATOR(pg_catalog.~) '(^|/)vector([.]so)?$');
    END IF;
    IF lacks IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = pg_catalog.format('extension "vector" does not have its %s', lacks),
            HINT = 'pg_zvec_pgvector needs pgvector 0.7.0 or later: update the extension "vector" first.';
    END IF;

    -- Types whose bytes are the same. For assignment, so that no call or operator gets more than one meaning. In rows of zvec
    -- tables references in columns of ours and of theirs are laid out in two ways, and only ours read both: so the casts to theirs have
    -- a function, upon which ALTER TYPE writes rows anew.
    FOR the IN
        SELECT *
        FROM (VALUES ('zvec', 'vector', 'zvec_coerce'), ('zhalf', 'halfvec', 'zhalf_coerce'), ('zsparse', 'sparsevec', NULL)) AS same(ours, theirs, symbol)
    LOOP
        EXECUTE pg_catalog.format($statements$
            CREATE CAST (%2$s.%4$s AS %1$s.%3$s) WITHOUT FUNCTION AS ASSIGNMENT;
            COMMENT ON CAST (%2$s.%4$s AS %1$s.%3$s) IS 'the same bytes';
        $statements$, zvec, pgvector, the.ours, the.theirs);
        IF the.symbol IS NULL THEN
            EXECUTE pg_catalog.format($statements$
                CREATE CAST (%1$s.%3$s AS %2$s.%4$s) WITHOUT FUNCTION AS ASSIGNMENT;
            $statements$, zvec, pgvector, the.ours, the.theirs);
        ELSE
            EXECUTE pg_catalog.format($statements$
                CREATE FUNCTION %4$s(%1$s.%3$s, integer, boolean) RETURNS %2$s.%4$s
                    AS '$libdir/pg_zvec', %5$L LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
                COMMENT ON FUNCTION %4$s(%1$s.%3$s, integer, boolean) IS 'the same vector';
                CREATE CAST (%1$s.%3$s AS %2$s.%4$s) WITH FUNCTION %4$s(%1$s.%3$s, integer, boolean) AS ASSIGNMENT;
            $statements$, zvec, pgvector, the.ours, the.theirs, the.symbol);
        END IF;
        EXECUTE pg_catalog.format('COMMENT ON CAST (%1$s.%3$s AS %2$s.%4$s) IS %5$L', zvec, pgvector, the.ours, the.theirs,
            'the same bytes');
    END LOOP;

    -- Casts between types of other elements: the functions of pg_zvec that take, or give, the same bytes.
    FOR the IN
        SELECT * FROM (VALUES
            (pgvector, 'vector', zvec, 'zhalf', 'zhalf_from_zvec', 'the vector with rounded elements'),
            (pgvector, 'vector', zvec, 'zint8', 'zint8_from_zvec', 'the vector with rounded elements'),
            (pgvector, 'vector', zvec, 'zsparse', 'zsparse_from_zvec', 'the same vector'),
            (pgvector, 'halfvec', zvec, 'zvec', 'zvec_from_zhalf', 'the same vector'),
            (pgvector, 'halfvec', zvec, 'zint8', 'zint8_from_zhalf', 'the vector with rounded elements'),
            (pgvector, 'sparsevec', zvec, 'zvec', 'zvec_from_zsparse', 'the same vector'),
            (zvec, 'zhalf', pgvector, 'vector', 'zvec_from_zhalf', 'the same vector'),
            (zvec, 'zint8', pgvector, 'vector', 'zvec_from_zint8', 'the same vector'),
            (zvec, 'zsparse', pgvector, 'vector', 'zvec_from_zsparse', 'the same vector'),
            (zvec, 'zvec', pgvector, 'halfvec', 'zhalf_from_zvec', 'the vector with rounded elements'),
            (zvec, 'zint8', pgvector, 'halfvec', 'zhalf_from_zint8', 'the same vector'),
            (zvec, 'zvec', pgvector, 'sparsevec', 'zsparse_from_zvec', 'the same vector')
        ) AS converted(given_in, given, made_in, made, symbol, what)
    LOOP
        EXECUTE pg_catalog.format($statements$
            CREATE FUNCTION %4$s(%1$s.%2$s, integer, boolean) RETURNS %3$s.%4$s
                AS '$libdir/pg_zvec', %5$L LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
            CREATE CAST (%1$s.%2$s AS %3$s.%4$s) WITH FUNCTION %4$s(%1$s.%2$s, integer, boolean) AS ASSIGNMENT;
            COMMENT ON FUNCTION %4$s(%1$s.%2$s, integer, boolean) IS %6$L;
            COMMENT ON CAST (%1$s.%2$s AS %3$s.%4$s) IS %6$L;
        $statements$, the.given_in, the.given, the.made_in, the.made, the.symbol, the.what);
    END LOOP;

    -- By these operators the planner tells a scan which rows come first, and how far it is to go.
    FOR the IN SELECT * FROM (VALUES ('vector'), ('halfvec')) AS stored(type)
    LOOP
        EXECUTE pg_catalog.format($statements$
            CREATE FUNCTION zvec_scan_hint(%1$s.%2$s, double precision) RETURNS boolean
                AS '$libdir/pg_zvec', 'zvec_scan_hint' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
            CREATE FUNCTION zvec_scan_hint(%1$s.%2$s, text) RETURNS boolean
                AS '$libdir/pg_zvec', 'zvec_scan_hint' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
            CREATE OPERATOR @~ (LEFTARG = %1$s.%2$s, RIGHTARG = double precision, FUNCTION = zvec_scan_hint);
            CREATE OPERATOR @~ (LEFTARG = %1$s.%2$s, RIGHTARG = text, FUNCTION = zvec_scan_hint);
            COMMENT ON FUNCTION zvec_scan_hint(%1$s.%2$s, double precision) IS
                'true; what the planner tells an index scan: how far it is to go (internal)';
            COMMENT ON FUNCTION zvec_scan_hint(%1$s.%2$s, text) IS
                'true; what the planner tells an index scan: which rows come first (internal)';
            COMMENT ON OPERATOR @~ (%1$s.%2$s, double precision) IS
                'what the planner tells an index scan: how far it is to go (internal)';
            COMMENT ON OPERATOR @~ (%1$s.%2$s, text) IS
                'what the planner tells an index scan: which rows come first (internal)';
        $statements$, pgvector, the.type);
    END LOOP;

    -- Operator classes, named as pgvector names its own.
    FOR the IN
        SELECT *
        FROM (VALUES ('vector'), ('halfvec')) AS stored(type),
            (VALUES ('l2', '<->', 'DEFAULT', 'Euclidean distance'), ('ip', '<#>', '', 'negative inner product'),
                ('cosine', '<=>', '', 'cosine distance'), ('l1', '<+>', '', 'city block distance')
            ) AS distances(metric, operator, is_default, what),
            (VALUES ('zvec_flat'), ('zvec_hnsw')) AS methods(method)
    LOOP
        EXECUTE pg_catalog.format($statements$
            CREATE OPERATOR CLASS %3$s_%4$s_ops %6$s FOR TYPE %2$s.%3$s USING %7$s AS
                OPERATOR 1 %2$s.%5$s (%2$s.%3$s, %2$s.%3$s) FOR ORDER BY pg_catalog.float_ops,
                OPERATOR 2 @~ (%2$s.%3$s, double precision),
                OPERATOR 3 @~ (%2$s.%3$s, text),
                FUNCTION 1 %1$s.zvec_%4$s_metric(internal);
            COMMENT ON OPERATOR FAMILY %3$s_%4$s_ops USING %7$s IS %8$L;
            COMMENT ON OPERATOR CLASS %3$s_%4$s_ops USING %7$s IS %8$L;
        $statements$, zvec, pgvector, the.type, the.metric, the.operator, the.is_default, the.method,
            pg_catalog.concat(the.what, ', ', the.operator));
    END LOOP;
END
$install$;
