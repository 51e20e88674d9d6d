"""Sessions with a server: libpq's own calls through psycopg, vectors in binary form, statements prepared once."""

import subprocess

import numpy
import psycopg
from psycopg import pq


# what the binary form of n elements has of them; of bits, eight in a byte
ELEMENTS = {"zvec": ">f4", "vector": ">f4", "zhalf": ">f2", "zint8": "i1", "zbit": "u1"}


def form(vectors, type):
    """The columns of a NumPy record that are the binary forms of `vectors` (rows, dimensions), and their values."""
    columns, dims = [("dims", ">i2"), ("unused", ">i2")], vectors.shape[1]
    # of bits their number is one integer of 32 bits
    head = (0, dims) if type == "zbit" else (dims, 0)
    values = numpy.packbits(vectors > 0, axis=1) if type == "zbit" else vectors
    return [*columns, ("v", ELEMENTS[type], values.shape[1])], dict(zip(("dims", "unused", "v"), (*head, values)))


def fill(columns, count, values):
    """`count` records of these columns with these values."""
    record = numpy.empty(count, dtype=columns)
    for name, value in values.items():
        record[name] = value
    return record


def wire(vectors, type="zvec"):
    """The binary forms of `vectors` (rows, dimensions), as ours and pgvector's types have them: a list of bytes."""
    columns, values = form(vectors, type)
    record = fill(columns, len(vectors), values)
    return [record[i : i + 1].tobytes() for i in range(len(record))]


def copy_rows(ids, categories, vectors, type="zvec"):
    """Rows (id int, cat int, v vector) as COPY's binary format has them, without its header."""
    columns, values = form(vectors, type)
    columns = [("columns", ">i2"), ("id_bytes", ">i4"), ("id", ">i4"), ("cat_bytes", ">i4"), ("cat", ">i4"),
               ("v_bytes", ">i4"), *columns]  # fmt: skip
    bytes_of_v = numpy.dtype(columns[6:]).itemsize
    values |= {"columns": 3, "id_bytes": 4, "id": ids, "cat_bytes": 4, "cat": categories, "v_bytes": bytes_of_v}
    return fill(columns, len(ids), values).tobytes()


class Session:
    """One connection, in autocommit mode. Empty parts of `conninfo` come from libpq's environment variables."""

    def __init__(self, conninfo="", settings=()):
        self.connection = psycopg.connect(conninfo, autocommit=True)
        self.connection.prepare_threshold = 0
        self.pgconn = self.connection.pgconn
        self.prepared = 0
        for setting in settings:
            self.run(f"SET {setting}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def run(self, sql, *parameters):
        """Runs a statement; returns its rows, if it has any."""
        cursor = self.connection.execute(sql, parameters or None)
        return cursor.fetchall() if cursor.description else None

    def value(self, sql, *parameters):
        """The first column of the first row, None without rows."""
        rows = self.run(sql, *parameters)
        return rows[0][0] if rows else None

    def has(self, kind, name):
        """Whether the server knows an `access method`, an `extension` (installed here) or a `setting`."""
        table, column = {"access method": ("pg_am", "amname"), "extension": ("pg_extension", "extname"),
                         "setting": ("pg_settings", "name")}[kind]  # fmt: skip
        return bool(self.value(f"SELECT count(*) FROM {table} WHERE {column} = %s", name))

    def prepare(self, sql):
        """Prepares a statement on the server and returns its name."""
        self.prepared += 1
        name = b"s%d" % self.prepared
        self.check(self.pgconn.prepare(name, sql.encode()))
        return name

    def check(self, result):
        if result.status not in (pq.ExecStatus.COMMAND_OK, pq.ExecStatus.TUPLES_OK):
            raise psycopg.errors.error_from_result(result)
        return result

    def asker(self, sql):
        """A function that runs the prepared statement `sql` with binary parameters and returns the int4 values of its
        first column. It calls libpq directly: what it costs beside the round trip is a few microseconds."""
        name, execute, tuples = self.prepare(sql), self.pgconn.exec_prepared, pq.ExecStatus.TUPLES_OK
        from_bytes = int.from_bytes

        def ask(*parameters):
            result = execute(name, parameters, [1] * len(parameters), 1)
            if result.status != tuples:
                self.check(result)
            value = result.get_value
            return [from_bytes(value(i, 0), "big", signed=True) for i in range(result.ntuples)]

        return ask

    def doer(self, sql):
        """A function that runs the prepared statement `sql`, which returns nothing, with binary parameters."""
        name, execute, done = self.prepare(sql), self.pgconn.exec_prepared, pq.ExecStatus.COMMAND_OK

        def do(*parameters):
            result = execute(name, parameters, [1] * len(parameters), 1)
            if result.status != done:
                self.check(result)

        return do

    def load(self, table, vectors, categories=None, first_id=0, block=2000, type="zvec"):
        """Copies vectors into `table` (id int, cat int, v `type`), ids from `first_id`; `categories` or zeros."""
        with self.connection.cursor().copy(f"COPY {table} (id, cat, v) FROM STDIN (FORMAT binary)") as copy:
            copy.write(b"PGCOPY\n\xff\r\n\0" + bytes(8))
            for start in range(0, len(vectors), block):
                part = vectors[start : start + block]
                of = 0 if categories is None else categories[start : start + block]
                copy.write(copy_rows(numpy.arange(first_id + start, first_id + start + len(part)), of, part, type))
            copy.write(b"\xff\xff")

    def plan(self, sql):
        """The lines of EXPLAIN for a statement without parameters."""
        return "\n".join(line for (line,) in self.run(f"EXPLAIN (COSTS OFF) {sql}"))

    def close(self):
        self.connection.close()


class Server:
    """A server to connect to; `restart_command` is a shell command that restarts it, where there is one."""

    def __init__(self, conninfo="", restart_command=None):
        self.conninfo, self.restart_command = conninfo, restart_command

    def session(self, settings=()):
        return Session(self.conninfo, ["client_min_messages = warning", *settings])

    def restart(self):
        """Restarts the server and waits until it answers."""
        subprocess.run(self.restart_command, shell=True, check=True, stdout=subprocess.DEVNULL)
        self.session().close()
