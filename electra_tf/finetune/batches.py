"""Features -> padded batches, all of the same shape on TPUs.

Sequences of similar length share a batch, so that little of it is padding. The batches
of an epoch are a function of (seed, epoch).

B rows, N sequences in a row (choices), L length of the batch.
"""

from collections.abc import Callable, Iterator

import numpy as np
import tensorflow as tf

from data_prep.records.ragged import Ragged
from data_prep.vocab.vocabulary import PAD_ID
from electra_tf.finetune.kinds.encoding import Features
from electra_tf.finetune.kinds.tagging import NO_LABEL
from electra_tf.pretrain import input_pipeline

# Except on TPUs, batches are padded to a multiple of this.
_MULTIPLE = 8

Batch = dict[str, np.ndarray]


def bucket_lengths(max_seq_length: int, static: bool) -> list[int]:
    """The lengths that batches are padded to, ascending; only one if `static`."""
    if static:
        return [max_seq_length]
    return [*range(_MULTIPLE, max_seq_length, _MULTIPLE), max_seq_length]


class Batches:
    """The batches of some features.

    A batch has input_ids, input_mask, segment_ids [B, L], or [B, N, L] for choices;
    row_weight float32 [B], 0 for rows that only fill up the last batch; row int32 [B];
    and targets if there are any, padded too if each token has one.
    """

    def __init__(self, features: Features, lengths: list[int], batch_size: int):
        self._features, self._lengths = features, np.array(lengths)
        self.batch_size = batch_size
        longest = features.input_ids.lengths.reshape(-1, features.group).max(1)
        self._bucket = np.searchsorted(self._lengths, longest)
        self.num_rows = len(longest)
        self.num_batches = -(-self.num_rows // batch_size)

    def shuffled(self, seed: int, epoch: int) -> Iterator[Batch]:
        """Each row once, shuffled by (seed, epoch); only one batch is filled up."""
        rng = np.random.RandomState([seed, epoch])
        order = rng.permutation(self.num_rows)
        # The sort by length is stable: rows of one length stay shuffled.
        order = order[np.argsort(self._bucket[order], kind="stable")]
        starts = np.arange(self.num_batches) * self.batch_size
        for start in rng.permutation(starts):
            yield self._batch(order[start : start + self.batch_size])

    def in_order(self) -> Iterator[Batch]:
        """Each row once, the short ones first."""
        order = np.argsort(self._bucket, kind="stable")
        for start in range(0, self.num_rows, self.batch_size):
            yield self._batch(order[start : start + self.batch_size])

    def _batch(self, rows: np.ndarray) -> Batch:
        features, group = self._features, self._features.group
        missing = self.batch_size - len(rows)
        weight = np.repeat(np.float32([1, 0]), [len(rows), missing])
        length = int(self._lengths[self._bucket[rows].max()])
        rows = np.concatenate([rows, np.repeat(rows[:1], missing)])
        sequences = (rows[:, None] * group + np.arange(group)).ravel()
        inputs = {
            "input_ids": _padded(features.input_ids, sequences, length, PAD_ID),
            "input_mask": _mask(features.input_ids, sequences, length),
            "segment_ids": _padded(features.segment_ids, sequences, length, 0),
        }
        if group > 1:
            shape = [len(rows), group, length]
            inputs = {name: value.reshape(shape) for name, value in inputs.items()}
        batch = inputs | {"row": rows.astype(np.int32), "row_weight": weight}
        if isinstance(features.targets, Ragged):
            batch["targets"] = _padded(features.targets, rows, length, NO_LABEL)
        elif features.targets is not None:
            batch["targets"] = features.targets[rows]
        return batch

    def signature(self) -> dict[str, tf.TensorSpec]:
        """The types of a batch; L is known if there is only one length."""
        sample = self._batch(np.zeros(1, np.int64))
        by_token = {"input_ids", "input_mask", "segment_ids"}
        if isinstance(self._features.targets, Ragged):
            by_token.add("targets")
        specs = {}
        for name, value in sample.items():
            shape = list(value.shape)
            if name in by_token and len(self._lengths) > 1:
                shape[-1] = None
            specs[name] = tf.TensorSpec(shape, value.dtype)
        return specs


def dataset(
    batches: Batches,
    read: Callable[[], Iterator[Batch]],
    context: tf.distribute.InputContext,
) -> tf.data.Dataset:
    """What a host's replicas read, one element per replica.

    Args:
      read: returns the batches; each host reads all of them and keeps its part.
    """
    whole = tf.data.Dataset.from_generator(read, output_signature=batches.signature())
    shared = input_pipeline.share(whole, batches.batch_size, context)
    return input_pipeline.keep_ready(shared, 4)


def _padded(
    sequences: Ragged, rows: np.ndarray, length: int, padding: int
) -> np.ndarray:
    """int32 [rows, length]."""
    taken = sequences.take(rows)
    result = np.full([len(rows), length], padding, np.int32)
    result[_mask(sequences, rows, length) > 0] = taken.values
    return result


def _mask(sequences: Ragged, rows: np.ndarray, length: int) -> np.ndarray:
    lengths = sequences.lengths[rows]
    return (np.arange(length) < lengths[:, None]).astype(np.int32)
