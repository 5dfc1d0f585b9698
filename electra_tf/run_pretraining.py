"""TFRecords -> an ELECTRA generator and discriminator.

Reads the folders `tfrecords` and `vocab` under --data_dir. The same command again goes
on from the last checkpoint. Exit code 75 asks for that: after a SIGTERM, when all is
saved, and when other workers or the TPU went away. An error exits with 1.

  python -m electra_tf.run_pretraining --config=configs/demo.toml --data_dir=W \\
      --model_dir=W/model --hparams='{"num_train_steps": 1000}'

  python -m electra_tf.run_pretraining --mode=eval --data_dir=W --model_dir=W/model \\
      --step=1000

--init_from begins a new run from weights: a fresh optimizer, step 0. The same command
again goes on from the run's own checkpoints.

  python -m electra_tf.run_pretraining --config=configs/demo.toml --data_dir=W2 \\
      --model_dir=W2/model --init_from=W/hf
"""

import dataclasses
import functools
import json
import math
import os
import sys
from typing import Any

import tensorflow as tf
from absl import flags, logging

from common import cli, files
from common.cli import UserError
from data_prep.vocab import vocabulary
from electra_tf import config_files
from electra_tf.config import PretrainingConfig
from electra_tf.devices import strategies
from electra_tf.devices.flags import Devices
from electra_tf.pretrain import compiled_steps, input_pipeline, loop, run_log
from electra_tf.run_folder import checkpoints
from electra_tf.weights import initialise
from electra_tf.weights import read as weight_source

_MODE = flags.DEFINE_enum(
    "mode",
    "train",
    ["train", "eval"],
    "eval evaluates a checkpoint of --model_dir, with the config it was trained with.",
)
_CONFIG = flags.DEFINE_string("config", None, "A preset: configs/*.toml.")
_HPARAMS = flags.DEFINE_string(
    "hparams", "", "Changes to the preset: a JSON object, or a file that holds one."
)
_DATA_DIR = flags.DEFINE_string(
    "data_dir",
    None,
    "Folder with tfrecords/ (build_tfrecords) and vocab/ (train_vocab).",
)
_MODEL_DIR = flags.DEFINE_string(
    "model_dir", None, "Folder of the run: new, or a run to go on with."
)
_STEP = flags.DEFINE_integer(
    "step", None, "With --mode=eval: which checkpoint; the newest by default."
)
_OVERWRITE = flags.DEFINE_bool(
    "overwrite", False, "Remove what --model_dir holds, checkpoints included."
)
_INIT_FROM = flags.DEFINE_list(
    "init_from",
    [],
    "Weights a new run begins from: a folder of transformers (or discriminator/ and "
    "generator/ in one, or DISCRIMINATOR,GENERATOR), a model's name on the Hugging "
    "Face Hub, the prefix of a TF1 checkpoint, or another run's folder.",
)
_INIT_STEP = flags.DEFINE_integer(
    "init_step", None, "Which checkpoint of another run; the newest by default."
)
_INIT_VOCAB = flags.DEFINE_string(
    "init_vocab", None, "vocab.txt of --init_from, if it is not beside the weights."
)
cli.define_flags(Devices)
flags.mark_flags_as_required(["data_dir", "model_dir"])

# EX_TEMPFAIL of sysexits.h: the same command again goes on.
EXIT_PREEMPTED = 75


def _settings() -> PretrainingConfig:
    """The preset's, or with --mode=eval the run's own, with the changes given."""
    options = (_INIT_STEP.value, _INIT_VOCAB.value)
    if not _INIT_FROM.value and options != (None, None):
        raise UserError("--init_step and --init_vocab need --init_from")
    if _INIT_FROM.value and _MODE.value == "eval":
        raise UserError("--init_from begins a run, --mode=eval evaluates one")
    if _MODE.value == "train":
        if not _CONFIG.value:
            raise UserError("--config is needed: a preset, such as configs/*.toml")
        return config_files.load(_CONFIG.value, _HPARAMS.value)
    settings, _ = checkpoints.read_run(_MODEL_DIR.value)
    return config_files.changed(settings, _HPARAMS.value)


def run_pretraining() -> None:
    settings = _settings()
    data = input_pipeline.read_manifest(_DATA_DIR.value, settings)
    logging.info("TensorFlow %s", tf.__version__)
    strategy = cli.from_flags(Devices).make_strategy()
    strategies.check_data_dir(strategy, _DATA_DIR.value)
    strategies.check_batch_sizes(
        strategy,
        settings.train_batch_size,
        settings.eval_batch_size,
        settings.gradient_accumulation_steps,
    )
    settings = dataclasses.replace(
        settings,
        vocab_size=data["vocab_size"],
        compute_dtype=strategies.resolve_dtype(strategy, settings.compute_dtype),
    )
    logging.info("config %s", json.dumps(settings.to_dict()))
    if _MODE.value == "eval":
        evaluate(settings, data, strategy)
        return
    try:
        reached_the_end = train(settings, data, strategy)
    except loop.DevicesLost as error:
        logging.error("%s", error)
        reached_the_end = False
    if not reached_the_end:
        sys.exit(EXIT_PREEMPTED)


