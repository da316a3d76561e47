"""The tables. Published lines are stored as read, with their file and line. Derived rows (trades, rating
changes) are in separate tables and can be recomputed.

Rating changes are stored by generation: a row is valid from ``since`` until before ``until``, so that a
client that pages through one generation sees all of it while the next is loaded.
"""

from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Connection,
    Date,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Select,
    String,
    Table,
    Time,
    UniqueConstraint,
)

Row = dict[str, Any]
"""A row by column name."""
NOTICE, PARTIAL, HOLDINGS, UNTOLD, HOLE = "notice", "partial", "holdings", "untold", "hole"
"""The evidence of an ark_day: a notice that names all of its trades; a notice of some of them and two
holdings files; two holdings files; UNTOLD if the flow between two files cannot be separated from the trades;
HOLE if too many days have no file."""
METADATA = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)
FOREVER = 2**62
"""The ``until`` of a valid row."""
Text = String().with_variant(String(collation="C"), "postgresql")
"""Text ordered by code points on every engine: a locale's order changes with the system's library, which
breaks indexes."""

state = Table(
    "state",
    METADATA,
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),
)

load = Table(
    "load",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("loaded_at", Text, nullable=False),  # UTC, ISO 8601
    Column("outcome", Text, nullable=False),  # a LoadOutcome
    Column("generation", Integer, nullable=False),  # the number of the state of the data after the load
    Column("files", Integer, nullable=False),  # all files found ...
    Column("read", Integer, nullable=False),  # ... new ones that were read ...
    Column("unchanged", Integer, nullable=False),  # ... known ones ...
    Column("rejected", Integer, nullable=False),  # ... and unreadable ones
    Column("left_out", Integer, nullable=False),  # rejected lines of the files that were read
    Column("added", Integer, nullable=False),  # new rows
)

rejected_file = Table(
    "rejected_file",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("load_id", ForeignKey("load.id"), nullable=False, index=True),
    Column("path", Text, nullable=False),
    Column("reason", Text, nullable=False),
)

