"""Shows that the demo's models work: the words they fill in and those they find odd.

Loads the exported folders with transformers, and asks about sentences of the demo's
grammar that were not in the training text.

  python -m tools.demo.report --work_dir=build/demo
"""

import dataclasses
import os
import pathlib
import tempfile
from typing import Any

import numpy as np
from absl import logging

from common import cli, output_folder
from common.cli import flag
from common.errors import UserError
from common.output_folder import Output
from electra_tf.weights.parameter_names import DISCRIMINATOR, GENERATOR
from tools.demo import corpus

_NUM_HELD = 10
_EXPECTED = 8


class Models:
    """The two exported folders and their tokenizer."""

    def __init__(self, folder: str):
        import transformers

        generator, discriminator = (
            os.path.join(folder, kind) for kind in (GENERATOR, DISCRIMINATOR)
        )
        self.tokenizer = transformers.AutoTokenizer.from_pretrained(discriminator)
        self.generator = transformers.ElectraForMaskedLM.from_pretrained(generator)
        self.discriminator = transformers.ElectraForPreTraining.from_pretrained(
            discriminator
        )

    def is_token(self, word: str) -> bool:
        return len(self.tokenizer.tokenize(word)) == 1

    def fillers(
        self, words: list[str], index: int, count: int
    ) -> list[tuple[str, float]]:
        """The generator's best tokens for one hidden word, with probabilities."""
        import torch

        masked = [*words[:index], self.tokenizer.mask_token, *words[index + 1 :]]
        batch = self.tokenizer(" ".join(masked), return_tensors="pt")
        position = batch["input_ids"][0].tolist().index(self.tokenizer.mask_token_id)
        with torch.no_grad():
            probs = self.generator(**batch).logits[0, position].softmax(-1)
        best = probs.topk(count)
        tokens = self.tokenizer.convert_ids_to_tokens(best.indices.tolist())
        return list(zip(tokens, best.values.tolist(), strict=True))

    def token_scores(
        self, words: list[str]
    ) -> tuple[list[tuple[str, float]], list[float]]:
        """P(replaced) of every token and of every word: its most suspect token's."""
        import torch

        pieces = [self.tokenizer.tokenize(word) for word in words]
        batch = self.tokenizer(" ".join(words), return_tensors="pt")
        with torch.no_grad():
            scores = self.discriminator(**batch).logits[0].sigmoid()[1:-1].tolist()
        tokens = list(zip(sum(pieces, []), scores, strict=True))
        ends = np.cumsum([len(p) for p in pieces])
        parts = np.split(scores, ends[:-1])
        return tokens, [float(part.max()) for part in parts]


def examine(models: Models, held: list[corpus.HeldSentence]) -> dict[str, int]:
    """Counts right answers over held sentences; prints the first three."""
    counts = {"filler": 0, "replaced": 0}
    for number, sentence in enumerate(held):
        words, index = sentence.text.split(), sentence.word_index
        fillers = models.fillers(words, index, count=5)
        swapped = [*words[:index], sentence.wrong_word, *words[index + 1 :]]
        tokens, scores = models.token_scores(swapped)
        counts["filler"] += fillers[0][0] in sentence.fillers
        counts["replaced"] += int(np.argmax(scores)) == index
        if number < 3:
            hidden = " ".join([*words[:index], "____", *words[index + 1 :]])
            print(f"\n{hidden}\n  generator:     " + _shown(fillers))
            print(f"{' '.join(swapped)}\n  discriminator: " + _shown(tokens))
    return counts


def _shown(pairs: list[tuple[str, float]]) -> str:
    return "  ".join(f"{token} {value:.2f}" for token, value in pairs)


def print_evaluations(model_dir: str, evaluations: list[dict[str, Any]]) -> None:
    """Prints the values of a run's first and last evaluation.

    Raises:
      UserError: there are fewer than two.
    """
    if len(evaluations) < 2:
        raise UserError(f"{model_dir} has no evaluation of the start and the end")
    first, last = evaluations[0], evaluations[-1]
    steps = [f"step {record['step']}" for record in (first, last)]
    print(f"\n{'held-out records':28} {steps[0]:>10} {steps[1]:>10}")
    for name, value in last.items():
        if name not in ("kind", "step"):
            print(f"{name:28} {first[name]:10.4f} {value:10.4f}")


@dataclasses.dataclass(frozen=True)
class Settings:
    """Folder."""

    work_dir: str = flag("build/demo", "Folder of a finished demo run.", reads=True)


def report(settings: Settings) -> None:
    from tools import run_page  # imports TensorFlow

    work_dir = settings.work_dir
    model_dir = os.path.join(work_dir, "model")
    run = run_page.read_run(model_dir)
    print_evaluations(model_dir, run["eval"])
    models = Models(os.path.join(work_dir, "hf"))
    held = corpus.held_sentences(
        seed=0,
        count=_NUM_HELD,
        predicate=lambda s: models.is_token(s.text.split()[s.word_index]),
    )
    counts = examine(models, held)
    output = Output(os.path.join(work_dir, "report"), overwrite=True)
    with tempfile.TemporaryDirectory() as folder:
        pathlib.Path(folder, "curves.png").write_bytes(run_page.plot({"demo": run}))
        output_folder.publish(folder, output, "demo.report", {})
    print(f"\ncurves: {output.output_dir}/curves.png")
    filler, replaced, total = counts["filler"], counts["replaced"], len(held)
    print(f"generator's first filler is grammatical: {filler} of {total}")
    print(f"replaced word has the highest score:     {replaced} of {total}")
    if min(filler, replaced) < _EXPECTED:
        logging.warning("expected at least %d of %d of each", _EXPECTED, total)


if __name__ == "__main__":
    cli.run(report)
