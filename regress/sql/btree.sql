-- comparison: element by element, then by dimensions; both zeros are equal
SELECT a, b, a < b AS lt, a <= b AS le, a = b AS eq, a <> b AS ne, a >= b AS ge, a > b AS gt, zvec_cmp(a, b) AS cmp
FROM (VALUES ('[1,2]'::zvec, '[1,2]'::zvec), ('[1,2]', '[1,3]'), ('[2]', '[1,3]'), ('[1]', '[1,-3]'), ('[0]', '[-0]'))
    AS t(a, b);
CREATE TABLE ordered (id int, v zvec);
INSERT INTO ordered VALUES (1, '[1,2]'), (2, '[1]'), (3, '[-1,5]'), (4, NULL), (5, '[1,2]'), (6, '[1,2,0]');
SELECT * FROM ordered ORDER BY v, id;
SELECT * FROM ordered ORDER BY v DESC NULLS LAST, id DESC;
SELECT DISTINCT v FROM ordered ORDER BY v;
SELECT v, count(*) FROM ordered GROUP BY v ORDER BY v;
-- an index of the default operator class
CREATE INDEX ordered_v ON ordered (v);
SET enable_seqscan = off;
SET enable_bitmapscan = off;
EXPLAIN (COSTS OFF) SELECT id FROM ordered WHERE v = '[1,2]';
SELECT id FROM ordered WHERE v = '[1,2]' ORDER BY id;
SELECT id FROM ordered WHERE v > '[1]' ORDER BY id;
SELECT id FROM ordered WHERE v <= '[1]' ORDER BY id;
EXPLAIN (COSTS OFF) SELECT id FROM ordered ORDER BY v;
RESET enable_seqscan;
-- unique
CREATE TABLE unique_vectors (v zvec PRIMARY KEY);
INSERT INTO unique_vectors VALUES ('[1,2]'), ('[1,3]');
INSERT INTO unique_vectors VALUES ('[1,2]') ON CONFLICT DO NOTHING;
INSERT INTO unique_vectors VALUES ('[1,3]');
SELECT * FROM unique_vectors ORDER BY v;
-- joins by merging
SET enable_nestloop = off;
SET enable_hashjoin = off;
CREATE FUNCTION merges(query text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE line text;
BEGIN
    FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP
        IF line ~ 'Merge Join' THEN RETURN true; END IF;
    END LOOP;
    RETURN false;
END $$;
SELECT merges('SELECT * FROM ordered JOIN unique_vectors USING (v)');
SELECT id, v FROM ordered JOIN unique_vectors USING (v) ORDER BY id;
RESET ALL;
DROP FUNCTION merges;
DROP TABLE ordered, unique_vectors;
SELECT opcname, opcdefault, opcintype::regtype, amvalidate(oid) FROM pg_opclass WHERE opcname = 'zvec_ops';
