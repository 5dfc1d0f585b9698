"""Settings of all tests, and what more than one folder needs."""

from collections.abc import Iterator

import pytest
from helpers import google_cloud
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
