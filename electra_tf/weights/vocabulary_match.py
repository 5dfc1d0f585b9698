"""Rows of tables, by token or position, moved to where a new run has them."""

import os
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from absl import logging

from common.errors import UserError
from data_prep.vocab.vocabulary import SPECIAL_TOKENS
from electra_tf.weights.read import Weights

# Tables are padded to multiples of up to 128 rows.
_MOST_PADDING = 127


class SharedTokens(NamedTuple):
    """Ids, in two vocabularies, of the tokens that both have."""

    ours: np.ndarray  # int [N]
    theirs: np.ndarray  # int [N]


def match(weights: Weights, tokens: Sequence[str]) -> SharedTokens:
    """Tokens are the same if they are spelled the same, whatever their ids.

    Raises:
      UserError: the vocabulary does not fit the weights, or lacks special tokens.
    """
    check_vocabulary(weights)
    theirs = {token: i for i, token in enumerate(weights.tokens)}
    if missing := [token for token in SPECIAL_TOKENS if token not in theirs]:
        raise UserError(
            f"{weights.path}: its vocabulary has no {' '.join(missing)}, as those of "
            "ELECTRA and BERT have"
        )
    pairs = [(i, theirs[token]) for i, token in enumerate(tokens) if token in theirs]
    ours_ids, their_ids = np.array(pairs).T
    shared = SharedTokens(ours_ids, their_ids)
    _log(weights, shared, len(tokens))
    return shared


def check_vocabulary(weights: Weights) -> None:
    """Refuses a vocabulary whose size does not fit the weights.

    Raises:
      UserError: names both sizes.
    """
    table = weights.tensors.get("electra/embeddings/word_embeddings")
    if table is not None:
        padding = len(table) - len(weights.tokens)
        if not 0 <= padding <= _MOST_PADDING:
            raise UserError(
                f"{weights.path}: the vocabulary has {len(weights.tokens)} tokens, the "
                f"embedding table {len(table)} rows: it is another model's. Pass "
                "--init_vocab=FILE, or put the right one beside the weights"
            )
        if padding:
            logging.warning(
                "%s: the last %d rows of the embedding table belong to no token",
                weights.path,
                padding,
            )


def _log(weights: Weights, shared: SharedTokens, size: int) -> None:
    kept = len(shared.ours)
    if kept == size == len(weights.tokens):
        moved = int((shared.ours != shared.theirs).sum())
        order = f"{moved} of them at another id" if moved else "with the same ids"
        logging.info("vocabulary: the same %d tokens, %s", size, order)
        return
    logging.warning(
        "vocabulary: %d of %d tokens keep their rows, %d are new and begin with random "
        "ones; %d of the %d there are left out",
        *(kept, size, size - kept),
        *(len(weights.tokens) - kept, len(weights.tokens)),
    )


def fitted(
    name: str, value: np.ndarray, initial: np.ndarray, shared: SharedTokens
) -> np.ndarray:
    """The value with its rows where this run has them; new rows stay random.

    Args:
      value: of the other training.
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
                "%s: %d rows there, %d here: the first %d are used",
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
