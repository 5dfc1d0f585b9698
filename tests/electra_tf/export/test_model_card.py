"""README.md of exported folders: what a run knows of itself, and nothing else."""

import json
import pathlib

import pytest
import yaml
from helpers import tiny

from common import files
from data_prep.rules.recipes import RECIPES
from electra_tf.export import model_card

DATA = {
    "recipe": "kcbert",
    "recipe_hash": RECIPES["kcbert"].hash(),
    "counts": {"train": {"documents": 12345}, "eval": {"documents": 67}},
    "corpus": {
        "recipe_rules": [[n, dict(o)] for n, o in RECIPES["kcbert"].rules],
        "read": {"lines": 20_001},
        "written": {"lines": 15_002},
        "dropped": {"too_short": 4_999, "empty": 0},
    },
}
EVALS = [{"kind": "eval", "step": s, "disc_auc": s / 1000} for s in (100, 200, 300)]


@pytest.fixture
def output_dir(tmp_path) -> pathlib.Path:
    for kind, architecture in (
        ("discriminator", "ElectraForPreTraining"),
        ("generator", "ElectraForMaskedLM"),
        ("masked_lm", "BertForMaskedLM"),
    ):
        settings = {"architectures": [architecture], "hidden_size": 77}
        settings |= {"model_type": "electra", "num_hidden_layers": 3}
        files.makedirs(str(tmp_path / "out" / kind))
        files.write_json(str(tmp_path / "out" / kind / "config.json"), settings)
    return tmp_path / "out"


@pytest.fixture
def model_dir(tmp_path) -> pathlib.Path:
    folder = tmp_path / "model"
    folder.mkdir()
    described = {"config": tiny.config().to_dict(), "data": DATA}
    files.write_json(str(folder / "config.json"), described)
    lines = "".join(json.dumps(line) + "\n" for line in EVALS)
    (folder / "metrics.jsonl").write_text(lines)
    return folder


def card(output_dir: pathlib.Path, kind: str) -> str:
    return (output_dir / kind / model_card.CARD_FILE).read_text("utf-8")


def test_a_runs_card_tells_what_the_run_knows(output_dir, model_dir):
    model_card.write_cards(str(output_dir), tiny.config(), 200, str(model_dir))
    text = card(output_dir, "discriminator")
    for row in (
        "| hidden_size | 77 |",
        "| num_hidden_layers | 3 |",
        "| train_batch_size | 8 |",
        "| max_seq_length | 16 |",
        "| objective | replaced token detection |",
        "| steps | 200 of 1,000,000 |",
        "| lines, read | 20,001 |",
        "| lines, written | 15,002 |",
        "| lines dropped as too_short | 4,999 |",
        "| documents, train | 12,345 |",
        "| disc_auc | 0.2000 |",
        "1. `repeat_normalize`, num_repeats = 2\n",
    ):
        assert row in text
    assert f"Recipe kcbert, hash {DATA['recipe_hash']}" in text
    assert "dropped as empty" not in text
    assert (output_dir / "discriminator" / "cleaning.py").exists()


@pytest.mark.parametrize(
    ("kind", "pipeline_tag", "loader"),
    [
        ("discriminator", None, "ElectraForPreTraining.from_pretrained(folder)"),
        ("generator", "fill-mask", 'pipeline("fill-mask", model=folder)'),
        ("masked_lm", "fill-mask", 'pipeline("fill-mask", model=folder)'),
    ],
)
def test_each_network_is_loaded_its_own_way(
    kind, pipeline_tag, loader, output_dir, model_dir
):
    model_card.write_cards(str(output_dir), tiny.config(), 200, str(model_dir))
    text = card(output_dir, kind)
    head = yaml.safe_load(text.split("---\n")[1])
    assert head["language"] == "ko" and head["library_name"] == "transformers"
    assert head.get("pipeline_tag") == pipeline_tag
    assert (head["license"], head["license_name"]) == (
        "other",
        "fill-in-before-publishing",
    )
    code = text.split("```python\n")[1].split("```")[0]
    assert loader in code
    compile(code, "card", "exec")


def test_without_a_run_nothing_is_claimed(output_dir):
    model_card.write_cards(str(output_dir), tiny.config(), 20)
    text = card(output_dir, "generator")
    assert text.count("The run does not say.") == 3  # corpus, cleaning, evaluation
    assert "cleaning.clean" not in text
    assert not (output_dir / "generator" / "cleaning.py").exists()


def test_a_recipe_with_unknown_options_gives_no_module(output_dir, model_dir):
    data = {"recipe": "kcbert", "recipe_hash": "another"}
    described = {"config": tiny.config().to_dict(), "data": data}
    files.write_json(str(model_dir / "config.json"), described)
    model_card.write_cards(str(output_dir), tiny.config(), 200, str(model_dir))
    assert "with options that the run did not record" in card(output_dir, "generator")
    assert not (output_dir / "generator" / "cleaning.py").exists()
