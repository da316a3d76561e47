"""The bytes of files, so that one can be unloaded and the others read again."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

TEXT = sa.String().with_variant(sa.String(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "content",
        sa.Column("file_id", sa.Integer(), nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("any_book", sa.Boolean(), nullable=False),
        sa.Column("packed", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["file_id"], ["file.id"], name=op.f("fk_content_file_id")),
        sa.PrimaryKeyConstraint("file_id", name=op.f("pk_content")),
    )


def downgrade() -> None:
    op.drop_table("content")
