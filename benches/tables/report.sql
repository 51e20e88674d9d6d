-- Prints what run.sh measured as a Markdown table: the best run of each table. A goal that the best runs miss, but
-- one in four pairs of runs (heap, then zvec) reaches, is missed "within noise".
\pset tuples_only on
\pset format unaligned
SELECT '| measurement | heap | zvec | ratio | goal | met? |';
SELECT '|---|---:|---:|---:|---|---|';
WITH paired AS (
    SELECT input, what, am, ms, row_number() OVER (PARTITION BY input, what, am ORDER BY seq) AS run FROM runs
),
noise AS (
    SELECT input, what, percentile_cont(0.75) WITHIN GROUP (ORDER BY h.ms / z.ms) AS high
    FROM paired AS h JOIN paired AS z USING (input, what, run)
    WHERE h.am = 'heap' AND z.am = 'zvec' GROUP BY input, what
),
timed AS (
    SELECT input, what, min(ms) FILTER (WHERE am = 'heap') AS heap, min(ms) FILTER (WHERE am = 'zvec') AS zvec
    FROM runs GROUP BY input, what
),
lines AS (
    SELECT g.seq, input, what, unit, least, most, true AS timed, heap, zvec, heap / zvec AS judged, high
    FROM timed JOIN noise USING (input, what) JOIN goals AS g USING (what)
    UNION ALL
    SELECT g.seq, input, what, unit, least, most, false, max(value) FILTER (WHERE am = 'heap'),
        max(value) FILTER (WHERE am = 'zvec'), max(value) FILTER (WHERE am = 'zvec'), NULL
    FROM facts JOIN goals AS g USING (what) GROUP BY g.seq, input, what, unit, least, most
    UNION ALL
    SELECT g.seq, input, g.what, unit, least, most, false, one.heap / two.heap, one.zvec / two.zvec,
        one.zvec / two.zvec, NULL
    FROM goals AS g, timed AS one JOIN timed AS two USING (input)
    WHERE g.what LIKE 'COPY by 2%' AND one.what LIKE '%COPY in, 1%' AND two.what LIKE '%COPY in, 2%'
)
SELECT format('| %s (%s) | %s | %s | %s | %s | %s |', what, input, shown(heap, unit), shown(zvec, unit),
    CASE WHEN timed THEN round(judged::numeric, 2)::text ELSE '' END,
    CASE WHEN input LIKE '%inline%' THEN ''
        WHEN timed THEN '>= ' || round(least::numeric, 2)
        WHEN least IS NOT NULL THEN 'zvec >= ' || least
        WHEN most IS NOT NULL THEN 'zvec <= ' || most END,
    CASE WHEN input LIKE '%inline%' OR coalesce(least, most) IS NULL THEN ''
        WHEN judged >= coalesce(least, judged) AND judged <= coalesce(most, judged) THEN 'yes'
        WHEN high >= least THEN 'within noise'
        ELSE 'no' END)
FROM lines ORDER BY input LIKE '%inline%', seq, input;
