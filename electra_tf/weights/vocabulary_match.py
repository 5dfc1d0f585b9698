"""Rows of tables, by token or position: where a new run has those of its source."""

import os
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from absl import logging

from common.cli import UserError
from data_prep.vocab.vocabulary import SPECIAL_TOKENS
from electra_tf.weights.read import Source

# Tables are padded to multiples of up to 128 rows.
_MOST_PADDING = 127


class SharedTokens(NamedTuple):
    """Ids, in two vocabularies, of the tokens that both have."""

    ours: np.ndarray  # int [N]
    theirs: np.ndarray  # int [N]


def match(source: Source, tokens: Sequence[str]) -> SharedTokens:
    """Tokens are the same if they are spelled so, wherever they stand.

    Raises:
      UserError: the source's vocabulary is not that of its weights, or no vocabulary
        of BERT's kind.
    """
    check_vocabulary(source)
    theirs = {token: i for i, token in enumerate(source.tokens)}
    if missing := [token for token in SPECIAL_TOKENS if token not in theirs]:
        raise UserError(
            f"{source.path}: its vocabulary has no {' '.join(missing)}: it is none of "
            "ELECTRA or BERT"
        )
    pairs = [(i, theirs[token]) for i, token in enumerate(tokens) if token in theirs]
    ours_ids, their_ids = np.array(pairs).T
    shared = SharedTokens(ours_ids, their_ids)
    _log(source, shared, len(tokens))
    return shared


def check_vocabulary(source: Source) -> None:
    """Refuses a vocabulary whose size is not that of the weights.

    Raises:
      UserError: says both sizes.
    """
    table = source.weights.get("electra/embeddings/word_embeddings")
    if table is not None:
        padding = len(table) - len(source.tokens)
        if not 0 <= padding <= _MOST_PADDING:
            raise UserError(
                f"{source.path}: the vocabulary has {len(source.tokens)} tokens, the "
                f"embedding table {len(table)} rows: it is that of another model. Say "
                "--init_vocab=FILE, or put the right one beside the weights"
            )
        if padding:
            logging.warning(
                "%s: the last %d rows of the embedding table are of no token",
                source.path,
                padding,
            )


def _log(source: Source, shared: SharedTokens, size: int) -> None:
    found = len(shared.ours)
    if found == size == len(source.tokens):
        moved = int((shared.ours != shared.theirs).sum())
        order = f"{moved} of them at another id" if moved else "with the same ids"
        logging.info("vocabulary: the same %d tokens, %s", size, order)
        return
    logging.warning(
        "vocabulary: %d of %d tokens keep their rows, %d are new and begin with random "
        "ones; %d of the source's %d are left out",
        found,
        size,
        size - found,
        len(source.tokens) - found,
        len(source.tokens),
    )


def fitted(
    name: str, value: np.ndarray, initial: np.ndarray, shared: SharedTokens
) -> np.ndarray:
    """Rows put where this run has them; rows that are new keep their random values.

    Args:
      value: of the source.
      initial: of the new run's variable, equal to `value` in all axes but the first.
    """
    leaf = os.path.basename(name)
    if leaf in ("word_embeddings", "output_bias"):
        rows = shared
    elif leaf == "position_embeddings":
        count = np.arange(min(len(value), len(initial)))
        rows = SharedTokens(count, count)
        if len(value) != len(initial):
            logging.warning(
                "%s: %d rows there, %d here: the first %d are taken",
                name,
                len(value),
                len(initial),
                len(count),
            )
    else:
        return value
    if value.shape[1:] != initial.shape[1:]:
        return value
    result = initial.copy()
    result[rows.ours] = value[rows.theirs]
    return result
