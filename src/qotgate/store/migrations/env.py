"""Alembic's entry point: runs the migrations on the store's connection."""

from alembic import context

from qotgate.store.tables import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
