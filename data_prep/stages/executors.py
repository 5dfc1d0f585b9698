"""What runs the phases of a stage: the processes of one machine, or a Spark cluster.

A phase is a picklable function over items; where it runs does not change its output.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import numpy as np

from common import files
from common.progress import Progress
from data_prep.raw.reader import Bundle, Part, Reader
from data_prep.stages import parallel


class Keys(Protocol):
    """Keys of the items of all parts, cut into partitions by key; picklable.

    An item whose key an earlier item has repeats it; a partition's repeats are found
    and written on their own.
    """

    @property
    def num_parts(self) -> int: ...

    @property
    def num_partitions(self) -> int: ...

    def read(self, part: int) -> tuple[np.ndarray, np.ndarray]:
        """(keys, uint64; numbers of their items in the part), in input order."""

    def find_repeats(self, partition: int) -> None:
        """Reads a partition's keys from the files of all parts; writes its repeats."""

    def write_repeats(
        self, partition: int, keys: np.ndarray, parts: np.ndarray, items: np.ndarray
    ) -> None:
        """Writes the repeats among a partition's rows; equal keys in input order."""


class Executor(Protocol):
    """Runs functions over many items."""

    def map(self, name: str, function: Callable, items: Sequence) -> list[Any]:
        """[function(item)], in the items' order; `name` is shown with the progress."""

    def map_parts(
        self, reader: Reader, bundles: Sequence[Bundle], function: Callable[[Part], str]
    ) -> list[str]:
        """[function(part)], names of the parts of all bundles, in order."""

    def find_repeats(self, name: str, keys: Keys) -> None:
        """Writes the repeats of every partition of the keys."""


class LocalExecutor:
    """Processes of this machine."""

    def __init__(self, workers: parallel.Workers):
        self._workers = workers

    def map(self, name: str, function: Callable, items: Sequence) -> list[Any]:
        results = []
        with Progress(name, len(items), " items") as progress:
            for result in self._workers.map(function, items):
                results.append(result)
                progress.update(1)
        return results

    def map_parts(
        self, reader: Reader, bundles: Sequence[Bundle], function: Callable[[Part], str]
    ) -> list[str]:
        total = sum(files.size(path) for bundle in bundles for path in bundle.paths)

        def parts() -> Iterator[Part]:
            for bundle in bundles:
                yield from reader.parts(bundle)

        names = []
        with Progress("cleaning", total, "B") as progress:
            for name in self._workers.map(function, parts()):
                names.append(name)
                progress.update_to(reader.position())
        return names

    def find_repeats(self, name: str, keys: Keys) -> None:
        self.map(name, keys.find_repeats, range(keys.num_partitions))
