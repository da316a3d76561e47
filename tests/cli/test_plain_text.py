"""Text from files is printed unchanged."""

from pathlib import Path

from tests.support.commands import run

NAMES = ("[link=https://evil.example/x]Click[/link]", "[/red]", "[bold]A", ":smile: INC", "[/]")


def test_markup_in_a_name_a_path_or_a_reason_is_text(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'q.db'}"
    header = "date,fund,company,ticker,cusip,shares,market value($),weight(%)\n"
    rows = [
        f"{day},ARKK,{name},ZZ{letter},,{number},1,20\n"
        for number, day in enumerate(("2021-08-04", "2021-08-05"), 1)
        for letter, name in zip("ABCDE", NAMES, strict=True)
    ]
    bad = [f"{name},ARKK,A,ZZA,,1,1,1\n" for name in NAMES]
    folder = tmp_path / "[" / "red]"
    folder.mkdir(parents=True)
    (folder / "[bold].csv").write_text(header + "".join(rows + bad))
    notes = "ticker,name,firm,rating,price_target,date\n"
    notes += "".join(f"TSLA,{name},{name},Buy,10,2026-06-0{n}\n" for n, name in enumerate(NAMES, 1))
    (folder / "[red].csv").write_text(notes)
    assert "[/red]" in run("load", folder, "--db", url).stdout
    for command in (["holdings"], ["transactions"], ["ratings"], ["status"], ["ark", "US.ZZA"]):
        found = run(*command, "--db", url)
        assert found.returncode == 0, (command, found.stdout)
        assert "\x1b]8" not in found.stdout
    assert "[/red]" in run("holdings", "--db", url).stdout
    assert ":smile:" in run("holdings", "--db", url).stdout
