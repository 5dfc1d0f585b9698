"""A small command: how it is told its settings, explains itself and fails."""

import pytest
from helpers import processes

COMMAND = '''"""Cooks rice.

  python -m rice --grain=round
"""

import dataclasses

from common import cli
from common.cli import flag
from common.errors import UserError


@dataclasses.dataclass(frozen=True)
class Rice:
    """What to cook.

    Not shown by --help.
    """

    grain: str = flag("round", "Kind of grain.", choices=("round", "long"))
    cups: int = flag(1, "Cups of rice.", at_least=1, at_most=9)
    names: tuple[str, ...] = flag(("a", "b"), "Who eats.")
    pot: str = flag("", "The pot.", required=True)


@dataclasses.dataclass(frozen=True)
class Stove:
    """Stove."""

    heat: float = flag(0.5, "Heat, from 0 to 1.", at_least=0.0, at_most=1.0)
    lid: bool = flag(True, "Put the lid on.")
    minutes: int | None = flag(None, "Minutes; not given: as long as the rice needs.")


def cook(rice: Rice, stove: Stove) -> None:
    if rice.pot == "none":
        raise UserError("no pot: buy one")
    if rice.pot == "broken":
        raise ValueError("a bug")
    print(rice, stove)


if __name__ == "__main__":
    cli.run(cook)
'''


@pytest.fixture(scope="module")
def cook(tmp_path_factory):
    path = tmp_path_factory.mktemp("command") / "rice.py"
    path.write_text(COMMAND)
    environment = processes.environment(COLUMNS="88")
    return lambda *args: processes.run(path, *args, env=environment)


def test_settings_have_the_defaults_of_their_fields(cook):
    done = cook("--pot=iron")
    assert done.code == 0, done.err
    assert done.out == (
        "Rice(grain='round', cups=1, names=('a', 'b'), pot='iron') "
        "Stove(heat=0.5, lid=True, minutes=None)\n"
    )
    assert "] Python 3." in done.err


def test_settings_come_from_the_command_line(cook):
    done = cook(
        *("--grain=long", "--cups=3", "--names=x,y,z", "--pot=iron", "--heat=1"),
        *("--nolid", "--minutes=20", "--verbosity=-1"),
    )
    assert done.out == (
        "Rice(grain='long', cups=3, names=('x', 'y', 'z'), pot='iron') "
        "Stove(heat=1.0, lid=False, minutes=20)\n"
    )
    assert done.err == ""


HELP = """Cooks rice.

  python -m rice --grain=round

What to cook:
  --grain=round|long
      Kind of grain. (default: round)
  --cups=N
      Cups of rice. (default: 1)
  --names=A,B
      Who eats. (default: a,b)
  --pot=TEXT
      The pot. (required)

Stove:
  --heat=X
      Heat, from 0 to 1. (default: 0.5)
  --[no]lid
      Put the lid on. (default: true)
  --minutes=N
      Minutes; not given: as long as the rice needs.

--verbosity=-1 logs warnings only; --helpfull adds absl's own flags.
"""


@pytest.mark.parametrize("flag", ["--help", "-h", "--helpshort"])
def test_help_shows_every_flag_by_groups(cook, flag):
    done = cook(flag, "--cups=100")
    assert (done.code, done.out, done.err) == (0, HELP, "")


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--pot=iron", "stray"], "unexpected argument 'stray': flags are written"),
        ([], "--pot is required: The pot. --help lists all flags"),
        (
            ["--pot=iron", "--cups=10"],
            "--cups=10: 10 is not an integer in the range [1, 9]",
        ),
        (["--pot=iron", "--heat=hot"], "--heat=hot"),
        (["--pot=iron", "--grain=blue"], "--grain=blue"),
        (["--pot=iron", "--cup=1"], "Unknown command line flag 'cup'"),
        (["--pot=none"], "no pot: buy one"),
    ],
    ids=str,
)
def test_mistakes_get_one_message(cook, args, message):
    done = cook(*args)
    assert done.code == 1
    assert message in done.err and done.out == ""
    assert "Traceback" not in done.err


def test_bugs_keep_their_traceback(cook):
    done = cook("--pot=broken")
    assert done.code == 1
    assert "Traceback" in done.err and "ValueError: a bug" in done.err
