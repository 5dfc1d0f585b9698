"""An encoder with the head of one task.

B rows, L sequence length, C outputs.
"""

import tensorflow as tf

from electra_tf.config import TransformerConfig
from electra_tf.finetune.heads import HEADS
from electra_tf.finetune.kinds.base import Kind
from electra_tf.model.batch import Inputs, view_of_row
from electra_tf.model.dropout import RandomStream
from electra_tf.model.encoder import Embeddings, Encoder
from electra_tf.model.layers import Initializer


class FinetuningModel(tf.Module):
    """An encoder with the names of pretraining, and a head."""

    def __init__(
        self,
        kind: Kind,
        config: TransformerConfig,
        embedding_size: int,
        num_labels: int,
        seed: int = 0,
        compute_dtype: tf.DType = tf.float32,
    ):
        super().__init__()
        self.kind, self.config, self.embedding_size = kind, config, embedding_size
        init = Initializer(config.initializer_range, seed)
        embeddings = Embeddings("electra", config, embedding_size, init, compute_dtype)
        self.encoder = Encoder("electra", config, embeddings, init)
        outputs = kind.num_outputs or num_labels
        self.head = HEADS[kind.name].network(config, outputs, init)

    @property
    def named_variables(self) -> dict[str, tf.Variable]:
        return {variable.name.split(":")[0]: variable for variable in self.variables}

    def __call__(self, inputs: Inputs, random: RandomStream | None = None) -> tf.Tensor:
        """int32 [B, L] three times -> float32 logits.

        Returns:
          [B, C], or [B, L, C] for a head of every token; [B] for a head of one output.
          Choices come as rows, one after the other, and each has its own logit.
        """
        hidden = self.encoder(inputs, view_of_row(inputs.input_mask), random)
        logits = tf.cast(self.head(hidden, random), tf.float32)
        return logits[:, 0] if self.kind.num_outputs == 1 else logits

    def losses(
        self, logits: tf.Tensor, targets: tf.Tensor, input_mask: tf.Tensor
    ) -> tf.Tensor:
        """The loss of each row, float32 [B]; see `heads`."""
        return HEADS[self.kind.name].loss(logits, targets, input_mask)
