"""The history of loads, and the unreadable files."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TEXT = sa.String().with_variant(sa.String(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "load",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("loaded_at", TEXT, nullable=False),
        sa.Column("outcome", TEXT, nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("files", sa.Integer(), nullable=False),
        sa.Column("read", sa.Integer(), nullable=False),
        sa.Column("unchanged", sa.Integer(), nullable=False),
        sa.Column("rejected", sa.Integer(), nullable=False),
        sa.Column("left_out", sa.Integer(), nullable=False),
        sa.Column("added", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_load")),
    )
    op.create_table(
        "rejected_file",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("load_id", sa.Integer(), nullable=False),
        sa.Column("path", TEXT, nullable=False),
        sa.Column("reason", TEXT, nullable=False),
        sa.ForeignKeyConstraint(["load_id"], ["load.id"], name=op.f("fk_rejected_file_load_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rejected_file")),
    )
    op.create_index(op.f("ix_rejected_file_load_id"), "rejected_file", ["load_id"])
    # Alembic would copy the whole table on SQLite, which fails because other tables refer to it.
    op.execute("ALTER TABLE file ADD COLUMN load_id INTEGER CONSTRAINT fk_file_load_id REFERENCES load (id)")
    op.create_index(op.f("ix_file_load_id"), "file", ["load_id"])


def downgrade() -> None:
    op.drop_index(op.f("ix_file_load_id"), "file")
    op.drop_column("file", "load_id")
    op.drop_table("rejected_file")
    op.drop_table("load")
