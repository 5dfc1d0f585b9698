"""The outer loop: some steps on the devices, then log, evaluate and save if due."""

import functools
import os
import time
from collections.abc import Iterator

import numpy as np
import tensorflow as tf
from absl import logging

from common import files
from common.claim import Claim
from common.errors import UserError
from electra_tf.config import PretrainingConfig
from electra_tf.devices import strategies
from electra_tf.pretrain import flops, health_rules
from electra_tf.pretrain.compiled_steps import Interval, Trainer
from electra_tf.pretrain.input_pipeline import Records
from electra_tf.pretrain.run_log import MetricsLog, interval_metrics
from electra_tf.pretrain.stop_request import StopRequest
from electra_tf.run_folder import checkpoints, description
from electra_tf.run_folder.async_saver import AsyncSaver


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


class Report:
    """Where the devices stop: log, evaluation, checkpoint. The chief writes them."""

    def __init__(
        self,
        trainer: Trainer,
        model_dir: str,
        records: Records,
        step: int,
        claim: Claim | None,
        saver: AsyncSaver,
    ):
        self._trainer, self._model_dir, self._records = trainer, model_dir, records
        self._config = config = trainer.config
        self._is_chief = strategies.is_chief(trainer.strategy)
        self._logs, self._claim, self._saver = self._is_chief, claim, saver
        self._start, self._description = step, description.read_description(model_dir)
        if self._is_chief:
            self._log = MetricsLog(model_dir, step)
            self._watch = health_rules.Watch(config, self._log.trained)
        self._saved_at = time.monotonic()
        kind = strategies.device_kind(trainer.strategy)
        peak = flops.peak(kind, config.compute_dtype)
        self._peak = peak and peak * trainer.strategy.num_replicas_in_sync

    def at(self, step: int, interval: Interval) -> None:
        """After the interval that ends at a step.

        The save comes last, so every checkpoint has its lines of the log.

        Raises:
          UserError: another process has taken the folder, or a save failed.
        """
        taken = self._taken_over()
        self._logs = self._is_chief and (not taken or self._log.is_untouched())
        if self._logs:
            self._write_log(step, interval)
        config = self._config
        is_end = step == config.num_train_steps
        if is_end or is_due(step, config.eval_every_n_steps):
            self.evaluate(step)
        if taken:
            raise UserError(f"{taken}. {self._save_for_the_next(step)}") from taken
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
        warnings = self._watch.new_warnings({**values, "step": step})
        for rule, sentence in warnings.items():
            self._log.warn(step, rule, sentence)

    def evaluate(self, step: int) -> None:
        """At step 0 the log also says what chance gives."""
        if self._records.held_out is None:
            return
        values = self._trainer.evaluate(self._records.held_out)
        if self._logs:
            self._log.write("eval", step, values)
        if step == 0:
            logging.info("%s", health_rules.first_losses(values, self._config))

    def save(self, step: int) -> None:
        if self._is_chief:
            self._saver.save(step, self._trainer.checkpoint_variables)
        self._saved_at = time.monotonic()

    def _taken_over(self) -> UserError | None:
        try:
            if self._claim:
                self._claim.check()
        except UserError as error:
            return error
        return None

    def _save_for_the_next(self, step: int) -> str:
        """Saves what this process computed, unless the other's run is another one.

        The other has restored an older step and goes on from there. As long as it has
        saved nothing, this step is what the same command should resume from next.
        """
        self._saver.settle()
        ours = self._start if self._saver.written is None else self._saver.written
        newest = max(checkpoints.steps(self._model_dir), default=0)
        now = description.read_description(self._model_dir)
        if newest != ours or now != self._description:
            return f"What it computed after step {ours} is lost"
        self._saver.save_last(step, self._trainer.checkpoint_variables)
        return f"Its step {step} is saved: the same command resumes there"

    def non_finite(self, step: int, interval: Interval) -> UserError:
        """Writes the batch of a step, the interval's last, to a file named there."""
        path = os.path.join(self._model_dir, f"non_finite-{step}.npz")
        if self._is_chief:
            self._saver.settle()
            here = tf.distribute.InputContext()
            batch = next(iter(self._records.train_batches(step, here)))
            with files.atomic_writer(path) as handle:
                np.savez_compressed(handle, step=step, seed=self._config.seed, **batch)
        names = " and ".join(health_rules.non_finite(interval.sums))
        return UserError(
            f"{names} of step {step} are not finite. Its batch is in {path}. "
            f"{checkpoints.fresh_start(self._model_dir)}"
        )


def train(
    trainer: Trainer,
    model_dir: str,
    records: Records,
    start_step: int,
    stop: StopRequest,
    claim: Claim | None = None,
) -> bool:
    """Trains from `start_step` to num_train_steps, in every process of the strategy.

    Args:
      claim: the chief's, of the folder.

    Returns:
      Whether the end was reached; False after a request to stop, once saved.

    Raises:
      UserError: losses or gradients are no longer finite, a record cannot be read, a
        checkpoint cannot be written, or another process began to train in `model_dir`.
        Earlier checkpoints are kept.
    """
    config, step = trainer.config, start_step
    if step >= config.num_train_steps:
        return True
    keep = config.keep_checkpoint_max, config.keep_checkpoint_every_n_steps
    check = [claim.check] if claim else []
    with AsyncSaver(model_dir, *keep, *check) as saver:
        report = Report(trainer, model_dir, records, step, claim, saver)
        if step == 0:
            report.evaluate(0)
        batches = functools.partial(records.train_batches, start_step)
        iterator = iter(strategies.distribute(trainer.strategy, batches))
        trainer.train_steps(iterator, step, 0)  # traced before the clock starts
        stop.may_lose()
        logging.info("training from step %d to %d", step, config.num_train_steps)
        while step < config.num_train_steps:
            interval = _run_to_boundary(trainer, records, iterator, step)
            step += interval.steps
            if not interval.finite:
                raise report.non_finite(step - 1, interval)
            report.at(step, interval)
            if step < config.num_train_steps and _asked_to_stop(trainer, stop):
                report.save(step)
                saver.wait()
                logging.warning("stopped at step %d, which is saved", step)
                return False
    return True


def _asked_to_stop(trainer: Trainer, stop: StopRequest) -> bool:
    """Whether any worker was; each calls this at the same steps."""
    return any(strategies.over_workers(trainer.strategy, int(stop.received)))


def _run_to_boundary(
    trainer: Trainer, records: Records, iterator: Iterator, step: int
) -> Interval:
    count = next_boundary(trainer.config, step) - step
    try:
        return trainer.train_steps(iterator, step, count)
    except (tf.errors.DataLossError, tf.errors.InvalidArgumentError) as error:
        damage = records.first_damage(step)
        if damage is None:
            raise  # something else is wrong
        raise UserError(
            f"a record read after step {step} is damaged: {damage}. Restore the file "
            "(its size and SHA-256 are in the manifest) and run the same command again"
        ) from error
