"""Exact match and F1 of answers, as KorQuAD 1.0's official evaluation defines them.

Unlike in SQuAD, F1 compares characters, for a Korean word mostly ends in a particle; no
articles are left out; and quotation marks and brackets part words.
"""

import collections
import string
from collections.abc import Sequence

from common.cli import UserError

# What the official script replaces by a space, and what it deletes afterwards. Other
# marks, such as “ ” 『 』 and ·, count as characters of the answer there and here.
_SPACES = dict.fromkeys(map(ord, "'\"《》<>〈〉()‘’"), " ")
_DELETED = dict.fromkeys(map(ord, string.punctuation))
_NORMALIZED = _DELETED | _SPACES

# What `scores` returns.
NAMES = ("exact_match", "f1")


def normalize(text: str) -> str:
    """Lower case, without punctuation, words parted by one space."""
    return " ".join(text.lower().translate(_NORMALIZED).split())


def exact_match(prediction: str, gold: str) -> bool:
    """Whether two answers are the same once normalized; spaces between words count."""
    return normalize(prediction) == normalize(gold)


def f1(prediction: str, gold: str) -> float:
    """Of the multisets of characters; 0 if they share none, both empty or not."""
    found, wanted = (
        collections.Counter(normalize(text).replace(" ", ""))
        for text in (prediction, gold)
    )
    shared = (found & wanted).total()
    return 2 * shared / (found.total() + wanted.total()) if shared else 0.0


def scores(
    predictions: Sequence[str], golds: Sequence[Sequence[str]]
) -> dict[str, float]:
    """The mean over questions of the best over a question's gold answers.

    Args:
      predictions: a question each; "" where nothing is predicted.
      golds: for each question, every text that is a right answer.

    Returns:
      Shares from 0 to 1: "exact_match" and "f1".

    Raises:
      UserError: there is no question, or one without a gold answer.
    """
    if missing := [i for i, texts in enumerate(golds) if not texts]:
        raise UserError(
            f"{len(missing)} of {len(golds)} questions, the first at index "
            f"{missing[0]}, have no gold answer: only questions with one can be scored"
        )
    if not golds:
        raise UserError("there is no question to score: the file's rows are empty")
    pairs = list(zip(predictions, golds, strict=True))
    metrics = dict(zip(NAMES, (exact_match, f1), strict=True))
    return {
        name: sum(max(metric(p, gold) for gold in texts) for p, texts in pairs)
        / len(pairs)
        for name, metric in metrics.items()
    }
