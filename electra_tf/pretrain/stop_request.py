"""Requests to stop: SIGTERM, which clouds send before they take a machine; Ctrl-C."""

import contextlib
import os
import signal
import threading
from collections.abc import Iterator

from absl import logging

# EX_TEMPFAIL of sysexits.h: the same command, given again, resumes the run.
EXIT_PREEMPTED = 75
_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class StopRequest:
    """Whether this process was asked to stop.

    Before `may_lose` is called a request ends the process at once. After that, the
    first one waits until somebody looks at `received`; a second one does not wait.
    """

    def __init__(self):
        self.received = False
        self._ends_at_once = True

    def may_lose(self) -> None:
        """From now on there is work to save."""
        self._ends_at_once = False

    def handle_signals(self) -> None:
        """Call it again where TensorFlow may have taken SIGTERM for itself.

        It does with several workers, and until they are connected it lets no other
        thread run either.
        """
        for number in _SIGNALS:
            if signal.getsignal(number) != signal.SIG_IGN:  # as of background jobs
                signal.signal(number, lambda *_: None)  # they come through the pipe

    @contextlib.contextmanager
    def listening(self) -> Iterator["StopRequest"]:
        """Reads the signals in a thread: the main one may compute for minutes."""
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        before = signal.set_wakeup_fd(writer)
        handlers = {number: signal.getsignal(number) for number in _SIGNALS}
        self.handle_signals()
        thread = threading.Thread(target=self._read, args=[reader], daemon=True)
        thread.start()
        try:
            yield self
        finally:
            signal.set_wakeup_fd(before)
            for number, handler in handlers.items():
                signal.signal(number, handler)
            os.close(writer)
            thread.join()
            os.close(reader)

    def _read(self, reader: int) -> None:
        while numbers := os.read(reader, 1):
            if numbers[0] in _SIGNALS:
                self._receive(signal.Signals(numbers[0]).name)

    def _receive(self, name: str) -> None:
        if self._ends_at_once:
            _exit("%s: nothing is lost yet, stopped at once", name)
        if self.received:
            _exit("%s again: stopped without saving", name)
        self.received = True
        logging.warning(
            "%s: will save at the end of this loop and stop; another one stops at once",
            name,
        )


def _exit(message: str, name: str) -> None:
    """Ends the process, whatever its main thread is doing."""
    logging.warning(f"{message}. The same command resumes the run", name)
    logging.flush()
    os._exit(EXIT_PREEMPTED)
