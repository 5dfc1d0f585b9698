"""What tests of networks share."""

from collections.abc import Iterator

import pytest

from electra_tf.model import compiled_ops


@pytest.fixture(scope="module")
def plain() -> Iterator[None]:
    """Compiling takes longer than all that these tests compute."""
    with compiled_ops.plain_operations():
        yield
