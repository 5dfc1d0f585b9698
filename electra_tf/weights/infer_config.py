"""The config of weights that come without one: their shapes, beside some hparams."""

from collections.abc import Sequence
from typing import Any

from absl import logging

from common.cli import UserError
from electra_tf import config as config_lib
from electra_tf.config import PretrainingConfig
from electra_tf.weights import sizes
from electra_tf.weights.parameter_names import DISCRIMINATOR, GENERATOR, MASKED_LM
from electra_tf.weights.read import configured_sizes
from electra_tf.weights.sizes import Shapes

_HEADS = {
    DISCRIMINATOR: "discriminator_predictions/dense/kernel",
    GENERATOR: "generator_predictions/output_bias",
    MASKED_LM: "generator_predictions/output_bias",
}
_ENCODER = ("hidden_size", "num_hidden_layers", "intermediate_size")
_TABLES = ("max_position_embeddings", "type_vocab_size")
_TABLE = "embeddings/word_embeddings"


def infer_config(
    shapes: Shapes, hparams: dict[str, Any], only: str = ""
) -> PretrainingConfig:
    """The config of networks: what the hparams leave open, the shapes show.

    Args:
      hparams: the original's JSON.
      only: the one network that is wanted; empty for all.

    Raises:
      UserError: the hparams are bad or contradict the shapes, or a network is missing.
    """
    if hparams.get("electric_objective"):
        raise UserError("transformers has no class for the electric objective")
    unset = {n for n in ("vocab_size", "embedding_size") if not hparams.get(n)}
    hparams = {name: value for name, value in hparams.items() if name not in unset}
    small = _encoder_sizes(shapes, "generator")
    has_discriminator = _HEADS[DISCRIMINATOR] in shapes
    is_electra = bool(has_discriminator or small or only in (DISCRIMINATOR, GENERATOR))
    hparams = {"electra_objective": is_electra, **hparams}
    _check_networks(shapes, hparams, only)
    tables = _table_sizes(shapes)
    # A generator alone shows nothing of the other encoder: any that suits it will do.
    overrides = _encoder_sizes(shapes, "electra") or dict(small)
    overrides |= {name: tables[name] for name in _TABLES}
    if "model_size" in hparams:
        del overrides["hidden_size"], overrides["num_hidden_layers"]
    overrides |= hparams.get("model_hparam_overrides") or {}
    values = {
        "vocab_size": tables["vocab_size"],
        "embedding_size": tables["embedding_size"],
        "uniform_generator": _HEADS[GENERATOR] not in shapes,
        "untied_generator": bool(small),
        "untied_generator_embeddings": f"generator/{_TABLE}" in shapes,
        **hparams,
        "model_hparam_overrides": overrides,
    }
    if small:
        values = {**_fractions(small, values), **values}
    config = config_lib.from_dict(values, "--hparams")
    _check_sizes(shapes, config)
    _log_heads(config, overrides)
    return config


def _sizes(shapes: Shapes, scope: str, names: Sequence[str]) -> dict[str, int]:
    shown = sizes.shown(shapes, scope)
    if missing := [name for name in names if name not in shown]:
        raise UserError(
            f"the variables under {scope}/ do not show the {', '.join(missing)}: some "
            "are missing, or have another form"
        )
    return {name: shown[name] for name in names}


def _encoder_sizes(shapes: Shapes, scope: str) -> dict[str, int]:
    """Sizes of one encoder; empty if there is none in this scope."""
    if not sizes.shown(shapes, scope)["num_hidden_layers"]:
        return {}
    return _sizes(shapes, scope, _ENCODER)


def _table_sizes(shapes: Shapes) -> dict[str, int]:
    names = ("vocab_size", "embedding_size", *_TABLES)
    return _sizes(shapes, _tables_scope(shapes), names)


def _tables_scope(shapes: Shapes) -> str:
    return "electra" if f"electra/{_TABLE}" in shapes else "generator"


def _check_networks(shapes: Shapes, hparams: dict[str, Any], only: str) -> None:
    """Refuses weights that lack a network; says how to convert the others."""
    wanted = {DISCRIMINATOR, GENERATOR}
    if hparams.get("uniform_generator"):
        wanted = {DISCRIMINATOR}
    if not hparams["electra_objective"]:
        wanted = {MASKED_LM}
    present = [kind for kind, head in _HEADS.items() if head in shapes]
    for kind in sorted({only} if only else wanted):
        if kind not in present:
            others = [
                k for k in present if (k == MASKED_LM) != hparams["electra_objective"]
            ]
            hint = "".join(f"; --only={k} converts the {k}" for k in others)
            raise UserError(
                f"the weights hold no {kind} ({_HEADS[kind]} is missing){hint}"
            )


def _fractions(small: dict[str, int], values: dict[str, Any]) -> dict[str, float]:
    """The generator's sizes, as shares of the discriminator's."""
    names = ("model_size", "model_hparam_overrides", "max_seq_length")
    known = {name: values[name] for name in names if name in values}
    alone = config_lib.from_dict({**known, "uniform_generator": True}, "--hparams")
    full = alone.discriminator()
    return {
        "generator_hidden_size": small["hidden_size"] / full.hidden_size,
        "generator_layers": small["num_hidden_layers"] / full.num_hidden_layers,
    }


def _check_sizes(shapes: Shapes, config: PretrainingConfig) -> None:
    """Refuses hparams that contradict the shapes, naming each size."""
    wrong = []
    for scope, configured in configured_sizes(config).items():
        shown = _encoder_sizes(shapes, scope)
        shown |= _table_sizes(shapes) if scope == _tables_scope(shapes) else {}
        wrong += [
            f"{scope}'s {name} is {value} there, {configured[name]} by the hparams"
            for name, value in shown.items()
            if configured[name] != value
        ]
    if wrong:
        raise UserError(f"hparams contradict the weights: {'; '.join(wrong)}")


def _log_heads(config: PretrainingConfig, overrides: dict[str, Any]) -> None:
    """Shapes do not show the number of heads, so a wrong one goes unnoticed."""
    rule = "the original's max(1, hidden_size // 64)"
    origin = "the hparams" if "num_attention_heads" in overrides else rule
    full = config.discriminator()
    logging.info("num_attention_heads: %d, by %s", full.num_attention_heads, origin)
    if config.uses_small_generator:
        heads = config.generator().num_attention_heads
        logging.info("num_attention_heads of the generator: %d, by %s", heads, rule)
