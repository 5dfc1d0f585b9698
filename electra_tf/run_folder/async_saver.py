"""Writes checkpoints while training continues."""

import concurrent.futures
import time
from collections.abc import Callable

import tensorflow as tf
from absl import logging

from common.errors import UserError
from electra_tf.run_folder import checkpoints


def snapshot(variables: dict[str, tf.Variable]) -> dict[str, tf.Tensor]:
    """The variables' values in the host's memory; later assignments leave them as is.

    On a CPU nothing is copied here: as long as a value is referenced, an update of its
    variable writes to new memory.
    """
    with tf.device("/cpu:0"):
        return {name: tf.identity(value) for name, value in variables.items()}


class AsyncSaver:
    """Takes the variables' values and writes them in a thread, one save at a time.

    As a context it waits for the last save at its end.

    Attributes:
      written: the step of the last save that has ended well.
    """

    def __init__(
        self,
        model_dir: str,
        keep_max: int,
        keep_every_n_steps: int,
        check: Callable[[], None] = lambda: None,
    ):
        """check: called before each write; what it raises stops the save."""
        self._model_dir, self._check_folder = model_dir, check
        self._keep_max, self._keep_every = keep_max, keep_every_n_steps
        self._thread = concurrent.futures.ThreadPoolExecutor(1)
        self._writing: concurrent.futures.Future | None = None
        self.written: int | None = None
        self._step = 0
        self._stall_seconds = 0.0

    def __enter__(self) -> "AsyncSaver":
        return self

    def __exit__(self, kind: object, error: BaseException | None, _: object) -> None:
        try:
            if error is None:
                self.wait()
            else:
                self.settle()
        finally:
            self._thread.shutdown()

    def save(self, step: int, variables: dict[str, tf.Variable]) -> None:
        """Begins to write a checkpoint, once the previous one is written.

        Raises:
          UserError: the previous one could not be written.
        """
        begin = time.monotonic()
        self.wait()
        tensors = snapshot(variables)
        self._step = step
        self._writing = self._thread.submit(self._write, step, tensors)
        self._stall_seconds += time.monotonic() - begin

    def save_last(self, step: int, variables: dict[str, tf.Variable]) -> None:
        """Writes a checkpoint now, in a folder that another process has taken.

        Raises:
          UserError: it could not be written.
        """
        self._step = step
        self._writing = self._thread.submit(self._add, step, snapshot(variables))
        self.wait()

    def _add(self, step: int, tensors: dict[str, tf.Tensor]) -> None:
        self._check_finite(step, tensors)
        checkpoints.add(self._model_dir, step, tensors)

    def _write(self, step: int, tensors: dict[str, tf.Tensor]) -> None:
        self._check_finite(step, tensors)
        self._check_folder()
        checkpoints.save(
            self._model_dir, step, tensors, self._keep_max, self._keep_every
        )
        self.written = step

    def _check_finite(self, step: int, tensors: dict[str, tf.Tensor]) -> None:
        bad = [n for n, t in tensors.items() if not tf.reduce_all(tf.math.is_finite(t))]
        if bad:  # no run could resume from these
            raise UserError(
                f"the weights of step {step} are not saved: {len(bad)} variables are "
                f"not finite, the first is {bad[0]}. "
                f"{checkpoints.fresh_start(self._model_dir)}"
            )

    def check(self) -> None:
        """Raises the error of the last save if it has failed; does not wait for it."""
        if self._writing is not None and self._writing.done():
            self.wait()

    def wait(self) -> None:
        """Waits until the last save has ended.

        Raises:
          UserError: it could not be written.
        """
        writing, self._writing = self._writing, None
        if writing is None:
            return
        try:
            writing.result()
        except (OSError, tf.errors.OpError) as error:
            raise UserError(
                f"the checkpoint of step {self._step} in {self._model_dir} could not "
                f"be written: {error}. Earlier checkpoints are intact: fix the cause "
                "(is the disk full?) and run the same command again"
            ) from error

    def settle(self) -> None:
        """As `wait`, but logs why a save failed: something worse is being raised."""
        try:
            self.wait()
        except UserError as error:
            logging.error("%s", error)

    def take_stall_seconds(self) -> float:
        """How long saves have blocked training since the last call."""
        seconds, self._stall_seconds = self._stall_seconds, 0.0
        return seconds
