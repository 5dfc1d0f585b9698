"""The commands, from raw text to folders that transformers loads.

Every command is a process of its own, on a corpus and a model small enough for seconds;
those that need TensorFlow are forks of one that has imported it.
"""

import dataclasses
import hashlib
import json
import math
import pathlib
import re
import shutil
from collections.abc import Callable
from typing import Any

import pytest
from helpers import processes
from helpers.processes import check, run
from helpers.run_folders import METRICS, lines, steps

from tools.demo import corpus as demo_corpus

VOCAB_SIZE = 1400
MAX_SEQ_LENGTH = 32
NUM_STEPS = 120
SAVE_STEPS = 4
HPARAMS = {
    "model_hparam_overrides": {
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "max_position_embeddings": 40,
    },
    "embedding_size": 24,
    "max_seq_length": MAX_SEQ_LENGTH,
    "pack_documents": True,
    "whole_word_mask": True,
    "train_batch_size": 8,
    "eval_batch_size": 8,
    "num_train_steps": NUM_STEPS,
    "num_eval_steps": 2,
    "num_warmup_steps": 10,
    "iterations_per_loop": 3,
    "save_checkpoints_steps": SAVE_STEPS,
}
ARCHITECTURES = {
    "discriminator": "ElectraForPreTraining",
    "generator": "ElectraForMaskedLM",
}


def _trainer(
    data_dir: pathlib.Path,
    model_dir: pathlib.Path,
    config: str | pathlib.Path = "configs/demo.toml",
    **hparams: Any,
) -> list[Any]:
    """The trainer's command line."""
    return [
        "-m",
        "electra_tf.run_pretraining",
        f"--config={config}",
        f"--data_dir={data_dir}",
        f"--model_dir={model_dir}",
        f"--hparams={json.dumps({**HPARAMS, **hparams})}",
    ]


def _converter(model_dir: pathlib.Path, output_dir: pathlib.Path) -> list[Any]:
    return [
        "tools/convert_to_pytorch.py",
        f"--model_dir={model_dir}",
        f"--output_dir={output_dir}",
    ]


def _vocab(work: pathlib.Path, name: str, size: int) -> list[Any]:
    return [
        "-m",
        "data_prep.train_vocab",
        f"--input_dir={work / 'clean'}",
        f"--output_dir={work / name}",
        f"--vocab_size={size}",
    ]


def _prepare(work: pathlib.Path) -> None:
    """Raw text -> records."""
    raw = str(work / "raw.jsonl")
    demo_corpus.make_corpus(demo_corpus.Settings(raw, seed=1, num_threads=300))
    check(
        *("-m", "data_prep.clean_corpus", f"--input={work / 'raw.jsonl'}"),
        *("--text_field=text", "--group_field=thread_id"),
        f"--output_dir={work / 'clean'}",
    )
    check(*_vocab(work, "vocab", size=VOCAB_SIZE))
    check(
        *("-m", "data_prep.build_tfrecords", f"--input_dir={work / 'clean'}"),
        *(f"--vocab_dir={work / 'vocab'}", f"--output_dir={work / 'tfrecords'}"),
        *(f"--max_seq_length={MAX_SEQ_LENGTH}", "--eval_fraction=0.05"),
        "--pack_documents",
    )


@pytest.fixture(scope="module")
def work(tmp_path_factory) -> pathlib.Path:
    """What the commands left, in folders called by the stage."""
    work = tmp_path_factory.mktemp("work")
    _prepare(work)
    check(*_trainer(work, work / "model"), warm=True)
    check(*_converter(work / "model", work / "hf"), warm=True)
    return work


