"""Any range of buckets is read as it was written."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common import files
from common.errors import UserError
from data_prep.clean import bucketed_arrays

ROW = np.dtype([("key", "<u8"), ("item", "<u4")])


@given(st.lists(st.integers(0, 6), max_size=40), st.integers(0, 7), st.integers(0, 7))
def test_ranges_hold_their_rows_in_order(tmp_path_factory, bucket_of, first, last):
    first, last = min(first, last), max(first, last)
    path = str(tmp_path_factory.mktemp("buckets") / "a")
    rows = np.array([(b, i) for i, b in enumerate(bucket_of)], ROW)
    bucketed_arrays.write(path, 7, np.array(bucket_of, np.int64), rows)
    found = bucketed_arrays.read([path], 7, ROW, first, last)
    expected = sorted((b, i) for i, b in enumerate(bucket_of) if first <= b < last)
    assert found[0].tolist() == expected


def test_remote_ranges_are_read_together(bucket_folder, monkeypatch):
    paths = [f"{bucket_folder}/{name}" for name in "abc"]
    buckets = ([3, 0, 3], [], [1, 3, 6])
    for path, bucket_of in zip(paths, buckets, strict=True):
        rows = np.array([(b, i) for i, b in enumerate(bucket_of)], ROW)
        bucketed_arrays.write(path, 7, np.array(bucket_of, np.int64), rows)
    monkeypatch.delattr(files, "open_binary")  # one by one
    found = bucketed_arrays.read(paths, 7, ROW, 1, 4)
    assert [rows.tolist() for rows in found] == [[(3, 0), (3, 2)], [], [(1, 0), (3, 1)]]
    with pytest.raises(UserError, match="cannot read gs://.*/a and others"):
        bucketed_arrays.read([paths[0], f"{bucket_folder}/none"], 7, ROW, 1, 4)
