"""A run from records to checkpoints in one call, and what a resumed one says."""

import logging

import pytest
from helpers import processes, tiny

from common.claim import CLAIM_FILE
from common.errors import UserError
from electra_tf.devices.flags import Devices
from electra_tf.pretrain import run
from electra_tf.pretrain.run_log import read_log
from electra_tf.pretrain.stop_request import StopRequest
from electra_tf.run_folder import checkpoints
from electra_tf.weights.flags import InitialWeights

CPU = Devices("cpu")


def config(num_train_steps: int, **changes):
    return tiny.config(
        {"num_hidden_layers": 1},
        num_train_steps=num_train_steps,
        iterations_per_loop=2,
        learning_rate=0.01,
        **changes,
    )


def train(config, data_dir, model_dir, stop=None, overwrite=False) -> bool:
    given = config, str(data_dir), str(model_dir), CPU, InitialWeights()
    return run.train(*given, stop or StopRequest(), overwrite)


@pytest.fixture(scope="module")
def model_dir(data_dir, tmp_path_factory) -> str:
    """A run of 4 steps."""
    model_dir = str(tmp_path_factory.mktemp("run") / "model")
    assert train(config(4), data_dir, model_dir)
    return model_dir


def test_a_resumed_run_says_what_more_steps_do_to_its_learning_rate(
    model_dir, data_dir, caplog
):
    with caplog.at_level(logging.INFO, logger="absl"):
        assert train(config(4), data_dir, model_dir)
    assert "already at step 4 of 4" in caplog.text
    assert "learning rate" not in caplog.text
    with caplog.at_level(logging.WARNING, logger="absl"):
        assert train(config(8), data_dir, model_dir)
    # 0.01 * warm-up (3 of 5 steps) * what is left of all steps (1 of 4); 4 of 5, 4 of 8
    assert (
        "num_train_steps was 4 and is now 8: the learning rate was 0.0015 in the last "
        "update before step 4 and is 0.004 in the next one"
    ) in caplog.text
    assert """--hparams='{"warmup_again_at": 4}'""" in caplog.text
    assert checkpoints.steps(model_dir) == [4, 8]


def test_a_checkpoint_is_evaluated_and_the_log_stays(model_dir, data_dir):
    before = read_log(model_dir + "/metrics.jsonl")
    values = run.evaluate(config(4), str(data_dir), model_dir, CPU, step=4)
    logged = [line for line in before if (line["kind"], line["step"]) == ("eval", 4)]
    assert values["loss"] == pytest.approx(logged[0]["loss"], rel=1e-6)
    assert read_log(model_dir + "/metrics.jsonl") == before


def test_other_data_is_refused(model_dir, tmp_path):
    tiny.write_data(tmp_path / "other", {"train": [[1, 2]], "eval": [[3]]})
    manifest = tmp_path / "other" / "tfrecords" / "manifest.json"
    manifest.write_text(manifest.read_text().replace("00000000", "11111111"))
    with pytest.raises(UserError, match="recipe_hash: '00000000' there, '11111111'"):
        run.evaluate(config(4), str(tmp_path / "other"), model_dir, CPU)


def test_a_run_that_goes_on_may_warm_up_again(data_dir, tmp_path):
    assert train(config(4), data_dir, tmp_path / "run")
    again = config(16, warmup_again_at=4)
    assert train(again, data_dir, tmp_path / "run")
    logged = read_log(f"{tmp_path}/run/metrics.jsonl")
    trained = [line for line in logged if line["kind"] == "train"]
    rates = {line["step"]: line["learning_rate"] for line in trained}
    # A line has the rate of the last of its two steps.
    assert rates[6] == pytest.approx(0.01 * (1 - 5 / 16) * 1 / 5)
    assert rates[8] == pytest.approx(0.01 * (1 - 7 / 16) * 3 / 5)
    assert rates[12] == pytest.approx(0.01 * (1 - 11 / 16))


