"""The TFRecord contract."""

import numpy as np
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from data_prep import records
from data_prep.packing import Example

EXAMPLE = Example([2, 7, 8, 3, 9, 3], [0, 0, 0, 0, 1, 1])
PADDED = {
    "input_ids": [2, 7, 8, 3, 9, 3, 0, 0],
    "input_mask": [1, 1, 1, 1, 1, 1, 0, 0],
    "segment_ids": [0, 0, 0, 0, 1, 1, 0, 0],
}


def test_record_is_a_zero_padded_tf_example():
    message = tf.train.Example.FromString(records.encode(EXAMPLE, 8))
    features = message.features.feature
    assert {k: list(v.int64_list.value) for k, v in features.items()} == PADDED


def test_original_s_reader_reads_it():
    spec = {name: tf.io.FixedLenFeature([8], tf.int64) for name in PADDED}
    parsed = tf.io.parse_single_example(records.encode(EXAMPLE, 8), spec)
    assert {name: value.numpy().tolist() for name, value in parsed.items()} == PADDED


@settings(deadline=None, max_examples=30)
@given(
    st.lists(
        st.lists(st.integers(0, 2**31 - 1), min_size=1, max_size=8),
        min_size=1,
        max_size=4,
    )
)
def test_batch_reads_back_what_was_encoded(rows):
    encoded = [records.encode(Example(ids, [0] * len(ids)), 8) for ids in rows]
    parsed = records.parse_batch(tf.constant(encoded), 8)
    padded = [ids + [0] * (8 - len(ids)) for ids in rows]
    mask = [[1] * len(ids) + [0] * (8 - len(ids)) for ids in rows]
    assert list(parsed) == ["input_ids", "input_mask", "segment_ids"]
    assert {value.dtype for value in parsed.values()} == {tf.int32}
    np.testing.assert_array_equal(parsed["input_ids"], padded)
    np.testing.assert_array_equal(parsed["input_mask"], mask)
    np.testing.assert_array_equal(parsed["segment_ids"], np.zeros_like(mask))


def test_encoding_is_deterministic():
    assert records.encode(EXAMPLE, 8) == records.encode(EXAMPLE, 8)


def test_files_are_named_as_the_original_names_them():
    assert records.file_name(3, 12) == "pretrain_data.tfrecord-3-of-12"
