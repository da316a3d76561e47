"""Identifiers and codes of one security."""

from datetime import date, timedelta
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qotgate.ark.codes import Listings
from qotgate.ark.identity import Identities, Spelling
from qotgate.model import Security

FIRST = date(2021, 8, 2)
Line = tuple[str, str, str, int]
"""Ticker, identifier, name, and the day as a number."""

LISTINGS = Listings(
    {
        identifier: Security.parse(code) if code else None
        for identifier, code in (
            ("BL58D39", "HK.09923"),
            ("G9835C108", "HK.09923"),
            ("53227R106", "CA.LSPD"),
            ("6177878", ""),
            ("S2192Y109", ""),
        )
    },
    {
        "BL58D39": "Yeahka",
        "G9835C108": "Yeahka",
        "53227R106": "Lightspeed Commerce",
        "6177878": "Discovery",
        "S2192Y109": "Discovery",
    },
)


def known(*lines: Line) -> Identities:
    identities = Identities(LISTINGS)
    for *spelled, day in lines:
        identities.identify(Spelling(*spelled), FIRST + timedelta(day))
    identities.settle()
    return identities


def parts(identities: Identities) -> dict[str, set[Spelling]]:
    """The spellings of each security, by its code, or by its name if it has none."""
    found: dict[str, set[Spelling]] = {}
    for spelling, one in identities.spellings.items():
        code, name = identities.labels[one.security]
        found.setdefault(str(code or name), set()).add(spelling)
    assert len(found) == len({one.security for one in identities.spellings.values()})
    return found


def securities(*lines: Line) -> set[str]:
    """The securities of the lines, the same in every order."""
    found = [set(parts(known(*order))) for order in permutations(lines)]
    assert all(each == found[0] for each in found)
    return found[0]


def disbelieved(*lines: Line) -> set[tuple[str, str]]:
    """The ticker and identifier of lines whose identifier is rejected, the same in every order."""
    found = [
        {(spelling.ticker, spelling.identifier) for spelling in known(*order).contradictions()}
        for order in permutations(lines)
    ]
    assert all(each == found[0] for each in found)
    return found[0]


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        # A SPAC that gets a ticker; two that a later line joins.
        ([("", "125842203", "CM LIFE", 0), ("CMII", "125842203", "CM LIFE", 1)], {"US.CMII"}),
        (
            [
                ("", "G7484L106", "REINVENT-CLASS A", 0),
                ("RTP", "", "REINVENT-CLASS A", 0),
                ("RTP", "G7484L106", "REINVENT-CLASS A", 1),
            ],
            {"US.RTP"},
        ),
        # One listing under two identifiers, and under a third that only the ticker identifies.
        ([("9923", "BL58D39", "YEAHKA LTD", 0), ("9923HK", "G9835C108", "YEAHKA LTD", 1)], {"HK.09923"}),
        ([("9923", "BL58D39", "YEAHKA LTD", 0), ("9923HK", "", "YEAHKA LTD", 1)], {"HK.09923"}),
        # A notice with another company's CUSIP, known from the tables or from lines.
        (
            [("MCRB", "81750R102", "SERES THERAPEUTICS INC", 1), ("9923HK", "81750R102", "YEAHKA LTD", 0)],
            {"US.MCRB", "HK.09923"},
        ),
        (
            [("LSPD", "53227R106", "LIGHTSPEED POS INC", 0), ("DOCU", "53227R106", "DOCUSIGN INC", 1)],
            {"CA.LSPD", "US.DOCU"},
        ),
        # One line under another's ticker, identifier and name.
        (
            [
                ("TSLA", "88160R101", "TESLA INC", 0),
                ("ROKU", "77543R102", "ROKU INC", 1),
                ("TSLA", "77543R102", "ROKU INC", 0),
                ("ROKU", "77543R102", "ROKU INC", 0),
            ],
            {"US.TSLA", "US.ROKU"},
        ),
        # Two classes of one company.
        (
            [
                ("GOOG", "02079K107", "ALPHABET INC-CL C", 0),
                ("GOOGL", "02079K305", "ALPHABET INC-CL A", 0),
                ("GOOG", "02079K305", "ALPHABET INC-CL C", 0),
            ],
            {"US.GOOG", "US.GOOGL"},
        ),
        # A new ticker; a new ticker and a new name, once a second line confirms them.
        ([("SQ", "852234103", "BLOCK INC", 0), ("XYZ", "852234103", "BLOCK INC", 1)], {"US.XYZ"}),
        (
            [
                ("FB", "30303M102", "FACEBOOK INC-CLASS A", 0),
                ("FB", "30303M102", "FACEBOOK INC-CLASS A", 1),
                ("META", "30303M102", "META PLATFORMS INC", 2),
            ],
            {"US.FB", "US.META"},
        ),
        (
            [
                ("FB", "30303M102", "FACEBOOK INC-CLASS A", 0),
                ("FB", "30303M102", "FACEBOOK INC-CLASS A", 1),
                ("META", "30303M102", "META PLATFORMS INC", 2),
                ("META", "30303M102", "META PLATFORMS INC", 3),
            ],
            {"US.META"},
        ),
        # Shares that are not registered yet, with and without the custodian's number.
        (
            [
                ("", "", "ARCHER AVIATION INC-A UNREGISTERED SHARES", 0),
                ("ACHR", "", "ARCHER AVIATION INC-A", 0),
            ],
            {"US.ACHR"},
        ),
        (
            [
                ("", "PIPEACHRU", "ARCHER AVIATION INC-A UNREGISTERED SHARES", 0),
                ("ACHR", "PIPEACHRU", "ARCHER AVIATION INC-A UNREGISTERED SHARES", 1),
            ],
            {"US.ACHR"},
        ),
        # A foreign listing whose notices append the exchange to the ticker, in the tables or not.
        (
            [("DSY", "6177878", "DISCOVERY LTD", 0), ("DSYSJ", "S2192Y109", "DISCOVERY LTD", 1)],
            {"DISCOVERY LTD"},
        ),
        ([("HO", "4162791", "THALES SA", 0), ("HOFP", "F9156M108", "THALES SA", 1)], {"THALES SA"}),
        ([("HO", "4162791", "THALES SA", 0), ("HO FP", "F9156M108", "THALES SA", 1)], {"THALES SA"}),
    ],
)
def test_what_lines_are_of(lines: list[Line], found: set[str]) -> None:
    assert securities(*lines) == found


