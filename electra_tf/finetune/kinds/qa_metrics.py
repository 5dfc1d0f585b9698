"""Exact match and F1 of answers, as KorQuAD 1.0's official evaluation defines them.

Unlike in SQuAD, F1 compares characters, because most Korean words end in a particle;
articles stay; and quotation marks and brackets separate words.
"""

import collections
import string
from collections.abc import Sequence

from common.errors import UserError

# What the official script replaces by a space, and what it deletes afterwards. Other
# marks, such as “ ” 『 』 and ·, count as characters of the answer, as they do there.
_SPACES = dict.fromkeys(map(ord, "'\"《》<>〈〉()‘’"), " ")
_DELETED = dict.fromkeys(map(ord, string.punctuation))
_NORMALIZED = _DELETED | _SPACES

# What `scores` returns.
NAMES = ("exact_match", "f1")


def normalize(text: str) -> str:
    """Lower case, without punctuation, one space between words."""
    return " ".join(text.lower().translate(_NORMALIZED).split())


def exact_match(prediction: str, gold: str) -> bool:
    """Whether two answers are the same after `normalize`."""
    return normalize(prediction) == normalize(gold)


def f1(prediction: str, gold: str) -> float:
    """F1 of the multisets of characters; 0 if they share none, or both are empty."""
    given, wanted = (
        collections.Counter(normalize(text).replace(" ", ""))
        for text in (prediction, gold)
    )
    shared = (given & wanted).total()
    return 2 * shared / (given.total() + wanted.total()) if shared else 0.0


def scores(
    predictions: Sequence[str], golds: Sequence[Sequence[str]]
) -> dict[str, float]:
    """The mean over questions of the best over a question's gold answers.

    Args:
      predictions: one per question; "" where nothing is predicted.
      golds: every right answer of each question.

    Returns:
      Shares from 0 to 1: "exact_match" and "f1".

    Raises:
      UserError: there are no questions, or one has no gold answer.
    """
    if missing := [i for i, texts in enumerate(golds) if not texts]:
        raise UserError(
            f"{len(missing)} of {len(golds)} questions, the first at index "
            f"{missing[0]}, have no gold answer: only questions with one can be scored"
        )
    if not golds:
        raise UserError("there are no questions to score: the file has no rows")
    pairs = list(zip(predictions, golds, strict=True))
    metrics = dict(zip(NAMES, (exact_match, f1), strict=True))
    return {
        name: sum(max(metric(p, gold) for gold in texts) for p, texts in pairs)
        / len(pairs)
        for name, metric in metrics.items()
    }
