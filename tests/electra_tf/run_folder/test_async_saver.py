"""Saves in a thread: what they hold, how they fail, how long they stall."""

import os
import threading

import numpy as np
import pytest
import tensorflow as tf

from common.cli import UserError
from electra_tf.run_folder import checkpoints
from electra_tf.run_folder.async_saver import AsyncSaver


@pytest.fixture
def variables() -> dict[str, tf.Variable]:
    return {"a/kernel": tf.Variable(tf.ones([20, 30])), "a/bias": tf.Variable([1.0])}


@pytest.fixture
def gate(monkeypatch) -> threading.Event:
    """Saves begin to write when it is set."""
    gate, save = threading.Event(), checkpoints.save

    def late(*args) -> None:
        assert gate.wait(30)
        save(*args)

    monkeypatch.setattr(checkpoints, "save", late)
    return gate


def test_checkpoint_holds_the_values_of_its_step(variables, gate, tmp_path):
    saver = AsyncSaver(str(tmp_path), 0, 0)
    saver.save(5, variables)
    # The next updates come before a byte is written.
    variables["a/kernel"].assign_sub(tf.fill([20, 30], 0.5))
    variables["a/bias"].assign([9.0])
    assert checkpoints.steps(str(tmp_path)) == []
    gate.set()
    saver.wait()
    reader = tf.train.load_checkpoint(str(tmp_path / "model.ckpt-5"))
    assert (reader.get_tensor("a/kernel") == 1.0).all()
    assert reader.get_tensor("a/bias") == [1.0]
    assert (variables["a/kernel"].numpy() == 0.5).all()


def test_the_call_returns_before_the_file_is_there(variables, gate, tmp_path):
    saver = AsyncSaver(str(tmp_path), 0, 0)
    saver.save(5, variables)
    saver.check()  # raises nothing, waits for nothing
    assert 0 < saver.take_stall_seconds() < 5
    assert saver.take_stall_seconds() == 0.0
    gate.set()
    saver.wait()
    assert checkpoints.steps(str(tmp_path)) == [5]


def test_a_second_save_waits_for_the_first(variables, gate, tmp_path):
    saver = AsyncSaver(str(tmp_path), 0, 0)
    saver.save(5, variables)
    threading.Timer(0.3, gate.set).start()
    saver.save(6, variables)
    assert saver.take_stall_seconds() > 0.25
    assert 5 in checkpoints.steps(str(tmp_path))
    saver.wait()
    assert checkpoints.steps(str(tmp_path)) == [5, 6]


@pytest.mark.parametrize("how", ["check", "wait", "save"])
def test_what_stopped_a_save_is_raised_once(variables, tmp_path, monkeypatch, how):
    def full(*_) -> None:
        raise OSError(28, "No space left on device")

    saver = AsyncSaver(str(tmp_path), 0, 0)
    monkeypatch.setattr(checkpoints, "save", full)
    saver.save(5, variables)
    while not saver._writing.done():
        os.sched_yield()
    call = {"check": saver.check, "wait": saver.wait}.get(how)
    call = call or (lambda: saver.save(6, variables))
    with pytest.raises(UserError, match="step 5 in .*No space left.*full disk"):
        call()
    saver.wait()  # said once


def test_values_that_are_not_finite_are_not_saved(variables, tmp_path):
    variables["a/bias"].assign([np.nan])
    saver = AsyncSaver(str(tmp_path), 0, 0)
    saver.save(5, variables)
    with pytest.raises(UserError, match="1 variables are not finite.*a/bias"):
        saver.wait()
    assert checkpoints.steps(str(tmp_path)) == []
