"""Small results for tests of tables and pictures."""

from electra_tf.finetune.results import Results, Seed


def run(
    scores: dict[int, float | str],
    task: str = "nsmc",
    model: str = "small",
    init: str = "pretrained",
    metric: str = "accuracy",
    train_rows: int = 100,
    data_sha256: str = "1" * 64,
    on_test: bool = True,
    step: int | None = None,
) -> Results:
    """A run with these scores by seed; a text is a failed seed's error."""
    return Results(
        task=task,
        kind="regression" if metric == "spearman" else "classification",
        metric=metric,
        model=model,
        init=init,
        checkpoint=None if step is None else {"path": "", "step": step, "sha256": ""},
        train_rows=train_rows,
        dev_rows=10,
        test_rows=20 if on_test else 0,
        dev_from="file",
        data_sha256=data_sha256,
        config={},
        counts={},
        seeds=[_seed(seed, score, metric, on_test) for seed, score in scores.items()],
    )


def _seed(seed: int, score: float | str, metric: str, on_test: bool) -> Seed:
    if isinstance(score, str):
        return Seed(seed, error=score)
    # Dev tells another number, which nothing may show where there are test rows.
    dev = {metric: 0.123 if on_test else score}
    return Seed(seed, 1, [], dev, {metric: score} if on_test else None, 1.0)