def _json(path: pathlib.Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _json_lines(path: pathlib.Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_one_vocabulary_goes_from_text_to_exported_folders(work):
    vocab = _json(work / "vocab" / "manifest.json")
    tfrecords = _json(work / "tfrecords" / "manifest.json")
    run = _json(work / "model" / "config.json")
    sizes = [tfrecords["vocab_size"], run["data"]["vocab_size"]]
    sizes.append(run["config"]["vocab_size"])
    files = [work / "model" / "vocab.txt"]
    for kind in ARCHITECTURES:
        sizes.append(_json(work / "hf" / kind / "config.json")["vocab_size"])
        files.append(work / "hf" / kind / "vocab.txt")
    assert set(sizes) == {vocab["vocab_size"]} == {VOCAB_SIZE}
    hashes = [tfrecords["vocab_sha256"], run["data"]["vocab_sha256"]]
    hashes += [hashlib.sha256(path.read_bytes()).hexdigest() for path in files]
    assert set(hashes) == {vocab["vocab_sha256"]}


def test_one_recipe_goes_from_text_to_the_run(work):
    recipe = _json(work / "clean" / "manifest.json")["recipe_hash"]
    for stage in ("vocab", "tfrecords"):
        assert _json(work / stage / "manifest.json")["recipe_hash"] == recipe
    data = _json(work / "model" / "config.json")["data"]
    assert data["recipe_hash"] == recipe


def test_resolved_config_lies_beside_the_checkpoints(work):
    found = _json(work / "model" / "config.json")["config"]
    assert {name: found[name] for name in HPARAMS} == HPARAMS
    assert found["learning_rate"] == 2e-3  # of the preset
    assert found["disc_weight"] == 50.0  # a default
    assert steps(work / "model") == [NUM_STEPS - 4 * k for k in (4, 3, 2, 1, 0)]


def test_evaluation_at_the_start_and_the_end_has_the_originals_metrics(work):
    first, last = lines(work / "model", "eval")
    assert (first["step"], last["step"]) == (0, NUM_STEPS)
    for record in (first, last):
        assert METRICS <= set(record)
        assert all(math.isfinite(record[name]) for name in METRICS)
    assert first["masked_lm_loss"] == pytest.approx(math.log(VOCAB_SIZE), abs=0.3)
    assert first["disc_loss"] == pytest.approx(math.log(2), abs=0.1)
    assert last["loss"] < first["loss"]


def test_training_is_logged_at_each_loop_and_checkpoint(work):
    steps = [record["step"] for record in lines(work / "model", "train")]
    loop = HPARAMS["iterations_per_loop"]
    ends = range(1, NUM_STEPS + 1)
    assert steps == [end for end in ends if not end % loop or not end % SAVE_STEPS]


def test_rows_of_packed_documents_are_nearly_full(work):
    shares = [line["nonpad_share"] for line in lines(work / "model", "train")]
    assert sum(shares) / len(shares) > 0.95


def test_one_checkpoint_is_evaluated_as_it_was_while_training(work):
    model_dir = work / "model"
    before = (model_dir / "metrics.jsonl").read_bytes()
    argv = ["-m", "electra_tf.run_pretraining", "--mode=eval", f"--step={NUM_STEPS}"]
    argv += [f"--data_dir={work}", f"--model_dir={model_dir}"]
    check(*argv, warm=True)
    last = lines(model_dir, "eval")[-1]
    found = _json(model_dir / f"eval-{NUM_STEPS}.json")
    assert found == {k: v for k, v in last.items() if k not in ("kind", "step")}
    assert (model_dir / "metrics.jsonl").read_bytes() == before


def _contents(folder: pathlib.Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_finished_run_trains_nothing_when_asked_again(work):
    model_dir = work / "model"
    before = _contents(model_dir)
    times = {path: path.stat().st_mtime_ns for path in model_dir.glob("model.ckpt-*")}
    done = check(*_trainer(work, model_dir), warm=True)
    assert f"already at step {NUM_STEPS} of {NUM_STEPS}" in done.output
    assert "train step" not in done.output and "eval step" not in done.output
    assert _contents(model_dir) == before
    assert {path: path.stat().st_mtime_ns for path in times} == times


# Runs elsewhere, with nothing of this project in reach.
_LOAD = """
import json, sys
import torch, transformers

def load(samples, folder, architecture):
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    result = {"different": [], "new_unknown": []}
    for line in open(samples, encoding="utf-8"):
        sample = json.loads(line)
        ids = tokenizer(sample["text"], add_special_tokens=False)["input_ids"]
        if ids != sample["ids"]:
            result["different"].append(sample["text"])
        unknown = tokenizer.unk_token_id
        if ids.count(unknown) > sample["ids"].count(unknown):
            result["new_unknown"].append(sample["text"])
    normalizer = json.loads(tokenizer.backend_tokenizer.to_str())["normalizer"]
    result["lowercase"] = normalizer["lowercase"]
    keys = ("missing_keys", "unexpected_keys", "mismatched_keys")
    for name in ("AutoModel", architecture):
        loader = getattr(transformers, name)
        model, info = loader.from_pretrained(folder, output_loading_info=True)
        result[name] = {key: sorted(info[key]) for key in keys}
        result[name]["architectures"] = model.config.architectures
    batch = tokenizer(["맛있어요", sample["text"]], padding=True, return_tensors="pt")
    with torch.no_grad():
        logits = model.eval()(**batch).logits
    result["shape"] = list(logits.shape[2:])
    result["finite"] = bool(logits.isfinite().all())
    ours = ("common", "data_prep", "electra_tf", "tools")
    result["ours"] = sorted(m for m in sys.modules if m.split(".")[0] in ours)
    print(json.dumps(result))

samples, *names = sys.argv[1:]
for folder, architecture in zip(names[::2], names[1::2]):
    load(samples, folder, architecture)
"""


@pytest.fixture(scope="module")
def loaded(work, tmp_path_factory) -> dict[str, dict[str, Any]]:
    """What a process that knows only transformers and torch finds, by network."""
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    names = dict.fromkeys(("PYTHONPATH", "HF_HUB_CACHE"))
    env = processes.environment(
        **names, HF_HUB_OFFLINE="1", HF_HOME=str(elsewhere / "cache")
    )
    folders = [[work / "hf" / kind, name] for kind, name in ARCHITECTURES.items()]
    argv = ["-c", _LOAD, work / "model" / "samples.jsonl", *sum(folders, [])]
    printed = check(*argv, env=env, cwd=elsewhere).out.splitlines()
    results = map(json.loads, printed[-len(ARCHITECTURES) :])
    return dict(zip(ARCHITECTURES, results, strict=True))


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_exported_folder_loads_with_transformers_alone(loaded, kind):
    result = loaded[kind]
    assert result["ours"] == []
    whole = result[ARCHITECTURES[kind]]
    assert whole["architectures"] == [ARCHITECTURES[kind]]
    for keys in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        assert whole[keys] == []
    encoder = result["AutoModel"]  # has no head to put the head's parameters in
    assert encoder["missing_keys"] == encoder["mismatched_keys"] == []
    heads = (
        "discriminator_predictions.",
        "generator_predictions.",
        "generator_lm_head.",
    )
    assert all(key.startswith(heads) for key in encoder["unexpected_keys"])
    assert result["shape"] == {"discriminator": [], "generator": [VOCAB_SIZE]}[kind]
    assert result["finite"]


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_exported_tokenizer_gives_the_ids_of_training(loaded, work, kind):
    samples = _json_lines(work / "model" / "samples.jsonl")
    text = "".join(sample["text"] for sample in samples)
    assert len(samples) > 50 and len(set(re.findall("[가-힣]", text))) > 100
    assert loaded[kind]["different"] == []
    assert loaded[kind]["new_unknown"] == []


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_exported_tokenizer_is_cased(loaded, work, kind):
    assert loaded[kind]["lowercase"] is False
    settings = _json(work / "hf" / kind / "tokenizer_config.json")
    assert settings["do_lower_case"] is False
    assert settings["strip_accents"] is False


@dataclasses.dataclass(frozen=True)
class Mistake:
    """A command that must be refused."""

    argv: list[Any]
    said: list[Any]  # Must all be in its output.
    absent: pathlib.Path | None = None  # Must not have been made.
    kept: pathlib.Path | None = None  # A folder that must stay as it is.


def _data_dir(work: pathlib.Path, name: str, **folders: pathlib.Path) -> pathlib.Path:
    """A data_dir with some of its folders elsewhere."""
    data_dir = work / name
    data_dir.mkdir()
    for part in ("vocab", "tfrecords"):
        (data_dir / part).symlink_to(folders.get(part, work / part))
    return data_dir


def _misspelt_config(work: pathlib.Path) -> Mistake:
    path = work / "misspelt.toml"
    path.write_text('model_size = "small"\nlerning_rate = 1e-3\n')
    model_dir = work / "misspelt_config"
    argv = _trainer(work, model_dir, config=path)
    return Mistake(argv, [path, "'lerning_rate'", "mean learning_rate"], model_dir)


def _misspelt_hparam(work: pathlib.Path) -> Mistake:
    model_dir = work / "misspelt_hparam"
    argv = _trainer(work, model_dir, train_batchsize=8)
    said = ["--hparams", "'train_batchsize'", "mean train_batch_size"]
    return Mistake(argv, said, model_dir)


def _other_length(work: pathlib.Path) -> Mistake:
    model_dir = work / "other_length"
    argv = _trainer(work, model_dir, max_seq_length=16)
    said = [work / "tfrecords", "--max_seq_length=32", "max_seq_length=16", "again"]
    return Mistake(argv, said, model_dir)


def _other_vocab(work: pathlib.Path) -> Mistake:
    check(*_vocab(work, "vocab_1300", size=1300))
    data_dir = _data_dir(work, "mixed_data", vocab=work / "vocab_1300")
    model_dir = work / "other_vocab"
    hashes = [
        _json(work / name / "manifest.json")["vocab_sha256"][:16]
        for name in ("vocab", "vocab_1300")
    ]
    said = [data_dir / "tfrecords", "another vocabulary", *hashes, "build_tfrecords"]
    return Mistake(_trainer(data_dir, model_dir), said, model_dir)


def _unfinished_records(work: pathlib.Path) -> Mistake:
    folder = work / "tfrecords_unfinished"
    shutil.copytree(work / "tfrecords", folder)
    (folder / "manifest.json").unlink()
    data_dir = _data_dir(work, "unfinished_data", tfrecords=folder)
    model_dir = work / "unfinished_records"
    said = [data_dir / "tfrecords", "manifest.json", "build_tfrecords", "run it again"]
    return Mistake(_trainer(data_dir, model_dir), said, model_dir)


def _other_run(work: pathlib.Path) -> Mistake:
    argv = _trainer(work, work / "model", learning_rate=0.003)
    said = [work / "model", "learning_rate: 0.002 there, 0.003 now", "--overwrite"]
    return Mistake(argv, said, kept=work / "model")


def _foreign_files(work: pathlib.Path) -> Mistake:
    model_dir = work / "foreign"
    model_dir.mkdir()
    (model_dir / "notes.txt").write_text("mine")
    said = [model_dir, "'notes.txt'", "--overwrite"]
    return Mistake(_trainer(work, model_dir), said, kept=model_dir)


def _foreign_config(work: pathlib.Path) -> Mistake:
    """Exported folders, too, have a config.json."""
    model_dir = work / "hf" / "generator"
    said = [model_dir, "--overwrite"]
    return Mistake(_trainer(work, model_dir), said, kept=model_dir)


def _no_gpu(work: pathlib.Path) -> Mistake:
    model_dir = work / "no_gpu"
    argv = [*_trainer(work, model_dir), "--strategy=gpu"]
    return Mistake(argv, ["--strategy=gpu", "no GPU"], model_dir)


def _unequal_pieces(work: pathlib.Path) -> Mistake:
    model_dir = work / "unequal"
    argv = _trainer(work, model_dir, gradient_accumulation_steps=3)
    said = ["train_batch_size=8", "3 accumulation steps", "use 6 or 9"]
    return Mistake(argv, said, model_dir)


def _nothing_to_evaluate(work: pathlib.Path) -> Mistake:
    argv = ["-m", "electra_tf.run_pretraining", "--mode=eval", "--step=7"]
    argv += [f"--data_dir={work}", f"--model_dir={work / 'model'}"]
    return Mistake(argv, [work / "model", "no checkpoint 7"], kept=work / "model")


def _stray_argument(work: pathlib.Path) -> Mistake:
    model_dir = work / "stray"
    argv = [*_trainer(work, model_dir), "overwrite"]
    return Mistake(argv, ["unexpected argument 'overwrite'", "--name=value"], model_dir)


def _nothing_to_convert(work: pathlib.Path) -> Mistake:
    output_dir = work / "hf_of_nothing"
    said = [work / "clean" / "config.json", "run_pretraining"]
    return Mistake(_converter(work / "clean", output_dir), said, output_dir)


def _converted_already(work: pathlib.Path) -> Mistake:
    output_dir = work / "hf_of_hf"
    model_dir = work / "hf" / "discriminator"
    argv = _converter(model_dir, output_dir)
    return Mistake(argv, [model_dir / "config.json", "run_pretraining"], output_dir)


def _full_output(work: pathlib.Path) -> Mistake:
    output_dir = work / "full"
    output_dir.mkdir()
    (output_dir / "notes.txt").write_text("mine")
    said = [output_dir, "'notes.txt'", "choose another folder"]
    return Mistake(_converter(work / "model", output_dir), said, kept=output_dir)


MISTAKES: dict[str, Callable[[pathlib.Path], Mistake]] = {
    "misspelt name in a preset": _misspelt_config,
    "misspelt name in --hparams": _misspelt_hparam,
    "records of another length": _other_length,
    "vocabulary of other records": _other_vocab,
    "unfinished records": _unfinished_records,
    "folder of a run with another config": _other_run,
    "folder with foreign files": _foreign_files,
    "folder with a foreign config.json": _foreign_config,
    "no GPU": _no_gpu,
    "batch that cannot be cut": _unequal_pieces,
    "no such checkpoint to evaluate": _nothing_to_evaluate,
    "stray argument": _stray_argument,
    "no run to convert": _nothing_to_convert,
    "exported folder to convert": _converted_already,
    "output folder not empty": _full_output,
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistake_is_refused_with_a_message_that_helps(work, name):
    mistake = MISTAKES[name](work)
    before = _contents(mistake.kept) if mistake.kept else None
    done = run(*mistake.argv, warm=True)
    assert "Traceback" not in done.output, done.output
    assert done.code == 1, done.output
    for text in map(str, mistake.said):
        assert text in done.output
    assert mistake.absent is None or not mistake.absent.exists()
    assert before == (_contents(mistake.kept) if mistake.kept else None)