def test_few_records_and_no_held_out_ones_are_said_first(tmp_path, caplog):
    tiny.write_data(tmp_path, {"train": [[1, 2, 3], [4]], "eval": [[]]})
    assert train(config(2), tmp_path, tmp_path / "run")
    messages = [record.getMessage() for record in caplog.records]
    few = "4 training records, fewer than train_batch_size=8"
    assert [m for m in messages if few in m]
    assert [m for m in messages if "no held-out records (--eval_fraction=0.1)" in m]
    assert {line["kind"] for line in read_log(f"{tmp_path}/run/metrics.jsonl")} <= {
        "train",
        "warning",
    }
    with pytest.raises(UserError, match="no held-out records: build it again"):
        run.evaluate(config(2), str(tmp_path), f"{tmp_path}/run", CPU)


def asked_to_stop() -> StopRequest:
    stop = StopRequest()
    stop.received = True
    return stop


def test_overwrite_begins_anew_once(data_dir, tmp_path, caplog):
    run_dir, other = tmp_path / "run", config(8, seed=7)
    assert train(config(4), data_dir, run_dir)
    old = (run_dir / "model.ckpt-4.index").read_bytes()
    with pytest.raises(UserError, match="seed: 0 there, 7 now"):
        train(other, data_dir, run_dir)
    assert not train(other, data_dir, run_dir, asked_to_stop(), overwrite=True)
    assert checkpoints.steps(str(run_dir)) == [2]
    assert (run_dir / "replaced-1" / "model.ckpt-4.index").read_bytes() == old
    assert checkpoints.steps(str(run_dir / "replaced-1")) == [4]
    assert (run_dir / "replaced-1" / "tensorboard" / "train").is_dir()
    caplog.clear()
    assert train(other, data_dir, run_dir, overwrite=True)
    assert "which is not complete: it resumes" in caplog.text
    assert checkpoints.steps(str(run_dir)) == [2, 8]
    assert not (run_dir / "replaced-1").exists()
    # Complete, it is replaced by the same command.
    assert not train(other, data_dir, run_dir, asked_to_stop(), overwrite=True)
    assert checkpoints.steps(str(run_dir)) == [2]
    assert checkpoints.steps(str(run_dir / "replaced-1")) == [2, 8]


def test_a_run_without_overwrite_removes_no_folder_of_that_name(data_dir, tmp_path):
    run_dir = tmp_path / "run"
    assert not train(config(4), data_dir, run_dir, asked_to_stop())
    (run_dir / "replaced-1").mkdir()
    (run_dir / "replaced-1" / "vocab.txt").write_text("precious")
    assert train(config(4), data_dir, run_dir)
    assert (run_dir / "replaced-1" / "vocab.txt").read_text() == "precious"


def test_overwrite_begins_anew_with_another_config(data_dir, tmp_path):
    for seed in (1, 2):
        given = config(8, seed=seed), data_dir, tmp_path / "run", asked_to_stop()
        assert not train(*given, overwrite=True)
    assert checkpoints.steps(f"{tmp_path}/run") == [2]
    assert checkpoints.steps(f"{tmp_path}/run/replaced-1") == [2]


def test_overwrite_touches_no_file_of_another_program(data_dir, tmp_path):
    run_dir = tmp_path / "run"
    assert train(config(4), data_dir, run_dir)
    (run_dir / "hf").mkdir()
    (run_dir / "hf" / "config.json").write_text("{}")
    before = {path: path.stat().st_mtime_ns for path in run_dir.rglob("*")}
    with pytest.raises(UserError, match=r"no run wrote hf/config\.json: move"):
        train(config(8), data_dir, run_dir, overwrite=True)
    assert {path: path.stat().st_mtime_ns for path in run_dir.rglob("*")} == before


def contents(folder) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in folder.rglob("*")}


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_folder_where_a_process_of_this_host_works_is_refused(
    data_dir, tmp_path, overwrite
):
    assert train(config(2), data_dir, tmp_path / "run")
    code = "import sys, time; from common import claim; "
    code += "claim.take(sys.argv[1], 'other'); print('took it', flush=True); "
    code += "time.sleep(300)"
    with processes.running("-c", code, tmp_path / "run") as process:
        process.wait_for("took it")
        before = contents(tmp_path / "run")
        with pytest.raises(UserError, match=f"process {process.pid}.*still running"):
            train(config(4), data_dir, tmp_path / "run", overwrite=overwrite)
        assert contents(tmp_path / "run") == before
    assert train(config(4), data_dir, tmp_path / "run", overwrite=overwrite)
    assert not (tmp_path / "run" / CLAIM_FILE).exists()
