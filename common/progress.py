"""Progress with a rate and an ETA: a bar on a terminal, plain log lines elsewhere."""

import sys
import time

from absl import logging
from tqdm import tqdm

_LOG_EVERY_SECONDS = 10


class Progress:
    """Counts up to `total` units of `unit`; use as a context manager.

    >>> with Progress("cleaning", total=1000, unit="B") as progress:
    ...     progress.update_to(500)
    """

    def __init__(self, description: str, total: int, unit: str):
        self._description, self._total, self._unit = description, total, unit
        self._done = 0
        self._start = self._logged = time.monotonic()
        self._bar = tqdm(
            total=total, desc=description, unit=unit, unit_scale=True, disable=None
        )

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *exc: object) -> None:
        self._bar.close()
        if not sys.stderr.isatty():
            self._log()

    def update_to(self, done: int) -> None:
        self._bar.update(done - self._done)
        self._done = done
        now = time.monotonic()
        if not sys.stderr.isatty() and now - self._logged > _LOG_EVERY_SECONDS:
            self._logged = now
            self._log()

    def update(self, more: int) -> None:
        self.update_to(self._done + more)

    def _log(self) -> None:
        seconds = max(time.monotonic() - self._start, 1e-9)
        rate = self._done / seconds
        eta = max(self._total - self._done, 0) / rate if rate else float("inf")
        logging.info(
            "%s: %s of %s%s (%.0f %%), %s%s/s, %.0f s, ETA %.0f s",
            self._description,
            tqdm.format_sizeof(self._done),
            tqdm.format_sizeof(self._total),
            self._unit,
            100 * self._done / max(self._total, 1),
            tqdm.format_sizeof(rate),
            self._unit,
            seconds,
            eta,
        )
