"""Systems are measured apart; one that ends is named."""

import pytest

from common.errors import UserError
from tools.bench import side_by_side

# A step of "slow" takes fifty times as long as one of "quick", and no processor.
SCRIPT = """
import sys, time
from tools.bench import side_by_side
pause = {"--system=quick": 0.002, "--system=slow": 0.1}[sys.argv[1]]
side_by_side.serve(lambda count: time.sleep(count * pause))
"""


def test_seconds_are_of_a_step():
    turns = side_by_side.Turns(steps=2, rounds=3)
    found = side_by_side.measure(["-c", SCRIPT], ["quick", "slow"], turns)
    assert list(found) == ["quick", "slow"]
    assert found["quick"].clock < 0.1 <= found["slow"].clock
    assert found["slow"].cpu < 0.1


def test_a_system_that_ends_is_named():
    with pytest.raises(UserError, match="strange ended"):
        side_by_side.measure(["-c", SCRIPT], ["strange"], side_by_side.Turns())