def train(
    settings: PretrainingConfig, data: dict, strategy: tf.distribute.Strategy
) -> bool:
    """Returns whether the end was reached."""
    data_dir, model_dir = _DATA_DIR.value, _MODEL_DIR.value
    is_chief = strategies.is_chief(strategy)
    running = _trainer(settings, strategy)
    parameters = running.model.named_variables
    logging.info("%d parameters", sum(math.prod(v.shape) for v in parameters.values()))
    # Before --overwrite removes anything: what is wrong with the weights shows here.
    init_from = _initialise(parameters, settings) if _INIT_FROM.value else None
    if is_chief and _OVERWRITE.value and files.exists(model_dir):
        files.remove(model_dir)
    if is_chief:
        initialise.check_same_start(model_dir, init_from)
        checkpoints.open_run(model_dir, data_dir, settings, data, init_from)
    else:
        logging.info("the first worker writes the log and the checkpoints")
    strategies.over_workers(strategy, 0)  # the others wait for the chief
    start = checkpoints.restore_or_initialise(model_dir, running.checkpoint_variables)
    begins = set(strategies.over_workers(strategy, start))
    if len(begins) > 1:
        raise UserError(
            f"the workers found checkpoints of different steps, {sorted(begins)}: "
            f"--model_dir={model_dir} must be one folder that all of them share"
        )
    if is_chief and start:
        checkpoints.set_aside_after(model_dir, start)
    if start >= settings.num_train_steps:
        logging.info("already at step %d of %d", start, settings.num_train_steps)
    read = functools.partial(input_pipeline.train_batches, data_dir, data, settings)
    damage = functools.partial(input_pipeline.first_damage, data_dir, data, settings)
    sources = loop.Data(read, _eval_batches(settings, data), damage)
    return loop.train(running, model_dir, sources, start)


def _initialise(
    variables: dict[str, tf.Variable], settings: PretrainingConfig
) -> dict[str, Any]:
    """Fills a run that has no checkpoint yet; returns what is known of --init_from."""
    model_dir, step = _MODEL_DIR.value, _INIT_STEP.value
    if checkpoints.steps(model_dir) and not _OVERWRITE.value:
        logging.info("the run has checkpoints: --init_from is not read again")
        known = {"path": ",".join(_INIT_FROM.value), "step": step}
        return {name: value for name, value in known.items() if value is not None}
    initialise.check_apart(model_dir, _INIT_FROM.value)
    source = weight_source.read(_INIT_FROM.value, _INIT_VOCAB.value, step, settings)
    vocab_file = os.path.join(_DATA_DIR.value, "tfrecords", vocabulary.VOCAB_FILE)
    tokens = vocabulary.read_tokens(vocab_file)
    initialise.initialise(variables, source, settings, tokens)
    return source.describe()


def evaluate(
    settings: PretrainingConfig, data: dict, strategy: tf.distribute.Strategy
) -> None:
    """Evaluates one checkpoint; the run's own log stays as it is."""
    model_dir = _MODEL_DIR.value
    checkpoints.check_same_run(model_dir, settings, data)
    batches = _eval_batches(settings, data)
    if batches is None:
        raise UserError(f"{_DATA_DIR.value} has no held-out records: --eval_fraction=0")
    running = _trainer(settings, strategy)
    variables = running.model.named_variables
    step = checkpoints.restore(model_dir, variables, _STEP.value)
    values = running.evaluate(batches)
    if strategies.is_chief(strategy):
        run_log.write_evaluation(model_dir, step, values)


def _trainer(
    settings: PretrainingConfig, strategy: tf.distribute.Strategy
) -> compiled_steps.Trainer:
    is_continuation = None
    if settings.whole_word_mask:
        is_continuation = input_pipeline.is_continuation(_DATA_DIR.value)
    return compiled_steps.Trainer(settings, strategy, is_continuation)


def _eval_batches(settings: PretrainingConfig, data: dict):
    if not data["eval_fraction"]:
        return None
    return functools.partial(
        input_pipeline.eval_batches, _DATA_DIR.value, data, settings
    )


if __name__ == "__main__":
    cli.run(run_pretraining)