file = Table(
    "file",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("digest", Text, nullable=False, unique=True),  # SHA-256 of the bytes, hexadecimal
    Column("path", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("loaded_at", Text, nullable=False),  # UTC, ISO 8601
    Column("records", Integer, nullable=False),
    Column("load_id", ForeignKey("load.id"), index=True),  # null for files from before loads were recorded
)

content = Table(
    "content",
    METADATA,
    Column("file_id", ForeignKey("file.id"), primary_key=True),
    Column("name", Text, nullable=False),  # the name under which it was read
    Column("any_book", Boolean, nullable=False),  # whether a part of a book was accepted as one
    Column("packed", LargeBinary, nullable=False),  # zlib-compressed bytes; see qotgate.store.contents
)

reject = Table(
    "reject",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("file_id", ForeignKey("file.id"), nullable=False, index=True),
    Column("line", Integer),
    Column("reason", Text, nullable=False),
)

security = Table(
    "security",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("code", Text, index=True),  # US.TSLA; null if unknown
    Column("name", Text, nullable=False),
)

session = Table(
    "session",
    METADATA,
    Column("day", Date, primary_key=True),  # each trading day from the first loaded ARK day to the last
)

spelling = Table(
    "spelling",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("ticker", Text, nullable=False),
    Column("identifier", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("code", Text, index=True),  # of the lines themselves; one security may have several codes
    Column("security_id", ForeignKey("security.id"), nullable=False, index=True),
    Column("first_day", Date, nullable=False),  # of the lines with this spelling
    Column("last_day", Date, nullable=False),
    Column("believed", Boolean, nullable=False),  # whether the identifier is believed
    Column("older", Integer),  # the spelling that this one continues after a rename
    UniqueConstraint("ticker", "identifier", "name"),
)

snapshot = Table(
    "snapshot",
    METADATA,
    Column("fund", Text, primary_key=True),
    Column("day", Date, primary_key=True),
    Column("through", Date, nullable=False),  # the last trading day that the book shows
    Column("file_id", ForeignKey("file.id"), nullable=False),
    Column("digest", Text, nullable=False),  # of the rows, in whatever file
    Index(None, "fund", "through", "day"),
)

holding = Table(
    "holding",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("fund", Text, nullable=False),
    Column("day", Date, nullable=False),
    Column("security_id", ForeignKey("security.id")),  # null for cash
    Column("ticker", Text, nullable=False),
    Column("identifier", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("shares", Float, nullable=False),
    Column("market_value", Float),  # USD
    Column("weight", Float),  # percent of the fund
    Column("file_id", ForeignKey("file.id"), nullable=False),
    Column("line", Integer, nullable=False),
    Index(None, "fund", "day"),
    Index(None, "security_id", "day"),
)

notice = Table(
    "notice",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("key", Text, nullable=False, unique=True),
    Column("fund", Text, nullable=False),
    Column("day", Date, nullable=False),
    Column("security_id", ForeignKey("security.id"), nullable=False),
    Column("ticker", Text, nullable=False),
    Column("identifier", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("shares", BigInteger, nullable=False),  # a buy is positive
    Column("weight", Float),  # percent of the fund
    Column("file_id", ForeignKey("file.id"), nullable=False),
    Column("line", Integer, nullable=False),
    Index(None, "fund", "day"),
    Index(None, "security_id", "day"),
)

ark_day = Table(
    "ark_day",
    METADATA,
    Column("fund", Text, primary_key=True),
    Column("day", Date, primary_key=True),
    Column("source", Text, nullable=False),  # NOTICE or another source in its row above
    Column("through", Date, nullable=False),  # the last possible day of the row's trades
    Column("before", Date),  # the holdings files whose difference it is; null for a notice
    Column("after", Date),
    Column("flow", Float),  # the fund's growth between them, subtracted; null for a notice
    Index(None, "fund", "through"),
)

difference = Table(
    "difference",
    METADATA,
    Column("fund", Text, primary_key=True),
    Column("before", Date, primary_key=True),
    Column("after", Date, nullable=False),
    Column("state", JSON, nullable=False),  # the inference, on which later ones depend
)

trade = Table(
    "trade",
    METADATA,
    Column("security_id", ForeignKey("security.id"), primary_key=True),
    Column("day", Date, primary_key=True),
    Column("fund", Text, primary_key=True),
    Column("shares", BigInteger, nullable=False),  # signed, in the units of the day
    Column("through", Date, nullable=False),
    Column("ground", Text),  # the kind of evidence of an inferred trade; null for a notice
    Column("change", Float),  # of the position between the two files, in shares
    Column("flow", BigInteger),  # the part of the change that was flow
    Column("price", Float),  # USD a share at the close of ``through``, from the fund's files
    Index(None, "fund", "day"),
)

split = Table(
    "split",
    METADATA,
    Column("security_id", ForeignKey("security.id"), primary_key=True),
    Column("day", Date, primary_key=True),  # the first day in the new units
    Column("fund", Text, primary_key=True),  # the fund whose holdings show it
    Column("through", Date, nullable=False),  # the last possible day
    Column("numerator", Integer, nullable=False),  # new shares ...
    Column("denominator", Integer, nullable=False),  # ... for so many old ones
    Index(None, "fund", "day"),
)

history = Table(
    "history",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("market", Text, nullable=False),
    Column("code", Text, nullable=False),
    Column("institution", Text, nullable=False),
    Index(None, "market", "code", "institution", unique=True),
)

note = Table(
    "note",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("history_id", Integer, nullable=False),  # see qotgate.store.references, like the others here
    Column("day", Date, nullable=False, index=True),
    Column("time", Time),
    Column("name", Text, nullable=False),
    Column("firm", Text, nullable=False),
    Column("word", Text, nullable=False),
    Column("grade", Integer),
    Column("target", Float),
    Column("prior_word", Text, nullable=False),
    Column("prior_grade", Integer),
    Column("prior_target", Float),
    Column("starts", Boolean, nullable=False),
    Column("disagrees", Boolean, nullable=False),  # whether prior_* differ from our previous note
    Column("file_id", Integer, nullable=False),
    Column("line", Integer, nullable=False),
    Index(None, "history_id", "day"),
)

rating_change = Table(
    "rating_change",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("note_id", Integer, nullable=False),
    Column("history_id", Integer, nullable=False),
    Column("market", Text, nullable=False),
    Column("change_type", Text, nullable=False),
    Column("day", Date, nullable=False),
    Column("grade", Integer),
    Column("has_last", Boolean, nullable=False),
    Column("last_grade", Integer),
    Column("target", Float),
    Column("last_target", Float),
    Column("last_day", Date),
    Column("since", BigInteger, nullable=False),
    Column("until", BigInteger, nullable=False),
    Index(None, "market", "change_type", "day", "note_id"),
    Index(None, "history_id", "until"),
)


def rows_of(connection: Connection, query: Select[Any]) -> list[Row]:
    """The rows of ``query``."""
    return [dict(row) for row in connection.execute(query).mappings()]
