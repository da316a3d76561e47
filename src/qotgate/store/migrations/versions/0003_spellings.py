"""Spellings replace aliases: all lines together decide which of them are one security.

The next load applies this to the loaded spellings.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

SPELLINGS = """
INSERT INTO spelling (id, ticker, identifier, name, code, security_id, first_day, last_day, believed)
SELECT ROW_NUMBER() OVER (ORDER BY spelled.security_id, first_day, ticker, identifier, spelled.name),
       ticker, identifier, spelled.name, security.code, spelled.security_id, first_day, last_day, {true}
FROM (
    SELECT ticker, identifier, name,
           MIN(security_id) AS security_id, MIN(day) AS first_day, MAX(day) AS last_day
    FROM (
        SELECT ticker, identifier, name, security_id, day FROM holding WHERE security_id IS NOT NULL
        UNION ALL
        SELECT ticker, identifier, name, security_id, day FROM notice
    ) AS lines
    GROUP BY ticker, identifier, name
) AS spelled
JOIN security ON security.id = spelled.security_id
"""


def upgrade() -> None:
    text = sa.String().with_variant(sa.String(collation="C"), "postgresql")
    op.create_table(
        "spelling",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("ticker", text, nullable=False),
        sa.Column("identifier", text, nullable=False),
        sa.Column("name", text, nullable=False),
        sa.Column("code", text, nullable=True),
        sa.Column("security_id", sa.Integer(), nullable=False),
        sa.Column("first_day", sa.Date(), nullable=False),
        sa.Column("last_day", sa.Date(), nullable=False),
        sa.Column("believed", sa.Boolean(), nullable=False),
        sa.Column("older", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["security_id"], ["security.id"], name=op.f("fk_spelling_security_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_spelling")),
        sa.UniqueConstraint("ticker", "identifier", "name", name=op.f("uq_spelling_ticker_identifier_name")),
    )
    with op.batch_alter_table("spelling", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_spelling_code"), ["code"], unique=False)
        batch_op.create_index(batch_op.f("ix_spelling_security_id"), ["security_id"], unique=False)
    true = "TRUE" if op.get_bind().dialect.name == "postgresql" else "1"
    op.execute(SPELLINGS.format(true=true))
    op.drop_table("alias")


def downgrade() -> None:
    text = sa.String().with_variant(sa.String(collation="C"), "postgresql")
    op.create_table(
        "alias",
        sa.Column("key", text, nullable=False),
        sa.Column("security_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["security_id"], ["security.id"], name=op.f("fk_alias_security_id")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_alias")),
    )
    op.execute(
        "INSERT INTO alias SELECT 'C:' || code, MIN(security_id) FROM spelling "
        "WHERE code IS NOT NULL GROUP BY code"
    )
    with op.batch_alter_table("spelling", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_spelling_security_id"))
        batch_op.drop_index(batch_op.f("ix_spelling_code"))
    op.drop_table("spelling")
