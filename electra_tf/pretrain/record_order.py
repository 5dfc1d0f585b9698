"""Which records a training step sees: a function of the seed and the step alone.

An epoch reads the files in sequence, in an order of its own, cuts their records into
windows of equal size, and shuffles each window. Batches are cut from this endless
sequence, so one may span two epochs. To start at any step, its epoch, window and offset
are computed from the files' record counts; no earlier file is read.
"""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

# Shuffled at a time: 262,144 records of 128 tokens, 140 to 170 MB as they are in the
# files (4 to 5 bytes a token). Two windows are in memory: one is used, one is read.
_WINDOW_TOKENS = 2**25
# Records copied out of a window at a time.
_PIECE = 1024
# Streams of random numbers, distinct from each other and from the training step's.
_FILE_STREAM, _WINDOW_STREAM = 1, 2


def shuffled(values: tf.Tensor, seed: int, stream: int, *keys: tf.Tensor) -> tf.Tensor:
    """The values [n] in an order determined by (seed, stream, keys)."""
    key = tf.constant([seed, stream])
    for each in keys:
        key = tf.random.fold_in(key, tf.cast(each, tf.int32))
    return tf.random.experimental.stateless_shuffle(values, key, alg="philox")


class Start(NamedTuple):
    """Where reading starts."""

    epoch: int
    file: int  # in the epoch's order: the window's first one
    skipped: int  # records of this file that precede the window
    window: int  # within the epoch
    offset: int  # records of the shuffled window that are already used


class DataOrder:
    """The order of the records of some files."""

    def __init__(self, counts: list[int], seed: int, window_size: int):
        """counts: records in each file; window_size: records shuffled at a time."""
        self._counts, self._seed = counts, seed
        self.window_size = window_size
        self.epoch_size = sum(counts)

    @classmethod
    def of_tokens(cls, counts: list[int], seed: int, max_seq_length: int):
        """With windows of about the same number of bytes for any row length."""
        return cls(counts, seed, max(1, _WINDOW_TOKENS // max_seq_length))

    def start(self, record: int) -> Start:
        """Where the record of this number is; the first step's first record is 0."""
        epoch, within = divmod(record, self.epoch_size)
        window, offset = divmod(within, self.window_size)
        counts = self.shuffled_files(np.array(self._counts), epoch).numpy()
        before = window * self.window_size
        file = int(np.argmax(np.cumsum(counts) > before))
        skipped = before - int(counts[:file].sum())
        return Start(epoch, file, skipped, window, offset)

    def places(self, first: int, count: int) -> list[tuple[int, int]]:
        """(file, record in the file) of `count` records from the one of number `first`.

        Computed: no file is read.
        """
        found: list[tuple[int, int]] = []
        while len(found) < count:
            at = self.start(first + len(found))
            before = at.window * self.window_size
            size = min(self.window_size, self.epoch_size - before)
            drawn = self._shuffled_window(size, at.epoch, at.window).numpy()
            drawn = before + drawn[at.offset :][: count - len(found)]
            files = self.shuffled_files(np.arange(len(self._counts)), at.epoch).numpy()
            ends = np.cumsum(np.array(self._counts)[files])
            order = np.searchsorted(ends, drawn, side="right")
            begins = np.concatenate([[0], ends])[order]
            found += zip(files[order].tolist(), (drawn - begins).tolist(), strict=True)
        return found

    def shuffled_files(self, files: tf.Tensor, epoch: tf.Tensor) -> tf.Tensor:
        """The files, or a value of each, in the epoch's order."""
        return shuffled(files, self._seed, _FILE_STREAM, epoch)

    def _shuffled_window(
        self, size: tf.Tensor, epoch: tf.Tensor, window: tf.Tensor
    ) -> tf.Tensor:
        """int64 [size]: the places in a window, in the order in which they are read."""
        places = tf.range(tf.cast(size, tf.int64))
        return shuffled(places, self._seed, _WINDOW_STREAM, epoch, window)

    def records(
        self, paths: list[str], start: Start, compression: str
    ) -> tf.data.Dataset:
        """Endless records from `start` on, some in each string tensor."""

        def windows(epoch: tf.Tensor) -> tf.data.Dataset:
            at = tf.cast(epoch == start.epoch, tf.int64)  # else from the beginning
            files = self.shuffled_files(tf.constant(paths), epoch)[at * start.file :]
            read = tf.data.TFRecordDataset(files, compression_type=compression)
            read = read.skip(at * start.skipped).batch(self.window_size)
            numbered = read.enumerate(at * start.window)
            return numbered.map(lambda window, records: (epoch, window, records))

        def pieces(i: tf.Tensor, window: tuple[tf.Tensor, ...]) -> tf.data.Dataset:
            # A window's records stay as they were read: only places are shuffled.
            epoch, number, records = window
            places = self._shuffled_window(tf.size(records), epoch, number)
            places = places[tf.where(i == 0, start.offset, 0) :]
            piecewise = tf.data.Dataset.from_tensor_slices(places).batch(_PIECE)
            return piecewise.map(lambda some: tf.gather(records, some))

        epochs = tf.data.Dataset.range(start.epoch, np.iinfo(np.int64).max)
        # The next window is read while this one is used.
        return epochs.flat_map(windows).prefetch(1).enumerate().flat_map(pieces)
