"""TFRecords -> an ELECTRA generator and discriminator.

Reads the folders `tfrecords` and `vocab` under --data_dir. The same command again goes
on from the last checkpoint.

  python -m electra_tf.run_pretraining --config=configs/demo.toml --data_dir=W \\
      --model_dir=W/model --hparams='{"num_train_steps": 1000}'
"""

import dataclasses
import json
import math

import tensorflow as tf
from absl import flags, logging

from data_prep import cli, files
from electra_tf import checkpoints, config, distribution, input_pipeline, trainer

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
_STRATEGY = flags.DEFINE_enum(
    "strategy", "auto", distribution.STRATEGIES, "Devices: auto takes what there is."
)
_TPU = flags.DEFINE_string("tpu", "", "A TPU's name or address; 'local' on a TPU VM.")
_OVERWRITE = flags.DEFINE_bool(
    "overwrite", False, "Remove what --model_dir holds, checkpoints included."
)
flags.mark_flags_as_required(["config", "data_dir", "model_dir"])


def run_pretraining() -> None:
    settings = config.load(_CONFIG.value, _HPARAMS.value)
    data = input_pipeline.read_manifest(_DATA_DIR.value, settings)
    settings = dataclasses.replace(settings, vocab_size=data["vocab_size"])
    logging.info("TensorFlow %s", tf.__version__)
    logging.info("config %s", json.dumps(settings.to_dict()))
    strategy = distribution.make_strategy(_STRATEGY.value, _TPU.value)
    distribution.check_batch_size(
        strategy,
        train_batch_size=settings.train_batch_size,
        eval_batch_size=settings.eval_batch_size,
    )
    if _OVERWRITE.value and files.exists(_MODEL_DIR.value):
        files.remove(_MODEL_DIR.value)
    checkpoints.open_run(_MODEL_DIR.value, _DATA_DIR.value, settings, data)

    running = trainer.Trainer(settings, strategy)
    variables = running.model.named_variables
    logging.info(
        "%d parameters; the first losses should be near ln V = %.1f and, for the "
        "discriminator, ln 2 = 0.69",
        sum(math.prod(variable.shape) for variable in variables.values()),
        math.log(settings.vocab_size),
    )
    start = checkpoints.restore_or_initialise(
        _MODEL_DIR.value, running.checkpoint_variables
    )
    if start >= settings.num_train_steps:
        logging.info("already at step %d of %d", start, settings.num_train_steps)
    eval_dataset = None
    if data["eval_fraction"]:
        eval_dataset = input_pipeline.eval_dataset(_DATA_DIR.value, data, settings)
    train_dataset = input_pipeline.train_dataset(_DATA_DIR.value, data, settings, start)
    trainer.train(running, _MODEL_DIR.value, train_dataset, eval_dataset, start)


if __name__ == "__main__":
    cli.run(run_pretraining)
