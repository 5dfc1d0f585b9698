"""A pretraining run from records to its last checkpoint, and one evaluation of it."""

import contextlib
import dataclasses
import functools
import json
import math
import os
from collections.abc import Iterator
from typing import Any

import tensorflow as tf
from absl import logging

from common import claim as claims
from common.claim import Claim
from common.errors import UserError
from data_prep.vocab import vocabulary
from electra_tf import optimizer
from electra_tf.config import PretrainingConfig
from electra_tf.devices import strategies
from electra_tf.devices.flags import Devices
from electra_tf.pretrain import loop, run_log
from electra_tf.pretrain.compiled_steps import Trainer
from electra_tf.pretrain.input_pipeline import Records
from electra_tf.pretrain.stop_request import StopRequest
from electra_tf.run_folder import checkpoints, description, replaced
from electra_tf.weights import initialise, read
from electra_tf.weights.flags import InitialWeights


def train(
    config: PretrainingConfig,
    data_dir: str,
    model_dir: str,
    devices: Devices,
    initial: InitialWeights,
    stop: StopRequest,
    overwrite: bool = False,
) -> bool:
    """Trains a new run, or resumes the one in `model_dir`.

    Call it before TensorFlow computes anything.

    Returns:
      Whether num_train_steps was reached. False: `stop` came and all is saved, or other
      workers or the TPU went away; the same call resumes the run.

    Raises:
      UserError: the data, the folder, the weights or the devices do not fit the config,
        or training failed, as `loop.train` says.
    """
    try:
        return _train(config, data_dir, model_dir, devices, initial, stop, overwrite)
    except (tf.errors.UnavailableError, tf.errors.AbortedError) as error:
        logging.error(
            "another worker, or the TPU, went away: run the same command on all hosts "
            "to resume from the last checkpoint (%s)",
            error.message.splitlines()[0],
        )
        return False


def _train(
    config: PretrainingConfig,
    data_dir: str,
    model_dir: str,
    devices: Devices,
    initial: InitialWeights,
    stop: StopRequest,
    overwrite: bool,
) -> bool:
    trainer, records = _prepare(config, data_dir, devices)
    stop.handle_signals()
    records.warn_of_few()
    is_chief = strategies.is_chief(trainer.strategy)
    given = trainer.config, records.manifest
    overwrite = overwrite and not _resumes_anew(model_dir, *given, initial)
    # Before anything is claimed or moved: what is wrong with the weights shows here.
    init_from = _named(initial)
    if init_from and (overwrite or not checkpoints.steps(model_dir)):
        init_from = _initialise(trainer, data_dir, model_dir, initial)
    elif init_from:
        logging.info("the run has checkpoints: --init_from is not read again")
    with _claimed(model_dir, is_chief) as claim:
        resumed = None
        if is_chief and overwrite:
            replaced.set_aside(model_dir)
        if is_chief:
            resumed = description.open_run(
                model_dir, data_dir, *given, init_from, overwrite
            )
        step = _restore(trainer, model_dir)
        if resumed:
            _log_schedule_change(resumed, trainer.config, step)
        is_complete = loop.train(trainer, model_dir, records, step, stop, claim)
        # Another run set nothing aside: a folder of such a name is the user's.
        is_replacing = (description.read_description(model_dir) or {}).get("overwrite")
        if is_complete and is_chief and is_replacing:
            replaced.remove(model_dir)
    return is_complete


@contextlib.contextmanager
def _claimed(model_dir: str, is_chief: bool) -> Iterator[Claim | None]:
    """The chief takes the folder, before anything there is restored or changed."""
    if not is_chief:
        logging.info("the first worker writes the log and the checkpoints")
        yield None
        return
    claim = claims.take(model_dir, "run_pretraining")
    try:
        yield claim
    finally:
        claim.release()


def evaluate(
    config: PretrainingConfig,
    data_dir: str,
    model_dir: str,
    devices: Devices,
    step: int | None = None,
) -> dict[str, float]:
    """Evaluates a checkpoint (default: the newest); the run's own log stays as it is.

    Raises:
      UserError: no such run or checkpoint, other data, or no held-out records.
    """
    trainer, records = _prepare(config, data_dir, devices)
    description.check_same_run(model_dir, trainer.config, records.manifest)
    if records.held_out is None:
        raise UserError(
            f"{data_dir} has no held-out records: build it again with a larger "
            f"--eval_fraction than {records.manifest['eval_fraction']}"
        )
    step = checkpoints.restore(model_dir, trainer.model.named_variables, step)
    values = trainer.evaluate(records.held_out)
    if strategies.is_chief(trainer.strategy):
        run_log.write_evaluation(model_dir, step, values)
    return values


