"""Weights from elsewhere -> the variables of a new run."""

import dataclasses
import os
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from absl import logging

from common.errors import UserError
from electra_tf.config import PretrainingConfig
from electra_tf.run_folder import tf1_format
from electra_tf.weights import sizes, vocabulary_match
from electra_tf.weights.parameter_names import twins
from electra_tf.weights.read import Weights

# A longer list of names is logged only with --verbosity=1.
_FEW = 8
_GENERATOR, _LM_HEAD = "generator/", "generator_predictions/"


@dataclasses.dataclass(frozen=True)
class Report:
    """Names of a run's variables, and of weights that it does not use."""

    loaded: list[str]
    fresh: list[str]
    unused: list[str]


def check_apart(model_dir: str, paths: Sequence[str]) -> None:
    """Refuses weights that the new run would overwrite.

    Raises:
      UserError: a path is in the run's own folder.
    """
    whole = os.path.join(os.path.realpath(model_dir), "")
    for path in paths:
        if os.path.join(os.path.realpath(path), "").startswith(whole):
            raise UserError(
                f"--init_from={path} is inside --model_dir={model_dir}: the new run "
                "would overwrite the weights it begins from. Name another --model_dir"
            )


def initialise(
    variables: dict[str, tf.Variable],
    weights: Weights,
    config: PretrainingConfig,
    tokens: Sequence[str],
) -> Report:
    """Fills a new run's variables, which hold their random values.

    Optimizer slots and the step are not taken: this does not resume a run.

    Args:
      variables: by the original's names.
      tokens: of the run's vocabulary, by id.

    Raises:
      UserError: another network or vocabulary, values that are not finite, or an
        incomplete part; the encoder must always be there.
    """
    check_finite(weights.path, weights.tensors)
    if not config.uses_small_generator:
        weights = _as_only_network(weights)
    sizes.check(weights, config)
    shared = vocabulary_match.match(weights, tokens)
    tensors = _without_copies(weights, variables, config)
    _share_embeddings(tensors, variables)
    report = Report(
        loaded=sorted(variables.keys() & tensors.keys()),
        fresh=sorted(variables.keys() - tensors.keys()),
        unused=sorted(tensors.keys() - variables.keys()),
    )
    _check_parts(weights.path, report)
    fitted = {}
    for name in report.loaded:
        initial = tf.convert_to_tensor(variables[name]).numpy()
        fitted[name] = vocabulary_match.fitted(name, tensors[name], initial, shared)
    fill({name: variables[name] for name in fitted}, weights.path, fitted)
    _log(weights.path, report)
    return report


def fill(
    variables: dict[str, tf.Variable], path: str, tensors: Mapping[str, np.ndarray]
) -> None:
    """Assigns values to variables by name.

    Raises:
      UserError: a variable has no value, or one of another shape.
    """
    shapes = {name: tensor.shape for name, tensor in tensors.items()}
    tf1_format.check_shapes(variables, path, shapes)
    for name, variable in variables.items():
        variable.assign(tensors[name])


def _as_only_network(weights: Weights) -> Weights:
    """A generator alone becomes the encoder of a run that has only one."""
    if any(name.startswith("electra/") for name in weights.tensors):
        return weights

    def renamed(values: Mapping[str, Any]) -> dict[str, Any]:
        return {re.sub(r"^generator\b", "electra", n): values[n] for n in values}

    return dataclasses.replace(
        weights, tensors=renamed(weights.tensors), stated=renamed(weights.stated)
    )


def check_finite(path: str, weights: dict[str, np.ndarray]) -> None:
    """Refuses the weights of a training that failed.

    Raises:
      UserError: names one.
    """
    broken = [name for name, value in weights.items() if not np.isfinite(value).all()]
    if broken:
        raise UserError(
            f"{path}: {len(broken)} variables hold values that are not finite, such as "
            f"{broken[0]}: that training failed, use an earlier checkpoint"
        )


def _without_copies(
    weights: Weights, variables: dict[str, tf.Variable], config: PretrainingConfig
) -> dict[str, np.ndarray]:
    """Leaves out what a generator's folder repeats of the discriminator's network.

    A masked LM head is taken only with the encoder it was trained on.
    """
    tensors = weights.tensors
    distances = {
        name: _distance(tensors[name], tensors[twin])
        for name, twin in twins(n for n in tensors if n not in variables).items()
        if twin in tensors
    }
    if any(distances.values()):
        name = max(distances, key=distances.get)
        logging.warning(
            "%s: the two networks share %d variables here, but their copies differ, "
            "%s by up to %.2g: the discriminator's are used",
            weights.path,
            len(distances),
            name.removeprefix(_GENERATOR),
            distances[name],
        )
    has_own = any(name.startswith(_GENERATOR + "encoder/") for name in tensors)
    is_copy = not any(d for n, d in distances.items() if "/encoder/" in n)
    fits = has_own if config.uses_small_generator else not has_own or is_copy
    return {
        name: value
        for name, value in tensors.items()
        if name not in distances and (fits or not name.startswith(_LM_HEAD))
    }


def _distance(first: np.ndarray, second: np.ndarray) -> float:
    if first.shape != second.shape:
        return float("inf")
    return float(np.abs(first - second).max())


def _share_embeddings(
    tensors: dict[str, np.ndarray], variables: dict[str, tf.Variable]
) -> None:
    """Gives a generator the shared embeddings where its own have no weights."""
    if not any(name.startswith(_GENERATOR) for name in tensors):
        return
    for name, twin in twins(variables).items():
        if name.startswith(_GENERATOR + "embeddings/") and twin in tensors:
            tensors.setdefault(name, tensors[twin])


def _check_parts(path: str, report: Report) -> None:
    """Each network and head must be complete or absent; the encoder must be there."""
    for part in sorted({_part(name) for name in report.loaded} | {"electra"}):
        missing = [name for name in report.fresh if _part(name) == part]
        loaded = [name for name in report.loaded if _part(name) == part]
        if missing and loaded:
            raise UserError(
                f"--init_from={path}: {part} is incomplete: {len(missing)} of "
                f"{len(missing) + len(loaded)} variables are missing, such as "
                f"{missing[0]}"
            )
        if missing:
            generator = any(name.startswith(_GENERATOR) for name in report.loaded)
            content = "only a generator" if generator else "no encoder"
            raise UserError(
                f"--init_from={path} holds {content}: name a discriminator "
                "(ElectraForPreTraining or ElectraModel), or both networks"
            )


def _part(name: str) -> str:
    return name.split("/")[0]


def _log(path: str, report: Report) -> None:
    logging.info(
        "a new run from the weights of %s: %d variables loaded, %d fresh, %d unused",
        path,
        len(report.loaded),
        len(report.fresh),
        len(report.unused),
    )
    for part in sorted({_part(name) for name in report.fresh}):
        logging.warning("%s holds no %s: it begins with random weights", path, part)
    for what, names in (("fresh", report.fresh), ("unused", report.unused)):
        level = logging.INFO if len(names) <= _FEW else logging.DEBUG
        for name in names:
            logging.log(level, "%s: %s", what, name)
