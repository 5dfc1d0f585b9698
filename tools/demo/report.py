"""Shows that the demo's models work: what they fill in, and what they find odd.

Uses the exported folders as anyone would, with transformers alone, on sentences of the
bundled corpus's grammar that the training text never held.

  python -m tools.demo.report --work_dir=build/demo
"""

import json
import os
from typing import Any

import matplotlib
import numpy as np
import torch
import transformers
from absl import flags, logging

from common import cli, files
from common.cli import UserError
from electra_tf.pretrain.run_log import METRICS_FILE
from electra_tf.weights.parameter_names import DISCRIMINATOR, GENERATOR
from tools.demo import corpus

matplotlib.use("Agg")
from matplotlib import pyplot  # noqa: E402  (after the backend is chosen)

_NUM_HELD = 10
_WANTED = 8
_CURVES = ("loss", "masked_lm_loss", "disc_loss", "disc_auc")


class Models:
    """The two exported folders and their tokenizer."""

    def __init__(self, folder: str):
        generator, discriminator = (
            os.path.join(folder, kind) for kind in (GENERATOR, DISCRIMINATOR)
        )
        self.tokenizer = transformers.AutoTokenizer.from_pretrained(discriminator)
        self.generator = transformers.ElectraForMaskedLM.from_pretrained(
            generator
        ).eval()
        self.discriminator = transformers.ElectraForPreTraining.from_pretrained(
            discriminator
        ).eval()

    def is_token(self, word: str) -> bool:
        return len(self.tokenizer.tokenize(word)) == 1

    def fillers(
        self, words: list[str], index: int, count: int
    ) -> list[tuple[str, float]]:
        """The generator's best tokens for one hidden word, with probabilities."""
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
        """P(replaced) of every token, and of every word (that of its worst token)."""
        pieces = [self.tokenizer.tokenize(word) for word in words]
        batch = self.tokenizer(" ".join(words), return_tensors="pt")
        with torch.no_grad():
            scores = self.discriminator(**batch).logits[0].sigmoid()[1:-1].tolist()
        tokens = list(zip(sum(pieces, []), scores, strict=True))
        ends = np.cumsum([len(p) for p in pieces])
        parts = np.split(scores, ends[:-1])
        return tokens, [float(part.max()) for part in parts]


def examine(models: Models, held: list[corpus.HeldSentence]) -> dict[str, int]:
    """Counts over held sentences; shows the first ones in full."""
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


def read_metrics(model_dir: str) -> dict[str, list[dict[str, Any]]]:
    """metrics.jsonl by kind: train, eval.

    Raises:
      UserError: training never finished an evaluation there.
    """
    path = os.path.join(model_dir, METRICS_FILE)
    if not files.exists(path):
        raise UserError(f"{path} does not exist: run_pretraining writes it")
    text = files.read_text(path)
    lines = [json.loads(line) for line in text.splitlines()]
    kinds = {
        kind: [r for r in lines if r["kind"] == kind] for kind in ("train", "eval")
    }
    if len(kinds["eval"]) < 2:
        raise UserError(f"{model_dir} holds no evaluation of the start and the end")
    return kinds


def print_evaluation(evaluations: list[dict[str, Any]]) -> None:
    first, last = evaluations[0], evaluations[-1]
    steps = [f"step {record['step']}" for record in (first, last)]
    print(f"\n{'held-out records':28} {steps[0]:>10} {steps[1]:>10}")
    for name, value in last.items():
        if name not in ("kind", "step"):
            print(f"{name:28} {first[name]:10.4f} {value:10.4f}")


def plot(metrics: dict[str, list[dict[str, Any]]], path: str) -> None:
    """Loss curves and AUC over the steps, training and evaluation."""
    figure, axes = pyplot.subplots(1, len(_CURVES), figsize=(16, 3.5))
    for axis, name in zip(axes, _CURVES, strict=True):
        for kind, style in (("train", "-"), ("eval", "o")):
            points = [(r["step"], r[name]) for r in metrics[kind]]
            axis.plot(*zip(*points, strict=True), style, label=kind)
        axis.set(title=name, xlabel="step")
        axis.grid(alpha=0.3)
    axes[0].legend()
    figure.tight_layout()
    figure.savefig(path, dpi=100)
    pyplot.close(figure)


def main() -> None:
    work_dir = flags.FLAGS.work_dir
    metrics = read_metrics(os.path.join(work_dir, "model"))
    models = Models(os.path.join(work_dir, "hf"))
    held = corpus.held_sentences(
        seed=0,
        count=_NUM_HELD,
        predicate=lambda s: models.is_token(s.text.split()[s.word_index]),
    )
    counts = examine(models, held)
    print_evaluation(metrics["eval"])
    curves = os.path.join(work_dir, "curves.png")
    plot(metrics, curves)
    print(f"\ncurves: {curves}")
    print(f"generator's first filler is grammatical: {counts['filler']} of {len(held)}")
    print(
        f"replaced word has the highest score:     {counts['replaced']} of {len(held)}"
    )
    if min(counts.values()) < _WANTED:
        logging.warning("expected at least %d of %d of each", _WANTED, len(held))


if __name__ == "__main__":
    # Defined only here: importing the module must not claim such common flag names.
    flags.DEFINE_string("work_dir", "build/demo", "Folder of a finished demo run.")
    cli.run(main)
