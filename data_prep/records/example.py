"""The TFRecord contract: what build_tfrecords writes and the trainer reads.

One record is a tf.train.Example with int64 features `input_ids`, `input_mask` and
`segment_ids`, each [max_seq_length], as google-research/electra writes and reads them.
With --pack_documents a record contains several examples one after the other, each
beginning with a [CLS].

Records are written without protobuf, many at a time: their shape is fixed, so all but
the ids is known in advance.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from data_prep.records.packing import Examples
from data_prep.records.ragged import Ragged

if TYPE_CHECKING:
    import tensorflow as tf

# Folders of a build_tfrecords output, and its file of sample lines (held-out ones, if
# there are any) with their ids.
TRAIN, EVAL = "train", "eval"
SAMPLES_FILE = "samples.jsonl"

FEATURES = ("input_ids", "input_mask", "segment_ids")

# Tags of length-delimited protobuf fields: Example.features, Features.feature (a map),
# and the map entry's key and value.
_FEATURES_TAG, _ENTRY_TAG, _KEY_TAG, _VALUE_TAG = b"\x0a", b"\x0a", b"\x0a", b"\x12"
# Feature.int64_list and Int64List.value (packed).
_INT64_LIST_TAG, _PACKED_TAG = b"\x1a", b"\x0a"


def file_name(index: int, count: int) -> str:
    """The original's shard names."""
    return f"pretrain_data.tfrecord-{index}-of-{count}"


def encode(examples: Examples, max_seq_length: int) -> Iterator[bytes]:
    """Serialized records, zero-padded to `max_seq_length`.

    The bytes are those of tf.train.Example's deterministic serialization.
    """
    ids = _varints(examples.input_ids)
    data, ends = ids.values.tobytes(), ids.offsets.tolist()
    segments = examples.segment_ids.values.tobytes()
    places = examples.segment_ids.offsets.tolist()
    zeros, ones = bytes(max_seq_length), b"\x01" * max_seq_length
    mask_head = _feature_head("input_mask", max_seq_length)
    segment_head = _feature_head("segment_ids", max_seq_length)
    for index in range(len(examples.input_ids)):
        start, end = ends[index : index + 2]
        first, last = places[index : index + 2]
        length = last - first
        padding = zeros[length:]
        yield b"".join(
            (
                _record_head(end - start + len(padding), max_seq_length),
                data[start:end],
                padding,
                mask_head,
                ones[:length],
                padding,
                segment_head,
                segments[first:last],
                padding,
            )
        )


def _varints(rows: Ragged) -> Ragged:
    """Each row as protobuf varints: 7 bits a byte, low bits first, high bit: more."""
    width = max(1, -(-int(rows.values.max(initial=0)).bit_length() // 7))
    groups = rows.values[:, None] >> (7 * np.arange(width, dtype=np.int32))
    is_used = groups > 0
    is_used[:, 0] = True
    octets = (groups & 0x7F | (groups > 0x7F) * np.int32(0x80)).astype(np.uint8)
    data = octets[is_used]
    ends = np.concatenate([[0], np.flatnonzero(data < 0x80) + 1])
    return Ragged(data, ends[rows.offsets])


def _varint(value: int) -> bytes:
    return _varints(Ragged.from_rows([[value]])).values.tobytes()


@functools.cache
def _feature_head(name: str, size: int) -> bytes:
    """The bytes before the `size` bytes of a feature's values."""
    head = b""
    for tag in (_PACKED_TAG, _INT64_LIST_TAG, _VALUE_TAG):
        head = tag + _varint(len(head) + size) + head
    head = _KEY_TAG + _varint(len(name)) + name.encode() + head
    return _ENTRY_TAG + _varint(len(head) + size) + head


@functools.cache
def _record_head(ids_size: int, max_seq_length: int) -> bytes:
    """The bytes before the ids of a record whose ids take `ids_size` bytes."""
    heads = [
        _feature_head(name, ids_size if name == "input_ids" else max_seq_length)
        for name in FEATURES
    ]
    size = sum(map(len, heads)) + ids_size + 2 * max_seq_length
    return _FEATURES_TAG + _varint(size) + heads[0]


def parse_batch(serialized: tf.Tensor, max_seq_length: int) -> dict[str, tf.Tensor]:
    """Records [B] -> {feature: int32 [B, L]}.

    Parsing whole batches is several times as fast as record by record.
    """
    # Imported here, as building records does not need TensorFlow.
    import tensorflow as tf

    spec = {
        name: tf.io.FixedLenFeature([max_seq_length], tf.int64) for name in FEATURES
    }
    parsed = tf.io.parse_example(serialized, spec)
    return {name: tf.cast(parsed[name], tf.int32) for name in FEATURES}
