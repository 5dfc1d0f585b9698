"""Which variables make a network, and what transformers calls them."""

import re
from collections.abc import Iterable

import numpy as np

from data_prep.cli import UserError
from electra_tf.config import PretrainingConfig, TransformerConfig

DISCRIMINATOR, GENERATOR = "discriminator", "generator"

# TensorFlow name, without its scope -> PyTorch name, in this order. Kernels are
# transposed.
_RENAMES = (
    (r"^(electra|generator)/", "electra/"),
    (
        r"^discriminator_predictions/dense_1/",
        "discriminator_predictions/dense_prediction/",
    ),
    (r"^generator_predictions/output_bias$", "generator_lm_head/bias"),
    (r"/layer_(\d+)/", r"/layer/\1/"),
    (r"_embeddings$", "_embeddings/weight"),
    (r"/kernel$", "/weight"),
    (r"/gamma$", "/weight"),
    (r"/beta$", "/bias"),
    (r"/", "."),
)


def pytorch_name(name: str) -> str:
    """The transformers parameter a variable of one network becomes."""
    for pattern, replacement in _RENAMES:
        name = re.sub(pattern, replacement, name)
    return name


def network_variables(config: PretrainingConfig, kind: str) -> re.Pattern:
    """Matches the variables of one network, embeddings and head included."""
    if kind == DISCRIMINATOR:
        return re.compile("^(electra|discriminator_predictions)/")
    if not config.uses_small_generator:  # one encoder serves both
        return re.compile("^(electra|generator_predictions)/")
    if config.untied_generator_embeddings:
        return re.compile("^(generator|generator_predictions)/")
    return re.compile("^(electra/embeddings|generator|generator_predictions)/")


def networks(config: PretrainingConfig) -> dict[str, TransformerConfig]:
    """Which folders a run gives.

    Raises:
      UserError: the run has no discriminator, or none that transformers can express.
    """
    if not config.electra_objective:
        raise UserError(
            "only runs with electra_objective become ELECTRA folders: transformers has "
            "no class for the electric objective, and a masked LM has no discriminator"
        )
    found = {DISCRIMINATOR: config.discriminator()}
    if not config.uniform_generator:
        small = config.uses_small_generator
        found[GENERATOR] = config.generator() if small else config.discriminator()
    return found


def parameter_names(
    variables: Iterable[str], config: PretrainingConfig, kind: str
) -> dict[str, str]:
    """The original's names of one network's variables -> transformers' names."""
    pattern = network_variables(config, kind)
    return {name: pytorch_name(name) for name in variables if pattern.match(name)}


def state_dict(
    variables: dict[str, np.ndarray], config: PretrainingConfig, kind: str
) -> dict[str, np.ndarray]:
    """One network's parameters under transformers' names."""
    state = {}
    for name, theirs in parameter_names(variables, config, kind).items():
        value = variables[name]
        value = value.T if is_transposed(name) else value
        state[theirs] = np.ascontiguousarray(value, np.float32)
    return state


def is_transposed(name: str) -> bool:
    """Whether PyTorch holds a variable of this (TensorFlow) name the other way."""
    return name.endswith("/kernel")
