"""README.md of each exported folder: the facts of the model, and how to load it.

It begins as a file of `cards`, by the folder's name.
"""

import os
import pathlib
import string
from collections.abc import Iterable, Mapping
from typing import Any

from common import files
from data_prep.rules import recipes
from electra_tf.config import PretrainingConfig
from electra_tf.export import cleaning_module
from electra_tf.pretrain import run_log
from electra_tf.run_folder import description

CARD_FILE = "README.md"
_HEADS = pathlib.Path(__file__).with_name("cards")
_ARCHITECTURE = (
    "num_hidden_layers",
    "hidden_size",
    "embedding_size",
    "num_attention_heads",
    "intermediate_size",
    "max_position_embeddings",
    "vocab_size",
)
_TRAINING = (
    "train_batch_size",
    "learning_rate",
    "num_warmup_steps",
    "weight_decay_rate",
    "max_seq_length",
    "mask_prob",
    "whole_word_mask",
    "pack_documents",
    "seed",
)
_WITH_DISCRIMINATOR = (
    "generator_hidden_size",
    "generator_layers",
    "disc_weight",
    "gen_weight",
    "temperature",
)
_NO_METRIC = ("kind", "step")
_UNKNOWN = "The run does not say.\n"


def write_cards(
    output_dir: str, config: PretrainingConfig, step: int, model_dir: str = ""
) -> None:
    """Writes README.md into each folder, and cleaning.py if the recipe is known.

    Args:
      output_dir: folders as transformers loads them, each with its config.json.
      model_dir: of the run; without one, corpus and evaluation are unknown.
    """
    data = description.read_run(model_dir)[1] if model_dir else {}
    rules = recipes.rules_of_run(data)
    for kind in files.listdir(output_dir):
        folder = os.path.join(output_dir, kind)
        settings = files.read_json(os.path.join(folder, "config.json"))
        parts = [
            _head(kind, has_cleaning=rules is not None),
            _system(settings, config, step),
            _corpus(data),
            _cleaning(data, rules),
            _evaluation(model_dir, step),
        ]
        files.write_text(os.path.join(folder, CARD_FILE), "\n".join(parts))
        if rules is not None:
            text = cleaning_module.source(rules, _recipe(data) + ".")
            files.write_text(os.path.join(folder, cleaning_module.FILE), text)


def _head(kind: str, has_cleaning: bool) -> str:
    cleaning = "\n\nimport cleaning  # cleaning.py of this folder"
    head = string.Template((_HEADS / f"{kind}.md").read_text("utf-8"))
    if has_cleaning:
        return head.substitute(cleaning=cleaning, text="cleaning.clean(text)")
    return head.substitute(cleaning="", text="text")


def _system(settings: Mapping[str, Any], config: PretrainingConfig, step: int) -> str:
    names = _TRAINING + (_WITH_DISCRIMINATOR if config.has_discriminator else ())
    rows = [
        *((name, settings[name]) for name in _ARCHITECTURE if name in settings),
        ("objective", _objective(config)),
        ("steps", f"{step:,} of {config.num_train_steps:,}"),
        *((name, getattr(config, name)) for name in names),
    ]
    return "## System\n\n" + _table(rows)


def _objective(config: PretrainingConfig) -> str:
    if config.electric_objective:
        return "Electric"
    return "replaced token detection" if config.electra_objective else "masked LM"


def _corpus(data: Mapping[str, Any]) -> str:
    corpus = data.get("corpus", {})
    text = [
        (f"{name}, {part}", f"{count:,}")
        for part in ("read", "written")
        for name, count in corpus.get(part, {}).items()
    ]
    dropped = [
        (f"lines dropped as {reason}", f"{count:,}")
        for reason, count in sorted(corpus.get("dropped", {}).items())
        if count
    ]
    records = [
        (f"{name}, {split}", f"{count:,}")
        for split, counts in sorted(data.get("counts", {}).items())
        for name, count in counts.items()
    ]
    rows = text + dropped + records
    return "## Corpus\n\n" + (_table(rows) if rows else _UNKNOWN)


def _recipe(data: Mapping[str, Any]) -> str:
    return f"Recipe {data.get('recipe')}, hash {data.get('recipe_hash')}"


def _cleaning(data: Mapping[str, Any], rules: recipes.Rules | None) -> str:
    heading = "## Cleaning\n\n"
    if not data.get("recipe"):
        return heading + _UNKNOWN
    if rules is None:
        return (
            f"{heading}{_recipe(data)}, with options that the run did not record: "
            f"there is no {cleaning_module.FILE}.\n"
        )
    listed = "".join(f"1. `{name}`{_options(options)}\n" for name, options in rules)
    return (
        f"{heading}{_recipe(data)}. `{cleaning_module.FILE}` beside this file does all "
        "of its rules, masking of personal data included, and needs nothing but "
        f"Python:\n\n{listed}\nText for the model should pass through it.\n"
    )


def _options(options: Mapping[str, Any]) -> str:
    return "".join(f", {name} = {value}" for name, value in options.items())


def _evaluation(model_dir: str, step: int) -> str:
    log = os.path.join(model_dir, run_log.METRICS_FILE)
    lines = run_log.read_log(log) if model_dir else []
    evaluations = [x for x in lines if x.get("kind") == "eval" and x["step"] <= step]
    if not evaluations:
        return "## Evaluation\n\n" + _UNKNOWN
    last, at = evaluations[-1], evaluations[-1]["step"]
    rows = [(k, f"{v:.4f}") for k, v in last.items() if k not in _NO_METRIC]
    return (
        f"## Evaluation\n\nHeld-out documents of the corpus, at step {at:,}; the "
        f"discriminator sees the generator's tokens.\n\n{_table(rows)}"
    )


def _table(rows: Iterable[tuple[str, Any]]) -> str:
    lines = [("", ""), ("---", "---:"), *rows]
    return "".join(f"| {name} | {value} |\n" for name, value in lines)
