"""An ordered map over worker processes that keeps only a few results in memory."""

import collections
import concurrent.futures
import contextlib
import multiprocessing
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

from common.errors import UserError

Item = TypeVar("Item")
Result = TypeVar("Result")


class Workers:
    """`num_workers` processes; with one, everything runs in this process."""

    def __init__(self, num_workers: int):
        self._num_workers = num_workers
        self._stack = contextlib.ExitStack()
        self._pool: concurrent.futures.Executor | None = None

    def __enter__(self) -> "Workers":
        if self._num_workers > 1:
            # Spawned, not forked: TensorFlow and the tokenizers start threads.
            context = multiprocessing.get_context("spawn")
            pool = concurrent.futures.ProcessPoolExecutor(self._num_workers, context)
            self._pool = self._stack.enter_context(pool)
        return self

    def __exit__(self, *exc: Any) -> None:
        self._stack.__exit__(*exc)

    def map(
        self, function: Callable[[Item], Result], items: Iterable[Item]
    ) -> Iterator[Result]:
        """`map(function, items)`; results in the items' order.

        Items are drawn only as results are taken, so there may be any number.

        Raises:
          UserError: a process was killed.
        """
        if self._pool is None:
            yield from map(function, items)
            return
        pending: collections.deque[concurrent.futures.Future] = collections.deque()
        try:
            for item in items:
                pending.append(self._pool.submit(function, item))
                if len(pending) > 2 * self._num_workers:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        except BrokenProcessPool as error:
            raise UserError(
                "a worker process was killed, probably out of memory: run the same "
                "command again with a lower --num_workers"
            ) from error
        finally:
            for future in pending:
                future.cancel()
