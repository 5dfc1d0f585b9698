"""The ordered map over processes."""

import os
import signal
import time

import pytest

from common.errors import UserError
from data_prep.stages.parallel import Workers


def slow_first(number: int) -> int:
    time.sleep(0.05 if number % 4 == 0 else 0)
    return number * number


def fail_at_three(number: int) -> int:
    if number == 3:
        raise ValueError("three")
    return number


def process(_: int) -> int:
    return os.getpid()


def die(number: int) -> int:
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


@pytest.mark.parametrize("workers", [1, 3])
def test_results_keep_the_order_of_the_items(workers):
    with Workers(workers) as pool:
        for _ in range(2):
            found = list(pool.map(slow_first, range(12)))
            assert found == [n * n for n in range(12)]


@pytest.mark.parametrize(("workers", "most"), [(1, 3), (2, 7)])
def test_items_are_drawn_only_as_results_are_taken(workers, most):
    drawn = []

    def items():
        for number in range(10_000):
            drawn.append(number)
            yield number

    with Workers(workers) as pool:
        results = pool.map(slow_first, items())
        assert [next(results) for _ in range(3)] == [0, 1, 4]
        assert len(drawn) <= most
        results.close()


def test_one_worker_is_this_process():
    with Workers(1) as pool:
        assert list(pool.map(process, [0])) == [os.getpid()]


@pytest.mark.parametrize("workers", [1, 2])
def test_error_of_a_worker_is_raised_here(workers):
    with Workers(workers) as pool, pytest.raises(ValueError, match="three"):
        list(pool.map(fail_at_three, range(100)))


def test_a_killed_worker_is_an_error_that_says_so():
    message = "a worker process was killed.*lower --num_workers"
    with Workers(2) as pool, pytest.raises(UserError, match=message):
        list(pool.map(die, range(9)))
