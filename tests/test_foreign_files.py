"""No command changes or removes a file that it did not write.

Every command that writes a folder runs in random trees of foreign files and links, with
and without --overwrite, with outputs among its inputs, and killed in the middle.
"""

import hashlib
import json
import os
import pathlib
import random
import shutil
import time
from typing import NamedTuple

import pytest
from helpers import commands, processes

from tools.demo import corpus as demo_corpus

# ELECTRA_TREES=20 for a thorough search.
TREES = int(os.environ.get("ELECTRA_TREES", "1"))
HPARAMS = {
    "model_hparam_overrides": {
        "hidden_size": 32,
        "num_hidden_layers": 1,
        "max_position_embeddings": 40,
    },
    "embedding_size": 24,
    "max_seq_length": 32,
    "pack_documents": True,
    "train_batch_size": 4,
    "eval_batch_size": 4,
    "num_train_steps": 4,
    "num_eval_steps": 1,
    "num_warmup_steps": 1,
    "iterations_per_loop": 2,
    "save_checkpoints_steps": 2,
}


class Chain(NamedTuple):
    """What the commands read; each in a folder called by its stage."""

    work: pathlib.Path

    def flags(self, module: str) -> list[str]:
        """A command's flags, but for its output folder."""
        work = self.work
        model = ["--strategy=cpu"]
        return {
            "data_prep.clean_corpus": [f"--input={work}/raw/raw.jsonl"]
            + ["--text_field=text", "--num_workers=1"],
            "data_prep.train_vocab": [f"--input_dir={work}/clean"]
            + ["--vocab_size=1400", "--num_workers=1"],
            "data_prep.build_tfrecords": [f"--input_dir={work}/clean"]
            + [f"--vocab_dir={work}/vocab", "--max_seq_length=32", "--num_workers=1"]
            + ["--eval_fraction=0.05", "--pack_documents"],
            "data_prep.inspect_vocab": [f"--vocab={work}/vocab/vocab.txt"]
            + [f"--input={work}/clean/corpus-*.txt", "--num_lines=100"],
            "electra_tf.run_pretraining": ["--config=configs/demo.toml", *model]
            + [f"--data_dir={work}", f"--hparams={json.dumps(HPARAMS)}"],
            "electra_tf.run_finetuning": [f"--init_from={work}/hf/discriminator"]
            + ["--task=custom", f"--train_file={work}/task/train.tsv", *model]
            + ["--text_column=text", "--label_column=label", "--seeds=0"]
            + ["--kind=classification", "--max_seq_length=8", "--num_train_epochs=1"],
            "tools.convert_to_pytorch": [f"--model_dir={work}/model", "--noverify"],
            "tools.export_tf1": [f"--model_dir={work}/model"],
            "tools.export_saved_model": [f"--model_dir={work}/model"],
            "tools.score_baselines": [f"--data_dir={work}/nsmc", "--task=nsmc"]
            + ["--baselines=majority"],
            "tools.score_checkpoints": [f"--data_dir={work}/nsmc", "--task=nsmc"]
            + [f"--model_dir={work}/model", "--seeds=0", "--max_seq_length=8", *model]
            + ["--num_train_epochs=1", "--norandom_init"],
            "tools.bench.data": ["--num_threads=1500", "--rounds=1"],
            "tools.tpu_doctor": ["--tpu=none"],
        }[module]


COMMANDS = {
    module: flag
    for module in commands.FUNCTIONS
    if (flag := commands.output_folder(module))
}


@pytest.fixture(scope="module")
def chain(tmp_path_factory) -> Chain:
    chain = Chain(tmp_path_factory.mktemp("chain"))
    (chain.work / "raw").mkdir()
    raw = str(chain.work / "raw" / "raw.jsonl")
    demo_corpus.make_corpus(demo_corpus.Settings(raw, seed=1, num_threads=150))
    rows = ["id\tdocument\tlabel", *(f"{i}\t말 {i}\t{i % 2}" for i in range(80))]
    for name in ("nsmc/ratings_train.txt", "nsmc/ratings_test.txt", "task/train.tsv"):
        (chain.work / name).parent.mkdir(exist_ok=True)
        text = "\n".join([*rows, ""])
        if name.startswith("task"):
            text = text.replace("document", "text", 1)
        (chain.work / name).write_text(text, encoding="utf-8")
    for module, folder in {
        "data_prep.clean_corpus": "clean",
        "data_prep.train_vocab": "vocab",
        "data_prep.build_tfrecords": "tfrecords",
        "electra_tf.run_pretraining": "model",
        "tools.convert_to_pytorch": "hf",
    }.items():
        ended = _run(chain, module, chain.work / folder)
        assert ended.code == 0, ended.err
    return chain


@pytest.fixture(scope="module")
def results(chain, tmp_path_factory) -> dict[str, pathlib.Path]:
    """What each command wrote."""
    folders = {}
    for module in COMMANDS:
        folders[module] = tmp_path_factory.mktemp("result") / "out"
        ended = _run(chain, module, folders[module])
        # The doctor names what this machine lacks.
        assert ended.code == 0 or module == "tools.tpu_doctor", (module, ended.err)
    return folders


