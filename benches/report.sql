-- Prints what bench.sql measured as a Markdown table: medians, and how many times heap's speed the zvec table has.
\pset tuples_only on
\pset format unaligned
\pset fieldsep ''
SELECT '| input | measurement | heap | zvec | zvec speed / heap speed |';
SELECT '|---|---|---|---|---|';
SELECT format('| %s | %s | %s ms | %s ms | %s |', input, what, round(heap::numeric, 2), round(zvec::numeric, 2),
    round((heap / zvec)::numeric, 2))
FROM (
    SELECT input, what, min(seq) AS seq,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY ms) FILTER (WHERE am = 'heap') AS heap,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY ms) FILTER (WHERE am = 'zvec') AS zvec
    FROM measured GROUP BY input, what
) AS medians ORDER BY seq;
SELECT format('| %s | %s | %s | %s | |', input, what, heap, zvec) FROM facts ORDER BY seq;
