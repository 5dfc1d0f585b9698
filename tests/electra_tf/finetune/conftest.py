"""What tests of networks share."""

from collections.abc import Iterator

import pytest

from electra_tf import fused


@pytest.fixture(scope="module")
def plain() -> Iterator[None]:
    """Compiling takes longer than all that these tests compute."""
    with fused.plain_operations():
        yield
