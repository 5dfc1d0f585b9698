"""A run from records to checkpoints in one call, and what a resumed one says."""

import logging

import pytest
from helpers import tiny

from common.cli import UserError
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


def train(config, data_dir, model_dir) -> bool:
    given = config, str(data_dir), str(model_dir), CPU, InitialWeights()
    return run.train(*given, StopRequest())


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
    # 0.01 * warm-up (4 of 5 steps) * what is left of all steps: 0 of 4, then 4 of 8
    assert (
        "num_train_steps was 4 and is now 8: at step 4 this changes the learning rate "
        "from 0 to 0.004"
    ) in caplog.text
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
