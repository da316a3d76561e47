"""Notes lose their keys: the notes of one history and day are compared with each other.

A key and its index took a fifth of the time of a load.
"""

from hashlib import sha256

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

TEXT = sa.String().with_variant(sa.String(collation="C"), "postgresql")
HISTORY = sa.table("history", *map(sa.column, ("id", "market", "code")))
NOTE = sa.table(
    "note",
    *map(sa.column, ("id", "history_id", "key", "firm", "word", "prior_word", "target", "prior_target")),
    sa.column("day", sa.Date()),
    sa.column("time", sa.Time()),
    sa.column("starts", sa.Boolean()),
)


def upgrade() -> None:
    with op.batch_alter_table("note") as table:
        table.drop_index("ix_note_key")
        table.drop_column("key")


def downgrade() -> None:
    with op.batch_alter_table("note") as table:
        table.add_column(sa.Column("key", TEXT, nullable=False, server_default=""))
    connection = op.get_bind()
    query = sa.select(NOTE, HISTORY.c.market, HISTORY.c.code)
    for row in connection.execute(query.join(HISTORY, HISTORY.c.id == NOTE.c.history_id)).all():
        firm = "".join(filter(str.isalnum, row.firm.casefold()))
        words = (row.word.casefold(), row.prior_word.casefold())
        said = (row.market, row.code, firm, row.day, row.time, *words, row.target, row.prior_target)
        key = sha256("\x1f".join(map(str, (*said, row.starts))).encode()).hexdigest()[:32]
        connection.execute(sa.update(NOTE).where(NOTE.c.id == row.id).values(key=key))
    with op.batch_alter_table("note") as table:
        table.alter_column("key", server_default=None)
        table.create_index("ix_note_key", ["key"], unique=True)
