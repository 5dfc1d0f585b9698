"""What a run is: its config, data and initial weights, in config.json of its folder.

A run's folder (model_dir) holds
  config.json       the resolved config, what the data was, and --init_from's weights
  vocab.txt         the vocabulary
  tokenizer.json    the same, with the tokenizer's options
  samples.jsonl     held-out lines with their token ids, for checking exports
  model.ckpt-N.*    TF1 name-based checkpoints: variables, Adam slots, global_step
  damaged-*         checkpoints that could not be read
  metrics.jsonl     a line per log interval, evaluation and warning
  tensorboard/      the same for TensorBoard
  trainer.json      which process trains there
"""

import os
from typing import Any

from absl import logging

from common import files
from common.cli import UserError
from data_prep.records.example import SAMPLES_FILE
from data_prep.vocab import vocabulary
from electra_tf import config as config_lib
from electra_tf import hparams
from electra_tf.config import PretrainingConfig

CONFIG_FILE = "config.json"
_OVERWRITE = "name another --model_dir, or pass --overwrite"


def open_run(
    model_dir: str,
    data_dir: str,
    config: PretrainingConfig,
    data: dict[str, Any],
    init_from: dict[str, Any] | None = None,
) -> PretrainingConfig | None:
    """Writes a new run's config, vocabulary and samples, or checks an old run's.

    Args:
      init_from: as for `check_same_start`.

    Returns:
      The config of the run that is resumed; None for a new run.

    Raises:
      UserError: the folder holds something else, or a run of another config, data or
        initial weights.
    """
    present = [name for name in files.listdir(model_dir) if not name.endswith(".tmp")]
    resumed = None
    if (before := read_description(model_dir)) is not None:
        check_same_start(model_dir, before.get("init_from"), init_from)
        resumed = check_same_run(model_dir, config, data)
        init_from = before.get("init_from")
    elif present:
        raise UserError(
            f"--model_dir={model_dir} is not empty and not a run's folder: it holds "
            f"{present[0]!r}. Name another --model_dir, or pass --overwrite to remove "
            "what is there"
        )
    files.makedirs(model_dir)
    # The config first: a folder that a kill left half made is then known as a run's.
    description = _describe(config, data) | {"init_from": init_from}
    files.write_json(os.path.join(model_dir, CONFIG_FILE), description)
    for name in (vocabulary.VOCAB_FILE, vocabulary.TOKENIZER_FILE, SAMPLES_FILE):
        text = files.read_text(os.path.join(data_dir, "tfrecords", name))
        files.write_text(os.path.join(model_dir, name), text)
    return resumed


def read_description(model_dir: str) -> dict[str, Any] | None:
    """A run's config.json; None if there is none, or another program's."""
    path = os.path.join(model_dir, CONFIG_FILE)
    if not files.exists(path):
        return None
    try:
        content = files.read_json(path)
        return (
            content if isinstance(content["config"] | content["data"], dict) else None
        )
    except (ValueError, KeyError, TypeError):
        return None


def _describe(config: PretrainingConfig, data: dict[str, Any]) -> dict[str, Any]:
    names = ("vocab_size", "vocab_sha256", "recipe", "recipe_hash", "seed", "counts")
    described = {name: data[name] for name in names}
    if "corpus" in data:  # earlier versions of build_tfrecords did not record it
        described["corpus"] = data["corpus"]
    return {"config": config.to_dict(), "data": described}


def check_same_run(
    model_dir: str, config: PretrainingConfig, data: dict[str, Any]
) -> PretrainingConfig:
    """Refuses to use a run under another config or with other data.

    Returns:
      The run's own config, of which some hyperparameters may differ.

    Raises:
      UserError: names what differs.
    """
    before, refused = read_description(model_dir), []
    may_change = hparams.names(PretrainingConfig, may_change=True)
    for part, values in _describe(config, data).items():
        for name, value in values.items():
            if before[part].get(name) == value:
                continue
            change = f"{name}: {before[part].get(name)!r} there, {value!r} now"
            if part == "config" and name in may_change:
                logging.info("changed since the run was last trained: %s", change)
            else:
                refused.append(change)
    if refused:
        raise UserError(
            f"--model_dir={model_dir} holds a run of another config or data: "
            f"{'; '.join(refused)}. To begin a new run, {_OVERWRITE}"
        )
    return read_run(model_dir)[0]


def check_same_start(
    model_dir: str, recorded: dict[str, Any] | None, given: dict[str, Any] | None
) -> None:
    """Refuses to resume a run that began from other weights.

    Args:
      recorded: what config.json says of the weights; None: random ones.
      given: what is known of those that --init_from names now.

    Raises:
      UserError: they differ.
    """
    if given is None and recorded is None:
        return
    holds = f"--model_dir={model_dir} holds a run that began from"
    if given is None:
        raise UserError(
            f"{holds} the weights of {recorded['path']}: to resume it pass "
            f"--init_from={recorded['path']} again. To begin a new run, {_OVERWRITE}"
        )
    if recorded is None:
        raise UserError(
            f"{holds} random weights: to resume it leave out "
            f"--init_from={given['path']}. To begin a new run, {_OVERWRITE}"
        )
    for name, value in given.items():
        if recorded.get(name) != value:
            raise UserError(
                f"{holds} other weights than those of --init_from: {name} "
                f"{recorded.get(name)!r} there, {value!r} now. To begin a new run, "
                f"{_OVERWRITE}"
            )


def read_run(model_dir: str) -> tuple[PretrainingConfig, dict[str, Any]]:
    """The config a run was trained with, and what its data was.

    Raises:
      UserError: no run is there.
    """
    path = os.path.join(model_dir, CONFIG_FILE)
    description = read_description(model_dir)
    if description is None:
        raise UserError(
            f"{path} does not exist, or run_pretraining did not write it: name a run's "
            "folder"
        )
    return config_lib.from_dict(description["config"], path), description["data"]
