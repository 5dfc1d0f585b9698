"""What the networks read: rows of tokens, and what each position of a row sees.

B batch, L sequence length.
"""

from typing import NamedTuple

import tensorflow as tf


class Inputs(NamedTuple):
    """One batch of records, int32 [B, L] each.

    input_mask is 0 at padding; with pack_documents it numbers a row's documents from 1.
    """

    input_ids: tf.Tensor
    input_mask: tf.Tensor
    segment_ids: tf.Tensor


class View(NamedTuple):
    """What each position attends to, and its place in its document."""

    attention_mask: tf.Tensor  # float32 [B, 1, L] or [B, L, L]
    position_ids: tf.Tensor | None = None  # int32 [B, L]; None counts from 0


def view_of_row(input_mask: tf.Tensor) -> View:
    """Every position sees every real token."""
    return View(tf.cast(input_mask > 0, tf.float32)[:, None, :])


def view_of_documents(input_mask: tf.Tensor) -> View:
    """Every position sees its own document, whose positions count from 0.

    Args:
      input_mask: int32 [B, L], the documents' numbers, ascending; 0 is padding.
    """
    is_real = tf.cast(input_mask > 0, tf.float32)[:, None, :]
    same_BLL = tf.cast(input_mask[:, :, None] == input_mask[:, None, :], tf.float32)
    up_to_here_BLL = tf.linalg.band_part(same_BLL, -1, 0)
    position_ids = tf.cast(tf.reduce_sum(up_to_here_BLL, -1), tf.int32) - 1
    return View(same_BLL * is_real, position_ids)