def test_which_identifier_is_not_believed() -> None:
    rtp = ("RTP", "G7484L106", "REINVENT-CLASS A", 0)
    assert disbelieved(rtp, ("JOBY", "G65163100", "JOBY AVIATION INC", 1)) == set()
    seres = ("MCRB", "81750R102", "SERES THERAPEUTICS INC", 1)
    assert disbelieved(seres, ("9923HK", "81750R102", "YEAHKA LTD", 0)) == {("9923HK", "81750R102")}
    owned = ("LSPD", "53227R106", "LIGHTSPEED POS INC", 0)
    assert disbelieved(owned, ("DOCU", "53227R106", "DOCUSIGN INC", 1)) == {("DOCU", "53227R106")}
    alone = known(("DOCU", "53227R106", "DOCUSIGN INC", 1))
    assert alone.contradictions() == {Spelling("DOCU", "53227R106", "DOCUSIGN INC"): []}


def test_a_line_without_number_or_code_is_known_by_its_name() -> None:
    assert securities(("", "", "Some Fund", 0), ("", "", "SOME FUND", 1)) in ({"SOME FUND"}, {"Some Fund"})
    assert len(securities(("", "", "Some Fund", 0), ("", "", "Other", 0))) == 2


def test_ids_stay_with_the_oldest_and_go_on_after_the_known_ones() -> None:
    identities = known(("RTP", "", "REINVENT", 0), ("", "G7484L106", "REINVENT", 0))
    assert [one.security for one in identities.spellings.values()] == [1, 2]
    tie = Spelling("RTP", "G7484L106", "REINVENT")
    identities.identify(tie, FIRST)
    (move,) = identities.settle()
    assert (move.spelling.identifier, move.dropped, move.kept) == ("G7484L106", 2, 1)
    assert identities.dropped == {2}
    assert identities.identify(Spelling("NEW", "", "NEW"), FIRST) == 3


