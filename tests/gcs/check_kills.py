"""Commands killed at random moments end where those that nobody kills do.

ELECTRA_KILLS says how often (default: 20), ELECTRA_SEED at which moments.
"""

import itertools
import os
import random
import time

import pytest
from helpers import chain, processes
from helpers.processes import Ended

from common import files

KILLS = int(os.environ.get("ELECTRA_KILLS", "20"))
SEED = int(os.environ.get("ELECTRA_SEED", "0"))
# Commands that resume, and what they write. Those that train are killed more often.
OUTPUTS = {
    "clean": "clean",
    "vocab": "vocab",
    "tfrecords": "tfrecords",
    "pretrain": "model",
    "convert": "hf",
    "finetune": "finetune/nsmc/pretrained",
}
TURNS = "clean pretrain tfrecords convert finetune pretrain vocab convert".split()


def has_ended(ended: Ended) -> bool:
    """Whether the result is complete; conversion says so of an earlier one."""
    return ended.code == 0 or "has a result of convert_to_pytorch" in ended.output


@pytest.fixture(params=["local", "gs"])
def work(request, tmp_path) -> str:
    """A folder of this machine, or of a bucket."""
    if request.param == "local":
        return str(tmp_path / "killed")
    return request.getfixturevalue("bucket") + "/killed"


def test_killed_commands_leave_what_the_others_leave(work, local):
    rng = random.Random(SEED)
    chain.write_inputs(work)
    files.write_text(f"{work}/notes.txt", "mine")
    turns = list(itertools.islice(itertools.cycle(TURNS), KILLS))
    for name, output in OUTPUTS.items():
        argv, folder = chain.commands(work)[name], f"{work}/{output}"
        begin = time.monotonic()
        processes.check(*argv, warm=True)
        seconds = time.monotonic() - begin
        files.remove(folder)
        killed = 0
        while killed < turns.count(name):
            with processes.running(*argv, warm=True) as process:
                time.sleep(rng.uniform(0, seconds))
                ended = process.kill()
            if has_ended(ended):  # it was faster this time
                files.remove(folder)
                continue
            assert ended.code == -9, ended.output
            killed += 1
            print(f"{name}: killed {killed} times", flush=True)
        ended = processes.run(*argv, warm=True)
        assert has_ended(ended), ended.output
        print(f"{name}: {ended.output.strip().splitlines()[-1]}")
        different = chain.different(folder, f"{local}/{output}")
        assert different <= {"eval-24.json"}, name  # of another command
    assert chain.log_lines(f"{work}/model") == chain.log_lines(f"{local}/model")
    assert files.read_text(f"{work}/notes.txt") == "mine"
