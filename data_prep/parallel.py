"""An ordered map over worker processes that never holds more than a few results."""

import collections
import concurrent.futures
import multiprocessing
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def ordered_map(
    function: Callable[[Item], Result], items: Iterable[Item], num_workers: int
) -> Iterator[Result]:
    """`map(function, items)` on `num_workers` processes; results in the items' order.

    Items are drawn only as results are taken, so a corpus of any size streams through.
    """
    if num_workers == 1:
        yield from map(function, items)
        return
    # Spawned, not forked: TensorFlow and the tokenizers start threads.
    context = multiprocessing.get_context("spawn")
    pending: collections.deque[concurrent.futures.Future] = collections.deque()
    with concurrent.futures.ProcessPoolExecutor(num_workers, context) as pool:
        try:
            for item in items:
                pending.append(pool.submit(function, item))
                if len(pending) > 2 * num_workers:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()
