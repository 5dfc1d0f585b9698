"""Rows of different lengths, against lists."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from data_prep.records import ragged
from data_prep.records.ragged import Ragged

ROWS = st.lists(st.lists(st.integers(0, 99), max_size=5), max_size=8)


def lists(rows: Ragged) -> list[list[int]]:
    return [rows.row(index).tolist() for index in range(len(rows))]


@given(ROWS)
def test_rows_come_back(rows):
    found = Ragged.from_rows(rows)
    assert lists(found) == rows
    assert found.lengths.tolist() == [len(row) for row in rows]
    assert found.values.dtype == np.int32


@given(ROWS, st.data())
def test_take_picks_rows_in_any_order_and_number(rows, data):
    indices = st.lists(st.integers(0, len(rows) - 1)) if rows else st.just([])
    wanted = data.draw(indices)
    taken = Ragged.from_rows(rows).take(np.array(wanted, np.int64))
    assert lists(taken) == [rows[index] for index in wanted]


@given(ROWS, st.lists(st.integers(0, 3)))
def test_join_makes_one_row_of_several(rows, counts):
    while sum(counts) > len(rows):
        counts.pop()
    rest = iter(rows)
    expected = [sum((next(rest) for _ in range(count)), []) for count in counts]
    assert lists(Ragged.from_rows(rows).join(counts)) == expected


@given(ROWS, st.integers(0, 4))
def test_truncate_keeps_beginnings(rows, length):
    found = Ragged.from_rows(rows)
    cut = found.truncate(np.minimum(found.lengths, length))
    assert lists(cut) == [row[:length] for row in rows]


def test_slices_are_cut_anywhere_and_may_overlap():
    found = Ragged.from_rows([[1, 2], [3, 4, 5]])
    cut = found.slices(np.array([3, 0, 1, 5]), np.array([2, 3, 3, 0]))
    assert lists(cut) == [[4, 5], [1, 2, 3], [2, 3, 4], []]


@given(ROWS, ROWS)
def test_concatenate_is_all_rows(first, second):
    parts = [Ragged.from_rows(first), Ragged.from_rows(second)]
    assert lists(ragged.concatenate(parts)) == first + second
