"""Weights from elsewhere -> the variables of a new run."""

import dataclasses
import os
from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from absl import logging

from common.cli import UserError
from electra_tf.config import PretrainingConfig
from electra_tf.weights import sizes, vocabulary_match
from electra_tf.weights.read import Source

# More names than these are only listed with --verbosity=1.
_FEW = 8
_ELECTRA, _GENERATOR = "electra/", "generator/"
_LM_HEAD = "generator_predictions/"


@dataclasses.dataclass(frozen=True)
class Report:
    """What became of the variables of a run and of the weights of its source."""

    loaded: list[str]
    fresh: list[str]
    unused: list[str]


def check_apart(model_dir: str, paths: Sequence[str]) -> None:
    """Refuses weights that the new run would replace.

    Raises:
      UserError: a path is in the run's own folder.
    """
    whole = os.path.join(os.path.realpath(model_dir), "")
    for path in paths:
        if os.path.join(os.path.realpath(path), "").startswith(whole):
            raise UserError(
                f"--init_from={path} is in --model_dir={model_dir}: the new run would "
                "replace what it began from. Name another --model_dir"
            )


def initialise(
    variables: dict[str, tf.Variable],
    source: Source,
    config: PretrainingConfig,
    tokens: Sequence[str],
) -> Report:
    """Fills a new run's variables, which hold their random values.

    Optimizer slots and the step are not taken: this is no resuming.

    Args:
      variables: by the original's names.
      tokens: of the run's vocabulary, by id.

    Raises:
      UserError: another network or vocabulary, values that are not finite, or a part
        that is there but not in full; the encoder always has to be.
    """
    weights = dict(source.weights)
    check_finite(source.path, weights)
    sizes.check(source, config)
    shared = vocabulary_match.match(source, tokens)
    weights = _without_copies(source.path, weights, variables, config)
    _share_embeddings(weights, variables)
    report = Report(
        loaded=sorted(variables.keys() & weights.keys()),
        fresh=sorted(variables.keys() - weights.keys()),
        unused=sorted(weights.keys() - variables.keys()),
    )
    _check_parts(source.path, report)
    for name in report.loaded:
        variable = variables[name]
        initial = tf.convert_to_tensor(variable).numpy()
        value = vocabulary_match.fitted(name, weights[name], initial, shared)
        if value.shape != initial.shape:
            raise UserError(
                f"{source.path}: {name} has shape {list(value.shape)}, the config "
                f"says {list(initial.shape)}"
            )
        variable.assign(value)
    _log(source.path, report)
    return report


def check_finite(path: str, weights: dict[str, np.ndarray]) -> None:
    """Refuses the weights of a training that went wrong.

    Raises:
      UserError: names one.
    """
    broken = [name for name, value in weights.items() if not np.isfinite(value).all()]
    if broken:
        raise UserError(
            f"{path}: {broken[0]} holds values that are not finite, as do "
            f"{len(broken) - 1} others: that training went wrong, take an earlier step"
        )


def _without_copies(
    path: str,
    weights: dict[str, np.ndarray],
    variables: dict[str, tf.Variable],
    config: PretrainingConfig,
) -> dict[str, np.ndarray]:
    """Leaves out what a generator's folder repeats of the discriminator's network.

    A masked LM head is taken only with the encoder it was trained on.
    """
    twins = {
        name: _ELECTRA + name.removeprefix(_GENERATOR)
        for name in weights
        if name.startswith(_GENERATOR) and name not in variables
    }
    distances = {
        name: _distance(weights[name], weights[twin])
        for name, twin in twins.items()
        if twin in weights
    }
    if any(distances.values()):
        name = max(distances, key=distances.get)
        logging.warning(
            "%s: the two networks share %d variables here, but their copies differ, "
            "%s by up to %.2g: the discriminator's are taken",
            path,
            len(distances),
            name.removeprefix(_GENERATOR),
            distances[name],
        )
    has_own = any(name.startswith(_GENERATOR + "encoder/") for name in weights)
    is_copy = not any(d for n, d in distances.items() if "/encoder/" in n)
    fits = has_own if config.uses_small_generator else not has_own or is_copy
    return {
        name: value
        for name, value in weights.items()
        if name not in distances and (fits or not name.startswith(_LM_HEAD))
    }


def _distance(first: np.ndarray, second: np.ndarray) -> float:
    if first.shape != second.shape:
        return float("inf")
    return float(np.abs(first - second).max())


def _share_embeddings(
    weights: dict[str, np.ndarray], variables: dict[str, tf.Variable]
) -> None:
    """Gives a generator with embeddings of its own those that its source shared."""
    if not any(name.startswith(_GENERATOR) for name in weights):
        return
    for name in variables:
        twin = _ELECTRA + name.removeprefix(_GENERATOR)
        if name.startswith(_GENERATOR + "embeddings/") and twin in weights:
            weights.setdefault(name, weights[twin])


def _check_parts(path: str, report: Report) -> None:
    """Each network and head is there in full or not at all; the encoder is there."""
    for part in sorted({_part(name) for name in report.loaded} | {"electra"}):
        missing = [name for name in report.fresh if _part(name) == part]
        loaded = [name for name in report.loaded if _part(name) == part]
        if missing and loaded:
            raise UserError(
                f"--init_from={path}: {part} is not there in full: {len(missing)} of "
                f"{len(missing) + len(loaded)} variables are missing, such as "
                f"{missing[0]}"
            )
        if missing:
            generator = any(name.startswith(_GENERATOR) for name in report.loaded)
            held = "a generator alone" if generator else "no encoder of ELECTRA or BERT"
            raise UserError(
                f"--init_from={path} holds {held}: a run begins from a discriminator "
                "(ElectraForPreTraining or ElectraModel), or from both networks"
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
        logging.warning("%s is not in %s: it begins with random weights", part, path)
    for what, names in (("fresh", report.fresh), ("unused", report.unused)):
        level = logging.INFO if len(names) <= _FEW else logging.DEBUG
        for name in names:
            logging.log(level, "%s: %s", what, name)
