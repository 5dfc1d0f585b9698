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
  claim.json        which process trains there
  replaced-N/       an earlier run, until the one that --overwrite began is complete
"""

import os
import re
from collections.abc import Iterable
from typing import Any

from absl import logging

from common import files
from common.claim import CLAIM_FILE
from common.errors import UserError
from data_prep.records.example import SAMPLES_FILE
from data_prep.vocab import vocabulary
from electra_tf import config as config_lib
from electra_tf import hparams
from electra_tf.config import PretrainingConfig

CONFIG_FILE = "config.json"
REPLACED = re.compile(r"replaced-(\d+)")  # folders with the files of earlier runs
_OVERWRITE = "name another --model_dir, or pass --overwrite"


def open_run(
    model_dir: str,
    data_dir: str,
    config: PretrainingConfig,
    data: dict[str, Any],
    init_from: dict[str, Any] | None = None,
    overwrite: bool = False,
) -> PretrainingConfig | None:
    """Writes a new run's config, vocabulary and samples, or checks an old run's.

    Args:
      init_from: what is known of the initial weights; None: they are random.
      overwrite: a new run is marked as begun with --overwrite.

    Returns:
      The config of the run that is resumed; None for a new run.

    Raises:
      UserError: the folder holds something else, or a run of another config, data or
        initial weights.
    """
    ours = re.compile(rf"{re.escape(CLAIM_FILE)}|{REPLACED.pattern}/.*|.*\.tmp")
    present = [name for name in files.walk(model_dir) if not ours.fullmatch(name)]
    resumed = None
    if (before := read_description(model_dir)) is not None:
        _check_same_start(model_dir, before.get("init_from"), init_from)
        resumed = check_same_run(model_dir, config, data)
        init_from = before.get("init_from")
        overwrite = before.get("overwrite", False)
    elif present:
        raise UserError(
            f"--model_dir={model_dir} is not empty and not a run's folder: it holds "
            f"{present[0]!r}. Name another --model_dir, or, if a kill cut --overwrite "
            "short there, pass it again"
        )
    files.makedirs(model_dir)
    # The config first: a folder that a kill left half made is then known as a run's.
    description = _describe(config, data) | {"init_from": init_from}
    if overwrite:
        description["overwrite"] = True
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
        is_a_runs = isinstance(content["config"] | content["data"], dict)
    except (ValueError, KeyError, TypeError):
        return None
    return content if is_a_runs else None


def is_begun_anew(
    model_dir: str,
    config: PretrainingConfig,
    data: dict[str, Any],
    init_from: dict[str, Any] | None,
    step: int,
) -> bool:
    """Whether --overwrite has begun this very run, which is not complete yet.

    Args:
      step: of its newest checkpoint, or 0.
    """
    before = read_description(model_dir)
    if before is None or not before.get("overwrite"):
        return False
    try:
        _check_same_start(model_dir, before.get("init_from"), init_from)
        resumed = check_same_run(model_dir, config, data)
    except UserError:
        return False
    return step < resumed.num_train_steps


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
    recorded, old_data = read_run(model_dir)
    changes = _changes(recorded.to_dict(), config.to_dict(), config.to_dict())
    may_change = hparams.names(PretrainingConfig, may_change=True)
    for name in sorted(may_change & changes.keys()):
        logging.info("changed since the run was last trained: %s", changes.pop(name))
    new_data = _describe(config, data)["data"]
    changes |= _changes(old_data, new_data, new_data)
    if changes:
        raise UserError(
            f"--model_dir={model_dir} holds a run of another config or data: "
            f"{'; '.join(changes.values())}. To begin a new run, {_OVERWRITE}"
        )
    return recorded


def _changes(
    before: dict[str, Any], now: dict[str, Any], names: Iterable[str]
) -> dict[str, str]:
    """Those of the names whose values differ, and how."""
    return {
        name: f"{name}: {before.get(name)!r} there, {now.get(name)!r} now"
        for name in names
        if before.get(name) != now.get(name)
    }


def _check_same_start(
    model_dir: str, recorded: dict[str, Any] | None, given: dict[str, Any] | None
) -> None:
    """Refuses to resume a run that began from other weights.

    Args:
      recorded: what config.json says of the weights; None: random ones.
      given: what is known of those that --init_from names now.
    """
    there, now = recorded or {}, given or {}
    changes = _changes(there, now, now or there)
    if not changes:
        return
    began, fix = "random weights", "leave out --init_from"
    if there:
        began, fix = there["path"], f"pass --init_from={there['path']}"
    raise UserError(
        f"--model_dir={model_dir} holds a run that began from {began}: "
        f"{'; '.join(changes.values())}. To resume it, {fix}. To begin a new run, "
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
