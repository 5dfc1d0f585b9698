"""The sizes that weights show, compared with those that a config or a file states."""

import dataclasses
import re
from collections.abc import Mapping, Sequence
from typing import Any

from absl import logging

from common.errors import UserError
from electra_tf.config import PretrainingConfig, TransformerConfig
from electra_tf.weights.read import HPARAMS_FILE, Weights, configured_sizes

Shapes = Mapping[str, Sequence[int]]

# Hyperparameter -> a variable of the encoder, and the axis of it that has this size.
SHOWN = {
    "vocab_size": ("embeddings/word_embeddings", 0),
    "embedding_size": ("embeddings/word_embeddings", 1),
    "type_vocab_size": ("embeddings/token_type_embeddings", 0),
    "max_position_embeddings": ("embeddings/position_embeddings", 0),
    "hidden_size": ("encoder/layer_0/attention/self/query/kernel", 0),
    "intermediate_size": ("encoder/layer_0/intermediate/dense/kernel", 1),
}
# Rows of these can be added or left out.
_MAY_DIFFER = ("vocab_size", "max_position_embeddings")
# Approximations of GELU by tanh, which differ from it by up to 5e-4.
_TANH_GELUS = ("gelu_new", "gelu_fast", "gelu_pytorch_tanh")
LAYER_NORM_EPS = 1e-12
_HEAD_SIZE = 64
_ADVICE = {
    "electra": "Set model_hparam_overrides or embedding_size to the sizes there",
    "generator": "Set generator_hidden_size, generator_layers or embedding_size to the "
    "sizes there; or name the discriminator's folder alone, for a new generator",
}


def shown(shapes: Shapes, scope: str) -> dict[str, int]:
    """The hyperparameters of one encoder that the shapes of its variables show.

    Args:
      scope: "electra" or "generator"; the latter may have the former's embeddings.
    """
    sizes = {}
    for field, (variable, axis) in SHOWN.items():
        shape = shapes.get(f"{scope}/{variable}", ())
        if not shape and variable.startswith("embeddings/"):
            shape = shapes.get(f"electra/{variable}", ())
        if axis < len(shape):
            sizes[field] = shape[axis]
    layers = (re.match(rf"{scope}/encoder/layer_(\d+)/", name) for name in shapes)
    return sizes | {"num_hidden_layers": len({m[1] for m in layers if m})}


def check(weights: Weights, config: PretrainingConfig) -> None:
    """Compares both encoders with the config's, field by field.

    Raises:
      UserError: names each field that differs; or the weights are not what the files
        beside them state.
    """
    shapes = weights.shapes
    for scope, configured in configured_sizes(config).items():
        if any(name.startswith(scope + "/encoder/") for name in shapes):
            sizes = _consistent_sizes(weights, scope)
            _check_same_network(weights, scope, sizes, configured)
    _check_positions(weights.path, shapes, config)


def encoder(weights: Weights) -> tuple[TransformerConfig, int]:
    """The main encoder of the weights, and the width of its embeddings.

    Raises:
      UserError: there is no such encoder, it does not show its sizes, or the files
        beside the weights contradict them.
    """
    if missing := SHOWN.keys() - shown(weights.shapes, "electra").keys():
        raise UserError(
            f"{weights.path} holds no whole encoder of ELECTRA or BERT: its weights do "
            f"not show the {', '.join(sorted(missing))}. Name a discriminator "
            "(ElectraForPreTraining or ElectraModel) or a masked LM of BERT"
        )
    sizes = _consistent_sizes(weights, "electra")
    names = {field.name for field in dataclasses.fields(TransformerConfig)}
    known = {name: sizes[name] for name in names & sizes.keys()}
    return TransformerConfig(**known | {"hidden_act": "gelu"}), sizes["embedding_size"]


def _consistent_sizes(weights: Weights, scope: str) -> dict[str, Any]:
    """What the files beside the weights state and the shapes show, which must agree."""
    stated, sizes = weights.stated.get(scope, {}), shown(weights.shapes, scope)
    wrong = [
        f"{field}: {stated[field]} there, {size} by the weights"
        for field, size in sizes.items()
        if (stated.get(field) or size) != size
    ]
    if wrong:
        raise UserError(
            f"{weights.path}: the {scope} is not what the config beside it says: "
            f"{'; '.join(wrong)}. These are files of two models, or weights are missing"
        )
    _check_arithmetic(weights.path, scope, stated)
    if "num_attention_heads" not in stated:
        # No shape shows the heads; all of the original's are 64 wide.
        heads = max(1, sizes.get("hidden_size", 0) // _HEAD_SIZE)
        logging.info(
            "%s: it is assumed to have %d attention heads", weights.path, heads
        )
        sizes["num_attention_heads"] = heads
    return {**stated, **sizes}


def _check_same_network(
    weights: Weights, scope: str, sizes: dict[str, Any], configured: dict[str, Any]
) -> None:
    advice = _ADVICE[scope]
    if "num_attention_heads" not in weights.stated.get(scope, {}):
        advice += (
            f". The number of heads is stored nowhere and assumed to be "
            f"{sizes['num_attention_heads']}: if that is wrong, put the {HPARAMS_FILE} "
            "of that training beside the weights"
        )
    fields = {*SHOWN, "num_hidden_layers", "num_attention_heads"} - {*_MAY_DIFFER}
    differing = [
        f"{field}: {sizes[field]} there, {configured[field]} by the config"
        for field in sorted(fields)
        if sizes.get(field, configured[field]) != configured[field]
    ]
    if differing:
        raise UserError(
            f"--init_from={weights.path}: its {scope} is another network: "
            f"{'; '.join(differing)}. {advice}"
        )


def _check_arithmetic(path: str, scope: str, stated: dict[str, Any]) -> None:
    """Settings that no shape shows and that change what the network computes."""
    act = stated.get("hidden_act", "gelu")
    if act in _TANH_GELUS:
        logging.warning(
            "%s: the %s was trained with %s; here it uses the exact GELU, which "
            "differs by up to 5e-4",
            *(path, scope, act),
        )
    elif act != "gelu":
        raise UserError(f"{path}: hidden_act of the {scope} is {act!r}, not 'gelu'")
    kind = stated.get("position_embedding_type", "absolute")
    if kind != "absolute":
        raise UserError(
            f"{path}: position_embedding_type of the {scope} is {kind!r}, not "
            "'absolute'"
        )
    epsilon = stated.get("layer_norm_eps", LAYER_NORM_EPS)
    if epsilon != LAYER_NORM_EPS:
        logging.warning(
            "%s: layer_norm_eps of the %s is %g; here it is %g",
            *(path, scope, epsilon, LAYER_NORM_EPS),
        )


def _check_positions(path: str, shapes: Shapes, config: PretrainingConfig) -> None:
    """Positions are left out only if the config names a smaller number."""
    theirs = shown(shapes, "electra").get("max_position_embeddings", 0)
    ours = config.discriminator().max_position_embeddings
    is_given = "max_position_embeddings" in config.model_hparam_overrides
    if theirs > ours and not is_given:
        raise UserError(
            f"--init_from={path} has {theirs} positions, the config has the default "
            f"{ours}: set max_position_embeddings in model_hparam_overrides, to "
            f"{theirs}, or to {ours} to leave out the last {theirs - ours}"
        )
