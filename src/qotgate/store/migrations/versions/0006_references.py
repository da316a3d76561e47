"""Notes and rating changes lose their foreign keys, and their other unique keys become indexes.

A load takes these references from rows that it has read or written in the same transaction, and SQLite can
make an index after the rows are written.
"""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

REFERENCES = (
    ("rating_change", "note_id", "note"),
    ("rating_change", "history_id", "history"),
    ("note", "history_id", "history"),
    ("note", "file_id", "file"),
)
"""The table with the reference first: SQLite makes it anew, which it refuses while others refer to it."""
KEYS = (("note", ["key"]), ("history", ["market", "code", "institution"]))


def upgrade() -> None:
    for name in ("rating_change", "note", "history"):
        with op.batch_alter_table(name) as table:
            for of, column, _ in REFERENCES:
                if of == name:
                    table.drop_constraint(f"fk_{name}_{column}", type_="foreignkey")
            for of, columns in KEYS:
                if of == name:
                    key = f"{name}_{'_'.join(columns)}"
                    table.drop_constraint(f"uq_{key}", type_="unique")
                    table.create_index(f"ix_{key}", columns, unique=True)


def downgrade() -> None:
    for name in ("history", "note", "rating_change"):
        with op.batch_alter_table(name) as table:
            for of, columns in KEYS:
                if of == name:
                    key = f"{name}_{'_'.join(columns)}"
                    table.drop_index(f"ix_{key}")
                    table.create_unique_constraint(f"uq_{key}", columns)
            for of, column, to in REFERENCES:
                if of == name:
                    table.create_foreign_key(f"fk_{name}_{column}", to, [column], ["id"])
