"""The TFRecord contract."""

import numpy as np
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from data_prep.records import example
from data_prep.records.packing import Examples
from data_prep.records.ragged import Ragged

FEATURES = ("input_ids", "input_mask", "segment_ids")


def examples(rows: list[tuple[list[int], int]]) -> Examples:
    """Of (ids, positions of segment 0)."""
    segments = [[0] * first + [1] * (len(ids) - first) for ids, first in rows]
    return Examples(
        Ragged.from_rows([ids for ids, _ in rows]), segment_rows(segments), 0, 0
    )


def segment_rows(rows: list[list[int]]) -> Ragged:
    segments = Ragged.from_rows(rows)
    return Ragged(segments.values.astype(np.uint8), segments.offsets)


def padded(ids: list[int], first: int, length: int) -> dict[str, list[int]]:
    padding = [0] * (length - len(ids))
    return {
        "input_ids": ids + padding,
        "input_mask": [1] * len(ids) + padding,
        "segment_ids": [0] * first + [1] * (len(ids) - first) + padding,
    }


@st.composite
def batches(draw) -> tuple[int, list[tuple[list[int], int]]]:
    """max_seq_length and rows of (ids, positions of segment 0)."""
    length = draw(st.sampled_from([8, 9, 32, 127, 128, 129, 512]))
    # All lengths of a varint, and their ends.
    ids = st.one_of(
        st.sampled_from([0, 1, 127, 128, 16383, 16384, 2**21, 2**28, 2**31 - 1]),
        st.integers(0, 40_000),
    )
    sizes = st.integers(2, length)
    rows = []
    for size in draw(st.lists(st.one_of(sizes, st.just(length)), max_size=4)):
        few = draw(st.lists(ids, min_size=1, max_size=8))
        rows.append(((few * size)[:size], draw(st.integers(2, size))))
    return length, rows


@settings(deadline=None, max_examples=150)
@given(batches())
def test_bytes_are_those_of_protobuf_s_deterministic_serialization(batch):
    length, rows = batch
    expected = []
    for ids, first in rows:
        features = {
            name: tf.train.Feature(int64_list=tf.train.Int64List(value=values))
            for name, values in padded(ids, first, length).items()
        }
        message = tf.train.Example(features=tf.train.Features(feature=features))
        expected.append(message.SerializeToString(deterministic=True))
    assert list(example.encode(examples(rows), length)) == expected


@settings(deadline=None, max_examples=30)
@given(batches())
def test_batch_reads_back_what_was_encoded(batch):
    length, rows = batch
    rows = [*rows, ([2, 7, 3], 3)]
    encoded = list(example.encode(examples(rows), length))
    parsed = example.parse_batch(tf.constant(encoded), length)
    assert tuple(parsed) == FEATURES
    assert {value.dtype for value in parsed.values()} == {tf.int32}
    expected = [padded(ids, first, length) for ids, first in rows]
    for name in FEATURES:
        values = [row[name] for row in expected]
        np.testing.assert_array_equal(parsed[name], values)


def test_original_s_reader_reads_it():
    (record,) = example.encode(examples([([2, 7, 8, 3, 9, 3], 4)]), 8)
    spec = {name: tf.io.FixedLenFeature([8], tf.int64) for name in FEATURES}
    parsed = tf.io.parse_single_example(record, spec)
    assert {name: value.numpy().tolist() for name, value in parsed.items()} == {
        "input_ids": [2, 7, 8, 3, 9, 3, 0, 0],
        "input_mask": [1, 1, 1, 1, 1, 1, 0, 0],
        "segment_ids": [0, 0, 0, 0, 1, 1, 0, 0],
    }


def test_rows_that_examples_share_are_encoded_like_others():
    ids = [[2, 7, 3, 8, 3, 2, 9, 3], [2, 5, 3]]
    segments = [[0, 0, 0, 1, 1, 0, 0, 0], [0, 0, 0]]
    shared = Examples(Ragged.from_rows(ids), segment_rows(segments), 0, 0)
    parsed = example.parse_batch(tf.constant(list(example.encode(shared, 10))), 10)
    for name, rows in (("input_ids", ids), ("segment_ids", segments)):
        expected = [row + [0] * (10 - len(row)) for row in rows]
        assert parsed[name].numpy().tolist() == expected
    assert parsed["input_mask"].numpy().tolist() == [
        [1] * 8 + [0] * 2,
        [1] * 3 + [0] * 7,
    ]


def test_files_are_named_as_the_original_names_them():
    assert example.file_name(3, 12) == "pretrain_data.tfrecord-3-of-12"
