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
    """The records' manifest, checked against the config and the vocabulary.

    Raises:
      UserError: the data are incomplete, do not fit the config, or were built with
        another vocabulary.
    """
    tfrecords = os.path.join(data_dir, "tfrecords")
    records = manifest.read(tfrecords, "build_tfrecords")
    _check_config(tfrecords, records, config)
    vocab_file = os.path.join(tfrecords, vocabulary.VOCAB_FILE)
    built_with = records["vocab_sha256"]
    if vocabulary.fingerprint(vocab_file) != built_with:
        raise UserError(
            f"{vocab_file} has changed since build_tfrecords wrote it: restore it, or "
            "run build_tfrecords again"
        )
    vocab_dir = os.path.join(data_dir, "vocab")
    if files.exists(os.path.join(vocab_dir, manifest.NAME)):
        newest = manifest.read(vocab_dir, "train_vocab")["vocab_sha256"]
        if newest != built_with:
            raise UserError(
                f"{tfrecords} was built with another vocabulary (SHA-256 "
                f"{built_with[:16]}...) than {vocab_dir} ({newest[:16]}...): run "
                "build_tfrecords again, or move that folder away if the records are "
                "right"
            )
    if not sum(entry.get("examples", 0) for entry in _entries(records, TRAIN)):
        raise UserError(
            f"{tfrecords} has no training examples by its manifest: run "
            "build_tfrecords again"
        )
    return records


def _check_config(
    tfrecords: str, records: dict[str, Any], config: PretrainingConfig
) -> None:
    if records["max_seq_length"] != config.max_seq_length:
        raise UserError(
            f"{tfrecords} was built with --max_seq_length={records['max_seq_length']}, "
            f"but the config has max_seq_length={config.max_seq_length}: build it "
            "again, or change the config"
        )
    if records.get("pack_documents", False) != config.pack_documents:
        is_packed = json.dumps(not config.pack_documents)
        raise UserError(
            f"{tfrecords} was built with --pack_documents={is_packed}, but the config "
            "has the opposite: build it again, or pass "
            f"--hparams='{{\"pack_documents\": {is_packed}}}'"
        )
    vocab_size = config.discriminator().vocab_size
    if vocab_size not in (0, records["vocab_size"]):
        raise UserError(
            f"{tfrecords} was built with a vocabulary of {records['vocab_size']} "
            f"tokens, but the config has vocab_size={vocab_size}: if the data are "
            f"right, pass --hparams='{{\"vocab_size\": {records['vocab_size']}}}'"
        )


def _entries(records: dict[str, Any], split: str) -> list[dict[str, Any]]:
    return [e for e in records["files"] if e["name"].startswith(split + "/")]


def _paths(data_dir: str, records: dict[str, Any], split: str) -> list[str]:
    folder = os.path.join(data_dir, "tfrecords")
    return [os.path.join(folder, entry["name"]) for entry in _entries(records, split)]


def _order(records: dict[str, Any], config: PretrainingConfig) -> DataOrder:
    counts = [entry["examples"] for entry in _entries(records, TRAIN)]
    return DataOrder.of_tokens(counts, config.seed, config.max_seq_length)


def is_continuation(data_dir: str) -> np.ndarray:
    """bool [V]: tokens that continue a word."""
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
    records: dict[str, Any],
    config: PretrainingConfig,
    start_step: int,
    context: tf.distribute.InputContext | None = None,
) -> tf.data.Dataset:
    """Endless batches {feature: int32 [B / replicas, L]}, from the given step on.

    All hosts together read the same train_batch_size records at a step, whatever the
    number of hosts and replicas; each parses its own.

    Args:
      context: which host this is; by default the only one, with one replica.
    """
    order, size = _order(records, config), config.train_batch_size
    windows = order.windows(
        _paths(data_dir, records, TRAIN),
        order.start(start_step * size),
        records.get("compression", ""),
    )
    serialized = share(windows.rebatch(size, drop_remainder=True), size, context)
    batches = serialized.map(
        lambda rows: _parse(rows, config),
        num_parallel_calls=tf.data.AUTOTUNE,
        deterministic=True,
    )
    return keep_ready(batches, 4)


def eval_batches(
    data_dir: str,
    records: dict[str, Any],
    config: PretrainingConfig,
    context: tf.distribute.InputContext | None = None,
) -> tf.data.Dataset:
    """Up to num_eval_steps batches of the held-out records, in file order.

    The last batch is filled up with empty rows (input_mask 0), which no metric counts.
    """
    size, length = config.eval_batch_size, config.max_seq_length
    read = tf.data.TFRecordDataset(
        _paths(data_dir, records, EVAL), records.get("compression", "")
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
    return keep_ready(share(batches, size, context), 2)


def keep_ready(batches: tf.data.Dataset, count: int) -> tf.data.Dataset:
    """Reads up to `count` batches ahead; apply it last.

    Turns tf.data's tuner off (AUTOTUNE then means one call per core, up to 16):
    destroying an iterator blocks until the tuner wakes, up to 60 s.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    return batches.prefetch(count).with_options(options)


def share(
    batches: tf.data.Dataset, size: int, context: tf.distribute.InputContext | None
) -> tf.data.Dataset:
    """One host's rows of global batches of `size` rows, an element for each replica."""
    context = context or tf.distribute.InputContext()
    if context.num_input_pipelines > 1:
        count = size // context.num_input_pipelines
        first = context.input_pipeline_id * count
        batches = batches.map(
            lambda batch: tf.nest.map_structure(
                lambda x: x[first : first + count], batch
            )
        )
    if context.num_replicas_in_sync > 1:
        per_replica = size // context.num_replicas_in_sync
        batches = batches.rebatch(per_replica, drop_remainder=True)
    return batches


def first_damage(
    data_dir: str, records: dict[str, Any], config: PretrainingConfig, step: int
) -> str | None:
    """Describes the first unreadable file, starting with those that `step` reads.

    Reads whole files, after a run stopped because of a record. None: all are readable.
    """
    start = _order(records, config).start(step * config.train_batch_size)
    paths = _paths(data_dir, records, TRAIN)
    for path in [paths[i] for i in start.files] + paths:
        read = tf.data.TFRecordDataset(path, records.get("compression", ""))
        good = 0
        try:
            for serialized in read.batch(1_000):
                example.parse_batch(serialized, config.max_seq_length)
                good += len(serialized)
        except tf.errors.OpError as error:
            return f"{path}, after at least {good} good records: {error.message}"
    return None
