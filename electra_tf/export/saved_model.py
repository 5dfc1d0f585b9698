"""SavedModels with text in and scores out, for TensorFlow Serving.

A signature takes `text`, strings [B] in UTF-8, and cleans, tokenizes and scores them.
It runs without this repository, but needs tensorflow-text's operations, which
TensorFlow Serving has.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from common.errors import UserError
from data_prep.vocab.vocabulary import CLS_ID, PAD_ID, SEP_ID
from electra_tf.export.text_input import TextInput, Tokens
from electra_tf.model.batch import Inputs
from electra_tf.model.compiled_ops import plain_operations
from electra_tf.pretrain.model import PretrainingModel

EMBEDDINGS, REPLACED_TOKENS = "embeddings", "replaced_tokens"
DEFAULT = "serving_default"
_TEXTS = tf.TensorSpec([None], tf.string, "text")
_MAX_DIFFERENCE = 1e-4
_NUM_TEXTS = 32


class Outputs(NamedTuple):
    """A function of the networks that becomes a signature.

    Attributes:
      function: (input_ids, input_mask, segment_ids), int32 [B, L] each -> tensors by
        name, [B, ...] each.
      per_token: every tensor is [B, L, ...]. The signature then leaves out [CLS] and
        [SEP], and gives the place of each token in the text.
      labels: names of the last axis [C]. The signature gives them as `labels` [B, C],
        once per row, because TensorFlow Serving's REST interface returns rows.
    """

    function: Callable[[tf.Tensor, tf.Tensor, tf.Tensor], Mapping[str, tf.Tensor]]
    per_token: bool = False
    labels: tuple[str, ...] = ()


def pretrained_outputs(model: PretrainingModel) -> dict[str, Outputs]:
    """The outputs of a pretrained model, by signature.

    `replaced_tokens`, first and only with electra_objective: `probability` [B, T] that
    a token was replaced. `embeddings`: `mean` [B, H] of the last hidden states of all
    tokens, [CLS] and [SEP] included, and `cls` [B, H], the hidden state of [CLS].
    """

    def embeddings(input_ids, input_mask, segment_ids) -> dict[str, tf.Tensor]:
        hidden = model.hidden_states(Inputs(input_ids, input_mask, segment_ids))
        weights = tf.cast(input_mask, tf.float32)[..., None]
        total = tf.reduce_sum(weights * hidden, 1)
        return {"mean": total / tf.reduce_sum(weights, 1), "cls": hidden[:, 0]}

    def replaced_tokens(*inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"probability": tf.sigmoid(model.discriminator_logits(Inputs(*inputs)))}

    outputs = {REPLACED_TOKENS: Outputs(replaced_tokens, per_token=True)}
    if not model.config.electra_objective:
        outputs = {}
    return outputs | {EMBEDDINGS: Outputs(embeddings)}


class TextModel(tf.Module):
    """Signatures that share one text input."""

    def __init__(
        self,
        text_input: TextInput,
        outputs: Mapping[str, Outputs],
        networks: list[tf.Module],
        vocab_file: str,
    ):
        """
        Args:
          outputs: by signature.
          networks: the outputs compute with; their variables are saved.
          vocab_file: saved as an asset.
        """
        super().__init__()
        self._text_input, self._networks = text_input, networks
        self._tokens = tf.constant(text_input.tokens)
        self._vocab_file = tf.saved_model.Asset(vocab_file)
        self.signatures = tuple(outputs)
        self._outputs = outputs

    def score(self, signature: str, text: tf.Tensor) -> dict[str, tf.Tensor]:
        """string [B] -> the signature's tensors by name."""
        function, per_token, labels = self._outputs[signature]
        tokens = self._text_input(text)
        scores = dict(function(*tokens[:3]))
        if per_token:
            scores = self._per_token(tokens, scores)
        if labels:
            scores["labels"] = tf.repeat([labels], tf.size(text), axis=0)
        return scores

    def _per_token(
        self, tokens: Tokens, scores: Mapping[str, tf.Tensor]
    ) -> dict[str, tf.Tensor]:
        """The tensors without [CLS] and [SEP], 0 or empty after the last token."""
        ids = tokens.input_ids[:, 1:-1]
        is_token = tf.sequence_mask(tokens.lengths, tf.shape(ids)[1])
        cut = {name: _where(is_token, value[:, 1:-1]) for name, value in scores.items()}
        return cut | {
            "tokens": _where(is_token, tf.gather(self._tokens, ids)),
            "lengths": tokens.lengths,
            "starts": tokens.starts,
            "ends": tokens.ends,
            "text": tokens.text,
        }


def _where(is_token: tf.Tensor, value: tf.Tensor) -> tf.Tensor:
    """[B, T] bool, [B, T, ...] -> the values of tokens, and zeros or empty strings."""
    for _ in value.shape[2:]:
        is_token = is_token[..., None]
    return tf.where(is_token, value, tf.zeros([], value.dtype))


def save(model: TextModel, default: str, output_dir: str) -> None:
    """Writes a SavedModel that needs no XLA.

    Args:
      default: the signature that is `serving_default` as well.
      output_dir: local; new or empty.
    """

    def traced(signature: str) -> tf.types.experimental.ConcreteFunction:
        score = functools.partial(model.score, signature)
        function = tf.function(score, input_signature=[_TEXTS], autograph=False)
        return function.get_concrete_function()

    with plain_operations():
        functions = {signature: traced(signature) for signature in model.signatures}
        # Serving needs no gradients, and ours would include compiled functions.
        options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
        tf.saved_model.save(
            model, output_dir, {**functions, DEFAULT: functions[default]}, options
        )


def check(
    saved_dir: str,
    outputs: Mapping[str, Outputs],
    samples: Sequence[Mapping[str, Any]],
    max_tokens: int,
) -> float:
    """Loads a SavedModel and compares it with the networks on real text.

    Args:
      samples: `text`, and the `ids` that training used for it.
      max_tokens: of a text, without [CLS] and [SEP].

    Returns:
      The largest absolute difference of any output.

    Raises:
      UserError: outputs differ by more than 1e-4, as they do when ids differ.
    """
    chosen = samples[:_NUM_TEXTS]
    texts = tf.constant([sample["text"] for sample in chosen])
    inputs = _inputs([sample["ids"][:max_tokens] for sample in chosen])
    signatures = tf.saved_model.load(saved_dir).signatures
    worst = 0.0
    for signature, (function, per_token, _) in outputs.items():
        scores = signatures[signature](text=texts)
        for name, expected in function(*inputs).items():
            if per_token:
                is_token = inputs[1][:, 2:] > 0
                expected = _where(is_token, expected[:, 1:-1])
            worst = max(worst, _difference(scores[name], expected))
            if not worst < _MAX_DIFFERENCE:
                raise UserError(
                    f"{saved_dir}: {name} of signature {signature} differs from the "
                    f"trained model's by {worst:.2e}, at most {_MAX_DIFFERENCE} is "
                    "allowed: the weights or some token ids are not the same"
                )
    return worst


def _inputs(ids: list[list[int]]) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    rows = tf.ragged.constant([[CLS_ID, *row, SEP_ID] for row in ids], tf.int32)
    input_ids = rows.to_tensor(PAD_ID)
    input_mask = tf.sequence_mask(rows.row_lengths(), dtype=tf.int32)
    return input_ids, input_mask, tf.zeros_like(input_ids)


def _difference(first: tf.Tensor, second: tf.Tensor) -> float:
    """The largest absolute difference; infinite if the shapes differ."""
    if first.shape != second.shape:
        return float("inf")
    return float(tf.reduce_max(tf.abs(first - second)))
