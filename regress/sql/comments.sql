-- Every member of the extension has a comment, so that \df+, \do+, \dT+, \dA+, \dC+ explain themselves.
SELECT pg_describe_object(classid, objid, 0) AS without_comment
FROM pg_depend
WHERE refclassid = 'pg_extension'::regclass AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'pg_zvec')
    AND deptype = 'e' AND coalesce(obj_description(objid, classid::regclass::name), '') = ''
    -- what comes with a type or a table by itself: later servers have it among the members
    AND NOT EXISTS (SELECT FROM pg_type WHERE classid = 'pg_type'::regclass AND oid = objid AND (typrelid <> 0 OR typcategory = 'A'))
ORDER BY 1;
-- and there are members of each kind
SELECT kind FROM unnest('{pg_proc,pg_type,pg_operator,pg_opclass,pg_opfamily,pg_cast,pg_am}'::regclass[]) kind
WHERE NOT EXISTS (SELECT FROM pg_depend WHERE refclassid = 'pg_extension'::regclass AND deptype = 'e' AND classid = kind
    AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'pg_zvec'));
