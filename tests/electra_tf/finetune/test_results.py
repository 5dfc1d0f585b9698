"""results.json: what is written comes back; files that are not as they should be."""

import dataclasses
import json
import math
import pathlib
import statistics

import pytest
from helpers import damage

from common.errors import UserError
from electra_tf.finetune import results
from electra_tf.finetune.results import Epoch, Results, Seed


def scored(seed: int, dev: float, test: float | None) -> Seed:
    epochs = [
        Epoch(1, loss=0.7, dev={"accuracy": dev - 0.1, "f1": math.nan}),
        Epoch(2, loss=0.4, dev={"accuracy": dev, "f1": 0.5}),
    ]
    scores = None if test is None else {"accuracy": test, "f1": 0.25}
    return Seed(seed, 2, epochs, {"accuracy": dev, "f1": 0.5}, scores, seconds=3.5)


def run(*seeds: Seed, **changes) -> Results:
    whole = Results(
        task="nsmc",
        kind="classification",
        metric="accuracy",
        model="작은 model",
        init="pretrained",
        checkpoint={"path": "runs/a/model.ckpt-10", "step": 10, "sha256": "ab"},
        train_rows=100,
        dev_rows=10,
        test_rows=20,
        dev_from="train",
        data_sha256="cd",
        config={"learning_rate": 1e-4, "layers": [1, 2]},
        counts={"empty_text": 3},
        seeds=list(seeds),
    )
    return dataclasses.replace(whole, **changes)


def test_what_is_written_comes_back(tmp_path):
    failed = Seed(1, error="the loss is nan at step 7")
    before = run(scored(0, 0.8, 0.75), failed, scored(2, 0.9, None))
    results.write(str(tmp_path / "new"), before)
    path = tmp_path / "new" / "results.json"
    after = results.read(str(path))
    # nan is no value's equal, and JSON has none: it is null there.
    assert "NaN" not in path.read_text()
    assert math.isnan(after.seeds[0].epochs[0].dev["f1"])
    after.seeds[0].epochs[0].dev["f1"] = before.seeds[0].epochs[0].dev["f1"] = 0.0
    after.seeds[2].epochs[0].dev["f1"] = before.seeds[2].epochs[0].dev["f1"] = 0.0
    assert after == before
    assert json.loads(path.read_text())["seeds"][1] == {
        "seed": 1,
        "error": "the loss is nan at step 7",
    }


def test_summary_is_of_the_test_rows():
    values = [0.75, 0.7, 0.95]
    seeds = [scored(i, 0.8, value) for i, value in enumerate(values)]
    found = results.summary(run(*seeds, Seed(3, error="killed")))
    assert found.split == "test"
    assert found.mean == pytest.approx(0.8)
    # The sample's deviation: squares over n - 1.
    squares = sum((value - 0.8) ** 2 for value in values)
    assert found.sd == pytest.approx(math.sqrt(squares / 2))
    assert found.sd == pytest.approx(statistics.stdev(values))
    assert (found.succeeded, found.failed) == (3, 1)
    assert found.by_seed == {0: 0.75, 1: 0.7, 2: 0.95}


def test_summary_is_of_the_dev_rows_where_no_test_is_labelled():
    found = results.summary(run(scored(0, 0.8, None), scored(1, 0.6, None)))
    assert (found.split, found.by_seed) == ("dev", {0: 0.8, 1: 0.6})
    assert found.mean == pytest.approx(0.7)


def test_summary_without_a_finished_seed_or_a_second_one_has_no_number():
    one = results.summary(run(scored(4, 0.8, 0.7)))
    assert one.mean == 0.7 and math.isnan(one.sd)
    none = results.summary(run(Seed(0, error="killed")))
    assert math.isnan(none.mean) and math.isnan(none.sd)
    assert (none.split, none.succeeded, none.failed) == ("test", 0, 1)


def test_summary_does_not_leave_an_undefined_score_out():
    found = results.summary(run(scored(0, 0.8, 0.7), scored(1, 0.8, math.nan)))
    assert math.isnan(found.mean) and found.succeeded == 2


def damaged(folder: pathlib.Path, **changes) -> str:
    results.write(str(folder), run(scored(0, 0.8, 0.7)))
    path = folder / "results.json"
    found = json.loads(path.read_text()) | changes
    kept = {name: value for name, value in found.items() if value != "REMOVED"}
    path.write_text(json.dumps(kept))
    return str(path)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"metric": "REMOVED"}, "results lacks metric"),
        ({"mistric": "f1"}, "results has the unknown fields mistric"),
        ({"train_rows": "many"}, "results's train_rows is 'many', not int"),
        ({"checkpoint": []}, r"checkpoint is \[\], not dict"),
        ({"kind": "tags"}, "kind is 'tags', not classification, multi_label"),
        ({"init": "good"}, "init is 'good', not pretrained, random, baseline"),
        ({"metric": "pearson"}, "seed 0 has no pearson"),
        ({"seeds": [3]}, "seed is 3, not an object"),
        ({"seeds": [{"error": "killed"}]}, "seed lacks seed"),
        ({"seeds": [{"seed": 0, "error": "x"}] * 2}, r"seed is there twice: \[0, 0\]"),
        (
            {"seeds": [{"seed": 0, "dev": {"accuracy": "x"}}]},
            "accuracy is 'x', not float",
        ),
        ({"seeds": [{"seed": 0, "epochs": [{"epoch": 1}]}]}, "epoch lacks dev, loss"),
    ],
)
def test_file_that_is_not_as_it_should_be_is_refused(tmp_path, changes, message):
    path = damaged(tmp_path, **changes)
    with pytest.raises(UserError, match=f"{path} is damaged, or not .*{message}"):
        results.read(path)


def test_file_that_is_no_json_or_not_there_is_refused(tmp_path):
    path = tmp_path / "results.json"
    with pytest.raises(UserError, match="results.json does not exist"):
        results.read(str(path))
    path.write_text('{"task": ')
    with pytest.raises(UserError, match="not JSON"):
        results.read(str(path))
    path.write_text("[]")
    with pytest.raises(UserError, match=r"results is \[\], not an object"):
        results.read(str(path))


def test_a_file_cut_short_is_refused(tmp_path):
    results.write(str(tmp_path / "run"), run(scored(0, 0.8, 0.7)))
    found = damage.refused(
        tmp_path / "run", tmp_path, lambda cut: results.read(f"{cut}/results.json")
    )
    assert found == {"results.json"}


def test_folders_that_hold_results_are_found(tmp_path):
    runs = {
        name: run(scored(0, 0.8, value)) for name, value in (("a", 0.7), ("b", 0.6))
    }
    for name, result in runs.items():
        results.write(f"{tmp_path}/nsmc/{name}", result)
    (tmp_path / "nsmc" / "empty").mkdir()
    found = results.read_all([f"{tmp_path}/*/*", f"{tmp_path}/nsmc/a/"])
    assert [folder for folder, _ in found] == [f"{tmp_path}/nsmc/{n}" for n in "ab"]
    assert [r.seeds[0].test["accuracy"] for _, r in found] == [0.7, 0.6]
    with pytest.raises(UserError, match="1 folders match, but none has a results.json"):
        results.read_all([f"{tmp_path}/*"])
