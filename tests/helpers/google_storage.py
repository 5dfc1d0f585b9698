"""Google Cloud Storage on this machine, as gcsfs sees it."""

import contextlib
import itertools
import socket
from collections.abc import Iterator

from gcp_storage_emulator.server import create_server

_folders = itertools.count()


@contextlib.contextmanager
def running() -> Iterator[str]:
    """The emulator's address; it holds an empty bucket called `bucket`."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = create_server("127.0.0.1", port, in_memory=True, default_bucket="bucket")
    server.start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.stop()


def new_folder() -> str:
    return f"gs://bucket/{next(_folders)}"
