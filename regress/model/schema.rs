//! The same tables twice: heap tables in schema `h`, zvec tables in schema `z`. All have the columns id, num, v, note; the
//! elements of v are of one type or another.

/// What a case begins with.
pub const TABLES: [&str; 5] = ["t", "c", "g", "p", "u"];

/// Made once for a database.
pub const ONCE: &str = "
    CREATE EXTENSION IF NOT EXISTS pg_zvec;
    CREATE OR REPLACE FUNCTION public.vec(tag int, dims int) RETURNS zvec IMMUTABLE LANGUAGE sql AS
        'SELECT array_agg(((i * 7 + tag * 5) % 13)::real ORDER BY i)::zvec FROM generate_series(1, dims) i';
    CREATE OR REPLACE FUNCTION public.big(tag int) RETURNS text IMMUTABLE LANGUAGE sql AS
        'SELECT string_agg(md5((i * 1000 + tag)::text), '''') FROM generate_series(1, 150) i';
    -- Changes vectors on their way in.
    CREATE OR REPLACE FUNCTION public.before_g() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF NEW.num % 3 = 0 THEN NEW.v := vec(NEW.num, 3); END IF;
        IF NEW.num % 7 = 6 THEN RETURN NULL; END IF;
        RETURN NEW;
    END $$;
    -- Notes old and new rows.
    CREATE OR REPLACE FUNCTION public.after_g() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        EXECUTE format('INSERT INTO %I.log VALUES ($1, $2, $3)', TG_TABLE_SCHEMA) USING TG_OP,
            CASE WHEN TG_OP <> 'INSERT' THEN OLD::text END, CASE WHEN TG_OP <> 'DELETE' THEN NEW::text END;
        RETURN NULL;
    END $$;";

/// Makes the tables anew.
pub fn each_case() -> String {
    let side = |schema: &str, am: &str| {
        format!(
            "DROP SCHEMA IF EXISTS {schema} CASCADE;
             CREATE SCHEMA {schema};
             SET search_path = {schema}, public;
             SET default_table_access_method = {am};
             CREATE TABLE t (id int PRIMARY KEY, num int, v zvec(3), note text);
             CREATE TABLE c (id int PRIMARY KEY REFERENCES t ON UPDATE CASCADE ON DELETE CASCADE DEFERRABLE,
                 num int, v zhalf(3), note text);
             CREATE TABLE g (id int PRIMARY KEY, num int, v zint8(3), note text);
             CREATE TRIGGER before BEFORE INSERT OR UPDATE ON g FOR EACH ROW EXECUTE FUNCTION before_g();
             CREATE TRIGGER after AFTER INSERT OR UPDATE OR DELETE ON g FOR EACH ROW EXECUTE FUNCTION after_g();
             CREATE TABLE p (id int PRIMARY KEY, num int, v zvec(3), note text) PARTITION BY RANGE (id);
             CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (MINVALUE) TO (6);
             CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (6) TO (10) USING heap;
             CREATE TABLE p3 PARTITION OF p FOR VALUES FROM (10) TO (MAXVALUE);
             CREATE TABLE u (id int PRIMARY KEY, num int, v zvec, note text);
             CREATE TABLE log (op text, old text, new text) USING heap;
             INSERT INTO t SELECT i, i, vec(i, 3), 'n' || i FROM generate_series(1, 6) i;
             INSERT INTO c SELECT * FROM t WHERE id < 4;
             INSERT INTO g SELECT * FROM t;
             INSERT INTO p SELECT i, i, vec(i, 3), 'n' || i FROM generate_series(3, 11, 2) i;
             INSERT INTO u SELECT i, i, vec(i, i * i * i * 11), big(i) FROM generate_series(1, 5) i;"
        )
    };
    format!("SET client_min_messages = error; {} {}", side("h", "heap"), side("z", "zvec"))
}

/// The zvec relations of the second schema.
pub const CHECKED: [&str; 6] = ["t", "c", "g", "p1", "p3", "u"];
