//! VACUUM in all its forms, rewrites and index builds beside the sessions.

use crate::connect::{connect, sqlstate, words};
use crate::run::{Counts, Run, SETTINGS};
use fastrand::Rng;
use postgres::Client;

/// The relations with vectors that all sessions use.
fn relations(run: &Run) -> Vec<&str> {
    let shared = run.tables.iter().filter(|table| table.owner.is_none());
    shared.flat_map(|table| table.relations.iter().map(String::as_str)).collect()
}

fn choose<'a, T>(rng: &mut Rng, from: &'a [T]) -> &'a T {
    &from[rng.usize(0..from.len())]
}

/// Runs a statement; one that gave up a lock, or whose partner did, has not failed.
fn run_statement(client: &mut Client, sql: &str, counts: &mut Counts) -> Result<bool, String> {
    match client.batch_execute(sql) {
        Ok(()) => Ok(true),
        Err(e) if matches!(sqlstate(&e), "40P01" | "55P03" | "40001") => {
            *counts.entry("maintenance statements that gave up waiting").or_default() += 1;
            Ok(false)
        }
        Err(e) => Err(format!("{}\n  in: {sql}", words(&e))),
    }
}

/// The violations that zvec_check reports.
pub fn check(client: &mut Client, relation: &str) -> Result<(), String> {
    let sql = format!("SELECT invariant, location, message FROM zvec_check('{relation}') LIMIT 20");
    let rows = match client.query(&sql, &[]) {
        Ok(rows) => rows,
        // It did not get its lock.
        Err(e) if matches!(sqlstate(&e), "40P01" | "55P03") => return Ok(()),
        Err(e) => return Err(format!("{}\n  in: {sql}", words(&e))),
    };
    if rows.is_empty() {
        return Ok(());
    }
    let lines: Vec<String> = rows
        .iter()
        .map(|row| format!("{} | {} | {}", row.get::<_, String>(0), row.get::<_, String>(1), row.get::<_, String>(2)))
        .collect();
    Err(format!("zvec_check('{relation}') reports:\n  {}", lines.join("\n  ")))
}

/// VACUUM after VACUUM, and zvec_check.
pub fn vacuum(run: &Run) -> Result<(), String> {
    let mut client = connect("stress vacuum", SETTINGS)?;
    let mut rng = Rng::with_seed(run.seed.wrapping_mul(1000) + 600);
    let mut counts = Counts::new();
    let relations = relations(run);
    client.batch_execute("SET lock_timeout = '300ms'").map_err(|e| words(&e))?;
    let mut result = Ok(());
    while !run.is_over() && result.is_ok() {
        let relation = *choose(&mut rng, &relations);
        let choice = rng.u8(0..7);
        result = if choice == 0 {
            *counts.entry("zvec_check beside the sessions").or_default() += 1;
            check(&mut client, relation)
        } else if choice == 1 {
            *counts.entry("zvec_optimize").or_default() += 1;
            run_statement(&mut client, &format!("SELECT zvec_optimize('{relation}')"), &mut counts).map(drop)
        } else {
            vacuum_once(&mut client, relation, &mut rng, &mut counts)
        };
        run.pause(rng.u64(0..100));
    }
    run.count(&counts);
    result
}

fn vacuum_once(client: &mut Client, relation: &str, rng: &mut Rng, counts: &mut Counts) -> Result<(), String> {
    let options = *choose(
        rng,
        &[
            "",
            "",
            "",
            "(FREEZE)",
            "(ANALYZE)",
            "(DISABLE_PAGE_SKIPPING)",
            "(INDEX_CLEANUP off)",
            "(INDEX_CLEANUP on)",
            "(PARALLEL 2)",
            "(PROCESS_TOAST off)",
            "(TRUNCATE off)",
            "toast",
        ],
    );
    let sql = if options == "toast" {
        let sql = "SELECT reltoastrelid::regclass::text FROM pg_class WHERE oid = $1::text::regclass";
        let row = client.query_one(sql, &[&relation]).map_err(|e| words(&e))?;
        format!("VACUUM {}", row.get::<_, String>(0))
    } else {
        format!("VACUUM {options} {relation}")
    };
    if run_statement(client, &sql, counts)? {
        *counts.entry("VACUUM").or_default() += 1;
    }
    Ok(())
}

