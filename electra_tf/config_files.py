"""Configs from files: presets in TOML, changed by the original's JSON."""

import json
from typing import Any

from absl import logging

from common import files, toml_files
from common.errors import UserError
from electra_tf.config import PretrainingConfig, from_dict


def load(config_path: str, hparams: str = "") -> PretrainingConfig:
    """A preset with changes.

    Args:
      config_path: a TOML file.
      hparams: a JSON object, or the path of a file that holds one: the original's form.

    Raises:
      UserError: a file is missing or malformed, or holds a bad hyperparameter.
    """
    if not files.exists(config_path):
        raise UserError(f"--config={config_path} does not exist")
    try:
        values = toml_files.read(config_path)
    except ValueError as error:
        raise UserError(f"--config={config_path} is not TOML: {error}") from error
    return changed(from_dict(values, config_path), hparams)


def changed(config: PretrainingConfig, hparams: str) -> PretrainingConfig:
    """A config with changes, in the form that `load` takes."""
    config = from_dict({**config.to_dict(), **parse_hparams(hparams)}, "--hparams")
    if config.num_warmup_steps >= config.num_train_steps:
        logging.warning(
            "num_warmup_steps=%d with num_train_steps=%d: the run ends before the "
            "learning rate has risen to learning_rate; lower num_warmup_steps",
            *(config.num_warmup_steps, config.num_train_steps),
        )
    return config


def parse_hparams(hparams: str) -> dict[str, Any]:
    """The values of a JSON object, or of a file that holds one.

    Raises:
      UserError: it is neither.
    """
    if not hparams:
        return {}
    text = hparams
    if not hparams.lstrip().startswith("{"):
        if not files.exists(hparams):
            raise UserError(
                f"--hparams={hparams}: neither a JSON object nor a file that exists"
            )
        text = files.read_text(hparams)
    try:
        values = json.loads(text)
    except json.JSONDecodeError as error:
        raise UserError(f"--hparams is not JSON: {error}: {text[:200]}") from error
    if not isinstance(values, dict):
        raise UserError('--hparams must be a JSON object: {"num_train_steps": 1000}')
    return values
