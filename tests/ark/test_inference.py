"""Trades inferred from made-up holdings, and each special case of the published ones."""

import random
from fractions import Fraction

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from qotgate.ark.basket import Basket, Moves, find_basket
from qotgate.ark.grounds import Ground
from qotgate.ark.inference import Inference, Position, infer

UNITS = 700
NAMES = [f"N{number}" for number in range(24)]
BOOK = {name: Position(90_000 + 38_211 * place, 20.0 + place) for place, name in enumerate(NAMES)}
"""Counts of 129 to 1384 shares a unit."""


def moved(
    book: dict[str, Position],
    created: int,
    redeemed: int,
    left_out: tuple[str, ...] = (),
    units: float = UNITS,
) -> dict[str, Position]:
    """The book after a flow."""
    after = {}
    for name, position in book.items():
        part = -redeemed if name in left_out else created - redeemed
        after[name] = Position(position.shares + part * round(position.shares / units), position.price)
    return after


def traded(book: dict[str, Position], **trades: float) -> dict[str, Position]:
    after = dict(book)
    for name, shares in trades.items():
        old = after.get(name, Position(0, 50.0))
        after[name] = Position(old.shares + shares, old.price)
    return after


def test_same_snapshots() -> None:
    assert infer(BOOK, BOOK) == Inference()


def test_trades_without_flow() -> None:
    result = infer(BOOK, traded(BOOK, N3=1200, N7=-333))
    assert result.trades == {"N3": 1200, "N7": -333}
    assert result.flow == 1
    assert result.evidence["N3"].ground is Ground.STILL
    assert result.evidence["N3"].flow == 0
    assert 0 < result.evidence["N3"].confidence < 1


def test_creation_and_redemption_are_no_trades() -> None:
    for created, redeemed in ((12, 0), (0, 31), (1, 0)):
        result = infer(BOOK, moved(BOOK, created, redeemed))
        assert result.trades == {}
        assert result.basket.net == created - redeemed
        assert result.flow == pytest.approx(1 + (created - redeemed) / UNITS, rel=1e-4)


def test_names_left_out_of_creations() -> None:
    left_out = ("N2", "N6", "N8", "N11", "N14")
    result = infer(BOOK, moved(BOOK, 26, 9, left_out))
    assert (result.basket.created, result.basket.redeemed) == (26, 9)
    assert result.basket.left_out == set(left_out)
    assert result.basket.taken == BOOK.keys() - set(left_out)
    assert result.trades == {}


def test_trade_of_a_name_left_out_of_creations_needs_an_earlier_day() -> None:
    left_out = ("N2", "N6", "N8", "N11", "N14")
    after = traded(moved(BOOK, 26, 9, left_out), N6=50_000)
    count = round(BOOK["N6"].shares / UNITS)
    unsure = infer(BOOK, after)
    assert unsure.trades == {"N6": 50_000 - 26 * count}
    assert unsure.evidence["N6"].ground is Ground.UNSURE
    earlier = infer(BOOK, moved(BOOK, 3, 1, left_out))
    known = infer(BOOK, after, [earlier])
    assert known.trades == {"N6": 50_000}
    assert known.evidence["N6"].ground is Ground.FLOW
    assert known.evidence["N6"].flow == -9 * count


def test_creations_that_only_names_left_out_show() -> None:
    """As many units were created as redeemed, so most names stay and the others shrink."""
    left_out = tuple(NAMES[:9])
    result = infer(BOOK, moved(BOOK, 7, 7, left_out))
    assert (result.basket.created, result.basket.redeemed) == (7, 7)
    assert result.trades == {}


def test_frozen_name_is_not_taken_for_one_left_out() -> None:
    frozen = BOOK["N6"]
    creation = infer(BOOK, moved(BOOK, 5, 0) | {"N6": frozen})
    redemption = infer(BOOK, moved(BOOK, 0, 5) | {"N6": frozen})
    assert creation.basket.left_out == {"N6"}
    assert redemption.basket.still == {"N6"}
    after = traded(moved(BOOK, 26, 9, ("N2", "N8")), N6=50_000)
    assert infer(BOOK, after, [redemption, creation]).trades == {"N6": 50_000}


def test_closed_market_follows_later() -> None:
    late = infer(BOOK, moved(BOOK, 0, 6) | {"N6": BOOK["N6"]})
    assert late.trades == {}
    count = round(BOOK["N6"].shares / UNITS)
    assert infer(BOOK, traded(BOOK, N6=-6 * count), [late]).trades == {}
    assert infer(BOOK, traded(BOOK, N6=-6 * count)).trades == {"N6": -6 * count}


