"""TFRecord folders -> batches."""

import json
import os
from typing import Any

import numpy as np
import tensorflow as tf

from common import files
from common.cli import UserError
from data_prep.records import example
from data_prep.records.example import EVAL, TRAIN
from data_prep.stages import manifest
from data_prep.vocab import vocabulary
from electra_tf.config import PretrainingConfig
from electra_tf.pretrain.record_order import DataOrder


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
    if found.get("pack_documents", False) != config.pack_documents:
        is_packed = json.dumps(not config.pack_documents)
        raise UserError(
            f"{tfrecords} was built with --pack_documents={is_packed}, the config says "
            f'otherwise: build it again, or say --hparams=\'{{"pack_documents": '
            f"{is_packed}}}'"
        )
    vocab_size = config.discriminator().vocab_size
    if vocab_size not in (0, found["vocab_size"]):
        raise UserError(
            f"{tfrecords} was built with a vocabulary of {found['vocab_size']} tokens, "
            f"the config says vocab_size={vocab_size}: say --hparams="
            f"'{{\"vocab_size\": {found['vocab_size']}}}' if the data is right"
        )
    vocab_file = os.path.join(tfrecords, vocabulary.VOCAB_FILE)
    if vocabulary.fingerprint(vocab_file) != found["vocab_sha256"]:
        raise UserError(f"{vocab_file} was changed since build_tfrecords wrote it")
    vocab_dir = os.path.join(data_dir, "vocab")
    if files.exists(os.path.join(vocab_dir, manifest.NAME)):
        sha256 = manifest.read(vocab_dir, "train_vocab")["vocab_sha256"]
        _check_newest_vocabulary(tfrecords, found["vocab_sha256"], vocab_dir, sha256)
    if not sum(entry.get("examples", 0) for entry in _entries(found, TRAIN)):
        raise UserError(
            f"{tfrecords} has no training examples by its manifest: run "
            "build_tfrecords again"
        )
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


def _entries(found: dict[str, Any], split: str) -> list[dict[str, Any]]:
    return [e for e in found["files"] if e["name"].startswith(split + "/")]


def _paths(data_dir: str, found: dict[str, Any], split: str) -> list[str]:
    tfrecords = os.path.join(data_dir, "tfrecords")
    return [os.path.join(tfrecords, entry["name"]) for entry in _entries(found, split)]


def _compression(found: dict[str, Any]) -> str:
    return found.get("compression", "")


def is_continuation(data_dir: str) -> np.ndarray:
    """bool [V]: tokens that go on with a word."""
    tokens = vocabulary.read(os.path.join(data_dir, "tfrecords", vocabulary.VOCAB_FILE))
    return np.array([token.startswith("##") for token in tokens])


def _parse(serialized: tf.Tensor, config: PretrainingConfig) -> dict[str, tf.Tensor]:
    """Records [B] -> {feature: int32 [B, L]}, documents numbered if they are packed."""
    batch = example.parse_batch(serialized, config.max_seq_length)
    if config.pack_documents:
        begins = tf.cast(batch["input_ids"] == vocabulary.CLS_ID, tf.int32)
        batch["input_mask"] *= tf.cumsum(begins, axis=-1)
    return batch


def train_batches(
    data_dir: str,
    found: dict[str, Any],
    config: PretrainingConfig,
    start_step: int,
    context: tf.distribute.InputContext | None = None,
) -> tf.data.Dataset:
    """Endless batches {feature: int32 [B / replicas, L]}, from the given step on.

    All hosts together see the same train_batch_size records at a step, whatever the
    number of hosts and replicas; each parses its own.

    Args:
      context: which host this is; by default the only one, with one replica.
    """
    counts = [entry["examples"] for entry in _entries(found, TRAIN)]
    order = DataOrder.of_tokens(counts, config.seed, config.max_seq_length)
    size = config.train_batch_size
    windows = order.windows(
        _paths(data_dir, found, TRAIN),
        order.start(start_step * size),
        _compression(found),
    )
    context = context or tf.distribute.InputContext()
    mine = _rows_of_host(windows.rebatch(size, drop_remainder=True), size, context)
    parsed = mine.map(
        lambda serialized: _parse(serialized, config),
        num_parallel_calls=tf.data.AUTOTUNE,
        deterministic=True,
    )
    return keep_ready(_rows_of_replicas(parsed, size, context), 4)


