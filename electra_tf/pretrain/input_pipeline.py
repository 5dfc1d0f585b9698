"""TFRecord folders -> batches."""

import json
import os
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from absl import logging

from common import files, manifest
from common.errors import UserError
from data_prep.records import example, tfrecord
from data_prep.records.example import EVAL, TRAIN
from data_prep.vocab import vocabulary
from electra_tf.config import PretrainingConfig
from electra_tf.devices.strategies import HostBatches
from electra_tf.pretrain.record_order import DataOrder


class Row(NamedTuple):
    """A record of a batch."""

    file: str  # in tfrecords/
    index: int  # in the file
    ids: list[int]  # without padding


class Records:
    """The TFRecords of a data folder, as a config reads them.

    Attributes:
      manifest: of the folder tfrecords/.
    """

    def __init__(self, data_dir: str, config: PretrainingConfig):
        """
        Raises:
          UserError: the records are incomplete, do not fit the config, or were built
            with another vocabulary.
        """
        self._folder, self._config = os.path.join(data_dir, "tfrecords"), config
        self.manifest = manifest.read(self._folder, "build_tfrecords")
        self._compression = self.manifest.get("compression", "")
        self._check_config()
        self._check_vocabulary(os.path.join(data_dir, "vocab"))
        if not self._count(TRAIN):
            raise UserError(
                f"{self._folder} has no training examples by its manifest: run "
                "build_tfrecords again"
            )
        counts = [entry["examples"] for entry in self._entries(TRAIN)]
        self._order = DataOrder.of_tokens(counts, config.seed, config.max_seq_length)

    def _check_config(self) -> None:
        folder, config, built = self._folder, self._config, self.manifest
        if built["max_seq_length"] != config.max_seq_length:
            raise UserError(
                f"{folder} was built with --max_seq_length={built['max_seq_length']}, "
                f"but the config has max_seq_length={config.max_seq_length}: build it "
                "again, or change the config"
            )
        if built.get("pack_documents", False) != config.pack_documents:
            is_packed = json.dumps(not config.pack_documents)
            raise UserError(
                f"{folder} was built with --pack_documents={is_packed}, but the config "
                "has the opposite: build it again, or pass "
                f"--hparams='{{\"pack_documents\": {is_packed}}}'"
            )
        vocab_size = config.discriminator().vocab_size
        if vocab_size not in (0, built["vocab_size"]):
            raise UserError(
                f"{folder} was built with a vocabulary of {built['vocab_size']} "
                f"tokens, but the config has vocab_size={vocab_size}: if the data are "
                f"right, pass --hparams='{{\"vocab_size\": {built['vocab_size']}}}'"
            )

    def _check_vocabulary(self, vocab_dir: str) -> None:
        vocab_file = os.path.join(self._folder, vocabulary.VOCAB_FILE)
        built_with = self.manifest["vocab_sha256"]
        if vocabulary.fingerprint(vocab_file) != built_with:
            raise UserError(
                f"{vocab_file} has changed since build_tfrecords wrote it: restore it, "
                "or run build_tfrecords again"
            )
        if not files.exists(os.path.join(vocab_dir, manifest.NAME)):
            return
        newest = manifest.read(vocab_dir, "train_vocab")["vocab_sha256"]
        if newest != built_with:
            raise UserError(
                f"{self._folder} was built with another vocabulary (SHA-256 "
                f"{built_with[:16]}...) than {vocab_dir} ({newest[:16]}...): run "
                "build_tfrecords again, or move that folder away if the records are "
                "right"
            )

    def _entries(self, split: str) -> list[dict[str, Any]]:
        entries = self.manifest["files"]
        return [e for e in entries if e["name"].startswith(split + "/")]

    def _paths(self, split: str) -> list[str]:
        return [os.path.join(self._folder, e["name"]) for e in self._entries(split)]

    def is_continuation(self) -> np.ndarray:
        """bool [V]: tokens that continue a word."""
        tokens = vocabulary.read(os.path.join(self._folder, vocabulary.VOCAB_FILE))
        return np.array([token.startswith("##") for token in tokens])

    def _parse(self, serialized: tf.Tensor) -> dict[str, tf.Tensor]:
        """[B] -> {feature: int32 [B, L]}, documents numbered if they are packed."""
        batch = example.parse_batch(serialized, self._config.max_seq_length)
        if self._config.pack_documents:
            begins = tf.cast(batch["input_ids"] == vocabulary.CLS_ID, tf.int32)
            batch["input_mask"] *= tf.cumsum(begins, axis=-1)
        return batch

    def train_batches(
        self, start_step: int, context: tf.distribute.InputContext | None = None
    ) -> tf.data.Dataset:
        """Endless batches {feature: int32 [B / replicas, L]}, from the step on.

        All hosts together read the same train_batch_size records at a step, whatever
        the number of hosts and replicas; each parses its own.

        Args:
          context: which host this is; by default the only one, with one replica.
        """
        size = self._config.train_batch_size
        records = self._order.records(
            self._paths(TRAIN), self._order.start(start_step * size), self._compression
        )
        serialized = share(records.rebatch(size, drop_remainder=True), size, context)
        batches = serialized.map(
            self._parse, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True
        )
        return keep_ready(batches, 4)

    def eval_batches(
        self, context: tf.distribute.InputContext | None = None
    ) -> tf.data.Dataset:
        """Up to num_eval_steps batches of the held-out records, in file order.

        The last batch is filled up with empty rows (input_mask 0), which no metric
        counts.
        """
        size, length = self._config.eval_batch_size, self._config.max_seq_length
        read = tf.data.TFRecordDataset(self._paths(EVAL), self._compression)

        def parse_and_fill(serialized: tf.Tensor) -> dict[str, tf.Tensor]:
            missing = [[0, size - tf.size(serialized)], [0, 0]]
            return {
                name: tf.ensure_shape(tf.pad(values, missing), [size, length])
                for name, values in self._parse(serialized).items()
            }

        steps = self._config.num_eval_steps
        batches = read.batch(size).take(steps).map(parse_and_fill)
        return keep_ready(share(batches, size, context), 2)

    @property
    def held_out(self) -> HostBatches | None:
        """`eval_batches`; None where the folder has no held-out records."""
        return self.eval_batches if self._count(EVAL) else None

    def _count(self, split: str) -> int:
        return sum(entry.get("examples", 0) for entry in self._entries(split))

    def warn_of_few(self) -> None:
        """Says before training what its log would not show."""
        count, size = self._count(TRAIN), self._config.train_batch_size
        if count < size:
            logging.warning(
                "%s has %d training records, fewer than train_batch_size=%d: every "
                "update reads some of them more than once",
                *(self._folder, count, size),
            )
        if not self._count(EVAL):
            logging.warning(
                "%s has no held-out records (--eval_fraction=%s): nothing is evaluated",
                *(self._folder, self.manifest["eval_fraction"]),
            )

    def rows_at(self, step: int) -> list[Row]:
        """The rows of a step's batch in their order, read from where they are.

        Raises:
          UserError: a record is damaged.
        """
        size = self._config.train_batch_size
        places = self._order.places(step * size, size)
        names = [entry["name"] for entry in self._entries(TRAIN)]
        found = {}
        for file in {file for file, _ in places}:
            wanted = {index for of, index in places if of == file}
            path = os.path.join(self._folder, names[file])
            for index, record in enumerate(tfrecord.read(path, self._compression)):
                if record.problem:
                    raise UserError(f"{path}, record {index}: {record.problem}")
                if index in wanted:
                    found[file, index] = record.data
                if index == max(wanted):
                    break
        batch = self._parse(tf.constant([found[place] for place in places]))
        ids, mask = (batch[name].numpy() for name in ("input_ids", "input_mask"))
        return [
            Row(names[file], index, ids[i][mask[i] > 0].tolist())
            for i, (file, index) in enumerate(places)
        ]

    def first_damage(self, step: int) -> str | None:
        """Describes the first unreadable file, starting with those that `step` reads.

        Reads whole files, after a run stopped because of a record. None: all are
        readable.
        """
        start = self._order.start(step * self._config.train_batch_size)
        paths = self._order.shuffled_files(self._paths(TRAIN), start.epoch)
        paths = [path.decode() for path in paths.numpy()]
        for path in paths[start.file :] + paths[: start.file]:
            read, good = tf.data.TFRecordDataset(path, self._compression), 0
            try:
                for serialized in read.batch(1_000):
                    example.parse_batch(serialized, self._config.max_seq_length)
                    good += len(serialized)
            except tf.errors.OpError as error:
                return f"{path}, after at least {good} good records: {error.message}"
        return None


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
