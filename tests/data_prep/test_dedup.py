"""Exact duplicates."""

from hypothesis import given, settings
from hypothesis import strategies as st

from data_prep.dedup import ExactDeduplicator


@settings(deadline=None, max_examples=100)
@given(st.lists(st.text("가나 ", max_size=2)))
def test_first_of_equal_lines_stays(lines):
    seen = ExactDeduplicator()
    kept = [line for line in lines if not seen.is_duplicate(line)]
    assert kept == list(dict.fromkeys(lines))
