"""run_pretraining as users type it: a run that begins from another model's weights."""

import json
import pathlib
import signal

import pytest
from helpers import processes, tiny

from electra_tf.export import hf_folder
from electra_tf.pretrain import compiled_steps
from electra_tf.pretrain.input_pipeline import Records
from electra_tf.pretrain.run_log import read_log
from electra_tf.run_folder import checkpoints, description

# The held-out records are the same, the text to train on is another.
EVAL_SHARDS = [[100, 101, 102], [103, 104, 105]]
OTHER_SHARDS = [list(range(200, 230))]
CONFIG = tiny.config({"num_hidden_layers": 1})


def running(model_dir: pathlib.Path, *options: str, **hparams):
    """The command as a process."""
    preset = model_dir.parent / "empty.toml"
    preset.write_text("")
    command = ["-m", "electra_tf.run_pretraining", *options, f"--config={preset}"]
    command += [f"--data_dir={model_dir.parent / 'other'}", f"--model_dir={model_dir}"]
    command += [f"--hparams={json.dumps(CONFIG.to_dict() | hparams)}"]
    return processes.running(*command, warm=True)


def kill_at(line: str, model_dir: pathlib.Path, *options: str) -> str:
    """The log of the command until it is killed, at a line with this text."""
    with running(model_dir, *options) as process:
        process.wait_for(line)
        return process.kill().output


@pytest.fixture(scope="module")
def folder(data_dir, cpu, tmp_path_factory) -> pathlib.Path:
    """first.json, how a model was evaluated; hf/, its export; other/, other text."""
    folder = tmp_path_factory.mktemp("runs")
    running = compiled_steps.Trainer(CONFIG, cpu)
    tiny.set_random_values(running.model.named_variables)
    batches = Records(str(data_dir), CONFIG).eval_batches
    (folder / "first.json").write_text(json.dumps(running.evaluate(batches)))
    vocab_file = data_dir / "tfrecords" / "vocab.txt"
    hf_folder.write_folders(running.model, str(vocab_file), str(folder / "hf"))
    tiny.write_data(folder / "other", {"train": OTHER_SHARDS, "eval": EVAL_SHARDS})
    return folder


def test_a_new_run_evaluates_as_the_one_it_came_from(folder):
    model_dir, option = folder / "run", f"--init_from={folder / 'hf'}"
    kill_at("eval step 0:", model_dir, option)
    recorded = description.read_description(str(model_dir))["init_from"]
    assert recorded["path"] == str(folder / "hf") and len(recorded["sha256"]) == 64
    # Killed before its first checkpoint, it begins from the same weights again.
    log = kill_at("eval step 0:", model_dir, option)
    assert "variables loaded, 0 fresh, 0 unused" in log
    assert checkpoints.steps(str(model_dir)) == []
    assert description.read_description(str(model_dir))["init_from"] == recorded
    [found] = read_log(str(model_dir / "metrics.jsonl"))
    assert (found["kind"], found["step"]) == ("eval", 0)
    expected = json.loads((folder / "first.json").read_text())
    assert expected["loss"] > 0
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=1e-6), name


@pytest.mark.parametrize(
    "line, number",
    [
        ("TensorFlow ", signal.SIGTERM),
        ("parameters", signal.SIGINT),
        ("eval step 0:", signal.SIGTERM),
    ],
)
def test_a_request_before_training_is_answered_at_once(folder, line, number):
    model_dir = folder / f"early {number.name} {line[:4]}"
    with running(model_dir) as process:
        process.wait_for(line)
        process.send(number)
        ended = process.wait(timeout=30)
    assert ended.code == 75, ended.output
    assert f"{number.name}: nothing is lost yet" in ended.output
    assert "train step" not in ended.output


def test_ctrl_c_saves_and_a_second_one_does_not_wait(folder):
    model_dir = folder / "interrupted"
    with running(model_dir, iterations_per_loop=2) as process:
        process.wait_for("train step")
        process.send(signal.SIGINT)
        ended = process.wait()
    [saved] = checkpoints.steps(str(model_dir))
    assert ended.code == 75, ended.output
    assert f"stopped at step {saved}, which is saved" in ended.output
    endless = {"iterations_per_loop": 10**6, "save_checkpoints_steps": 10**6}
    with running(model_dir, **endless) as process:
        process.wait_for("resuming from")
        process.wait_for("training from step")
        process.send(signal.SIGINT)
        process.wait_for("SIGINT: will save at the end of this loop")
        process.send(signal.SIGINT)
        ended = process.wait(timeout=30)
    assert ended.code == 75, ended.output
    assert checkpoints.steps(str(model_dir)) == [saved]
