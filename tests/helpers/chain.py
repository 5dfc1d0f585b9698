"""Every command from raw text to scores, on data small enough for seconds.

All their files are below one folder, which may be gs://.
"""

import json
import pathlib
import re
import tempfile

import fsspec

from common import files
from tools.demo import corpus

HPARAMS = {
    "model_hparam_overrides": {
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "max_position_embeddings": 40,
    },
    "embedding_size": 24,
    "max_seq_length": 32,
    "train_batch_size": 8,
    "eval_batch_size": 8,
    "num_train_steps": 24,
    "num_eval_steps": 2,
    "num_warmup_steps": 10,
    "iterations_per_loop": 2,
    "save_checkpoints_steps": 6,
    "eval_every_n_steps": 12,
}

# Files with names of folders, with times or with random numbers.
_VARYING = """
    manifest.json report.html report.json results.json metrics.jsonl claim.json
    run.html fingerprint.pb events
""".split()
_TIMES = re.compile("second|wait|stall|eta")


def write_inputs(work: str) -> None:
    """Comments in threads, and a labelled task."""
    with tempfile.TemporaryDirectory() as folder:
        raw = pathlib.Path(folder, "raw.jsonl")
        corpus.make_corpus(corpus.Settings(str(raw), seed=1, num_threads=300))
        lines = raw.read_text("utf-8").splitlines(keepends=True)
    for name in ("raw", "nsmc"):
        files.makedirs(f"{work}/{name}")
    for part in range(3):
        files.write_text(f"{work}/raw/{part}.jsonl", "".join(lines[part::3]))
    for split, count in (("train", 40), ("test", 16)):
        rows = [f"{i}\t영화 {i}번 {'좋아요' * (i % 2)}\t{i % 2}" for i in range(count)]
        text = "\n".join(["id\tdocument\tlabel", *rows, ""])
        files.write_text(f"{work}/nsmc/ratings_{split}.txt", text)


def contents(work: str) -> dict[str, bytes]:
    """Every file below the folder; folders that TensorFlow makes on gs:// are none."""
    file_system, root = fsspec.url_to_fs(work, use_listings_cache=False)
    return {
        path[len(root) + 1 :]: file_system.cat_file(path)
        for path in file_system.find(root)
        if not path.endswith("/")
    }


def different(folder: str, other: str) -> set[str]:
    """Files that only one folder has, or with contents that times do not explain."""
    events = r"events\.out\.tfevents\.[^/]+"
    ours, theirs = (
        {re.sub(events, "events", name): data for name, data in contents(f).items()}
        for f in (folder, other)
    )
    return {
        name
        for name in ours.keys() | theirs.keys()
        if (name in ours) != (name in theirs)
        or (ours[name] != theirs[name] and name.split("/")[-1] not in _VARYING)
    }


def log_lines(model_dir: str) -> list[dict]:
    """The lines of metrics.jsonl, without times and the warnings about them."""
    text = contents(model_dir)["metrics.jsonl"].decode()
    lines = map(json.loads, text.splitlines())
    return [
        {name: value for name, value in line.items() if not _TIMES.search(name)}
        for line in lines
        if line["kind"] != "warning"
    ]


def trainer(work: str, model: str = "model", **hparams: object) -> list[str]:
    return [
        *("-m", "electra_tf.run_pretraining", "--config=configs/demo.toml"),
        *(f"--data_dir={work}", f"--model_dir={work}/{model}"),
        f"--hparams={json.dumps(HPARAMS | hparams)}",
    ]


def finetuner(work: str) -> list[str]:
    return [
        *("-m", "electra_tf.run_finetuning", "--task=nsmc", "--seeds=0,1"),
        *(f"--data_dir={work}/nsmc", f"--init_from={work}/hf/discriminator"),
        *(f"--output_dir={work}/finetune/nsmc/pretrained", "--max_seq_length=16"),
        *("--num_train_epochs=1", "--train_batch_size=8"),
    ]


def commands(work: str) -> dict[str, list[str]]:
    """Python's arguments for each command, in their order."""
    return {
        "clean": [
            *("-m", "data_prep.clean_corpus", f"--input={work}/raw/*.jsonl"),
            *("--text_field=text", "--group_field=thread_id"),
            f"--exclude={work}/nsmc/ratings_test.txt",
            f"--output_dir={work}/clean",
        ],
        "vocab": [
            *("-m", "data_prep.train_vocab", f"--input_dir={work}/clean"),
            *(f"--output_dir={work}/vocab", "--vocab_size=1400"),
        ],
        "tfrecords": [
            *("-m", "data_prep.build_tfrecords", f"--input_dir={work}/clean"),
            *(f"--vocab_dir={work}/vocab", f"--output_dir={work}/tfrecords"),
            *("--max_seq_length=32", "--eval_fraction=0.05"),
        ],
        "verify": ["-m", "data_prep.verify", f"--dir={work}"],
        "compare": [
            *("-m", "data_prep.inspect_vocab", f"--vocab={work}/vocab/vocab.txt"),
            *(f"--input={work}/clean/*.txt", f"--output_dir={work}/compared"),
        ],
        "pretrain": trainer(work),
        "evaluate": [
            *("-m", "electra_tf.run_pretraining", "--mode=eval", "--step=24"),
            *(f"--data_dir={work}", f"--model_dir={work}/model"),
        ],
        "convert": [
            *("tools/convert_to_pytorch.py", f"--model_dir={work}/model"),
            f"--output_dir={work}/hf",
        ],
        "tf1": [
            *("-m", "tools.export_tf1", f"--model_dir={work}/model"),
            f"--output_dir={work}/tf1",
        ],
        "convert_tf1": [
            *("tools/convert_to_pytorch.py", f"--output_dir={work}/hf_of_tf1"),
            *(f"--tf1_checkpoint={work}/tf1/model.ckpt-24", "--only=generator"),
            f"--hparams={work}/tf1/hparams.json",
            f"--vocab_file={work}/tf1/vocab.txt",
        ],
        "from_weights": [
            *trainer(work, "from_weights", num_train_steps=2),
            f"--init_from={work}/hf",
        ],
        "saved_model": [
            *("-m", "tools.export_saved_model", f"--model_dir={work}/model"),
            f"--output_dir={work}/serving",
        ],
        "finetune": finetuner(work),
        "predict": [
            *("-m", "electra_tf.run_finetuning", "--mode=predict"),
            *(f"--init_from={work}/finetune/nsmc/pretrained/model",),
            *(f"--input={work}/raw/0.jsonl", "--text_column=text"),
            f"--output={work}/scored.tsv",
        ],
        "checkpoints": [
            *("-m", "tools.score_checkpoints", "--task=nsmc", "--seeds=0"),
            *(f"--model_dir={work}/model", f"--data_dir={work}/nsmc"),
            *(f"--output_dir={work}/checkpoints", "--steps=24", "--norandom_init"),
            *("--max_seq_length=16", "--num_train_epochs=1", "--train_batch_size=8"),
        ],
        "baselines": [
            *("-m", "tools.score_baselines", "--task=nsmc", "--baselines=majority"),
            *(f"--data_dir={work}/nsmc", f"--output_dir={work}/finetune/nsmc"),
        ],
        "curves": [
            *("-m", "tools.plot_run", f"--model_dir={work}/model"),
            f"--output={work}/run.html",
        ],
        "scoreboard": [
            *("-m", "tools.scoreboard", f"--runs={work}/finetune/*/*"),
            f"--output={work}/scores.html",
        ],
    }
