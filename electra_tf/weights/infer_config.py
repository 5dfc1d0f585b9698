"""The config of weights that come without one: their shapes, beside some hparams."""

from typing import Any

from absl import logging

from common.errors import UserError
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
    small = _sizes(shapes, "generator")
    has_discriminator = _HEADS[DISCRIMINATOR] in shapes
    is_electra = bool(has_discriminator or small or only in (DISCRIMINATOR, GENERATOR))
    hparams = {"electra_objective": is_electra, **hparams}
    _check_networks(shapes, hparams, only)
    # A generator alone shows nothing of the other encoder: any that suits it will do.
    overrides = _sizes(shapes, "electra") or dict(small)
    if not overrides:
        raise UserError("the weights hold no encoder: no electra/encoder/layer_0")
    tables = {n: overrides.pop(n) for n in ("vocab_size", "embedding_size")}
    if "model_size" in hparams:
        del overrides["hidden_size"], overrides["num_hidden_layers"]
    overrides |= hparams.get("model_hparam_overrides") or {}
    values = {
        **tables,
        "uniform_generator": _HEADS[GENERATOR] not in shapes,
        "untied_generator": bool(small),
        "untied_generator_embeddings": "generator/embeddings/word_embeddings" in shapes,
        **hparams,
        "model_hparam_overrides": overrides,
    }
    if small:
        values = {**_fractions(small, values), **values}
    config = config_lib.from_dict(values, "--hparams")
    _check_sizes(shapes, config)
    _log_heads(config, overrides)
    return config


def _sizes(shapes: Shapes, scope: str) -> dict[str, int]:
    """All sizes of one encoder; empty if there is none in this scope."""
    shown = sizes.shown(shapes, scope)
    if not shown["num_hidden_layers"]:
        return {}
    if missing := [name for name in sizes.SHOWN if name not in shown]:
        raise UserError(
            f"the variables under {scope}/ do not show the {', '.join(missing)}: some "
            "are missing, or have another form"
        )
    return shown


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
    wrong = [
        f"{scope}'s {name} is {value} there, {configured[name]} by the hparams"
        for scope, configured in configured_sizes(config).items()
        for name, value in _sizes(shapes, scope).items()
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
