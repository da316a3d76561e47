"""One security behind its identifiers and codes."""

from qotgate.ark.identity import Identities
from qotgate.model import Security


def code(text: str) -> Security:
    return Security.parse(text)


def known() -> Identities:
    return Identities({}, {}, {})


def test_a_spac_that_gets_a_ticker_is_one_security() -> None:
    identities = known()
    first = identities.resolve(None, "125842203", "CM LIFE SCIENCES II INC")
    assert identities.resolve(code("US.CMII"), "125842203", "CM LIFE SCIENCES II INC") == first
    assert identities.aliases["C:US.CMII"] == first
    assert identities.codes[first] == code("US.CMII")


def test_one_listing_under_two_identifiers_is_one_security() -> None:
    identities = known()
    held = identities.resolve(code("HK.09923"), "BL58D39", "YEAHKA LTD")
    assert identities.resolve(code("HK.09923"), "G9835C108", "YEAHKA LTD") == held
    assert identities.resolve(None, "G9835C108", "YEAHKA LTD") == held


def test_a_line_that_ties_two_together_merges_them_into_the_older() -> None:
    identities = known()
    older = identities.resolve(None, "125842203", "A")
    newer = identities.resolve(code("US.A"), "88160R101", "A")
    assert older != newer
    assert identities.resolve(code("US.A"), "125842203", "A") == older
    assert identities.merged == {newer: older}
    assert set(identities.aliases.values()) == {older}
    assert identities.codes == {older: code("US.A")}


def test_a_line_without_number_or_code_is_known_by_its_name() -> None:
    identities = known()
    assert identities.resolve(None, "", "Some  Fund") == identities.resolve(None, "", "SOME  FUND")
    assert identities.resolve(None, "", "Other") != identities.resolve(None, "", "Some  Fund")


def test_ids_go_on_after_the_known_ones() -> None:
    identities = Identities({"I:X": 7}, {}, {7: "X"})
    assert identities.resolve(None, "Y", "Y") == 8
    assert identities.changed == {8}


def test_a_new_name_takes_over_and_the_old_one_still_leads_to_it() -> None:
    identities = known()
    spac = identities.resolve(code("US.EXPC"), "30217C109", "EXPERIENCE INVESTMENT CORP")
    blade = identities.resolve(code("US.BLDE"), "092667104", "BLADE AIR MOBILITY INC")
    identities.rename(blade, spac)
    assert identities.merged == {blade: spac}
    assert identities.aliases["C:US.BLDE"] == identities.aliases["C:US.EXPC"] == spac
    assert (identities.codes[spac], identities.names[spac]) == (code("US.BLDE"), "BLADE AIR MOBILITY INC")
    identities.rename(blade, spac)
    assert identities.merged == {blade: spac}


def test_a_chain_of_new_names_ends_in_one_security() -> None:
    identities = known()
    first, second, third = (identities.resolve(code(f"US.{name}"), "", name) for name in ("A", "B", "C"))
    identities.rename(second, first)
    identities.rename(third, second)
    assert set(identities.aliases.values()) == {first}
    assert identities.codes == {first: code("US.C")}
