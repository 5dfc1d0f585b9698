"""Tags of a text's units <-> labels of its tokens.

Units are what the data tags: words, or single characters, which is how KLUE tells
entities inside a word. Tokens are what the network sees. A token answers for the unit
that begins with it; a unit that begins inside a token goes on with what that one says.
"""

from collections.abc import Sequence

import numpy as np

from electra_tf.finetune.rows import Unit

# A token without a label of its own, and what a text that was cut no longer covers.
NO_LABEL = -1
_OUTSIDE = "O"


def tag_tokens(
    offsets: Sequence[tuple[int, int]], units: Sequence[Unit], labels: Sequence[str]
) -> list[int]:
    """The label of each token, or NO_LABEL where no unit begins.

    Args:
      offsets: of tokens, in characters.
    """
    number = {label: i for i, label in enumerate(labels)}
    begins = {unit.start: number.get(unit.tag, NO_LABEL) for unit in units}
    return [begins.get(start, NO_LABEL) for start, _ in offsets]


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
    starts = np.array([start for start, _ in offsets], np.int64)
    tags: list[str] = []
    for unit in units:
        token = int(np.searchsorted(starts, unit.start, "right")) - 1
        covered = token >= 0 and unit.start < offsets[token][1]
        if not covered:  # a space, or what the tokenizer drops
            tags.append("")
        elif token >= len(token_labels):
            tags.append(_OUTSIDE)
        else:
            tag = labels[token_labels[token]]
            begins = unit.start == offsets[token][0]
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