def test_what_a_mistake_tied_together_comes_apart_when_more_is_known() -> None:
    typo = ("TSLA", "77543R102", "ROKU INC", 0)
    roku = ("ROKU", "77543R102", "ROKU INC", 0)
    identities = known(typo, roku)
    assert set(parts(identities)) == {"US.TSLA"} or set(parts(identities)) == {"US.ROKU"}
    identities.identify(Spelling("TSLA", "88160R101", "TESLA INC"), FIRST)
    moves = identities.settle()
    assert parts(identities) == {
        "US.TSLA": {Spelling(*typo[:3]), Spelling("TSLA", "88160R101", "TESLA INC")},
        "US.ROKU": {Spelling(*roku[:3])},
    }
    assert moves


def test_a_new_name_takes_over_and_the_old_one_still_leads_to_it() -> None:
    spac = Spelling("EXPC", "30217C109", "EXPERIENCE INVESTMENT CORP")
    blade = Spelling("BLDE", "092667104", "BLADE AIR MOBILITY INC")
    identities = known((*spac, 0), (*blade, 1))
    old, new = identities.spellings[spac].security, identities.spellings[blade].security
    for _ in range(2):
        identities.rename(new, old)
        identities.settle()
        assert parts(identities) == {"US.BLDE": {spac, blade}}
        assert identities.spellings[blade].security == old


def test_a_chain_of_new_names_ends_in_one_security() -> None:
    identities = known(("A", "", "A", 0), ("B", "", "B", 1), ("C", "", "C", 2))
    identities.rename(2, 1)
    identities.rename(3, 2)
    identities.settle()
    assert set(parts(identities)) == {"US.C"}
    assert {one.security for one in identities.spellings.values()} == {1}


def test_a_line_that_is_not_loaded_finds_its_security() -> None:
    identities = known(
        ("NVTA", "46185L103", "INVITAE CORP", 0), ("PYPL", "70450Y103", "PAYPAL HOLDINGS INC", 0)
    )
    assert identities.identify(Spelling("PYPL", "46185L103", "PAYPAL HOLDINGS INC"), FIRST) == 2
    assert identities.identify(Spelling("", "46185L103", "INVITAE"), FIRST) == 1


COMPANIES = [
    ("TSLA", "88160R101", "TESLA INC"),
    ("ROKU", "77543R102", "ROKU INC"),
    ("SHOP", "82509L107", "SHOPIFY INC - CLASS A"),
]


@st.composite
def histories(draw: st.DrawFn) -> list[list[Line]]:
    """Lines that name companies by ticker, by identifier or by both, in files, with at least one full line of
    each company; and perhaps one line that gives a company another one's identifier."""
    lines: list[Line] = []
    days = st.integers(0, 9)
    for ticker, identifier, name in COMPANIES:
        lines.append((ticker, identifier, name, draw(days)))
        for shape in draw(st.lists(st.sampled_from("tif"), max_size=4)):
            shown = (ticker if shape != "i" else "", identifier if shape != "t" else "", name)
            lines.append((*shown, draw(days)))
        # In use together.
        lines += [(ticker, identifier, name, 0), (ticker, identifier, name, 9)]
    if draw(st.booleans()):
        (ticker, _, name), (_, identifier, other) = draw(st.permutations(COMPANIES))[:2]
        lines.append((ticker, identifier, draw(st.sampled_from([name, other])), draw(days)))
    lines = draw(st.permutations(lines))
    cuts = sorted(draw(st.lists(st.integers(0, len(lines)), max_size=3)))
    return [lines[start:end] for start, end in zip([0, *cuts], [*cuts, len(lines)], strict=True)]


@given(histories())
def test_the_same_securities_in_any_order(files: list[list[Line]]) -> None:
    identities = Identities(LISTINGS)
    for lines in files:
        for *spelled, day in lines:
            identities.identify(Spelling(*spelled), FIRST + timedelta(day))
        identities.settle()
    found = parts(identities)
    assert set(found) == {f"US.{ticker}" for ticker, _, _ in COMPANIES}
    once = known(*sorted(line for lines in files for line in lines))
    assert found == parts(once)
    for spelling in identities.spellings:
        if spelling.ticker:
            assert spelling in found[f"US.{spelling.ticker}"]
