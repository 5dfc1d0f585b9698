"""results.json: a model's scores on a task, seed by seed; all tools read this.

An undefined score is null there and nan here.
"""

import dataclasses
import math
import os
import statistics
import types
import typing
from collections.abc import Sequence
from typing import Any, NamedTuple

from common import files
from common.errors import UserError
from electra_tf.finetune.kinds.base import Scores
from electra_tf.finetune.kinds.table import KINDS

RESULTS_FILE = "results.json"
INITS = ("pretrained", "random", "baseline")


@dataclasses.dataclass(frozen=True)
class Epoch:
    """One pass over the training rows."""

    epoch: int  # from 1
    loss: float  # mean over the training rows
    dev: Scores


@dataclasses.dataclass(frozen=True)
class Seed:
    """One run with its own head, order and dropout; or why it failed.

    Attributes:
      best_epoch: the best on dev, whose weights were scored; None without epochs.
      dev, test: scores by name; test is None without labelled test rows.
      seconds: wall clock, scoring included.
      error: one line if the run failed; then all others but `seed` are defaults.
    """

    seed: int
    best_epoch: int | None = None
    epochs: list[Epoch] = dataclasses.field(default_factory=list)
    dev: Scores = dataclasses.field(default_factory=dict)
    test: Scores | None = None
    seconds: float = 0.0
    error: str | None = None


@dataclasses.dataclass(frozen=True)
class Results:
    """The contents of results.json, under the file's names.

    Attributes:
      metric: the score that chooses epochs and that tables show.
      model: its name in tables.
      init: one of INITS.
      checkpoint: path, step and sha256; None for random weights and baselines.
      dev_from, data_sha256: as in `Dataset`.
      config: every setting, the model's too.
      counts: rows that were cut to max_seq_length, and the like.
    """

    task: str
    kind: str
    metric: str
    model: str
    init: str
    checkpoint: dict[str, Any] | None
    train_rows: int
    dev_rows: int
    test_rows: int
    dev_from: str
    data_sha256: str
    config: dict[str, Any]
    counts: dict[str, int]
    seeds: list[Seed]


class Summary(NamedTuple):
    """One metric over the seeds that succeeded."""

    split: str  # "test", or "dev" where there are no test rows
    mean: float  # nan without a seed, or if a seed's score is undefined
    sd: float  # of the sample; nan with fewer than two seeds
    succeeded: int
    failed: int
    by_seed: dict[int, float]


def summary(results: Results) -> Summary:
    """The metric on the test rows, or on the dev rows if there are no test rows."""
    finished = [seed for seed in results.seeds if seed.error is None]
    on_test = bool(finished) and all(seed.test is not None for seed in finished)
    by_seed = {
        seed.seed: (seed.test if on_test else seed.dev)[results.metric]
        for seed in finished
    }
    values = list(by_seed.values())
    defined = bool(values) and all(map(math.isfinite, values))
    return Summary(
        split="test" if on_test or (not finished and results.test_rows) else "dev",
        mean=statistics.fmean(values) if defined else math.nan,
        sd=statistics.stdev(values) if defined and len(values) > 1 else math.nan,
        succeeded=len(finished),
        failed=len(results.seeds) - len(finished),
        by_seed=by_seed,
    )


def write(folder: str, results: Results) -> None:
    """Writes a run folder's results.json, which `read` returns unchanged."""
    files.makedirs(folder)
    described = dataclasses.asdict(results)
    described["seeds"] = [
        {"seed": seed["seed"], "error": seed["error"]}
        if seed["error"] is not None
        else {name: value for name, value in seed.items() if name != "error"}
        for seed in described["seeds"]
    ]
    files.write_json(os.path.join(folder, RESULTS_FILE), _nan_to_none(described))


