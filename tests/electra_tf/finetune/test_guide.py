"""The guide's table of tasks says what the tasks are."""

import re

from helpers import ROOT

from electra_tf.finetune.data.tasks import TASKS

GUIDE = ROOT / "docs" / "finetuning.md"
LINE = re.compile(
    r"\| `(\w+)` \| ([a-z _]+?)(?: of pairs)?(?: \(\d\))? \|"
    r" .* \| (\w+) \| (\d+) \| (\d+) \|"
)


def test_the_table_of_tasks():
    lines = GUIDE.read_text("utf-8").splitlines()
    found = [match.groups() for match in map(LINE.fullmatch, lines) if match]
    assert found == [
        (
            name,
            task.kind.name.replace("_", " "),
            task.metric,
            str(task.max_seq_length),
            str(task.num_train_epochs),
        )
        for name, task in TASKS.items()
    ]
