#!/usr/bin/env bash
# The programs of the README's section "From programs" do what they say, in a database without pgvector. Part of `make
# check-pgvector`. A language, or a library, that cannot be had here is a line that begins with SKIP. VENV=folder: a virtual
# environment to use and to keep.
set -u
cd "$(dirname "$0")/../.." || exit 1
. regress/cluster.sh
venv=${VENV:-}
zvec_begin readme
# JDBC wants TCP
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
zvec_start readme "listen_addresses = '127.0.0.1'" "port = $port" || exit 1
export PGPORT=$port PGDATABASE=programs
psql -qX -v ON_ERROR_STOP=1 -d postgres -c "CREATE DATABASE programs" && psql -qX -v ON_ERROR_STOP=1 <<'SQL' || exit 1
CREATE EXTENSION pg_zvec;
CREATE TABLE items (id int PRIMARY KEY, embedding zvec(3)) USING zvec;
INSERT INTO items SELECT i, ARRAY[i, 1, 2]::zvec FROM generate_series(1, 100) i;
SQL
work=$ZVEC_SCRATCH/programs
mkdir "$work"
# the section's blocks, as WORK/N.LANGUAGE
awk -v to="$work" '/^## / { here = /^## From programs/ } here && /^```[a-z]+$/ { file = to "/" ++n "." substr($0, 4); next }
    /^```$/ { file = "" } file { print > file }' README.md
log=$ZVEC_SCRATCH/log
shown=$'41 [41,1,2]\n42 [42,1,2]'

# ran STATUS WHAT
ran() {
    [ "$1" = 0 ] || cat "$log"
    zvec_result "$1" "README: $2"
}

# python BLOCK WHAT PACKAGE...
python() {
    local block=$1 what=$2
    shift 2
    if ! "$venv/bin/pip" install --require-virtualenv --quiet --disable-pip-version-check numpy "$@" >"$log" 2>&1; then
        echo "SKIP README: $what: pip install $*: $(tail -n 1 "$log")"
        return
    fi
    { [ ! -e "$work/prelude" ] || cat "$work/prelude"; cat "$work/$block.python"; } >"$work/program.py"
    "$venv/bin/python" "$work/program.py" >"$log" 2>&1
    ran $? "$what"
}
venv=${venv:-$ZVEC_SCRATCH/venv}
if [ -x "$venv/bin/python" ] || python3 -m venv "$venv" >"$log" 2>&1; then
    python 1 "psycopg 3" 'psycopg[binary]'
    python 2 asyncpg asyncpg
    python 3 SQLAlchemy sqlalchemy 'psycopg[binary]'
    cat >"$work/prelude" <<END
import django
from django.conf import settings
settings.configure(DATABASES={"default": {"ENGINE": "django.db.backends.postgresql", "NAME": "programs", "USER": "$PGUSER",
    "HOST": "$PGHOST", "PORT": $PGPORT, "OPTIONS": {"options": "-c default_table_access_method=zvec"}}},
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField", INSTALLED_APPS=["django.contrib.postgres"])
django.setup()
END
    python 4 Django django 'psycopg[binary]'
    stored=$(psql -X -At -c "SELECT count(*) FROM pg_class c JOIN pg_am a ON a.oid = relam WHERE relname IN ('pg3', 'apg', 'sa', 'dj') AND amname = 'zvec'")
    tables=$(psql -X -At -c "SELECT count(*) FROM pg_class WHERE relname IN ('pg3', 'apg', 'sa', 'dj')")
    [ "$stored" = "$tables" ]
    zvec_result $? "README: the tables are zvec tables ($stored)"
else
    echo "SKIP README: python3 -m venv: $(tail -n 1 "$log")"
fi

# jdbc [JAR]: Debian's package, unpacked
if ! command -v javac >/dev/null; then
    echo "SKIP README: JDBC: there is no Java"
elif ! (cd "$work" && apt-get -q download -o APT::Sandbox::User="$(id -un)" libpostgresql-jdbc-java >"$log" 2>&1 && dpkg-deb -x libpostgresql-jdbc-java*.deb .); then
    echo "SKIP README: JDBC: apt-get download libpostgresql-jdbc-java: $(tail -n 1 "$log")"
else
    {
        echo "import java.sql.*; import org.postgresql.util.PGobject;"
        echo "public class Program { public static void main(String[] a) throws Exception {"
        echo "Connection connection = DriverManager.getConnection(\"jdbc:postgresql://127.0.0.1:$PGPORT/programs?user=$PGUSER\");"
        cat "$work/5.java"
        echo "} }"
    } >"$work/Program.java"
    [ "$(java -cp "$work/usr/share/java/postgresql.jar" "$work/Program.java" 2>"$log")" = "$shown" ]
    ran $? JDBC
fi

if ! command -v npm >/dev/null; then
    echo "SKIP README: node-postgres: there is no npm"
elif ! npm install --silent --no-audit --no-fund --prefix "$work" pg >"$log" 2>&1; then
    echo "SKIP README: node-postgres: npm install pg: $(tail -n 1 "$log")"
else
    {
        echo 'const { Client } = require("pg"); (async () => { const client = new Client({ host: process.env.PGHOST }); await client.connect();'
        cat "$work/6.js"
        echo 'await client.end(); })().catch((error) => { console.error(error); process.exit(1); });'
    } >"$work/program.js"
    [ "$(node "$work/program.js" 2>"$log" | tr -d ' ' | sed 's/\[/ [/')" = "$shown" ]
    ran $? node-postgres
fi

mkdir -p "$work/rust/src"
cat >"$work/rust/Cargo.toml" <<'END'
[package]
name = "program"
version = "0.0.0"
edition = "2024"
[dependencies]
bytes = "1"
postgres = "0.19"
postgres-types = "0.2"
[workspace]
END
{
    cat "$work/7.rust"
    cat <<'END'
fn main() -> Result<(), Box<dyn Error>> {
    let host = std::env::var("PGHOST")?;
    let mut client = postgres::Config::new().host(&host).port(std::env::var("PGPORT")?.parse()?).user("postgres").dbname("programs").connect(postgres::NoTls)?;
    client.execute("INSERT INTO items VALUES (2000, $1)", &[&Zvec(vec![2000.0, 1.0, 2.0])])?;
    for (id, Zvec(elements)) in nearest(&mut client, &Zvec(vec![41.2, 1.0, 2.0]))? {
        println!("{id} {}", format!("{elements:?}").replace(".0", "").replace(' ', ""));
    }
    Ok(())
}
END
} >"$work/rust/src/main.rs"
cargo=$(command -v cargo || echo "$HOME/.cargo/bin/cargo")
if ! (cd "$work/rust" && "$cargo" fetch --quiet) >"$log" 2>&1; then
    echo "SKIP README: Rust: cargo fetch: $(tail -n 1 "$log")"
else
    [ "$(cd "$work/rust" && "$cargo" run --quiet 2>"$log")" = "$shown" ]
    ran $? "Rust, postgres"
fi
zvec_log_is_clean readme
zvec_result $? "README: the server's log is clean"