def _nan_to_none(value: Any) -> Any:
    """JSON has no nan."""
    if isinstance(value, dict):
        return {name: _nan_to_none(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_nan_to_none(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def read(path: str) -> Results:
    """The contents of the results.json at `path`.

    Raises:
      UserError: it does not exist, or is not as `write` writes it.
    """
    if not files.exists(path):
        raise UserError(
            f"{path} does not exist: run_finetuning and score_baselines write a "
            f"{RESULTS_FILE} into their --output_dir"
        )
    try:
        contents = files.read_json(path)
    except ValueError as error:
        raise _malformed(path, f"not JSON ({error})") from error
    results = _parsed_object(path, Results, contents)
    _check(path, results)
    return results


def seeds_before(folder: str, now: Results) -> list[Seed]:
    """The seeds of an earlier call, failed ones included.

    Raises:
      UserError: that call had other data, weights or settings.
    """
    path = os.path.join(folder, RESULTS_FILE)
    if not files.exists(path):
        return []
    before = read(path)
    for field in dataclasses.fields(Results):
        if field.name in ("model", "seeds"):
            continue
        then, is_now = (_identity(getattr(r, field.name)) for r in (before, now))
        if then != is_now:
            raise UserError(
                f"{path} is from another run: {field.name} "
                f"{_difference(then, is_now)}. Pass another --output_dir, or remove "
                "that folder"
            )
    return before.seeds


def _identity(value: Any) -> Any:
    """Weights are the same if their SHA-256 is, wherever they are."""
    if isinstance(value, dict) and "sha256" in value:
        return {name: part for name, part in value.items() if name != "path"}
    return value


def _difference(then: Any, now: Any) -> str:
    if isinstance(then, dict) and isinstance(now, dict):
        names = [n for n in {**then, **now} if then.get(n) != now.get(n)]
        return ", ".join(
            f"{n}: {then.get(n)!r} there, {now.get(n)!r} now" for n in names
        )
    return f"{then!r} there, {now!r} now"


def read_all(patterns: Sequence[str]) -> list[tuple[str, Results]]:
    """(folder, results) of the folders that match and have a results.json.

    Raises:
      UserError: there is none, or one is not as `write` writes it.
    """
    folders = dict.fromkeys(f for p in patterns for f in files.glob(p.rstrip("/")))
    paths = {folder: os.path.join(folder, RESULTS_FILE) for folder in folders}
    runs = [(f, read(path)) for f, path in paths.items() if files.exists(path)]
    if not runs:
        raise UserError(
            f"{','.join(patterns)}: {len(folders)} folders match, but none has a "
            f"{RESULTS_FILE}, which run_finetuning and score_baselines write"
        )
    return runs


def _parsed(path: str, name: str, hint: Any, value: Any) -> Any:
    """JSON's value as the annotation wants it; UserError if it is something else."""
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin is types.UnionType:  # with None
        return None if value is None else _parsed(path, name, parts[0], value)
    if dataclasses.is_dataclass(hint):
        return _parsed_object(path, hint, value)
    if hint is float:
        value = math.nan if value is None else value
        if isinstance(value, int | float):
            return float(value)
    elif isinstance(value, origin or hint):
        if origin is list:
            return [_parsed(path, name, parts[0], part) for part in value]
        if origin is dict and parts[1] is not Any:
            return {n: _parsed(path, n, parts[1], part) for n, part in value.items()}
        return value
    raise _malformed(path, f"{name} is {value!r:.60}, not {hint.__name__}")


def _parsed_object(path: str, dataclass: type, value: Any) -> Any:
    what = dataclass.__name__.lower()
    if not isinstance(value, dict):
        raise _malformed(path, f"{what} is {value!r:.60}, not an object")
    fields, hints = dataclasses.fields(dataclass), typing.get_type_hints(dataclass)
    required = {
        field.name
        for field in fields
        if field.default is field.default_factory is dataclasses.MISSING
    }
    for problem, names in (
        ("lacks", required - value.keys()),
        ("has the unknown fields", value.keys() - hints.keys()),
    ):
        if names:
            raise _malformed(path, f"{what} {problem} {', '.join(sorted(names))}")
    return dataclass(
        **{n: _parsed(path, f"{what}'s {n}", hints[n], v) for n, v in value.items()}
    )


def _check(path: str, results: Results) -> None:
    """Raises UserError where fields have impossible values."""
    for name, allowed in (("kind", KINDS), ("init", INITS)):
        if (value := getattr(results, name)) not in allowed:
            raise _malformed(path, f"{name} is {value!r}, not {', '.join(allowed)}")
    numbers = [seed.seed for seed in results.seeds]
    if len(set(numbers)) < len(numbers):
        raise _malformed(path, f"a seed is there twice: {numbers}")
    for seed in results.seeds:
        for scores in [] if seed.error is not None else [seed.dev, seed.test]:
            if scores is not None and results.metric not in scores:
                raise _malformed(path, f"seed {seed.seed} has no {results.metric}")


def _malformed(path: str, what: str) -> UserError:
    return UserError(
        f"{path} is damaged, or not written by run_finetuning: {what}. Remove it and "
        "run again"
    )
