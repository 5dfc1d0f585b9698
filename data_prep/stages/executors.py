"""What runs the phases of a stage: the processes of one machine, or a cluster.

A phase is a picklable function over items; where it runs does not change its output.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

from common import files
from common.progress import Progress
from data_prep.clean.phases import Keys
from data_prep.raw.slices import Bundle, Part, Reader
from data_prep.stages import parallel


class Executor(Protocol):
    """Runs functions over many items."""

    def map(
        self,
        name: str,
        function: Callable,
        items: Sequence,
        sizes: Sequence[int] | None = None,
    ) -> list[Any]:
        """[function(item)], in the items' order.

        Args:
          name: of the phase, for the progress.
          sizes: bytes of each item, if the progress is to be told in them.
        """

    def map_parts(
        self, reader: Reader, bundles: Sequence[Bundle], function: Callable[[Part], str]
    ) -> list[str]:
        """[function(part)], names of the parts of all bundles, in order."""

    def find_repeats(self, name: str, keys: Keys) -> None:
        """Sees to it that the repeats of all partitions of the keys are written."""


class LocalExecutor:
    """Processes of this machine."""

    def __init__(self, workers: parallel.Workers):
        self._workers = workers

    def map(
        self,
        name: str,
        function: Callable,
        items: Sequence,
        sizes: Sequence[int] | None = None,
    ) -> list[Any]:
        results = []
        unit, sizes = ("B", sizes) if sizes else (" items", [1] * len(items))
        with Progress(name, sum(sizes), unit) as progress:
            found = self._workers.map(function, items)
            for result, size in zip(found, sizes, strict=True):
                results.append(result)
                progress.update(size)
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
        self.map(name, keys.find, range(keys.num_partitions))
