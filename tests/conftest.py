"""Settings of all tests, and what more than one folder needs."""

from collections.abc import Iterator

import pytest
from helpers import google_cloud, google_storage
from hypothesis import settings

# How long an example takes says more about the machine than about the code.
settings.register_profile("default", deadline=None)
settings.load_profile("default")

# Longest first: a file goes to one worker as a whole, and the last ones to begin
# should be short.
LONGEST = """
    test_readme test_end_to_end test_kills test_multiworker test_replicas test_step
    test_golden test_compiled_steps test_run_finetuning test_score_checkpoints
    test_training test_loop test_inspect_vocab test_spark_executor
""".split()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    ranks = {name: rank for rank, name in enumerate(LONGEST)}
    items.sort(key=lambda item: ranks.get(item.path.stem, len(ranks)))


@pytest.fixture
def cloud(monkeypatch) -> Iterator[google_cloud.GoogleCloud]:
    """A stand-in for Google Cloud, with a TPU "mine" that is well."""
    with google_cloud.running() as cloud:
        for name, value in cloud.environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("CLOUDSDK_CONFIG", "/nonexistent")
        monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
        yield cloud


@pytest.fixture(scope="session")
def _storage() -> Iterator[dict[str, str]]:
    with google_storage.running() as server:
        yield google_storage.environment(server)


@pytest.fixture
def bucket_folder(_storage, monkeypatch) -> str:
    """A new folder of a gs:// bucket, for this process and those it starts."""
    for name, value in _storage.items():
        monkeypatch.setenv(name, value)
    return google_storage.new_folder()


@pytest.fixture(params=["local", "gs"])
def any_folder(request, tmp_path) -> str:
    """A folder that does not exist yet, on this machine and on gs://."""
    if request.param == "local":
        return str(tmp_path / "new")
    return request.getfixturevalue("bucket_folder")
