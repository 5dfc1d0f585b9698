"""Whose folder it is: a run's config, data and initial weights."""

import dataclasses
import json

import pytest
from helpers import tiny

from common.errors import UserError
from electra_tf import hparams
from electra_tf.config import PretrainingConfig
from electra_tf.run_folder import description

DATA = {
    "vocab_size": tiny.VOCAB_SIZE,
    "vocab_sha256": "0" * 64,
    "recipe": {},
    "recipe_hash": "1234",
    "seed": 0,
    "counts": {"train": 3},
}


@pytest.fixture
def open_run(data_dir, tmp_path):
    """Opens tmp_path/run under a config with changes."""

    def open_it(data=DATA, init_from=None, **changes):
        config = tiny.config(**changes)
        run = str(tmp_path / "run")
        return description.open_run(run, str(data_dir), config, data, init_from)

    return open_it


def test_new_run_holds_config_vocabulary_and_samples(open_run, data_dir, tmp_path):
    open_run(seed=3)
    run = tmp_path / "run"
    assert description.read_run(str(run))[0] == tiny.config(seed=3)
    for name in ("vocab.txt", "tokenizer.json", "samples.jsonl"):
        written = (data_dir / "tfrecords" / name).read_bytes()
        assert (run / name).read_bytes() == written
    assert json.loads((run / "config.json").read_text())["data"]["vocab_size"] == 40


def test_folder_of_something_else_is_refused(open_run, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "holiday.jpg").write_text("x")
    with pytest.raises(UserError, match="not empty.*holiday.jpg"):
        open_run()
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["holiday.jpg"]


@pytest.mark.parametrize("content", ['{"model_type": "electra"}', "[]", "no json"])
def test_folder_with_another_programs_config_is_refused(open_run, tmp_path, content):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.json").write_text(content)
    with pytest.raises(UserError, match="--model_dir="):
        open_run()
    assert (tmp_path / "run" / "config.json").read_text() == content


@pytest.mark.parametrize(
    "change",
    [
        {"learning_rate": 1e-3},
        {"seed": 1},
        {"train_batch_size": 16},
        {"overrides": {"hidden_size": 64}},
    ],
    ids=str,
)
def test_another_config_is_refused_and_named(open_run, tmp_path, change):
    open_run()
    before = (tmp_path / "run" / "config.json").read_text()
    name = next(iter(change)).replace("overrides", "model_hparam_overrides")
    with pytest.raises(UserError, match=f"another config or data: {name}: .* now"):
        open_run(**change)
    assert (tmp_path / "run" / "config.json").read_text() == before


def test_other_data_is_refused_and_named(open_run):
    open_run()
    with pytest.raises(UserError, match="recipe_hash: '1234' there, '5678' now"):
        open_run(data=DATA | {"recipe_hash": "5678"})


def test_what_alters_no_weight_may_change(open_run, tmp_path):
    assert open_run() is None
    changes = {
        "eval_batch_size": 2,
        "iterations_per_loop": 3,
        "keep_checkpoint_max": 4,
        "num_eval_steps": 5,
        "num_train_steps": 60,
        "warmup_again_at": 30,
        "save_checkpoints_steps": 7,
        "save_checkpoints_minutes": 2.5,
        "keep_checkpoint_every_n_steps": 100,
        "eval_every_n_steps": 50,
        "gradient_accumulation_steps": 2,
        "gradient_checkpointing": True,
        "compute_dtype": "bfloat16",
    }
    assert changes.keys() == hparams.names(PretrainingConfig, may_change=True)
    assert open_run(**changes) == tiny.config()
    assert description.read_run(str(tmp_path / "run"))[0] == tiny.config(**changes)


def test_same_config_resumes(open_run):
    open_run()
    assert open_run() == tiny.config()


WEIGHTS = {"path": "a", "step": 7, "sha256": "5a", "vocab_sha256": "60"}


@pytest.mark.parametrize("given", [WEIGHTS, {"path": "a"}, {"path": "a", "step": 7}])
def test_a_run_resumes_with_the_same_initial_weights(given, open_run, tmp_path):
    open_run(init_from=WEIGHTS)
    open_run(init_from=given)
    recorded = description.read_description(str(tmp_path / "run"))["init_from"]
    assert recorded == WEIGHTS


@pytest.mark.parametrize(
    "recorded, given, message",
    [
        (None, {"path": "a"}, "began from random weights: .*leave out --init_from"),
        (WEIGHTS, None, "began from a: .*pass --init_from=a"),
        (WEIGHTS, {"path": "b"}, "path: 'a' there, 'b' now"),
        (WEIGHTS, {"path": "a", "step": 8}, "a: step: 7 there, 8 now"),
        (WEIGHTS, WEIGHTS | {"sha256": "5b"}, "a: sha256: '5a' there, '5b' now"),
    ],
)
def test_a_run_that_began_otherwise_is_refused(recorded, given, message, open_run):
    open_run(init_from=recorded)
    with pytest.raises(UserError, match=message):
        open_run(init_from=given)


def test_the_config_is_written_as_it_is(open_run, tmp_path):
    open_run()
    values = json.loads((tmp_path / "run" / "config.json").read_text())["config"]
    assert values == dataclasses.asdict(tiny.config())
