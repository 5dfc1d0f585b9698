"""The command that scores a run's checkpoints, on a tiny run and a task of 20 rows."""

import pathlib

from helpers import processes

from common import files
from data_prep.vocab import vocabulary
from electra_tf import config as config_lib
from electra_tf.finetune import results
from electra_tf.pretrain.model import PretrainingModel
from electra_tf.run_folder import checkpoints, description

TOKENS = [*vocabulary.SPECIAL_TOKENS, *"가나다라마바사아자차"]


def write_run(folder: pathlib.Path, step: int) -> None:
    """A run that never trained."""
    values = {
        "model_hparam_overrides": {
            "hidden_size": 8,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "max_position_embeddings": 16,
        },
        "embedding_size": 8,
        "generator_hidden_size": 0.5,
        "vocab_size": len(TOKENS),
        "max_seq_length": 16,
    }
    config = config_lib.from_dict(values, "tiny")
    folder.mkdir()
    vocabulary.save(str(folder), TOKENS)
    fingerprint = vocabulary.fingerprint(str(folder / vocabulary.VOCAB_FILE))
    data = {"vocab_size": len(TOKENS), "vocab_sha256": fingerprint}
    described = {"config": config.to_dict(), "data": data}
    files.write_json(str(folder / description.CONFIG_FILE), described)
    variables = PretrainingModel(config).named_variables
    checkpoints.save(str(folder), step, variables, keep_max=0)


def write_task(folder: pathlib.Path) -> None:
    folder.mkdir()
    for name, count in (("train.tsv", 20), ("dev.tsv", 6), ("test_official.tsv", 8)):
        rows = [
            f"{i}\t{TOKENS[5 + i % 10]} {name[0]}{i}\t{i % 2}" for i in range(count)
        ]
        text = "\n".join(["id\tdocument\tlabel", *rows]) + "\n"
        (folder / name).write_text(text, encoding="utf-8")


def command(folder: pathlib.Path, *more: str) -> str:
    """Returns the log."""
    return processes.check(
        *("-m", "tools.score_checkpoints", "--task=nsmc", "--seeds=0"),
        *(f"--model_dir={folder}/run", f"--data_dir={folder}/task"),
        *(f"--output_dir={folder}/out", "--strategy=cpu", "--max_seq_length=8"),
        *("--num_train_epochs=1", "--train_batch_size=8", *more),
        warm=True,
    ).err


def test_checkpoints_are_scored_and_seeds_that_are_there_kept(tmp_path):
    write_run(tmp_path / "run", 10)
    write_task(tmp_path / "task")
    command(tmp_path, "--steps=10", "--norandom_init")
    log = command(tmp_path)
    assert "seed 0 is already in" in log and "curve.html shows steps [0, 10]" in log
    found = {name: result for name, result in results.read_all([f"{tmp_path}/out/*"])}
    assert [pathlib.Path(f).name for f in found] == ["step-0", "step-10"]
    inits = [result.init for result in found.values()]
    assert inits == ["random", "pretrained"]
    for step, result in zip((None, 10), found.values(), strict=True):
        assert (result.checkpoint or {"step": None})["step"] == step
        assert [seed.error for seed in result.seeds] == [None]
    page = (tmp_path / "out" / "curve" / "curve.html").read_text()
    assert "step 0<" in page and "step 10<" in page
