"""The commands of both READMEs, run as they stand there on a tiny corpus."""

import json
import pathlib
import re
import subprocess
import sys

import pytest
from helpers import ROOT, processes

from tools.demo import corpus

READMES = ("README.md", "README.ko.md")
# Minutes each: the demo on its whole corpus, and this test itself.
NOT_RUN = ("make demo", "make setup", "make test")
# Stands in for the preset of the same name, which no CPU can train.
PRESET = """
model_size = "small"
embedding_size = 16
generator_hidden_size = 1.0
max_seq_length = 128
train_batch_size = 4
eval_batch_size = 4
num_train_steps = 4
num_warmup_steps = 2
num_eval_steps = 1
iterations_per_loop = 2

[model_hparam_overrides]
hidden_size = 32
num_hidden_layers = 1
num_attention_heads = 2
max_position_embeddings = 128
"""
ARGS = {"make finetune": "--seeds=0 --num_train_epochs=1 --max_seq_length=32"}


def _blocks(name: str, language: str) -> list[str]:
    text = (ROOT / name).read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def _commands(name: str) -> list[str]:
    lines = "".join(_blocks(name, "bash")).replace("\\\n", " ").splitlines()
    commands = [line.split(" #")[0].strip() for line in lines]
    return [command for command in commands if command]


def _make_environment(bin_dir: pathlib.Path, **variables: str | None) -> dict[str, str]:
    """Targets use this Python instead of .venv, and import this checkout."""
    overrides = f"READY= BIN={bin_dir}"
    # MAKELEVEL: of a `make test` around this.
    environment = {"MAKEFLAGS": f" -- {overrides}", "MAKELEVEL": None, "ARGS": None}
    return processes.environment(**{**environment, **variables})


@pytest.fixture(scope="module")
def checkout(tmp_path_factory) -> pathlib.Path:
    """A folder with the checkout's packages, a tiny corpus and a tiny task."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in ("Makefile", "common", "data_prep", "electra_tf", "tools"):
        (folder / name).symlink_to(ROOT / name)
    for name in ("configs", "raw", "nsmc"):
        (folder / name).mkdir()
    (folder / "configs" / "kr_electra_base.toml").write_text(PRESET)
    raw = str(folder / "raw" / "a.jsonl")
    corpus.make_corpus(corpus.Settings(raw, seed=1, num_threads=600))
    subprocess.run(["gzip", folder / "raw" / "a.jsonl"], check=True)
    for split in ("train", "test"):
        rows = [f"{i}\t영화 {i}번 {'좋아요' * (i % 2)}\t{i % 2}" for i in range(60)]
        lines = ["id\tdocument\tlabel", *rows]
        (folder / "nsmc" / f"ratings_{split}.txt").write_text("\n".join(lines) + "\n")
    return folder


def _run(command: str, folder: pathlib.Path) -> None:
    args = ARGS.get(" ".join(command.split()[:2]))
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env=_make_environment(pathlib.Path(sys.executable).parent, ARGS=args),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"


@pytest.fixture(scope="module")
def finished(checkout) -> pathlib.Path:
    for command in _commands("README.md"):
        if not command.startswith((*NOT_RUN, "source")):
            _run(command, checkout)
    return checkout


def test_commands_lead_from_raw_text_to_scores(finished):
    manifest = json.loads((finished / "w" / "clean" / "manifest.json").read_text())
    assert manifest["config"]["group_field"] == "thread_id"
    results = finished / "w" / "finetune" / "nsmc" / "pretrained" / "results.json"
    assert len(json.loads(results.read_text())["seeds"]) == 1
    assert "nsmc" in (finished / "w" / "scores.html").read_text()


def test_python_code_loads_the_result(finished):
    (code,) = _blocks("README.md", "python")
    code += "print(discriminator.num_parameters() > 0, len(tokenizer) > 5)"
    environment = processes.environment(HF_HUB_OFFLINE="1")
    done = processes.check("-c", code, cwd=finished, env=environment)
    assert done.out == "True True\n"


def test_both_readmes_have_the_same_commands():
    assert _commands("README.ko.md") == _commands("README.md")


ECHO = """#!/bin/sh
for argument; do printf '%s\\n' "$argument"; done
"""


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ("", []),
        ("--a=1", ["--a=1"]),
        ("--a=x  --b", ["--a=x", "--b"]),
        ('--h={"n":1,"m":2}', ['--h={"n":1,"m":2}']),
        ('--h={"n": 1} --b=c d/*', ['--h={"n": 1}', "--b=c d/*"]),
        ("""--h='{"n": 1}' --b""", ['--h={"n": 1}', "--b"]),
    ],
)
def test_args_reach_the_command_as_they_were_written(tmp_path, args, words):
    _echo(tmp_path)
    arguments = _make(tmp_path, ["vocab", f"ARGS={args}"])
    assert arguments[5:] == words


def _echo(folder: pathlib.Path) -> None:
    (folder / "python").write_text(ECHO)
    (folder / "python").chmod(0o755)


def _make(bin_dir: pathlib.Path, arguments: list[str]) -> list[str]:
    done = subprocess.run(
        ["make", "--silent", "--no-print-directory", *arguments],
        cwd=ROOT,
        env=_make_environment(bin_dir),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize("name", READMES)
def test_args_in_sentences_reach_the_command(tmp_path, name):
    _echo(tmp_path)
    text = (ROOT / name).read_text(encoding="utf-8")
    spans = re.findall(r"`ARGS='([^`]*)'`", text)
    assert spans
    for span in spans:
        assert _make(tmp_path, ["pretrain", f"ARGS={span}"])[-1] == span
