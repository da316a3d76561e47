"""Rules across funds and days: splits, offerings, reversed changes."""

from collections.abc import Mapping, Sequence
from datetime import date
from fractions import Fraction

import pytest

from qotgate.ark.across import Difference, Verdict, apply, judge
from qotgate.ark.basket import Basket
from qotgate.ark.grounds import Evidence, Ground
from qotgate.ark.inference import Inference

DAY = date(2021, 10, 22)
Held = Mapping[str, Sequence[float]]


def difference(
    fund: str,
    day: date = DAY,
    ground: Ground = Ground.FLOW,
    basket: Basket[str] = Basket(),  # noqa: B008
    **trades: int,
) -> Difference[str]:
    evidence = {key: Evidence(ground, shares, 0) for key, shares in trades.items()}
    return Difference(fund, day, day, Inference(basket, dict(trades), evidence=evidence))


def split(fund: str, ratio: Fraction, bought: int, traded: int = 0) -> Difference[str]:
    """A change that may be a split, with ``traded`` in addition, or a purchase of ``bought``."""
    evidence = Evidence(Ground.STILL, bought, 0)
    inference: Inference[str] = Inference(
        trades={"SNAP": traded} if traded else {},
        evidence={"SNAP": evidence} if traded else {},
        splits={"SNAP": ratio},
        unsplit={"SNAP": (bought, evidence)},
    )
    return Difference(fund, DAY, DAY, inference)


def told(differences: Sequence[Difference[str]], held: Held | None = None) -> list[dict[str, int]]:
    verdicts = judge(differences, lambda *_: held or {})
    return [
        dict(apply(one.inference, verdict).trades) for one, verdict in zip(differences, verdicts, strict=True)
    ]


def test_a_split_that_another_holder_does_not_show_is_a_purchase() -> None:
    """ARKW bought again half of its position in SNAP on the day of a crash."""
    bought = split("ARKW", Fraction(3, 2), 230_323, -6_430)
    assert told([bought], {"ARKK": [500_000, 500_000], "ARKW": [473_506, 703_829]}) == [{"SNAP": 230_323}]
    assert told([bought], {"ARKK": [500_000, 750_100], "ARKW": [473_506, 703_829]}) == [{"SNAP": -6_430}]
    # Without another holder, price and shares may agree in a small ratio by chance.
    assert told([bought], {"ARKW": [473_506, 703_829]}) == [{"SNAP": 230_323}]


def test_a_split_to_the_share_or_of_a_large_ratio_needs_no_other_holder() -> None:
    assert told([split("ARKW", Fraction(3, 2), 236_753)]) == [{}]
    assert told([split("ARKW", Fraction(10), 900_000, 77)]) == [{"SNAP": 77}]


def test_a_round_sum_of_new_positions_is_an_offering() -> None:
    parts = [
        difference("ARKF", ground=Ground.OPENED, NU=1_227_989),
        difference("ARKW", ground=Ground.OPENED, NU=1_022_011),
    ]
    assert told(parts) == [{}, {}]
    verdicts = judge(parts, lambda *_: {})
    assert [verdict.offered for verdict in verdicts] == [{"NU"}, {"NU"}]
    assert apply(parts[0].inference, verdicts[0]).offerings == {"NU": 1_227_989}
    assert told([parts[0]]) == [{"NU": 1_227_989}]
    assert told([difference("ARKG", ground=Ground.OPENED, CRBU=1_500_000)]) == [{}]


def test_a_round_order_for_what_is_held_is_a_trade_unless_its_parts_are_odd() -> None:
    assert told([difference("ARKK", FATE=160_000)]) == [{"FATE": 160_000}]
    round_parts = [difference("ARKK", PD=167_000), difference("ARKW", PD=43_000)]
    assert told(round_parts) == [{"PD": 167_000}, {"PD": 43_000}]
    odd_parts = [difference("ARKF", OPEN=436_454), difference("ARKW", OPEN=1_063_546)]
    assert told(odd_parts) == [{}, {}]
    sold = [difference("ARKF", COIN=-436_454), difference("ARKW", COIN=-1_063_546)]
    assert told(sold) == [{"COIN": -436_454}, {"COIN": -1_063_546}]


@pytest.mark.parametrize("back", [7_125_982, 7_119_000])
def test_what_comes_back_within_days_is_no_trade(back: int) -> None:
    gone = difference("ARKK", date(2023, 8, 25), Ground.CLOSED, ACHR=-7_125_982, TSLA=500)
    came = difference("ARKK", date(2023, 8, 28), Ground.OPENED, ACHR=back)
    assert told([gone, came]) == [{"TSLA": 500}, {}]
    other = difference("ARKQ", date(2023, 8, 28), Ground.OPENED, ACHR=back)
    assert told([gone, other])[0] == {"ACHR": -7_125_982, "TSLA": 500}
    late = difference("ARKK", date(2023, 9, 20), Ground.OPENED, ACHR=back)
    assert told([gone, late])[1] == {"ACHR": back}


@pytest.mark.parametrize("back", [1_010_213, 1_000_213, 1_020_315])
def test_a_line_left_out_that_comes_back_with_the_flow_is_no_trade(back: int) -> None:
    """For both days between the three books, for one of them, or for none."""
    basket: Basket[str] = Basket(outstanding=1000, created=10)
    gone = difference("ARKK", date(2023, 8, 25), Ground.CLOSED, basket, ONVO=-1_000_213)
    came = difference("ARKK", date(2023, 8, 28), Ground.OPENED, basket, ONVO=back)
    assert told([gone, came]) == [{}, {}]
    bought = difference("ARKK", date(2023, 8, 28), Ground.OPENED, basket, ONVO=back + 50_000)
    assert told([gone, bought]) == [{"ONVO": -1_000_213}, {"ONVO": back + 50_000}]


def test_what_was_sold_and_bought_again_is_two_trades() -> None:
    sold = difference("ARKK", TSLA=-44_488)
    assert told([sold, difference("ARKK", date(2021, 10, 25), TSLA=44_045)]) == [
        {"TSLA": -44_488},
        {"TSLA": 44_045},
    ]
    # A round order may be reversed.
    rounded = [difference("ARKK", TSLA=-10_000), difference("ARKK", date(2021, 10, 25), TSLA=10_000)]
    assert told(rounded) == [{"TSLA": -10_000}, {"TSLA": 10_000}]


def test_a_custom_basket_that_goes_in_and_out_is_a_flow() -> None:
    basket = {f"N{number}": 10_013 * (number + 1) for number in range(5)}
    went = difference("ARKQ", **basket)
    came = difference(
        "ARKQ", date(2021, 10, 26), **{key: round(-1.011 * n) for key, n in basket.items()}, X=7
    )
    assert told([went, came]) == [{}, {"X": 7}]


def test_a_split_that_is_booked_a_day_early_and_undone() -> None:
    early = split("IZRL", Fraction(10), 394_074)
    undone = difference("IZRL", date(2021, 10, 25), SNAP=-394_074)
    verdicts = judge([early, undone], lambda *_: {})
    assert [apply(one.inference, v).splits for one, v in zip([early, undone], verdicts, strict=True)] == [
        {},
        {},
    ]
    assert told([early, undone]) == [{}, {}]
    assert apply(early.inference, Verdict()).splits == {"SNAP": 10}
