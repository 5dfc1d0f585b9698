"""Checkpoints under the original's names, and damaged ones."""

import logging
import pathlib

import numpy as np
import pytest
import tensorflow as tf
from helpers import tiny

from common.errors import UserError
from electra_tf.run_folder import checkpoints


def small_variables(value: float = 0.0) -> dict[str, tf.Variable]:
    return {
        "a/kernel": tf.Variable(tf.fill([20, 30], value)),
        "a/kernel/adam_m": tf.Variable(tf.fill([20, 30], value + 0.5)),
    }


def save_small(folder, *steps: int, keep_max: int = 0) -> None:
    for step in steps:
        variables = small_variables(float(step))
        checkpoints.save(str(folder), step, variables, keep_max)


def data_file(folder: pathlib.Path, step: int) -> pathlib.Path:
    return folder / f"model.ckpt-{step}.data-00000-of-00001"


def test_round_trip_of_variables_and_slots(untrained, tmp_path):
    variables = untrained.checkpoint_variables
    tiny.set_random_values(variables, seed=5)
    saved = {name: variable.numpy() for name, variable in variables.items()}
    checkpoints.save(str(tmp_path), 7, variables, keep_max=5)
    for variable in variables.values():
        variable.assign(tf.zeros_like(variable))
    assert checkpoints.restore_or_initialise(str(tmp_path), variables) == 7
    for name, variable in variables.items():
        assert np.array_equal(variable, saved[name]), name


def test_names_are_the_originals(untrained, tmp_path):
    variables = untrained.checkpoint_variables
    checkpoints.save(str(tmp_path), 7, variables, keep_max=5)
    path = tf.train.latest_checkpoint(str(tmp_path))
    assert path == str(tmp_path / "model.ckpt-7")
    listed = dict(tf.train.list_variables(path))
    weights = set(untrained.model.named_variables)
    slots = {f"{name}/{slot}" for name in weights for slot in ("adam_m", "adam_v")}
    assert set(listed) == weights | slots | {"global_step"}
    table = "electra/embeddings/word_embeddings"
    assert listed[table] == listed[table + "/adam_m"] == [40, 16]
    step = tf.train.load_variable(path, "global_step")
    assert step == 7 and step.dtype == np.int64 and step.shape == ()


def test_new_folder_starts_at_step_0(tmp_path):
    variables = small_variables(3.0)
    assert checkpoints.restore_or_initialise(str(tmp_path / "new"), variables) == 0
    assert (variables["a/kernel"].numpy() == 3.0).all()


def test_only_the_newest_are_kept(tmp_path):
    save_small(tmp_path, 1, 2, 9, 10, keep_max=2)
    assert checkpoints.steps(str(tmp_path)) == [9, 10]
    left = {path.name.split(".")[1] for path in tmp_path.glob("model.*")}
    assert left == {"ckpt-9", "ckpt-10"}
    state = tf.train.get_checkpoint_state(str(tmp_path))
    names = [pathlib.Path(p).name for p in state.all_model_checkpoint_paths]
    assert names == ["model.ckpt-9", "model.ckpt-10"]


def test_step_1_is_not_mistaken_for_step_10(tmp_path):
    save_small(tmp_path, 1, 10, keep_max=1)
    assert checkpoints.steps(str(tmp_path)) == [10]
    variables = small_variables()
    assert checkpoints.restore_or_initialise(str(tmp_path), variables) == 10


def test_milestones_stay_and_are_not_counted(tmp_path):
    for step in range(1, 13):
        checkpoints.save(str(tmp_path), step, small_variables(), 2, 5)
    assert checkpoints.steps(str(tmp_path)) == [5, 10, 11, 12]


def test_what_a_killed_save_left_is_swept_up(tmp_path):
    save_small(tmp_path, 10)
    for name in (
        "20.data-00000-of-00001",
        "20.index.tempstate12",
        "10.index.tempstate3",
    ):
        (tmp_path / f"model.ckpt-{name}").write_bytes(b"half")
    save_small(tmp_path, 30)
    names = {path.name for path in tmp_path.iterdir()}
    assert not [name for name in names if "-20." in name or "tempstate" in name]
    assert checkpoints.steps(str(tmp_path)) == [10, 30]


