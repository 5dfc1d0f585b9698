"""Saves in a thread: what they hold, how they fail, how long they stall."""

import concurrent.futures
import threading
import time

import numpy as np
import pytest
import tensorflow as tf

from common.errors import UserError
from electra_tf.run_folder import async_saver, checkpoints
from electra_tf.run_folder.async_saver import AsyncSaver


@pytest.fixture
def variables() -> dict[str, tf.Variable]:
    return {"a/kernel": tf.Variable(tf.ones([20, 30])), "a/bias": tf.Variable([1.0])}


@pytest.fixture
def gate(monkeypatch) -> threading.Event:
    """Saves begin to write when it is set, at 7 s of a clock that stands at 0 s."""
    gate, save, clock = threading.Event(), checkpoints.save, [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])

    def late(*args) -> None:
        assert gate.wait(30)
        clock[0] = 7.0
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
    assert checkpoints.steps(str(tmp_path)) == []
    gate.set()
    saver.wait()
    assert checkpoints.steps(str(tmp_path)) == [5]


def test_a_second_save_waits_for_the_first(variables, gate, tmp_path, monkeypatch):
    def snapshot(variables) -> dict[str, tf.Tensor]:
        there.append(checkpoints.steps(str(tmp_path)))
        return take(variables)

    there, take = [], async_saver.snapshot
    monkeypatch.setattr(async_saver, "snapshot", snapshot)
    saver = AsyncSaver(str(tmp_path), 0, 0)
    saver.save(5, variables)
    assert saver.take_stall_seconds() == 0.0
    threading.Timer(0.1, gate.set).start()
    saver.save(6, variables)
    assert there == [[], [5]]
    assert saver.take_stall_seconds() == 7.0
    assert saver.take_stall_seconds() == 0.0
    saver.wait()
    assert checkpoints.steps(str(tmp_path)) == [5, 6]


class InThisThread(concurrent.futures.Executor):
    """What it runs has ended when `submit` returns."""

    def __init__(self, max_workers: int):
        assert max_workers == 1

    def submit(self, function, *args) -> concurrent.futures.Future:
        future = concurrent.futures.Future()
        try:
            future.set_result(function(*args))
        except OSError as error:
            future.set_exception(error)
        return future


@pytest.mark.parametrize("how", ["check", "wait", "save"])
def test_what_stopped_a_save_is_raised_once(variables, tmp_path, monkeypatch, how):
    def full(*_) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(concurrent.futures, "ThreadPoolExecutor", InThisThread)
    monkeypatch.setattr(checkpoints, "save", full)
    saver = AsyncSaver(str(tmp_path), 0, 0)
    saver.save(5, variables)
    call = {"check": saver.check, "wait": saver.wait}.get(how)
    call = call or (lambda: saver.save(6, variables))
    with pytest.raises(UserError, match="step 5 in .*No space left.*disk full"):
        call()
    saver.wait()  # raised once


def test_values_that_are_not_finite_are_not_saved(variables, tmp_path):
    checkpoints.save(str(tmp_path), 3, variables, keep_max=0)
    variables["a/bias"].assign([np.nan])
    saver = AsyncSaver(str(tmp_path), 0, 0)
    saver.save(5, variables)
    with pytest.raises(UserError, match="step 5 .*not finite.*a/bias") as raised:
        saver.wait()
    assert f"--init_from={tmp_path} --init_step=3" in str(raised.value)
    assert "disk" not in str(raised.value)
    assert checkpoints.steps(str(tmp_path)) == [3]


def test_what_stopped_a_save_is_logged_if_the_loop_fails_too(
    variables, tmp_path, monkeypatch, caplog
):
    def full(*_) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoints, "save", full)
    with pytest.raises(ZeroDivisionError), AsyncSaver(str(tmp_path), 0, 0) as saver:
        saver.save(5, variables)
        raise ZeroDivisionError
    assert "step 5 in" in caplog.text and "No space left" in caplog.text


def test_at_the_end_nothing_is_in_flight_and_no_thread_is_left(variables, tmp_path):
    before = set(threading.enumerate())
    with AsyncSaver(str(tmp_path), 0, 0) as saver:
        saver.save(5, variables)
        started = set(threading.enumerate()) - before
        assert started
    assert checkpoints.steps(str(tmp_path)) == [5]
    assert not started & set(threading.enumerate())


def test_a_folder_that_another_took_is_not_written_to(variables, tmp_path):
    def check() -> None:
        raise UserError("taken")

    saver = AsyncSaver(str(tmp_path), 0, 0, check)
    saver.save(5, variables)
    with pytest.raises(UserError, match="^taken$"):
        saver.wait()
    assert list(tmp_path.iterdir()) == []
