"""Splits lines into sentences with kiwipiepy, for recipes of written text.

KoELECTRA's kss pins emoji 1.2 and cannot be installed with this package.
"""

import functools
from collections.abc import Sequence
from typing import Any

from common.cli import UserError


@functools.cache
def _kiwi() -> Any:
    try:
        from kiwipiepy import Kiwi
    except ImportError as error:
        raise UserError(
            "--split_sentences needs kiwipiepy: "
            "pip install 'korean-electra-tf[morphemes]'"
        ) from error
    # One thread: the workers are processes.
    return Kiwi(num_workers=1)


def split(lines: Sequence[str]) -> list[list[str]]:
    """The sentences of each line; only space at their ends is lost.

    Raises:
      UserError: kiwipiepy is not installed.
    """
    split_lines = _kiwi().split_into_sents(list(lines))
    return [[s.text.strip() for s in line if s.text.strip()] for line in split_lines]
