"""The ordered map over processes."""

import os
import time

import pytest

from data_prep.parallel import ordered_map


def slow_first(number: int) -> int:
    time.sleep(0.05 if number % 4 == 0 else 0)
    return number * number


def fail_at_three(number: int) -> int:
    if number == 3:
        raise ValueError("three")
    return number


def process(_: int) -> int:
    return os.getpid()


@pytest.mark.parametrize("workers", [1, 3])
def test_results_keep_the_order_of_the_items(workers):
    assert list(ordered_map(slow_first, range(12), workers)) == [
        n * n for n in range(12)
    ]


@pytest.mark.parametrize(("workers", "most"), [(1, 3), (2, 7)])
def test_items_are_drawn_only_as_results_are_taken(workers, most):
    drawn = []

    def items():
        for number in range(10_000):
            drawn.append(number)
            yield number

    results = ordered_map(slow_first, items(), workers)
    assert [next(results) for _ in range(3)] == [0, 1, 4]
    assert len(drawn) <= most
    results.close()


def test_one_worker_is_this_process():
    assert list(ordered_map(process, [0], 1)) == [os.getpid()]


@pytest.mark.parametrize("workers", [1, 2])
def test_error_of_a_worker_is_raised_here(workers):
    with pytest.raises(ValueError, match="three"):
        list(ordered_map(fail_at_three, range(100), workers))
