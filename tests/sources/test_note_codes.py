"""The tickers of analyst feeds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qotgate.sources.codes import note_security


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("TSLA", "US.TSLA"),
        (" tsla ", "US.TSLA"),
        ("US.TSLA", "US.TSLA"),
        ("CA.SHOP", "CA.SHOP"),
        ("HK.00700", "HK.00700"),
        ("TSX:SHOP", "CA.SHOP"),
        ("TSXV: ABC", "CA.ABC"),
        ("SHOP.TO", "CA.SHOP"),
        ("SHOP.V", "CA.SHOP"),
        ("REI-UN.TO", "CA.REI.UN"),
        ("TECK-B.TO", "CA.TECK.B"),
        ("TSX:REI-UN", "CA.REI.UN"),
        ("ABC.NE", "CA.ABC"),
        ("ABC.CN", "CA.ABC"),
        ("CVE:ABC", "CA.ABC"),
        ("TOR:ABC", "CA.ABC"),
        ("NASDAQ:AAPL", "US.AAPL"),
        ("NYSE:BRK.B", "US.BRK.B"),
        ("US:BRK/B", "US.BRK.B"),
        ("US.BRK-B", "US.BRK.B"),
        ("BRK.B", "US.BRK.B"),
        ("BRK/B", "US.BRK.B"),
        ("BRK-B", "US.BRK.B"),
        ("BAC-PL", "US.BAC-PL"),
        ("TRUE", "US.TRUE"),
        ("V", "US.V"),
    ],
)
def test_a_ticker_names_its_security(text: str, code: str) -> None:
    assert str(note_security(text)) == code


@pytest.mark.parametrize(
    "text", ["", ":", "LSE:VOD", "^GSPC", "9923", "US.", ".TO", "TSLA.", "A B,C", "X" * 99, "2021-03-04"]
)
def test_what_is_no_ticker_is_refused_with_a_reason(text: str) -> None:
    with pytest.raises(ValueError, match=r"^is '"):
        note_security(text)


@given(st.text())
def test_any_text_is_a_security_or_refused(text: str) -> None:
    try:
        security = note_security(text)
    except ValueError:
        return
    assert note_security(str(security)) == security
