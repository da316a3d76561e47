"""Small random files by hypothesis: books, notices and notes of a few days, and lines that join
securities."""

from hypothesis import strategies as st

from tests.support.ark_files import BOOK, LINES, holdings, notice

NOTES = "ticker,firm,rating,price_target,date\n"

codes = st.sampled_from(sorted(LINES))
days = st.sampled_from(["6/15/2026", "6/16/2026", "6/17/2026", "6/18/2026"])
books = st.dictionaries(codes, st.integers(1, 5000), min_size=1)
notices = st.dictionaries(codes, st.integers(-500, 500).filter(bool), min_size=1, max_size=3)
words = st.sampled_from(["Buy", "Hold", "Sell"])
note_lines = st.builds(
    lambda ticker, word, target, day: f"{ticker},UBS,{word},{target},2026-06-{day:02}\n",
    codes,
    words,
    st.integers(1, 9),
    st.integers(1, 5),
)
texts = st.one_of(
    st.builds(holdings, days, books),
    st.builds(notice, days, notices),
    st.lists(note_lines, min_size=1, max_size=5).map(lambda lines: NOTES + "".join(lines)),
    # Two securities become one by a line that joins them.
    st.builds(
        lambda one, other, day: holdings(day, BOOK).replace(
            LINES[one].split(",")[2], LINES[other].split(",")[2]
        ),
        codes,
        codes,
        days,
    ),
)
