"""Whether weights from elsewhere are of the network that a config describes."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from absl import logging

from common.cli import UserError
from electra_tf.config import PretrainingConfig, TransformerConfig
from electra_tf.weights.read import HPARAMS_FILE, Source, configured_sizes
from electra_tf.weights.shown_sizes import SHOWN, shown_sizes

# Rows of these can be added or left out.
_MAY_DIFFER = ("vocab_size", "max_position_embeddings")
# Approximations of GELU by tanh, which differ from it by up to 5e-4.
_TANH_GELUS = ("gelu_new", "gelu_fast", "gelu_pytorch_tanh")
_LAYER_NORM_EPS = 1e-12
_HEAD_SIZE = 64


def check(source: Source, config: PretrainingConfig) -> None:
    """Compares both encoders with the config's, field by field.

    Raises:
      UserError: names each field that differs; or the weights are not what the files
        beside them say.
    """
    shapes = {name: value.shape for name, value in source.weights.items()}
    for scope, ours in configured_sizes(config).items():
        if any(name.startswith(scope + "/encoder/") for name in shapes):
            theirs = shown_sizes(shapes, scope)
            said = source.said.get(scope, {})
            _check_agreement(source.path, scope, theirs, said)
            _check_same_network(source.path, scope, {**said, **theirs}, ours)
            _check_arithmetic(source.path, scope, said)
    _check_positions(source.path, shapes, config)


def encoder(source: Source) -> tuple[TransformerConfig, int]:
    """The source's main encoder, and the width of its embeddings.

    Raises:
      UserError: there is no such encoder, it does not show its sizes, or the files
        beside the weights contradict them.
    """
    shapes = {name: value.shape for name, value in source.weights.items()}
    theirs, said = shown_sizes(shapes, "electra"), source.said.get("electra", {})
    if missing := SHOWN.keys() - theirs.keys():
        raise UserError(
            f"{source.path} holds no whole encoder of ELECTRA or BERT: the "
            f"{', '.join(sorted(missing))} of it cannot be seen. Name a discriminator "
            "(ElectraForPreTraining or ElectraModel) or a masked LM of BERT"
        )
    _check_agreement(source.path, "electra", theirs, said)
    _check_arithmetic(source.path, "electra", said)
    if "num_attention_heads" not in said:
        theirs["num_attention_heads"] = _unsaid_heads(source.path, theirs)
    names = {field.name for field in dataclasses.fields(TransformerConfig)}
    values = {**said, **theirs, "hidden_act": "gelu"}
    known = {name: values[name] for name in names & values.keys()}
    return TransformerConfig(**known), theirs["embedding_size"]


def _unsaid_heads(path: str, sizes: Mapping[str, int]) -> int:
    """No shape shows them; all of the original's are of 64."""
    heads = max(1, sizes.get("hidden_size", 0) // _HEAD_SIZE)
    logging.info("%s: heads of the encoder taken for %d", path, heads)
    return heads


def _check_agreement(
    path: str, scope: str, shown: dict[str, int], said: dict[str, Any]
) -> None:
    wrong = [
        f"{field}: {said[field]} there, {size} by the weights"
        for field, size in shown.items()
        if (said.get(field) or size) != size
    ]
    if wrong:
        raise UserError(
            f"{path}: the {scope} is not what the config beside it says: "
            f"{'; '.join(wrong)}. These are files of two models, or weights are missing"
        )


def _check_same_network(
    path: str, scope: str, theirs: dict[str, Any], ours: dict[str, Any]
) -> None:
    advice = _ADVICE[scope]
    if "num_attention_heads" not in theirs:
        heads = _unsaid_heads(path, theirs)
        theirs = {**theirs, "num_attention_heads": heads}
        advice += (
            f". The number of heads is stored nowhere and taken for {heads}: if that "
            f"is wrong, put the {HPARAMS_FILE} of that training beside the weights"
        )
    fields = {*SHOWN, "num_hidden_layers", "num_attention_heads"} - {*_MAY_DIFFER}
    differing = [
        f"{field}: {theirs[field]} there, {ours[field]} by the config"
        for field in sorted(fields)
        if theirs.get(field, ours[field]) != ours[field]
    ]
    if differing:
        raise UserError(
            f"--init_from={path}: its {scope} is another network: "
            f"{'; '.join(differing)}. {advice}"
        )


_ADVICE = {
    "electra": "Set model_hparam_overrides, or embedding_size, to what is there",
    "generator": "Set generator_hidden_size, generator_layers or embedding_size to "
    "what is there; or name the discriminator's folder alone: the generator is then a "
    "new one",
}


def _check_arithmetic(path: str, scope: str, said: dict[str, Any]) -> None:
    """What no shape shows, and yet changes what the network computes."""
    act = said.get("hidden_act", "gelu")
    if act in _TANH_GELUS:
        logging.warning(
            "%s: the %s was trained with %s; here it goes on with the exact GELU, "
            "which differs from it by up to 5e-4",
            path,
            scope,
            act,
        )
    elif act != "gelu":
        raise UserError(f"{path}: hidden_act of the {scope} is {act!r}, not 'gelu'")
    kind = said.get("position_embedding_type", "absolute")
    if kind != "absolute":
        raise UserError(
            f"{path}: position_embedding_type of the {scope} is {kind!r}, not "
            "'absolute'"
        )
    epsilon = said.get("layer_norm_eps", _LAYER_NORM_EPS)
    if epsilon != _LAYER_NORM_EPS:
        logging.warning(
            "%s: layer_norm_eps of the %s is %g; here it is %g",
            path,
            scope,
            epsilon,
            _LAYER_NORM_EPS,
        )


def _check_positions(
    path: str, shapes: Mapping[str, tuple[int, ...]], config: PretrainingConfig
) -> None:
    """Positions are left out only if the config asks for fewer by name."""
    theirs = shown_sizes(shapes, "electra").get("max_position_embeddings", 0)
    ours = config.discriminator().max_position_embeddings
    asked = "max_position_embeddings" in config.model_hparam_overrides
    if theirs > ours and not asked:
        raise UserError(
            f"--init_from={path} has {theirs} positions, the config has the default "
            f"{ours}: say so in model_hparam_overrides, with max_position_embeddings "
            f"{theirs}, or {ours} to leave the last {theirs - ours} out"
        )