def eval_batches(
    data_dir: str,
    found: dict[str, Any],
    config: PretrainingConfig,
    context: tf.distribute.InputContext | None = None,
) -> tf.data.Dataset:
    """num_eval_steps batches of the held-out records at most, in file order.

    The last batch is filled with empty rows (input_mask 0), which no metric counts.
    """
    size, length = config.eval_batch_size, config.max_seq_length
    read = tf.data.TFRecordDataset(
        _paths(data_dir, found, EVAL), compression_type=_compression(found)
    )

    def parse_and_fill(serialized: tf.Tensor) -> dict[str, tf.Tensor]:
        missing = size - tf.size(serialized)
        return {
            name: tf.ensure_shape(
                tf.pad(values, [[0, missing], [0, 0]]), [size, length]
            )
            for name, values in _parse(serialized, config).items()
        }

    batches = read.batch(size).take(config.num_eval_steps).map(parse_and_fill)
    return keep_ready(share(batches, size, context or tf.distribute.InputContext()), 2)


def keep_ready(batches: tf.data.Dataset, count: int) -> tf.data.Dataset:
    """Reads so many batches ahead; the last thing to do to a dataset.

    tf.data's tuning is off, AUTOTUNE means a call for each core, up to 16: an iterator
    that ends waits for the tuning thread, which sleeps twice as long each time, up to a
    minute.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    return batches.prefetch(count).with_options(options)


def share(
    batches: tf.data.Dataset, size: int, context: tf.distribute.InputContext
) -> tf.data.Dataset:
    """Of global batches of `size` rows what one host's replicas take, one by one."""
    return _rows_of_replicas(_rows_of_host(batches, size, context), size, context)


def _rows_of_host(
    batches: tf.data.Dataset, size: int, context: tf.distribute.InputContext
) -> tf.data.Dataset:
    """Of each global batch of `size` rows the part of one host."""
    if context.num_input_pipelines == 1:
        return batches
    share = size // context.num_input_pipelines
    first = context.input_pipeline_id * share
    return batches.map(
        lambda batch: tf.nest.map_structure(lambda x: x[first : first + share], batch)
    )


def _rows_of_replicas(
    batches: tf.data.Dataset, size: int, context: tf.distribute.InputContext
) -> tf.data.Dataset:
    """A host's rows, one element for each of its replicas in turn."""
    if context.num_replicas_in_sync == 1:
        return batches
    share = size // context.num_replicas_in_sync
    return batches.rebatch(share, drop_remainder=True)


def first_damage(
    data_dir: str, found: dict[str, Any], config: PretrainingConfig, step: int
) -> str | None:
    """Says which file cannot be read, looking from this step's files on.

    For a run that stopped because of a record; reads whole files. None: all are well.
    """
    counts = [entry["examples"] for entry in _entries(found, TRAIN)]
    order = DataOrder.of_tokens(counts, config.seed, config.max_seq_length)
    files_from_here = order.start(step * config.train_batch_size).files
    paths = _paths(data_dir, found, TRAIN)
    for path in [paths[i] for i in files_from_here] + paths:
        read = tf.data.TFRecordDataset(path, compression_type=_compression(found))
        good = 0
        try:
            for serialized in read.batch(1_000):
                example.parse_batch(serialized, config.max_seq_length)
                good += len(serialized)
        except tf.errors.OpError as error:
            return f"{path}, after its first {good} records at least: {error.message}"
    return None
