"""The outer loop: some steps on the devices, then log, evaluate and save if due."""

import contextlib
import functools
import os
import signal
import time
from collections.abc import Iterator

import numpy as np
import tensorflow as tf
from absl import logging

from common import files
from common.claim import Claim
from common.cli import UserError
from electra_tf.config import PretrainingConfig
from electra_tf.devices import strategies
from electra_tf.pretrain import flops, health_rules
from electra_tf.pretrain.compiled_steps import Interval, Trainer
from electra_tf.pretrain.input_pipeline import Records
from electra_tf.pretrain.run_log import MetricsLog, interval_metrics
from electra_tf.run_folder.async_saver import AsyncSaver


class DevicesLost(UserError):
    """Other workers or the TPU went away: the same command, on all hosts, resumes."""


def is_due(step: int, period: int) -> bool:
    return period > 0 and step % period == 0


def next_boundary(config: PretrainingConfig, step: int) -> int:
    """The first step after this one at which the devices stop.

    Boundaries are multiples of the periods, so a resumed run has the same ones.
    """
    periods = (
        config.iterations_per_loop,
        config.save_checkpoints_steps,
        config.eval_every_n_steps,
        config.keep_checkpoint_every_n_steps,
    )
    ends = [(step // period + 1) * period for period in periods if period]
    return min(config.num_train_steps, *ends)


class StopRequest:
    """SIGTERM, which clouds send before they reclaim a machine."""

    def __init__(self, strategy: tf.distribute.Strategy):
        self._strategy, self._received = strategy, False

    @contextlib.contextmanager
    def listening(self) -> Iterator["StopRequest"]:
        def receive(*_) -> None:
            logging.warning("SIGTERM: will save at the end of this loop and stop")
            self._received = True

        before = signal.signal(signal.SIGTERM, receive)
        try:
            yield self
        finally:
            signal.signal(signal.SIGTERM, before)

    def agreed(self) -> bool:
        """Whether any worker was asked to stop; every worker calls this at each step
        boundary, so all get the same answer."""
        return any(strategies.over_workers(self._strategy, int(self._received)))


class Report:
    """Where the devices stop: log, evaluation, checkpoint. The chief writes them."""

    def __init__(self, trainer: Trainer, model_dir: str, records: Records, step: int):
        self._trainer, self._evaluation = trainer, records.held_out
        self._config = config = trainer.config
        self._is_chief = strategies.is_chief(trainer.strategy)
        if self._is_chief:
            self._claim, self._log = Claim(model_dir), MetricsLog(model_dir, step)
        self._saver = AsyncSaver(
            model_dir, config.keep_checkpoint_max, config.keep_checkpoint_every_n_steps
        )
        self._saved_at = time.monotonic()
        kind = strategies.device_kind(trainer.strategy)
        peak = flops.peak(kind, config.compute_dtype)
        self._peak = peak and peak * trainer.strategy.num_replicas_in_sync
        self._history: list[health_rules.Metrics] = []
        self._warned: set[str] = set()

    def at(self, step: int, interval: Interval) -> None:
        """After the interval that ends at a step.

        The save comes last, so every checkpoint has its lines of the log.
        """
        if self._is_chief:
            self._claim.check()
            self._write_log(step, interval)
        config = self._config
        is_end = step == config.num_train_steps
        if is_end or is_due(step, config.eval_every_n_steps):
            self.evaluate(step)
        self._saver.check()
        minutes = (time.monotonic() - self._saved_at) / 60
        if (
            is_end
            or is_due(step, config.save_checkpoints_steps)
            or is_due(step, config.keep_checkpoint_every_n_steps)
            or 0 < config.save_checkpoints_minutes <= minutes
        ):
            self.save(step)

    def _write_log(self, step: int, interval: Interval) -> None:
        values = interval_metrics(self._config, step, interval)
        values["checkpoint_stall_seconds"] = self._saver.take_stall_seconds()
        if self._peak:
            values["mfu"] = values["flops_per_second"] / self._peak
        self._log.write("train", step, values)
        values["step"] = step
        warnings = health_rules.warnings(values, self._history, self._config)
        for rule in warnings.keys() - self._warned:  # not again while it lasts
            self._log.warn(step, rule, warnings[rule])
        self._warned = set(warnings)
        self._history = [*self._history, values][-health_rules.HISTORY :]

    def evaluate(self, step: int) -> None:
        """At step 0 the log also says what chance gives."""
        if self._evaluation is None:
            return
        values = self._trainer.evaluate(self._evaluation)
        if self._is_chief:
            self._log.write("eval", step, values)
        if step == 0:
            logging.info("%s", health_rules.first_losses(values, self._config))

    def save(self, step: int) -> None:
        if self._is_chief:
            self._saver.save(step, self._trainer.checkpoint_variables)
        self._saved_at = time.monotonic()

    def finish(self) -> None:
        """Waits until the last checkpoint is written."""
        self._saver.wait()


def train(trainer: Trainer, model_dir: str, records: Records, start_step: int) -> bool:
    """Trains from `start_step` to num_train_steps, in every process of the strategy.

    Returns:
      Whether the end was reached; False after a request to stop, once saved.

    Raises:
      DevicesLost: the devices, or other workers, no longer answer.
      UserError: losses or gradients are no longer finite, a record cannot be read, a
        checkpoint cannot be written, or another process began to train in `model_dir`.
        Earlier checkpoints are kept.
    """
    config, step = trainer.config, start_step
    if step >= config.num_train_steps:
        return True
    with _noticing_lost_devices(), StopRequest(trainer.strategy).listening() as stop:
        report = Report(trainer, model_dir, records, step)
        if step == 0:
            report.evaluate(0)
        batches = functools.partial(records.train_batches, start_step)
        iterator = iter(strategies.distribute(trainer.strategy, batches))
        trainer.train_steps(iterator, step, 0)  # traced before the clock starts
        while step < config.num_train_steps:
            interval = _run_to_boundary(trainer, model_dir, records, iterator, step)
            step += interval.steps
            report.at(step, interval)
            if stop.agreed() and step < config.num_train_steps:
                report.save(step)
                report.finish()
                logging.warning("stopped at step %d, which is saved", step)
                return False
        report.finish()
    return True


@contextlib.contextmanager
def _noticing_lost_devices() -> Iterator[None]:
    try:
        yield
    except (tf.errors.UnavailableError, tf.errors.AbortedError) as error:
        raise DevicesLost(
            "another worker, or the TPU, went away: run the same command on all hosts "
            f"to resume from the last checkpoint ({error.message.splitlines()[0]})"
        ) from error


def _run_to_boundary(
    trainer: Trainer, model_dir: str, records: Records, iterator: Iterator, step: int
) -> Interval:
    count = next_boundary(trainer.config, step) - step
    try:
        interval = trainer.train_steps(iterator, step, count)
    except (tf.errors.DataLossError, tf.errors.InvalidArgumentError) as error:
        damage = records.first_damage(step)
        if damage is None:
            raise  # something else is wrong
        raise UserError(
            f"a record read after step {step} is damaged: {damage}. Restore the file "
            "(its size and SHA-256 are in the manifest) and run the same command again"
        ) from error
    if not interval.finite:
        last = step + interval.steps - 1
        raise _non_finite(trainer, model_dir, records, last, interval)
    return interval


def _non_finite(
    trainer: Trainer, model_dir: str, records: Records, step: int, interval: Interval
) -> UserError:
    """Writes the batch of a step, the interval's last, to a file named in the error."""
    path = os.path.join(model_dir, f"non_finite-{step}.npz")
    if strategies.is_chief(trainer.strategy):
        batch = next(iter(records.train_batches(step, tf.distribute.InputContext())))
        with files.atomic_writer(path) as handle:
            np.savez_compressed(handle, step=step, seed=trainer.config.seed, **batch)
    names = " and ".join(health_rules.non_finite(interval.sums))
    return UserError(
        f"{names} of step {step} are not finite. Its batch is in {path}; the "
        f"checkpoints in {model_dir} are from earlier steps. The same command would "
        "fail again: start a new run with a lower learning_rate or longer warm-up from "
        f"these weights with another --model_dir and --init_from={model_dir}"
    )
