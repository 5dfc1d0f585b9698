"""A bucket for every command, TensorFlow's own reading and writing included."""

from collections.abc import Iterator

import pytest
from helpers import chain, google_storage, processes


@pytest.fixture(scope="session")
def bucket(tmp_path_factory) -> Iterator[str]:
    """A folder on gs:// that holds the inputs of the chain."""
    folder = tmp_path_factory.mktemp("certificate")
    with google_storage.running() as server, pytest.MonkeyPatch.context() as patch:
        environment = google_storage.tensorflow_environment(server, folder)
        for name, value in environment.items():
            patch.setenv(name, value)
        chain.write_inputs("gs://bucket/w")
        yield "gs://bucket/w"


@pytest.fixture(scope="session")
def local(tmp_path_factory) -> str:
    """A folder of this machine in which every command has run."""
    work = str(tmp_path_factory.mktemp("local"))
    chain.write_inputs(work)
    for argv in chain.commands(work).values():
        processes.check(*argv, warm=True)
    return work
