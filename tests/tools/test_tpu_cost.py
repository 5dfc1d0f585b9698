"""What tpu_cost refuses, and its exit codes, in one process of its own."""

import json

import pytest
from helpers import processes

_CASES = {
    "topology": ["--topology=v9-8"],
    "batch": ["--train_batch_size=100", """--hparams={"vocab_size": 2000}"""],
    "vocabulary": [],
    "loop": ["""--hparams={"vocab_size": 9, "gradient_accumulation_steps": 2}"""],
    "too large": ["--json", """--hparams={"vocab_size": 40000000}"""],
    "largest": ["--max_batch", """--hparams={"vocab_size": 40000000}"""],
    "extra": ["""--hparams={"vocab_size": 40000000}"""],
}
# libtpu is hidden from the last of them, and shown to the others if it is missing.
_RUN = """
import importlib.util, json, sys
from helpers import stage_server
from tools import tpu_cost
from tools.tpu import costs  # before modules are hidden
answers = {}
for case, args in json.loads(sys.argv[1]).items():
    importlib.util.find_spec = lambda name, case=case: case != "extra"
    print("case", case, flush=True)
    args = ["--config=configs/demo.toml", *args]
    answers[case] = stage_server.run(tpu_cost.tpu_cost, args)
print(json.dumps(answers))
"""


@pytest.fixture(scope="module")
def answers():
    """Case -> (exit code, log, what was printed)."""
    ended = processes.check("-c", _RUN, json.dumps(_CASES), warm=True)
    *printed, last = ended.out.strip().splitlines()
    texts = "\n".join(printed).split("case ")[1:]
    return {
        case: (code, log, text.partition("\n")[2])
        for text, (case, (code, log)) in zip(
            texts, json.loads(last).items(), strict=True
        )
    }


@pytest.mark.parametrize(
    ("case", "told"),
    [
        ("topology", "choose one of v2, v3"),
        ("batch", "use 96 or 104"),
        ("vocabulary", "takes vocab_size from the data"),
        ("loop", "counts a loop once"),
        ("extra", "korean-electra-tf[aot]"),
    ],
)
def test_refusals(answers, case, told):
    code, log, _ = answers[case]
    assert code == 1
    assert told in log


def test_what_does_not_fit_exits_with_2(answers):
    code, _, printed = answers["too large"]
    assert code == 2
    values = json.loads(printed)
    assert not values["fits"] and values["rows_per_core"] == 8
    code, _, printed = answers["largest"]
    assert code == 2
    assert "DOES NOT FIT" in printed