def _prepare(
    config: PretrainingConfig, data_dir: str, devices: Devices
) -> tuple[Trainer, Records]:
    """The networks on their devices, and the records."""
    records = Records(data_dir, config)
    logging.info("TensorFlow %s", tf.__version__)
    strategy = strategies.make_strategy(devices)
    strategies.check_data_dir(strategy, data_dir)
    replicas = strategy.num_replicas_in_sync
    logging.info("%s, %d replicas", type(strategy).__name__, replicas)
    pieces = config.gradient_accumulation_steps
    check = functools.partial(strategies.check_batch_size, strategy)
    check("train_batch_size", config.train_batch_size, pieces)
    check("eval_batch_size", config.eval_batch_size)
    config = dataclasses.replace(
        config,
        vocab_size=records.manifest["vocab_size"],
        compute_dtype=strategies.resolve_dtype(strategy, config.compute_dtype),
    )
    logging.info("config %s", json.dumps(config.to_dict()))
    is_continuation = records.is_continuation() if config.whole_word_mask else None
    trainer = Trainer(config, strategy, is_continuation)
    parameters = trainer.model.named_variables
    logging.info("%d parameters", sum(math.prod(v.shape) for v in parameters.values()))
    return trainer, records


def _resumes_anew(
    model_dir: str,
    config: PretrainingConfig,
    data: dict[str, Any],
    initial: InitialWeights,
) -> bool:
    """Whether --overwrite has done its work before: says that the run resumes."""
    newest = max(checkpoints.steps(model_dir), default=0)
    given = config, data, _named(initial), newest
    if not description.is_begun_anew(model_dir, *given):
        return False
    logging.warning(
        "--overwrite has begun the run in %s, which is not complete: it resumes. To "
        "begin again, name another --model_dir, or remove this one",
        model_dir,
    )
    return True


def _named(initial: InitialWeights) -> dict[str, Any] | None:
    """What the flags alone say of initial weights; None: they are random."""
    if not initial.init_from:
        return None
    known = {"path": ",".join(initial.init_from), "step": initial.init_step}
    return {name: value for name, value in known.items() if value is not None}


def _initialise(
    trainer: Trainer, data_dir: str, model_dir: str, initial: InitialWeights
) -> dict[str, Any]:
    """Fills the variables of a new run; returns what is known of --init_from."""
    paths, step = initial.init_from, initial.init_step
    initialise.check_apart(model_dir, paths)
    weights = read.read(paths, initial.init_vocab, step)
    vocab_file = os.path.join(data_dir, "tfrecords", vocabulary.VOCAB_FILE)
    tokens = vocabulary.read_tokens(vocab_file)
    variables = trainer.model.named_variables
    initialise.initialise(variables, weights, trainer.config, tokens)
    return weights.describe()


def _restore(trainer: Trainer, model_dir: str) -> int:
    """Fills the variables from the newest checkpoint; returns its step, or 0."""
    strategy = trainer.strategy
    strategies.over_workers(strategy, 0)  # the others wait for the chief
    present = checkpoints.steps(model_dir)
    step = checkpoints.restore_or_initialise(model_dir, trainer.checkpoint_variables)
    steps = set(strategies.over_workers(strategy, step))
    if len(steps) > 1:
        raise UserError(
            f"the workers found checkpoints of different steps, {sorted(steps)}: "
            f"--model_dir={model_dir} must be one folder that all of them share"
        )
    if strategies.is_chief(strategy) and step:
        checkpoints.set_aside(model_dir, [s for s in present if s > step])
    if step >= trainer.config.num_train_steps:
        logging.info("already at step %d of %d", step, trainer.config.num_train_steps)
    return step


def _log_schedule_change(
    before: PretrainingConfig, now: PretrainingConfig, step: int
) -> None:
    """Says what the changes of a resumed run do to its learning rate."""
    if not step or before.num_train_steps == now.num_train_steps:
        return
    last, following = (
        float(optimizer.learning_rate(each, config))
        for each, config in ((step - 1, before), (step, now))
    )
    logging.warning(
        "num_train_steps was %d and is now %d: the learning rate was %.3g in the last "
        "update before step %d and is %.3g in the next one",
        *(before.num_train_steps, now.num_train_steps, last, step, following),
    )
    if following > last:
        logging.warning(
            "to let it rise over num_warmup_steps=%d again, stop and pass "
            "--hparams='{\"warmup_again_at\": %d}' from now on",
            *(now.num_warmup_steps, step),
        )
