//! Connections to the server that the environment names as psql would take it: PGHOST, PGPORT, PGUSER, PGDATABASE.

use postgres::{Client, Config, NoTls};
use std::env;

/// Connects, and runs `settings` first. Errors are in words.
pub fn connect(name: &str, settings: &str) -> Result<Client, String> {
    let variable = |name: &str, otherwise: &str| env::var(name).unwrap_or_else(|_| otherwise.to_owned());
    let port = variable("PGPORT", "5432");
    let mut config = Config::new();
    config
        .host(&variable("PGHOST", "/var/run/postgresql"))
        .port(port.parse().map_err(|_| format!("PGPORT is no port: {port}"))?)
        .user(&variable("PGUSER", "postgres"))
        .dbname(&variable("PGDATABASE", "postgres"))
        .application_name(name);
    let mut client = config.connect(NoTls).map_err(|e| format!("cannot connect: {}", words(&e)))?;
    client.batch_execute(settings).map_err(|e| format!("{settings}: {}", words(&e)))?;
    Ok(client)
}

/// An error with what the server said.
pub fn words(error: &postgres::Error) -> String {
    match error.as_db_error() {
        Some(e) => {
            let more: String = [e.detail(), e.hint(), e.where_()].iter().flatten().map(|m| format!(" ({m})")).collect();
            format!("{} {}: {}{more}", e.severity(), e.code().code(), e.message())
        }
        None => {
            let source = std::error::Error::source(error).map(|s| format!(": {s}")).unwrap_or_default();
            format!("{error}{source}")
        }
    }
}

/// The SQLSTATE, or nothing if the error is not the server's (a lost connection).
pub fn sqlstate(error: &postgres::Error) -> &str {
    error.code().map_or("", |code| code.code())
}
