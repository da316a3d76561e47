"""``qotgate backup`` and ``qotgate restore``: all data in one file, and back, while gateways serve."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from rich.progress import Progress as Bar

from qotgate.cli import options
from qotgate.cli.console import new_console
from qotgate.cli.words import say
from qotgate.serving.opening import open_store
from qotgate.serving.settings import read_settings
from qotgate.store.backup import Manifest
from qotgate.store.backup import backup as write_backup
from qotgate.store.dialect import Progress
from qotgate.store.restore import restore as write_restore


@click.command()
@click.argument("file", type=options.PATH, metavar="FILE", help="Where to write it.")
@click.option("--force", is_flag=True, help="Replace an existing file.")
@options.db
def backup(file: Path, force: bool, db: str | None) -> None:
    """Write the current data to one file, while loads and gateways continue, and verify the file.

    The file is a SQLite database, whatever engine the data is on: `qotgate restore` can move it to the other
    one.
    """
    with open_store(read_settings(db=db), makes=False) as store, _bar() as progress:
        manifest = write_backup(store, file, replace=force, progress=progress)
    click.echo(say("Wrote {file}: {contents}.", file=file, contents=_told(manifest)))


@click.command()
@click.argument("file", type=options.PATH, metavar="FILE", help="A file from `qotgate backup`.")
@click.option("--replace", is_flag=True, help="Replace existing data.")
@options.db
def restore(file: Path, replace: bool, db: str | None) -> None:
    """Restore a backup into the database, in one step, while gateways serve: each answer is from the old or
    from the restored data."""
    with open_store(read_settings(db=db)) as store, _bar() as progress:
        manifest, generation = write_restore(store, file, replace=replace, progress=progress)
        name = store.name
    click.echo(
        say(
            "Restored {file} into {database}: {contents}. Its generation is {generation} now.",
            file=file,
            database=name,
            contents=_told(manifest),
            generation=generation,
        )
    )


def _told(manifest: Manifest) -> str:
    rows = sum(manifest.rows.values())
    return say(
        "{files:,} files, {rows:,} rows, generation {generation}",
        files=manifest.rows["file"],
        rows=rows,
        generation=manifest.generation,
    )


@contextmanager
def _bar() -> Iterator[Progress]:
    """A progress bar on a terminal."""
    console = new_console(stderr=True)
    with Bar(console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task("", total=None)

        def tell(what: str, done: int, total: int) -> None:
            bar.update(task, description=what, completed=done, total=total)

        yield tell
