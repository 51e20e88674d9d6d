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
    let rows = client.query(&sql, &[]).map_err(|e| format!("{}\n  in: {sql}", words(&e)))?;
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
    client.batch_execute("SET lock_timeout = '5s'").map_err(|e| words(&e))?;
    let mut result = Ok(());
    while !run.is_over() && result.is_ok() {
        let relation = *choose(&mut rng, &relations);
        result = if rng.u8(0..6) == 0 {
            *counts.entry("zvec_check beside the sessions").or_default() += 1;
            check(&mut client, relation)
        } else {
            vacuum_once(&mut client, relation, &mut rng, &mut counts)
        };
        run.pause(rng.u64(0..150));
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

/// Now and then a rewrite, an index build, an index rebuilt.
pub fn rewrite(run: &Run) -> Result<(), String> {
    let mut client = connect("stress rewrite", SETTINGS)?;
    let mut rng = Rng::with_seed(run.seed.wrapping_mul(1000) + 700);
    let mut counts = Counts::new();
    let relations = relations(run);
    client.batch_execute("SET lock_timeout = '3s'").map_err(|e| words(&e))?;
    let mut result = Ok(());
    while !run.is_over() && result.is_ok() {
        run.pause(rng.u64(100..2000));
        let relation = *choose(&mut rng, &relations);
        result = rewrite_once(&mut client, relation, &mut rng, &mut counts);
    }
    run.count(&counts);
    result
}

fn rewrite_once(client: &mut Client, relation: &str, rng: &mut Rng, counts: &mut Counts) -> Result<(), String> {
    let (what, sql) = match rng.u8(0..8) {
        0 | 1 => ("VACUUM FULL", format!("VACUUM FULL {relation}")),
        2 => ("CLUSTER", format!("CLUSTER {relation} USING {relation}_pkey")),
        3 => ("REINDEX", format!("REINDEX TABLE {relation}")),
        4 => ("REINDEX CONCURRENTLY", format!("REINDEX TABLE CONCURRENTLY {relation}")),
        5 => ("CREATE INDEX", format!("CREATE INDEX {relation}_more ON {relation} (num, id)")),
        _ => ("CREATE INDEX CONCURRENTLY", format!("CREATE INDEX CONCURRENTLY {relation}_more ON {relation} (nver)")),
    };
    if run_statement(client, &sql, counts)? {
        *counts.entry(what).or_default() += 1;
    }
    // What a failed or finished statement has left; the sessions are not made to wait long for it.
    let left = "SELECT indexrelid::regclass::text FROM pg_index
                WHERE indrelid = $1::text::regclass AND (NOT indisvalid OR indexrelid::regclass::text ~ '_more$')";
    for row in client.query(left, &[&relation]).map_err(|e| words(&e))? {
        let mut tries = 0;
        while !run_statement(client, &format!("DROP INDEX {}", row.get::<_, String>(0)), counts)? && tries < 20 {
            tries += 1;
        }
    }
    Ok(())
}
