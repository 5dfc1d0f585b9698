"""The TFRecord contract: what build_tfrecords writes and the trainer reads.

One record is a tf.train.Example with int64 features `input_ids`, `input_mask` and
`segment_ids`, each [max_seq_length], as google-research/electra writes and reads them.
"""

import tensorflow as tf

from data_prep.packing import Example

# Folders of a build_tfrecords output, and its sample lines (held out, if any are) with
# ids.
TRAIN, EVAL = "train", "eval"
SAMPLES_FILE = "samples.jsonl"

FEATURES = ("input_ids", "input_mask", "segment_ids")


def file_name(index: int, count: int) -> str:
    """The original's shard names."""
    return f"pretrain_data.tfrecord-{index}-of-{count}"


def encode(example: Example, max_seq_length: int) -> bytes:
    """A serialized record, zero-padded to `max_seq_length`."""
    length = len(example.input_ids)
    padding = [0] * (max_seq_length - length)
    values = {
        "input_ids": example.input_ids + padding,
        "input_mask": [1] * length + padding,
        "segment_ids": example.segment_ids + padding,
    }
    features = {
        name: tf.train.Feature(int64_list=tf.train.Int64List(value=values[name]))
        for name in FEATURES
    }
    message = tf.train.Example(features=tf.train.Features(feature=features))
    return message.SerializeToString(deterministic=True)


def parse_batch(serialized: tf.Tensor, max_seq_length: int) -> dict[str, tf.Tensor]:
    """Records [B] -> {feature: int32 [B, L]}.

    Parses whole batches: several times as fast as record by record.
    """
    spec = {
        name: tf.io.FixedLenFeature([max_seq_length], tf.int64) for name in FEATURES
    }
    parsed = tf.io.parse_example(serialized, spec)
    return {name: tf.cast(parsed[name], tf.int32) for name in FEATURES}