def _command(chain: Chain, module: str, folder: pathlib.Path, overwrite: bool) -> list:
    named = {field.name for field in commands.flags(module)}
    more = ["--overwrite"] * (overwrite and "overwrite" in named)
    return ["-m", module, *chain.flags(module), f"--{COMMANDS[module]}={folder}", *more]


def _run(chain, module, folder, overwrite=False) -> processes.Ended:
    return processes.run(*_command(chain, module, folder, overwrite), warm=True)


def _state(folder: pathlib.Path) -> dict[str, str]:
    """Every file and link below a folder, by its name: its hash, or where it leads."""
    state = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            state[name] = os.readlink(path)
        elif path.is_file():
            state[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return state


def _plant(folder: pathlib.Path, outside: pathlib.Path, rng: random.Random, names):
    """Foreign files and links, under names of their own or as the command has them."""
    outside.mkdir(parents=True, exist_ok=True)
    names = [*names, "notes.txt", "sub/더 깊이/메모.txt", "_progress/mine", ".hidden"]
    for name in rng.sample(sorted(names), min(len(names), rng.randint(1, 4))):
        path = folder / name
        if path.exists() or path.is_symlink() or not _is_free(path.parent, folder):
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        kind = rng.choice(["file", "file", "link to file", "link to folder"])
        target = outside / f"{rng.random()}"
        if kind == "link to folder":
            target.mkdir()
            (target / pathlib.Path(name).name).write_text("precious")
            path.symlink_to(target)
        elif kind == "link to file":
            target.write_text("precious")
            path.symlink_to(target)
        else:
            path.write_text(rng.choice(["precious", "{}", ""]))


def _is_free(parent: pathlib.Path, folder: pathlib.Path) -> bool:
    """Whether files can be put in a folder without writing through a link."""
    while parent != folder:
        if parent.is_symlink() or parent.is_file():
            return False
        parent = parent.parent
    return True


def _assert_kept(before: dict[str, str], folder: pathlib.Path, ended) -> None:
    after = _state(folder)
    lost = {name: after.get(name) for name in before if after.get(name) != before[name]}
    assert not lost, (lost, ended.err)
    assert "Traceback" not in ended.err, ended.err


@pytest.mark.parametrize("module", COMMANDS)
def test_foreign_trees_stay(chain, results, tmp_path, module):
    names = list(_state(results[module]))
    for tree in range(2 * TREES):
        rng = random.Random(f"{module} {tree}")
        base = tmp_path / f"{tree}"
        folder = base / "out"
        folder.mkdir(parents=True)
        _plant(folder, base / "outside", rng, names)
        before = _state(base)
        ended = _run(chain, module, folder, overwrite=tree % 2 == 1)
        _assert_kept(before, base, ended)


@pytest.mark.parametrize("module", COMMANDS)
def test_foreign_files_beside_a_result_stay(chain, results, tmp_path, module):
    for tree in range(TREES):
        rng = random.Random(f"{module} {tree}")
        base = tmp_path / f"{tree}"
        folder = base / "out"
        shutil.copytree(results[module], folder, symlinks=True)
        own = _state(base)
        _plant(folder, base / "outside", rng, [])
        foreign = {k: v for k, v in _state(base).items() if k not in own}
        ended = _run(chain, module, folder, overwrite=True)
        _assert_kept(foreign, base, ended)


@pytest.mark.parametrize("module", COMMANDS)
def test_outputs_among_the_inputs_are_refused(chain, module):
    before = _state(chain.work)
    sources = [chain.work]
    for flag in chain.flags(module):
        path = pathlib.Path(flag.partition("=")[2])
        if path.is_relative_to(chain.work) and path != chain.work:
            sources.append(path if path.is_dir() else path.parent)
    for source in sources:
        ended = _run(chain, module, source, overwrite=True)
        _assert_kept(before, chain.work, ended)
        if len(sources) > 1:
            assert ended.code == 1 and "choose another" in ended.err, ended.err


@pytest.mark.parametrize("module", COMMANDS)
def test_foreign_files_outlive_kills(chain, results, tmp_path, module):
    for tree in range(TREES):
        rng = random.Random(f"{module} {tree} kill")
        base = tmp_path / f"{tree}"
        folder = base / "out"
        shutil.copytree(results[module], folder, symlinks=True)
        command = _command(chain, module, folder, overwrite=True)
        with processes.running(*command, warm=True) as process:
            time.sleep(rng.uniform(0.1, 2))
            process.kill()
        own = _state(base)
        for parent in [folder, *(p for p in folder.rglob("*") if p.is_dir())]:
            if parent.exists() and not parent.is_symlink():
                (parent / "mine.txt").write_text("precious")
        foreign = {k: v for k, v in _state(base).items() if k not in own}
        assert foreign
        for overwrite in (False, True):
            _assert_kept(foreign, base, _run(chain, module, folder, overwrite))
