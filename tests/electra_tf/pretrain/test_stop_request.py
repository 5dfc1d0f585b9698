"""Signals that ask to stop: what they do before, during and after the listening."""

import os
import signal
import time

import pytest
from helpers import processes

from electra_tf.pretrain.stop_request import StopRequest

SIGNALS = [signal.SIGTERM, signal.SIGINT]


@pytest.mark.parametrize("number", SIGNALS)
def test_a_request_is_noted_where_there_is_work_to_save(number, caplog):
    before = signal.getsignal(number)
    with StopRequest().listening() as stop:
        stop.may_lose()
        os.kill(os.getpid(), number)
        while not stop.received:
            time.sleep(0.01)
    assert f"{number.name}: will save at the end of this loop" in caplog.text
    assert signal.getsignal(number) == before


@pytest.mark.parametrize("number", SIGNALS)
def test_a_process_in_a_call_that_never_returns_is_ended(number):
    code = "import threading; from electra_tf.pretrain.stop_request import *\n"
    code += "with StopRequest().listening() as stop:\n"
    code += "  print('listening', flush=True)\n"
    code += "  lock = threading.Lock(); lock.acquire(); lock.acquire()"
    with processes.running("-c", code) as process:
        process.wait_for("listening")
        process.send(number)
        ended = process.wait(timeout=30)
    assert ended.code == 75
    assert f"{number.name}: nothing is lost yet" in ended.output


def test_a_second_request_does_not_wait():
    code = "import time; from electra_tf.pretrain.stop_request import *\n"
    code += "with StopRequest().listening() as stop:\n"
    code += "  stop.may_lose(); print('listening', flush=True); time.sleep(300)"
    with processes.running("-c", code) as process:
        process.wait_for("listening")
        process.send(signal.SIGINT)
        process.wait_for("SIGINT: will save")
        process.send(signal.SIGTERM)
        ended = process.wait(timeout=30)
    assert ended.code == 75
    assert "SIGTERM again: stopped without saving" in ended.output


def test_a_background_job_goes_on_ignoring_ctrl_c():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with StopRequest().listening():
            os.kill(os.getpid(), signal.SIGINT)
            assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
