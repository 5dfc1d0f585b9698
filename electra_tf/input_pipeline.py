"""TFRecord folders -> batches."""

import os
from typing import Any

import tensorflow as tf

from data_prep import files, manifest, records, vocab
from data_prep.cli import UserError
from data_prep.records import EVAL, TRAIN
from electra_tf.config import PretrainingConfig

_SHUFFLE_BUFFER = 20_000
_OPEN_FILES = 16


def read_manifest(data_dir: str, config: PretrainingConfig) -> dict[str, Any]:
    """The records' manifest, checked against the config and its vocabulary.

    Raises:
      UserError: incomplete data, another max_seq_length, or a vocabulary changed or
        trained since.
    """
    tfrecords = os.path.join(data_dir, "tfrecords")
    found = manifest.read(tfrecords, "build_tfrecords")
    if found["max_seq_length"] != config.max_seq_length:
        raise UserError(
            f"{tfrecords} was built with --max_seq_length={found['max_seq_length']}, "
            f"the config says max_seq_length={config.max_seq_length}: build it again, "
            "or change the config"
        )
    vocab_size = config.discriminator().vocab_size
    if vocab_size not in (0, found["vocab_size"]):
        raise UserError(
            f"{tfrecords} was built with a vocabulary of {found['vocab_size']} tokens, "
            f"the config says vocab_size={vocab_size}: say --hparams="
            f"'{{\"vocab_size\": {found['vocab_size']}}}' if the data is right"
        )
    vocab_file = os.path.join(tfrecords, vocab.VOCAB_FILE)
    if vocab.fingerprint(vocab_file) != found["vocab_sha256"]:
        raise UserError(f"{vocab_file} was changed since build_tfrecords wrote it")
    vocab_dir = os.path.join(data_dir, "vocab")
    if files.exists(os.path.join(vocab_dir, manifest.NAME)):
        sha256 = manifest.read(vocab_dir, "train_vocab")["vocab_sha256"]
        _check_newest_vocabulary(tfrecords, found["vocab_sha256"], vocab_dir, sha256)
    return found


def _check_newest_vocabulary(
    tfrecords: str, built_with: str, vocab_dir: str, sha256: str
) -> None:
    """Records name their vocabulary; one trained since then is hardly for nothing."""
    if sha256 != built_with:
        raise UserError(
            f"{tfrecords} was built with another vocabulary (SHA-256 "
            f"{built_with[:16]}...) than {vocab_dir} ({sha256[:16]}...): run "
            "build_tfrecords again, or move that folder away if the records are right"
        )


def _paths(data_dir: str, found: dict[str, Any], split: str) -> list[str]:
    tfrecords = os.path.join(data_dir, "tfrecords")
    return [
        os.path.join(tfrecords, entry["name"])
        for entry in found["files"]
        if entry["name"].startswith(split + "/")
    ]


def train_dataset(
    data_dir: str, found: dict[str, Any], config: PretrainingConfig, start_step: int
) -> tf.data.Dataset:
    """Endless shuffled batches {feature: int32 [B, L]}, from the given step on.

    The order depends on the config's seed (and TensorFlow's global one, which nothing
    here sets): a resumed run reads what the killed one would have."""
    paths = _paths(data_dir, found, TRAIN)
    dataset = tf.data.Dataset.from_tensor_slices(paths)
    dataset = dataset.shuffle(len(paths), seed=config.seed)
    compression = found.get("compression", "")
    dataset = dataset.interleave(
        lambda path: tf.data.TFRecordDataset(path, compression_type=compression),
        cycle_length=min(len(paths), _OPEN_FILES),
        block_length=16,
        num_parallel_calls=tf.data.AUTOTUNE,
        deterministic=True,
    )
    dataset = dataset.shuffle(_SHUFFLE_BUFFER, seed=config.seed + 1).repeat()
    dataset = dataset.batch(config.train_batch_size, drop_remainder=True)
    return _parsed(dataset.skip(start_step), config)


def eval_dataset(
    data_dir: str, found: dict[str, Any], config: PretrainingConfig
) -> tf.data.Dataset:
    """num_eval_steps batches of the held-out records at most, in file order.

    The last batch is filled with empty rows (input_mask 0), which no metric counts.
    """
    dataset = tf.data.TFRecordDataset(
        _paths(data_dir, found, EVAL), compression_type=found.get("compression", "")
    )
    size = config.eval_batch_size
    dataset = _parsed(dataset.batch(size), config)

    def fill(batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        missing = size - tf.shape(batch["input_ids"])[0]
        filled = {
            name: tf.pad(values, [[0, missing], [0, 0]])
            for name, values in batch.items()
        }
        shape = [size, config.max_seq_length]
        return {name: tf.ensure_shape(values, shape) for name, values in filled.items()}

    return dataset.map(fill).take(config.num_eval_steps).prefetch(2)


def _parsed(dataset: tf.data.Dataset, config: PretrainingConfig) -> tf.data.Dataset:
    return dataset.map(
        lambda serialized: records.parse_batch(serialized, config.max_seq_length),
        num_parallel_calls=tf.data.AUTOTUNE,
        deterministic=True,
    ).prefetch(4)