/// Now and then a rewrite or an index built under an exclusive lock.
pub fn rewrite(run: &Run) -> Result<(), String> {
    // Whoever waits for an exclusive lock makes everybody else wait behind it, so that wait is short.
    now_and_then(
        run,
        700,
        600,
        "300ms",
        &[
            ("VACUUM FULL", "VACUUM FULL {}"),
            ("VACUUM FULL", "VACUUM (FULL, FREEZE) {}"),
            ("CLUSTER", "CLUSTER {} USING {}_pkey"),
            ("REINDEX", "REINDEX TABLE {}"),
            ("CREATE INDEX", "CREATE INDEX {}_blocking ON {} (num, id)"),
            ("REINDEX", "REINDEX INDEX {}_near"),
            ("CREATE INDEX", "CREATE INDEX {}_blocking ON {} USING zvec_hnsw (v0 zvec_cosine_ops) WHERE num > 40"),
        ],
    )
}

/// Now and then an index built beside the sessions.
pub fn build(run: &Run) -> Result<(), String> {
    now_and_then(
        run,
        800,
        6000,
        "20s",
        &[
            ("REINDEX CONCURRENTLY", "REINDEX TABLE CONCURRENTLY {}"),
            ("CREATE INDEX CONCURRENTLY", "CREATE INDEX CONCURRENTLY {}_beside ON {} (nver)"),
            ("CREATE INDEX CONCURRENTLY", "CREATE INDEX CONCURRENTLY {}_beside ON {} (num) WHERE nver > 0"),
            ("REINDEX CONCURRENTLY", "REINDEX INDEX CONCURRENTLY {}_near"),
            ("CREATE INDEX CONCURRENTLY", "CREATE INDEX CONCURRENTLY {}_beside ON {} USING zvec_hnsw (v0 zvec_l1_ops)"),
        ],
    )
}

fn now_and_then(
    run: &Run,
    seed: u64,
    pause: u64,
    wait: &str,
    statements: &[(&'static str, &str)],
) -> Result<(), String> {
    let mut client = connect("stress rewrite", SETTINGS)?;
    let mut rng = Rng::with_seed(run.seed.wrapping_mul(1000) + seed);
    let mut counts = Counts::new();
    let relations = relations(run);
    let mut result = Ok(());
    while !run.is_over() && result.is_ok() {
        run.pause(rng.u64(100..pause));
        let relation = *choose(&mut rng, &relations);
        let (what, sql) = choose(&mut rng, statements);
        if relation == "odd" && (sql.contains("v0") || sql.contains("_near")) {
            // its vectors have any dimensions
            continue;
        }
        let sql = sql.replace("{}", relation);
        client.batch_execute(&format!("SET lock_timeout = '{wait}'")).map_err(|e| words(&e))?;
        // A build beside the sessions that gives up leaves an invalid index, to be removed before the next try.
        for _ in 0..if wait.ends_with("ms") { 8 } else { 1 } {
            if run_statement(&mut client, &sql, &mut counts)? {
                *counts.entry(what).or_default() += 1;
                break;
            }
            if run.is_over() {
                break;
            }
        }
        result = remove(run, &mut client, relation, seed == 700, &mut counts);
    }
    run.count(&counts);
    result
}

/// Removes the index that a finished statement has made, or a failed one left half made.
fn remove(run: &Run, client: &mut Client, relation: &str, blocking: bool, counts: &mut Counts) -> Result<(), String> {
    let suffix = if blocking { "blocking" } else { "beside|_ccnew[0-9]*|_ccold[0-9]*" };
    let left = "SELECT indexrelid::regclass::text FROM pg_index
                WHERE indrelid = $1::text::regclass AND indexrelid::regclass::text ~ ('_(' || $2::text || ')$')";
    client.batch_execute("SET lock_timeout = '20s'").map_err(|e| words(&e))?;
    for row in client.query(left, &[&relation, &suffix]).map_err(|e| words(&e))? {
        let drop = format!("DROP INDEX CONCURRENTLY IF EXISTS {}", row.get::<_, String>(0));
        while !run_statement(client, &drop, counts)? && !run.is_over() {}
    }
    Ok(())
}
