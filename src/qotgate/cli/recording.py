"""``qotgate recording``: the contents of a recording, and whether it replays."""

import json
from dataclasses import asdict
from pathlib import Path

import click
from click.exceptions import Exit
from rich.table import Table

from qotgate.cli import options
from qotgate.cli.console import new_console
from qotgate.cli.groups import Group
from qotgate.relay.contents import look_for_personal, read_contents, try_replay
from qotgate.relay.recorded import Recording

PERSONAL = 1
"""Exit status if a recording certainly contains something personal."""

app = Group("recording", help="Inspect recordings of OpenD.")
of_file = click.argument("file", type=options.PATH, metavar="FILE", help="A recording.")


@app.command()
@of_file
@options.as_json
def show(file: Path, as_json: bool) -> None:
    """Show what is in a recording, by interface and by session."""
    contents = read_contents(file)
    if as_json:
        whole = {
            "header": contents.header.model_dump(),
            "interfaces": [asdict(interface) for interface in contents.interfaces],
            "sessions": [asdict(session) for session in contents.sessions],
        }
        click.echo(json.dumps(whole, ensure_ascii=False, indent=2))
        return
    console = new_console()
    header = contents.header
    messages = f", with the messages of {header.messages}" if header.messages else ""
    console.print(f"{file}, recorded by {header.written_by} at {header.recorded}{messages}", soft_wrap=True)
    table = Table("id", "interface", "asked", "different", "refused", "pushes")
    for one in contents.interfaces:
        counts = (one.exchanges, one.requests, one.refused, one.pushes)
        table.add_row(str(one.proto_id), one.name, *(f"{count:,}" for count in counts))
    console.print(table)
    table = Table("session", "client", "from", "to", "asked", "pushes")
    for session in contents.sessions:
        times = (f"{session.begins:.1f} s", f"{session.ends:.1f} s")
        numbers = (f"{session.exchanges:,}", f"{session.pushes:,}")
        table.add_row(str(session.session), session.client, *times, *numbers)
    console.print(table)


@app.command()
@of_file
@options.as_json
def check(file: Path, as_json: bool) -> None:
    """Check that a recording replays, and list what looks personal in it."""
    recording = Recording(file)
    answers = try_replay(recording)
    findings = look_for_personal(file)
    personal = any(finding.personal for finding in findings)
    if as_json:
        told = {"answers": answers, "pushes": recording.pushes, "left_out": recording.left_out}
        whole = {**told, "findings": [asdict(finding) for finding in findings]}
        click.echo(json.dumps(whole, ensure_ascii=False, indent=2))
    else:
        console = new_console(soft_wrap=True)
        console.print(
            f"{file} replays: {answers:,} answers and {recording.pushes:,} pushes of "
            f"{len(recording.sessions):,} sessions come back as they were recorded."
        )
        for proto_id, line in recording.left_out.items():
            console.print(f"left out: {recording.messages.name(proto_id)} ({proto_id}), as line {line} tells")
        for finding in findings:
            console.print(f"{'personal' if finding.personal else 'look at'}: {finding}")
        if not findings:
            console.print("Nothing in it looks personal.")
    if personal:
        raise Exit(PERSONAL)
