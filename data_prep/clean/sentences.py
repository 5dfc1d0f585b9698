"""Lines cut into sentences by kiwipiepy, as recipes of written text do.

kss, which KoELECTRA used, pins emoji 1.2 and cannot be installed beside this package.
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
    """The sentences of each line; every character but space at their ends is kept.

    Raises:
      UserError: kiwipiepy is not installed.
    """
    results = _kiwi().split_into_sents(list(lines))
    return [[s.text.strip() for s in found if s.text.strip()] for found in results]