def test_damaged_checkpoints_do_not_push_out_good_ones(tmp_path):
    save_small(tmp_path, 10, 20)
    truncate(tmp_path, 20)
    assert checkpoints.restore_or_initialise(str(tmp_path), small_variables()) == 10
    checkpoints.set_aside(str(tmp_path), [20])
    assert checkpoints.steps(str(tmp_path)) == [10]
    assert (tmp_path / "damaged-model.ckpt-20.index").exists()
    save_small(tmp_path, 15, keep_max=1)
    assert checkpoints.steps(str(tmp_path)) == [15]
    assert checkpoints.restore_or_initialise(str(tmp_path), small_variables()) == 15


def test_storage_out_of_reach_is_no_damage(tmp_path, monkeypatch):
    save_small(tmp_path, 10, 20)

    def unreachable(path):
        raise tf.errors.UnavailableError(None, None, "try again")

    monkeypatch.setattr(tf.train, "load_checkpoint", unreachable)
    with pytest.raises(tf.errors.UnavailableError):
        checkpoints.restore_or_initialise(str(tmp_path), small_variables())


def test_0_keeps_all(tmp_path):
    save_small(tmp_path, *range(1, 9), keep_max=0)
    assert checkpoints.steps(str(tmp_path)) == list(range(1, 9))


def truncate(folder, step):
    path = data_file(folder, step)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty_data(folder, step):
    data_file(folder, step).write_bytes(b"")


def cut_index(folder, step):
    path = folder / f"model.ckpt-{step}.index"
    path.write_bytes(path.read_bytes()[:-20])


def flip(folder, step):
    path = data_file(folder, step)
    content = bytearray(path.read_bytes())
    content[100] ^= 0xFF
    path.write_bytes(bytes(content))


def lose_data(folder, step):
    data_file(folder, step).unlink()


def empty_index(folder, step):
    (folder / f"model.ckpt-{step}.index").write_bytes(b"")


DAMAGES = (truncate, empty_data, lose_data, flip, empty_index, cut_index)


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda f: f.__name__)
def test_damaged_checkpoint_falls_back_to_the_one_before(tmp_path, caplog, damage):
    save_small(tmp_path, 10, 20)
    damage(tmp_path, 20)
    variables = small_variables()
    with caplog.at_level(logging.ERROR, logger="absl"):
        assert checkpoints.restore_or_initialise(str(tmp_path), variables) == 10
    assert (variables["a/kernel"].numpy() == 10.0).all()
    assert (variables["a/kernel/adam_m"].numpy() == 10.5).all()
    assert "model.ckpt-20 cannot be read" in caplog.text


def test_all_damaged_is_an_error(tmp_path):
    save_small(tmp_path, 10, 20)
    for step in (10, 20):
        truncate(tmp_path, step)
    with pytest.raises(UserError, match="none of the 2 checkpoints"):
        checkpoints.restore_or_initialise(str(tmp_path), small_variables())


def test_killed_save_leaves_the_ones_before(tmp_path):
    save_small(tmp_path, 10, 20)
    (tmp_path / "model.ckpt-20.index").unlink()  # the index is written last
    variables = small_variables()
    assert checkpoints.restore_or_initialise(str(tmp_path), variables) == 10


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("b/kernel", "b/kernel is missing"),
        ("a/kernel", r"a/kernel has shape \[20, 30\]"),
    ],
)
def test_checkpoint_of_other_variables_is_refused(tmp_path, name, message):
    save_small(tmp_path, 10)
    variables = small_variables() | {name: tf.Variable(tf.zeros([2]))}
    with pytest.raises(UserError, match=message + r".*\[2\]"):
        checkpoints.restore_or_initialise(str(tmp_path), variables)
