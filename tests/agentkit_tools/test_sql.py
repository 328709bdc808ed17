"""The SQL tools: they answer, and no query changes, reaches or uses up anything."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from agentkit import ToolRetry
from agentkit_tools import Column, Rows, Table, sql


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    path = tmp_path / "the shop?mode=rwc#%41.db"  # a name that would mean something in a URI
    _write(
        path,
        """
        CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
        CREATE TABLE orders (id INTEGER PRIMARY KEY, customer_id INTEGER REFERENCES customers (id), total REAL, photo
        BLOB); CREATE TABLE tags (tag, order_id REFERENCES orders); CREATE VIEW large AS SELECT id, total FROM orders
        WHERE total > 100; CREATE VIEW stale AS SELECT * FROM gone; INSERT INTO customers VALUES (1, 'Ada'), (2, 'Bob');
        INSERT INTO orders VALUES (1, 1, 10.5, NULL), (2, 1, 200.0, x'00ff'), (3, 2, 9e999, NULL);
        """,
    )
    return path


def test_schema_lists_tables_and_views_with_their_columns(shop: Path, named: Any) -> None:
    assert named(sql(shop), "sql_schema")() == [
        Table("customers", "table", [Column("id", "INTEGER", key=True), Column("name", "TEXT")]),
        Table("large", "view", [Column("id", "INTEGER"), Column("total", "REAL")]),
        Table(
            "orders",
            "table",
            [
                Column("id", "INTEGER", key=True),
                Column("customer_id", "INTEGER", refers_to="customers.id"),
                Column("total", "REAL"),
                Column("photo", "BLOB"),
            ],
        ),
        Table("stale", "view", []),
        Table("tags", "table", [Column("tag"), Column("order_id", refers_to="orders")]),
    ]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("SELECT name, id FROM customers ORDER BY id", Rows(["name", "id"], [["Ada", 1], ["Bob", 2]])),
        (
            "SELECT * FROM orders WHERE id = 2;",
            Rows(["id", "customer_id", "total", "photo"], [[2, 1, 200.0, "(2 bytes)"]]),
        ),
        ("SELECT total FROM orders WHERE id = 3", Rows(["total"], [["inf"]])),
        ("SELECT count(*) AS n FROM large", Rows(["n"], [[2]])),
        ("select upper(name) from customers where name like 'a%'", Rows(["upper(name)"], [["ADA"]])),
        ("WITH a(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM a LIMIT 3) SELECT sum(n) AS s FROM a", Rows(["s"], [[6]])),
        ("VALUES (1, NULL)", Rows(["column1", "column2"], [[1, None]])),
        ("-- the names\nSELECT name FROM customers LIMIT 0", Rows(["name"], [])),
        ("SELECT value FROM json_each('[1, 2]')", Rows(["value"], [[1], [2]])),
        ("SELECT CAST(x'6fff' AS TEXT) AS t", Rows(["t"], [["o�"]])),
        ("SELECT printf('%2000000000d', 1) AS t", Rows(["t"], [[None]])),
    ],
)
def test_a_query_gives_rows_with_column_names(shop: Path, named: Any, query: str, expected: Rows) -> None:
    assert named(sql(shop), "sql_query")(query) == expected


NUMBERS = "WITH RECURSIVE a(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM a) SELECT n FROM a"


def test_rows_and_cells_are_bounded_and_say_so(shop: Path, named: Any) -> None:
    query = named(sql(shop, max_rows=2, max_cell=5, max_characters=30), "sql_query")
    assert query(NUMBERS) == Rows(["n"], [[1], [2]], complete=False)
    assert query("SELECT 1 UNION ALL SELECT 2") == Rows(["1"], [[1], [2]])
    assert query("SELECT 'abcdefgh' AS t") == Rows(["t"], [["abcde... (cut, 8 characters)"]])
    assert query("SELECT 'abcdefgh' AS t, 'abcdefgh' AS u") == Rows(["t", "u"], [], complete=False)


ATTACKS = [
    "INSERT INTO customers VALUES (3, 'Eve')",
    "UPDATE customers SET name = 'Eve'",
    "DELETE FROM customers",
    "DROP TABLE customers",
    "CREATE TABLE eve (x)",
    "CREATE TEMP TABLE eve (x)",
    "CREATE TEMP VIEW eve AS SELECT 1",
    "ALTER TABLE customers ADD COLUMN eve",
    "REPLACE INTO customers VALUES (1, 'Eve')",
    "WITH e AS (SELECT 1) DELETE FROM customers",
    "WITH e AS (SELECT 3, 'Eve') INSERT INTO customers SELECT * FROM e RETURNING id",
    "DELETE FROM customers RETURNING *",
    "EXPLAIN DELETE FROM customers",
    "/* SELECT */ DELETE FROM customers",
    "SELECT 1; DELETE FROM customers",
    "ATTACH DATABASE '{beside}' AS other",
    "ATTACH DATABASE 'file:{beside}?mode=rwc' AS other",
    "DETACH DATABASE main",
    "VACUUM INTO '{beside}'",
    "VACUUM",
    "REINDEX",
    "ANALYZE",
    "BEGIN IMMEDIATE",
    "COMMIT",
    "SAVEPOINT s",
    "PRAGMA query_only = OFF",
    "PRAGMA writable_schema = ON",
    "PRAGMA journal_mode = DELETE",
    "PRAGMA database_list",
    "SELECT * FROM pragma_database_list",
    "SELECT * FROM PRAGMA_database_list()",
    "SELECT * FROM pragma_query_only",
    "SELECT load_extension('{beside}')",
    "SELECT readfile('/etc/passwd')",
    "SELECT writefile('{beside}', 'x')",
    "SELECT edit('x')",
    "SELECT fts3_tokenizer('simple')",
    "SELECT randomblob(10)",
    "SELECT zeroblob(1000000000)",
    "SELECT sqlite_compileoption_get(1)",
    "SELECT replace(hex(printf('%5000000d', 1)), '2', printf('%5000000d', 1))",
    "",
    "-- nothing",
    "SELECT",
    "SELECT 1\0",
    "SELECT '\ud800'",
    "SELECT * FROM nowhere",
    "SELECT * FROM stale",
    "SELECT ?",
    "(" * 5000,
]


@pytest.mark.parametrize("query", ATTACKS)
def test_a_query_that_is_not_reading_is_refused_and_changes_nothing(shop: Path, named: Any, query: str) -> None:
    before = shop.read_bytes()
    beside = shop.parent / "beside.db"
    with pytest.raises(ToolRetry) as refusal:
        named(sql(shop), "sql_query")(query.replace("{beside}", str(beside)))
    assert str(refusal.value).endswith(".")
    assert shop.read_bytes() == before
    assert os.listdir(shop.parent) == [shop.name]


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("DELETE FROM customers", "Only reading is possible, with functions that compute: not authorized."),
        (
            "SELECT load_extension('x')",
            "Only reading is possible, with functions that compute: not authorized to use function: load_extension.",
        ),
        ("SELECT nme FROM customers", "SQLite refused the query: no such column: nme."),
        ("-- nothing", "The query returns no rows: only a SELECT is possible."),
        ("SELECT 1; SELECT 2", "SQLite refused the query: You can only execute one statement at a time."),
    ],
)
def test_the_model_is_told_what_is_wrong_with_its_query(shop: Path, named: Any, query: str, sentence: str) -> None:
    with pytest.raises(ToolRetry) as refusal:
        named(sql(shop), "sql_query")(query)
    assert str(refusal.value) == sentence


@pytest.mark.parametrize(
    "query", [f"SELECT count(*) FROM ({NUMBERS})", f"{NUMBERS} WHERE n < 0", f"{NUMBERS} ORDER BY random()"]
)
def test_a_query_without_an_end_is_stopped(shop: Path, named: Any, query: str) -> None:
    with pytest.raises(ToolRetry, match=r"^The query took longer than 0.05 s and was stopped: ask for less.$"):
        named(sql(shop, timeout=0.05), "sql_query")(query)


def test_a_view_in_the_file_cannot_reach_what_a_query_cannot(tmp_path: Path, named: Any) -> None:
    path = tmp_path / "evil.db"
    _write(
        path, "CREATE VIEW evil AS SELECT load_extension('x'); CREATE VIEW names AS SELECT * FROM pragma_database_list;"
    )
    for view in ("evil", "names"):
        with pytest.raises(ToolRetry):
            named(sql(path), "sql_query")(f"SELECT * FROM {view}")


def test_a_full_text_table_can_be_searched_and_not_written(tmp_path: Path, named: Any) -> None:
    path = tmp_path / "notes.db"
    try:
        _write(
            path,
            """
            CREATE VIRTUAL TABLE "my ""notes" USING fts5(text);
            INSERT INTO "my ""notes" VALUES ('green tea'), ('coffee');
            """,
        )
    except sqlite3.OperationalError:
        pytest.skip("this SQLite has no FTS5")
    query = named(sql(path), "sql_query")
    found = query(
        """
        SELECT snippet("my ""notes", 0, '<', '>', '', 9) AS s FROM "my ""notes" WHERE text MATCH 'tea' ORDER BY rank
        """
    )
    assert found == Rows(["s"], [["green <tea>"]])
    for attack in (
        'INSERT INTO "my ""notes" VALUES (\'x\')',
        'INSERT INTO "my ""notes"("my ""notes") VALUES (\'rebuild\')',
    ):
        with pytest.raises(ToolRetry, match="Only reading is possible"):
            query(attack)


def test_each_call_sees_what_others_have_committed(shop: Path, named: Any) -> None:
    query = named(sql(shop), "sql_query")
    _write(shop, "INSERT INTO customers VALUES (3, 'Cyd')")
    assert query("SELECT count(*) AS n FROM customers") == Rows(["n"], [[3]])


def test_a_database_that_is_being_written_can_be_read(shop: Path, named: Any) -> None:
    with closing(sqlite3.connect(shop, isolation_level=None)) as writer:
        writer.execute("PRAGMA journal_mode = WAL")
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("DELETE FROM customers")
        assert named(sql(shop), "sql_query")("SELECT count(*) AS n FROM customers") == Rows(["n"], [[2]])


def test_a_database_that_is_gone_is_not_created_anew(shop: Path, named: Any) -> None:
    query = named(sql(shop), "sql_query")
    shop.unlink()
    with pytest.raises(sqlite3.OperationalError, match="unable to open database file"):
        query("SELECT 1")
    assert os.listdir(shop.parent) == []


def test_a_file_that_is_no_database_is_the_developers_problem_and_not_the_models(tmp_path: Path, named: Any) -> None:
    with pytest.raises(FileNotFoundError):
        sql(tmp_path / "missing.db")
    assert os.listdir(tmp_path) == []
    (tmp_path / "text.db").write_text("this is no database, and long enough to be looked at" * 20)
    with pytest.raises(sqlite3.DatabaseError, match="file is not a database"):
        named(sql(tmp_path / "text.db"), "sql_query")("SELECT 1")


def _write(path: Path, script: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(script)
        connection.commit()
