"""Settings of all tests, and what more than one folder needs."""

from collections.abc import Iterator

import pytest
from helpers import google_cloud
from hypothesis import settings

# How long an example takes says more about the machine than about the code.
settings.register_profile("default", deadline=None)
settings.load_profile("default")


@pytest.fixture
def cloud(monkeypatch) -> Iterator[google_cloud.GoogleCloud]:
    """A stand-in for Google Cloud, with a TPU "mine" that is well."""
    with google_cloud.running() as cloud:
        for name, value in cloud.environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("CLOUDSDK_CONFIG", "/nonexistent")
        monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
        yield cloud