def test_board_lots() -> None:
    book = BOOK | {"HK": Position(6_265_000, 7.0)}  # 8,950 a unit, as lots of 400: 8,800
    after = moved(BOOK, 0, 15) | {"HK": Position(6_265_000 - 15 * 8_800, 7.0)}
    assert infer(book, after).trades == {}
    book["HK"] = Position(6_265_200, 7.0)
    after["HK"] = Position(6_265_200 - 15 * 8_800 - 574_000, 7.0)
    assert infer(book, after).trades == {"HK": -574_000}


def test_opened_and_closed() -> None:
    after = traded(moved(BOOK, 4, 0), IPO=1_000_000, NEW=453_214)
    del after["N4"]
    result = infer(BOOK, after)
    assert result.trades == {"NEW": 453_214, "IPO": 1_000_000, "N4": -BOOK["N4"].shares}
    assert {name: evidence.ground for name, evidence in result.evidence.items()} == {
        "IPO": Ground.OPENED,
        "NEW": Ground.OPENED,
        "N4": Ground.CLOSED,
    }


def test_closed_position_had_its_part_in_redemptions() -> None:
    after = moved(BOOK, 0, 4)
    del after["N4"]
    flow = 4 * round(BOOK["N4"].shares / UNITS)
    assert infer(BOOK, after).trades == {"N4": flow - BOOK["N4"].shares}


def test_rest_of_a_sold_position_comes_back() -> None:
    without = {name: position for name, position in BOOK.items() if name != "N4"}
    sale = infer(BOOK, without)
    assert infer(without, without | {"N4": Position(2476, 87.21)}, [sale]).trades == {}
    assert infer(without, without | {"N4": Position(2476, 87.21)}).trades == {"N4": 2476}
    assert infer(without, BOOK, [sale]).trades == {"N4": BOOK["N4"].shares}


@pytest.mark.parametrize("ratio", [Fraction(10), Fraction(4), Fraction(3, 2), Fraction(1, 8)])
def test_split_with_flow_and_trade(ratio: Fraction) -> None:
    after = traded(moved(BOOK, 8, 0), N9=1500)
    old, new = BOOK["N9"], after["N9"]
    after["N9"] = Position(round(new.shares * ratio), (old.price or 0) / float(ratio) * 1.03)
    result = infer(BOOK, after)
    assert result.splits == {"N9": ratio}
    # In the new units: the trades of the day whose difference shows the split are in them.
    assert result.trades["N9"] == pytest.approx(float(1500 * ratio), abs=12 * max(1.0, float(ratio)))


def test_split_before_its_price() -> None:
    after = moved(BOOK, 0, 2)
    after["N9"] = Position(2 * after["N9"].shares, BOOK["N9"].price)
    result = infer(BOOK, after)
    assert result.splits == {"N9": 2}
    assert result.trades == {}


def test_a_round_position_that_is_doubled_was_bought() -> None:
    book = BOOK | {"N9": Position(2000, 30.0)}
    assert infer(book, book | {"N9": Position(4000, 30.0)}).splits == {}
    assert infer(book, book | {"N9": Position(4000, 15.0)}).splits == {"N9": 2}


def test_rename_with_flow_and_trade() -> None:
    """AONE became MKFG on a day of redemptions on which 3,523 shares were bought."""
    after = traded(moved(BOOK, 0, 3), N20=3523)
    after["MKFG"] = Position(after.pop("N20").shares, (BOOK["N20"].price or 0) * 0.9)
    result = infer(BOOK, after)
    assert result.renamed == {"MKFG": "N20"}
    assert result.trades == {"MKFG": 3523}


def test_rename_with_split() -> None:
    after = moved(BOOK, 2, 0)
    new = after.pop("N9")
    after["FR0014003TT8"] = Position(5 * new.shares, (new.price or 0) / 5)
    result = infer(BOOK, after)
    assert result.renamed == {"FR0014003TT8": "N9"}
    assert result.splits == {"FR0014003TT8": 5}
    assert result.trades == {}


