"""Tags of a text's units <-> labels of its tokens.

Units are what the data tags: words, or single characters, which is how KLUE tells
entities inside a word. Tokens are what the network sees. A token answers for the unit
that begins with it; a unit that begins inside a token goes on with what that one says.
What the tokenizer drops, such as a space of no width before a word, counts for neither.
"""

from collections.abc import Sequence

import numpy as np

from electra_tf.finetune.data.rows import Unit

# A token without a label of its own, and what a text that was cut no longer covers.
NO_LABEL = -1
_OUTSIDE = "O"


def tag_tokens(
    offsets: Sequence[tuple[int, int]], units: Sequence[Unit], labels: Sequence[str]
) -> list[int]:
    """The label of each token, or NO_LABEL where no unit begins.

    Args:
      offsets: of tokens, in characters.
      units: in the text's order; a tag that is no label, as "", gives NO_LABEL.
    """
    number = {label: i for i, label in enumerate(labels)}
    found = [NO_LABEL] * len(offsets)
    for unit, token in zip(units, _first_tokens(offsets, units), strict=True):
        if token is not None and offsets[token][0] >= unit.start:
            found[token] = number.get(unit.tag, NO_LABEL)
    return found


def _first_tokens(
    offsets: Sequence[tuple[int, int]], units: Sequence[Unit]
) -> list[int | None]:
    """The first token that holds a character of each unit; None where none does."""
    ends = np.array([end for _, end in offsets], np.int64)
    starts = [unit.start for unit in units]
    tokens = np.searchsorted(ends, starts, "right").tolist()
    return [
        token if token < len(offsets) and offsets[token][0] < unit.end else None
        for token, unit in zip(tokens, units, strict=True)
    ]


def tags_of_units(
    offsets: Sequence[tuple[int, int]],
    units: Sequence[Unit],
    token_labels: Sequence[int],
    labels: Sequence[str],
) -> list[str]:
    """What the tokens' labels say of each unit.

    Args:
      token_labels: of the first tokens; those past max_seq_length are "O".
    """
    tags: list[str] = []
    for unit, token in zip(units, _first_tokens(offsets, units), strict=True):
        if token is None:
            tags.append("")
        elif token >= len(token_labels):
            tags.append(_OUTSIDE)
        else:
            tag = labels[token_labels[token]]
            begins = offsets[token][0] >= unit.start
            tags.append(tag if begins else _inside(tag))
    return _filled(tags)


def _inside(tag: str) -> str:
    return "I-" + tag[2:] if tag.startswith("B-") else tag


def _filled(tags: list[str]) -> list[str]:
    """Units without a token go on with an entity that goes on behind them."""
    filled = list(tags)
    for i, tag in enumerate(tags):
        if tag:
            continue
        before = filled[i - 1] if i else _OUTSIDE
        after = next((later for later in tags[i + 1 :] if later), _OUTSIDE)
        goes_on = before != _OUTSIDE and after == _inside(before)
        filled[i] = after if goes_on else _OUTSIDE
    return filled
