"""--overwrite: the old run is kept in a folder until the new one is complete."""

import os
import re

from absl import logging

from common import files
from common.claim import CLAIM_FILE
from common.errors import UserError
from electra_tf.run_folder import description
from electra_tf.run_folder.description import REPLACED

# What runs write, with unfinished files that a kill left.
_RUNS_FILE = re.compile(
    r"""(config\.json|vocab\.txt|tokenizer\.json|samples\.jsonl|metrics\.jsonl|(claim|trainer)\.json
    |checkpoint|(damaged-)?model\.ckpt-\d+\..+|eval-\d+\.json|non_finite-\d+\.npz
    |tensorboard/(train|eval)/events\.out\.tfevents\..+|tensorboard/rewritten\.tmp)
    (\.\d+-[0-9a-f]{8}\.tmp)?""",
    re.VERBOSE,
)


def set_aside(model_dir: str) -> None:
    """Moves a run's files to a folder replaced-N in its own, if there are any.

    Raises:
      UserError: there are files that no run wrote.
    """
    names = [name for name in files.walk(model_dir) if name != CLAIM_FILE]
    here = [name for name in names if not _is_replaced(name)]
    numbers = [int(match[1]) for match in map(REPLACED.match, names) if match]
    is_whole = description.read_description(model_dir) is not None
    foreign = [name for name in here if not _RUNS_FILE.fullmatch(name)]
    if here and not foreign and not is_whole and not numbers:
        foreign = here
    if foreign:
        raise UserError(
            f"--overwrite would replace the run in {model_dir}, where no run wrote "
            f"{', '.join(foreign[:5])}{' and others' * (len(foreign) > 5)}: move that "
            "away, or name another --model_dir"
        )
    # Without its config.json it is what a kill left of an earlier move.
    number = max(numbers, default=0) + is_whole
    target = os.path.join(model_dir, f"replaced-{number}")
    for name in sorted(here, key=lambda name: name != description.CONFIG_FILE):
        files.makedirs(os.path.dirname(os.path.join(target, name)))
        files.rename(os.path.join(model_dir, name), os.path.join(target, name))
    if here:
        logging.warning("the earlier run is in %s until this one is complete", target)


def remove(model_dir: str) -> None:
    """Removes the runs that were set aside: the one that replaced them is complete."""
    for name in files.walk(model_dir):
        if _is_replaced(name):
            files.remove(os.path.join(model_dir, name))
    for name in files.listdir(model_dir):
        folder = os.path.join(model_dir, name)
        is_ours = REPLACED.fullmatch(name) and files.isdir(folder)
        if is_ours and not [*files.walk(folder)]:
            files.remove(folder)


def _is_replaced(name: str) -> bool:
    folder, _, rest = name.partition("/")
    return bool(REPLACED.fullmatch(folder) and _RUNS_FILE.fullmatch(rest))