def test_units_of_a_spac_fall_apart() -> None:
    after = dict(BOOK)
    old = after.pop("N9")
    after["SLGC"] = Position(old.shares, 10.25)
    after["SLGCW"] = Position(old.shares // 3, 2.25)
    book = BOOK | {"N9": Position(old.shares, 11.22)}
    assert infer(book, after).trades == {}


def test_price_jump_is_no_split() -> None:
    after = BOOK | {"N9": Position(BOOK["N9"].shares + 500, (BOOK["N9"].price or 0) / 4)}
    assert infer(BOOK, after).splits == {}
    assert infer(BOOK, after).trades == {"N9": 500}


def test_flow_over_a_missing_day() -> None:
    first = infer(BOOK, moved(BOOK, 1, 0))
    book = moved(BOOK, 1, 0)
    between = moved(book, 30, 10, units=UNITS + 1)
    after = traded(moved(between, 0, 12, units=UNITS + 21), N6=60_000)
    result = infer(book, after, [first], days=2)
    assert result.trades.keys() == {"N6"}
    assert result.trades["N6"] == pytest.approx(60_000, rel=0.01)
    assert result.evidence["N6"].ground is Ground.GAP


def test_no_trades_where_the_flow_does_not_show() -> None:
    """Nearly every name was sold in small pieces during redemptions: any ratio fits a few of them."""
    after = {
        name: Position(round(old.shares * (0.97 - place % 7 / 500)) - place * 31, old.price)
        for place, (name, old) in enumerate(BOOK.items())
    }
    result = infer(BOOK, after)
    assert result.basket.untold
    assert result.trades == {}
    assert result.flow == 1


@pytest.mark.parametrize("flow", [0.005, 0.01, 0.02, 0.03, 0.05])
@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("pieces", [(0.0005, 0.005), (0.001, 0.02), (0.005, 0.03)])
def test_no_trades_where_nearly_all_was_sold_in_uneven_pieces(
    flow: float, known: bool, pieces: tuple[float, float]
) -> None:
    """As in two funds on 2021-12-27, with and without the units outstanding from the days before."""
    units = 3000
    earlier = [Inference(Basket(outstanding=units))] if known else []
    for seed in range(10):
        chance = random.Random(seed)
        book, after = {}, {}
        for number in range(45):
            shares, price = chance.randrange(200_000, 9_000_000), chance.uniform(5, 400)
            sold = round(shares * chance.uniform(*pieces)) if chance.random() < 0.9 else 0
            book[f"N{number}"] = Position(shares, price)
            left = shares - round(flow * units) * round(shares / units) - sold
            after[f"N{number}"] = Position(left, price)
        result = infer(book, after, earlier)
        assert result.basket.untold
        assert result.trades == {}


def test_counts_that_are_cut_to_whole_shares() -> None:
    """As in 2026: a count truncated by more than half a share is one lower than the rounded one."""
    after = {name: Position(old.shares - 47 * (old.shares // UNITS), old.price) for name, old in BOOK.items()}
    name = next(name for name, old in BOOK.items() if old.shares / UNITS % 1 > 0.6)
    result = infer(BOOK, traded(after, **{name: 44_045}))
    assert result.basket.cut
    assert result.trades == {name: 44_045}
    assert not infer(BOOK, moved(BOOK, 0, 47)).basket.cut


def test_flow_of_half_the_fund() -> None:
    after = traded(moved(BOOK, 0, 330), N6=-2_345, N3=77_000)
    result = infer(BOOK, after)
    assert (result.basket.created, result.basket.redeemed) == (0, 330)
    assert result.trades == {"N6": -2_345, "N3": 77_000}
    unlisted = {"N2": BOOK["N2"], "N8": BOOK["N8"]}
    result = infer(BOOK, after | unlisted)
    assert result.basket.still == unlisted.keys()
    assert result.trades == {"N6": -2_345, "N3": 77_000}


def test_stock_merger_at_an_odd_ratio() -> None:
    book = BOOK | {"SLGC": Position(14_093_821, 2.1)}
    for created in (0, 12):
        after = moved(BOOK, created, 0)
        merged = 14_093_821 + created * round(14_093_821 / UNITS)
        after["LAB"] = Position(round(merged * 1.11), 2.12)
        result = infer(book, after)
        assert result.trades == {}
        assert result.renamed == {"LAB": "SLGC"}
        assert result.splits == {"LAB": Fraction(111, 100)}
        assert result.unsplit == {}
    after["LAB"] = Position(15_500_000, 2.12)
    assert infer(book, after).trades.keys() == {"LAB", "SLGC"}


def test_a_known_split_is_one_whatever_was_traded() -> None:
    after = traded(BOOK, N9=60_000)
    after["N9"] = Position(after["N9"].shares * 3, BOOK["N9"].price / 3)
    assert infer(BOOK, after, known={"N9": Fraction(3)}).trades == {"N9": 180_000}
    assert infer(BOOK, BOOK, known={"N9": Fraction(3)}) == Inference()


def test_fund_redeemed_whole() -> None:
    after = {name: Position(1, position.price) for name, position in BOOK.items()}
    assert infer(BOOK, after).trades == {}


def test_few_names_tell_no_basket() -> None:
    assert find_basket(Moves({"A": (1000, 10), "B": (2000, 20)})).basket == Basket()
    assert infer({}, {}) == Inference()
    assert infer({"A": Position(0, None)}, {"A": Position(-5, None)}) == Inference()


Happened = tuple[
    dict[str, Position], dict[str, Position], Inference[str], dict[str, int], dict[str, Fraction], int
]


@st.composite
def happenings(draw: st.DrawFn) -> Happened:
    """A book before and after a flow, trades and splits, and the result of an earlier quiet day."""
    units = draw(st.integers(250, 4500))
    size = draw(st.integers(36, 60))
    counts = draw(st.lists(st.integers(150, 20_000), min_size=size, max_size=size, unique=True))
    names = [f"N{place}" for place in range(size)]
    parts = draw(st.lists(st.floats(-0.49, 0.49), min_size=size, max_size=size))
    book = {
        name: Position(round((count + part) * units), 10.0 + 3 * place)
        for place, (name, count, part) in enumerate(zip(names, counts, parts, strict=True))
    }
    left_out = tuple(names[: draw(st.integers(10, 14))])
    flows = st.tuples(st.integers(0, 60), st.integers(0, 60))
    created, redeemed = draw(flows)
    earlier = infer(book, moved(book, 4, 2, left_out, units))
    after = moved(book, created, redeemed, left_out, units)
    gross = created + redeemed
    trades: dict[str, int] = {}
    for name in draw(st.lists(st.sampled_from(names[4:]), max_size=size // 4, unique=True)):
        most = round(book[name].shares * 0.4)
        least = 5 * gross + 50
        assume(least < most)
        shares = draw(st.integers(least, most)) * draw(st.sampled_from((1, -1)))
        flow = -redeemed if name in left_out else created - redeemed
        total = shares + flow * round(book[name].shares / units)
        assume(
            not any(
                earlier_part(book[name], total, part, units, gross)
                for part in (created - redeemed, -redeemed)
            )
        )
        trades[name] = shares
        after[name] = Position(after[name].shares + shares, after[name].price)
        assume(book[name].shares % 100 or after[name].shares % 100)  # otherwise they would be board lots
    splits = {}
    for name in draw(
        st.lists(st.sampled_from([name for name in names if name not in trades]), max_size=2, unique=True)
    ):
        ratio = draw(st.sampled_from((Fraction(2), Fraction(4), Fraction(10), Fraction(1, 8))))
        new = after[name]
        splits[name] = ratio
        after[name] = Position(round(new.shares * ratio), (new.price or 0) / float(ratio))
    return book, after, earlier, trades, splits, gross


def test_two_splits_at_once_are_no_flow_that_doubled_the_fund() -> None:
    before = {f"N{place}": Position(37_500 + 250 * place, 10.0 + place) for place in range(38)}
    after = {
        key: Position(position.shares - round(position.shares / 250), position.price)
        for key, position in before.items()
    }
    for key in ("N0", "N1"):
        after[key] = Position(2 * after[key].shares, (before[key].price or 0) / 2)
    result = infer(before, after)
    assert result.splits == {"N0": Fraction(2), "N1": Fraction(2)}
    assert (result.basket.created, result.basket.redeemed, result.trades) == (0, 1, {})


def earlier_part(position: Position, total: float, part: int, units: int, gross: int) -> bool:
    """Whether some flow explains a move, within rounding or in board lots."""
    count = round(position.shares / units)
    lots = part and total % (part * 100) == 0 and abs(total / part - count) <= 250
    return bool(lots) or abs(total - part * count) <= 4 * gross + 50


@settings(max_examples=150, deadline=None)
@given(happenings())
def test_what_happened_comes_out(happened: Happened) -> None:
    before, after, earlier, trades, splits, gross = happened
    result = infer(before, after, [earlier])
    assert result.splits == splits
    assert result.trades.keys() == trades.keys()
    for name, shares in trades.items():
        assert abs(result.trades[name] - shares) <= gross + 1
