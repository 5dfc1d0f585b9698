"""Fine-tuning with a stand-in whose logits are known for each epoch."""

import dataclasses
import os

import numpy as np
from safetensors.numpy import load

from common import files
from electra_tf.finetune import results, results_folder
from electra_tf.finetune.data.dataset import Dataset
from electra_tf.finetune.kinds import table as kinds
from electra_tf.finetune.kinds.rows import Row
from electra_tf.finetune.protocol import Run
from electra_tf.finetune.training import DivergedError
from helpers import small
from helpers.own_task import custom

KERNEL = "classifier/out_proj/kernel"


class Network:
    """A Finetuner whose weights say after how many epochs they are."""

    def __init__(self, seed: int, accuracies: list[float], calls: list):
        self.seed, self._accuracies, self._calls = seed, accuracies, calls
        self.model = small.model(kinds.CLASSIFICATION)
        self._epochs = 0

    def train_epoch(self, batches, epoch: int) -> float:
        if self._accuracies[epoch] is None:
            raise DivergedError("the loss is not finite")
        self._calls.append((self.seed, "train", epoch + 1))
        self._epochs = epoch + 1
        return 1.0 / self._epochs

    def weights(self) -> dict[str, np.ndarray]:
        mark = np.full([16, 2], 10.0 * self.seed + self._epochs, np.float32)
        return small.values(self.model) | {KERNEL: mark}

    def assign(self, weights: dict[str, np.ndarray]) -> None:
        self._epochs = round(weights[KERNEL][0, 0] - 10 * self.seed)

    def predict(self, batches) -> list[np.ndarray]:
        """As many of the rows are right as the epoch's accuracy says."""
        name = {10: "dev", 20: "test"}[batches.num_rows]
        self._calls.append((self.seed, name, self._epochs))
        wanted = round(self._accuracies[self._epochs - 1] * batches.num_rows)
        said = [i % 2 if n < wanted else 1 - i % 2 for n, i in enumerate(range(99))]
        return [np.eye(2)[said[row]] for row in range(batches.num_rows)]


def rows(number: int) -> list[Row]:
    return [Row(str(i), "서울", label=("없음", "혐오")[i % 2]) for i in range(number)]


def run(folder: object, **changes) -> Run:
    """With `out` in the folder for results."""
    labels = small.LABELS[kinds.CLASSIFICATION]
    data = Dataset(
        *(kinds.CLASSIFICATION, labels, rows(30), rows(10), rows(20)),
        *("file", "ab" * 32, {"train_empty_text": 2}),
    )
    whole = Run(
        task=custom(kinds.CLASSIFICATION, "train.tsv"),
        dataset=data,
        pretrained=small.pretrained(),
        settings=small.settings(),
        strategy=None,
        output_dir=f"{folder}/out",
        model_name="small",
    )
    return dataclasses.replace(whole, **changes)


def saved_mark(output_dir: str) -> int:
    """10 times the seed, and the epoch, of the model that was saved."""
    path = os.path.join(output_dir, results_folder.MODEL_FOLDER, "model.safetensors")
    with files.open_binary(path) as handle:
        return int(load(handle.read())["classifier.out_proj.weight"][0, 0])


def on_disk(wanted: Run) -> results.Results:
    return results.read(os.path.join(wanted.output_dir, results.RESULTS_FILE))
