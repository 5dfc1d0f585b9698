"""The three stages, from raw text to records, and everything they refuse."""

import gzip
import hashlib
import json
import os
import pathlib
import random
import shutil
import types

import pytest
import tensorflow as tf
from helpers import chain, processes
from tokenizers import Tokenizer

from common import manifest
from data_prep.records import example as records
from data_prep.rules import recipes
from data_prep.stages import shards
from data_prep.vocab import vocabulary as vocab


def random_documents(count: int, seed: int = 0) -> list[list[str]]:
    rng = random.Random(seed)
    syllables = [chr(0xAC00 + 28 * i) for i in range(300)]
    words = ["".join(rng.choices(syllables, k=rng.randint(1, 4))) for _ in range(2000)]
    return [
        [" ".join(rng.choices(words, k=12)) for _ in range(rng.randint(1, 8))]
        for _ in range(count)
    ]


def raw_text(documents: list[list[str]]) -> str:
    return "\n\n".join("\n".join(document) for document in documents) + "\n"


def snapshot(folder) -> dict[str, bytes]:
    """Every file under a folder, by name."""
    paths = [path for path in pathlib.Path(folder).rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def rows(folder: str, split: str, length: int) -> dict[str, list[list[int]]]:
    paths = sorted(map(str, pathlib.Path(folder, split).iterdir()))
    serialized = list(tf.data.TFRecordDataset(paths).as_numpy_iterator())
    parsed = records.parse_batch(tf.constant(serialized), length)
    return {name: value.numpy().tolist() for name, value in parsed.items()}


@pytest.fixture(scope="module")
def large(run_stage, tmp_path_factory) -> types.SimpleNamespace:
    """All stages on three clean shards; records built by one process and by two."""
    folder = tmp_path_factory.mktemp("large")
    paths = {n: str(folder / n) for n in ("clean", "vocab", "records1", "records2")}
    (folder / "raw.txt").write_text(raw_text(random_documents(7200)))
    made = types.SimpleNamespace(logs={}, **paths)

    def run(stage: str, output: str, **options: object) -> None:
        code, log = run_stage(stage, output_dir=paths[output], **options)
        assert code == 0, log
        made.logs[output] = log

    run("clean_corpus", "clean", input=folder / "raw.txt", shard_mib=1)
    run("train_vocab", "vocab", input_dir=made.clean, vocab_size=2000)
    for workers in (1, 2):
        run(
            "build_tfrecords",
            f"records{workers}",
            input_dir=made.clean,
            vocab_dir=made.vocab,
            max_seq_length=64,
            eval_fraction=0.05,
            num_workers=workers,
        )
    return made


@pytest.fixture(scope="module")
def small(run_stage, tmp_path_factory) -> types.SimpleNamespace:
    """Clean text and a vocabulary of 40 documents."""
    folder = tmp_path_factory.mktemp("small")
    raw = folder / "raw.txt"
    raw.write_text(raw_text(random_documents(40)))
    made = types.SimpleNamespace(
        raw=str(raw), clean=str(folder / "clean"), vocab=str(folder / "vocab")
    )
    code, log = run_stage("clean_corpus", input=raw, output_dir=made.clean)
    assert code == 0, log
    code, log = run_stage(
        "train_vocab", input_dir=made.clean, output_dir=made.vocab, vocab_size=1300
    )
    assert code == 0, log
    return made


@pytest.fixture
def refused(run_stage, tmp_path):
    """Runs a stage that must fail with one message and change no file."""
    output = tmp_path / "old_output"
    output.mkdir()
    (output / "keep.txt").write_text("precious")

    def check(stage: str, message: str, **options: object) -> None:
        for existing in (True, False):
            target = output if existing else tmp_path / "new_output"
            defaults = {"output_dir": target, "overwrite": existing}
            code, log = run_stage(stage, **{**defaults, **options})
            assert code == 1, log
            assert "Traceback" not in log
            errors = [line for line in log.splitlines() if line.startswith("E")]
            assert len(errors) == 1, log
            assert message in errors[0]
            assert snapshot(output) == {"keep.txt": b"precious"}
            assert not (tmp_path / "new_output").exists()

    return check


def test_every_manifest_matches_its_files(large):
    stages = ("clean_corpus", "train_vocab", "build_tfrecords", "build_tfrecords")
    folders = (large.clean, large.vocab, large.records1, large.records2)
    for stage, folder in zip(stages, folders, strict=True):
        values = manifest.read(folder, stage)
        entries = manifest.entries(values)
        found = snapshot(folder)
        del found["manifest.json"]
        assert {entry["name"]: entry["sha256"] for entry in entries} == {
            name: hashlib.sha256(data).hexdigest() for name, data in found.items()
        }


def test_manifests_say_what_was_done(large):
    clean = manifest.read(large.clean, "clean_corpus")
    assert clean["recipe"] == "default"
    assert clean["recipe_hash"] == recipes.get_recipe("default").hash()
    assert clean["written"]["documents"] == 7200
    assert sum(entry["documents"] for entry in clean["files"]) == 7200
    vocabulary = manifest.read(large.vocab, "train_vocab")
    vocab_file = os.path.join(large.vocab, "vocab.txt")
    assert vocabulary["vocab_size"] == len(vocab.read(vocab_file)) == 2000
    assert vocabulary["vocab_sha256"] == vocab.fingerprint(vocab_file)
    built = manifest.read(large.records1, "build_tfrecords")
    for key in ("recipe", "recipe_hash"):
        assert clean[key] == vocabulary[key] == built[key]
    assert built["vocab_sha256"] == vocabulary["vocab_sha256"]
    counts = built["counts"]
    assert sum(counts[split]["documents"] for split in ("train", "eval")) == 7200
    for split in ("train", "eval"):
        mask = rows(large.records1, split, 64)["input_mask"]
        assert counts[split]["examples"] == len(mask)
        assert counts[split]["tokens"] == sum(map(sum, mask))
    # What a model's card says of its text.
    corpus = built["corpus"]
    rules = recipes.get_recipe("default").rules
    assert corpus["recipe_rules"] == [[name, dict(options)] for name, options in rules]
    assert corpus["read"] == clean["read"] and corpus["written"] == clean["written"]


def test_any_number_of_workers_gives_the_same_bytes(large):
    one, two = snapshot(large.records1), snapshot(large.records2)
    assert len([name for name in one if name.startswith("train/")]) >= 3
    assert one == two


def test_seven_workers_and_compression_give_the_same_records(
    large, run_stage, tmp_path
):
    folders = []
    for workers in (1, 7):
        folders.append(tmp_path / str(workers))
        code, log = run_stage(
            "build_tfrecords",
            input_dir=large.clean,
            vocab_dir=large.vocab,
            output_dir=folders[-1],
            max_seq_length=64,
            eval_fraction=0.05,
            compression="gzip",
            num_workers=workers,
        )
        assert code == 0, log
    packed = snapshot(folders[0])
    assert packed == snapshot(folders[1])
    plain = snapshot(large.records1)
    assert packed.keys() == plain.keys()
    for name in packed:
        if name.split("/")[0] in ("train", "eval"):
            assert gzip.decompress(packed[name]) == plain[name]
            assert len(packed[name]) < len(plain[name]) / 2
    built = manifest.read(str(folders[0]), "build_tfrecords")
    assert built["compression"] == "GZIP"


def test_records_are_built_without_tensorflow(small, tmp_path):
    program = (
        "import atexit, sys; from common import cli;"
        "from data_prep.build_tfrecords import build_tfrecords;"
        "atexit.register(lambda: print('tensorflow' in sys.modules));"
        "sys.argv[0] = 'x'; cli.run(build_tfrecords)"
    )
    options = {
        "input_dir": small.clean,
        "vocab_dir": small.vocab,
        "output_dir": tmp_path / "built",
        "eval_fraction": 0.3,
        "num_workers": 1,
    }
    flags = [f"--{name}={value}" for name, value in options.items()]
    assert processes.check("-c", program, *flags).out == "False\n"
    assert manifest.read(str(tmp_path / "built"), "build_tfrecords")


def small_records(small, folder, **options) -> dict[str, object]:
    return {
        "input_dir": small.clean,
        "vocab_dir": small.vocab,
        "output_dir": folder,
        "eval_fraction": 0.3,
        **options,
    }


# Dies as if killed, once some shards are built: before or after the last is recorded.
_DIES = """
import os, sys
from common import cli
from data_prep import build_tfrecords
from common import output_folder

recorded, before, *sys.argv[1:] = sys.argv[1:]
finish, seen = output_folder.WorkLog.finish, []

def finish_and_die(self, name, payload):
    seen.extend([name] * name.startswith("shard"))
    dies = len(seen) == int(recorded)
    if not (dies and before == "before"):
        finish(self, name, payload)
    if dies:
        os._exit(9)

output_folder.WorkLog.finish = finish_and_die
cli.run(build_tfrecords.build_tfrecords)
"""


@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_run_goes_on_with_the_shards_that_are_missing(
    large, run_stage, tmp_path, when
):
    folder = tmp_path / "built"
    options = {
        "input_dir": large.clean,
        "vocab_dir": large.vocab,
        "output_dir": folder,
        "max_seq_length": 64,
        "eval_fraction": 0.05,
        "num_workers": 1,
    }
    flags = [f"--{name}={value}" for name, value in options.items()]
    assert processes.run("-c", _DIES, "2", when, *flags).code == 9
    assert not (folder / "manifest.json").exists()
    progress = folder / "_progress"
    records = [json.loads(p.read_text()) for p in (progress / "records").glob("shard*")]
    finished = [record for record in records if "sizes" in record]
    assert len(finished) == (1 if when == "before" else 2)
    kept = [progress / name for record in finished for name in record["sizes"]]
    written = [path.stat().st_mtime_ns for path in kept]
    code, log = run_stage("build_tfrecords", **options)
    assert code == 0, log
    assert "resuming an interrupted run" in log
    places = [folder / path.relative_to(progress / "output") for path in kept]
    assert [path.stat().st_mtime_ns for path in places] == written
    assert snapshot(folder) == snapshot(large.records1)


def test_finished_records_are_not_built_again(small, run_stage, tmp_path):
    options = small_records(small, tmp_path / "built")
    code, log = run_stage("build_tfrecords", **options)
    assert code == 0, log
    before = snapshot(tmp_path / "built")
    code, log = run_stage("build_tfrecords", **options)
    assert code == 0 and "already complete" in log
    code, log = run_stage("build_tfrecords", **options, max_seq_length=64, seed=1)
    assert code == 1
    assert "max_seq_length was 128, is now 64; seed was 0, is now 1" in log
    assert snapshot(tmp_path / "built") == before
    options |= {"max_seq_length": 64, "overwrite": True}
    assert run_stage("build_tfrecords", **options)[0] == 0
    assert snapshot(tmp_path / "built") != before


def test_finished_vocabulary_is_not_trained_again(small, run_stage):
    before = snapshot(small.vocab)
    options = {"input_dir": small.clean, "output_dir": small.vocab}
    code, log = run_stage("train_vocab", **options, vocab_size=1300)
    assert code == 0 and "already complete" in log
    code, log = run_stage("train_vocab", **options, vocab_size=1200)
    assert code == 1 and "vocab_size was 1300, is now 1200" in log
    assert snapshot(small.vocab) == before


@pytest.mark.parametrize("kind", ["tokenizer folder", "vocab.txt", "lower case"])
def test_records_from_a_published_tokenizer(small, run_stage, tmp_path, kind):
    """The records hold their tokenizer, and the ids that it gives."""
    folder = tmp_path / "published"
    folder.mkdir()
    text = pathlib.Path(small.vocab, "vocab.txt").read_text() + "abc\n"
    (folder / "vocab.txt").write_text(text)
    if kind == "lower case":
        settings = {"do_lower_case": True, "strip_accents": False}
        (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    elif kind == "tokenizer folder":
        made = vocab.load_tokenizer(str(folder / "vocab.txt"))
        made.save(str(folder / "tokenizer.json"))
    path = folder / "vocab.txt" if kind == "vocab.txt" else folder
    options = small_records(small, tmp_path / "built", vocab_dir=path)
    code, log = run_stage("build_tfrecords", **options)
    assert code == 0, log
    built = manifest.read(str(tmp_path / "built"), "build_tfrecords")
    assert built["vocab_size"] == 1301
    vocab_file = str(tmp_path / "built" / "vocab.txt")
    assert built["vocab_sha256"] == vocab.fingerprint(vocab_file)
    assert pathlib.Path(vocab_file).read_text() == text
    tokenizer = Tokenizer.from_file(str(tmp_path / "built" / "tokenizer.json"))
    ids = tokenizer.encode("ABC abc", add_special_tokens=False).ids
    assert (ids == [1300, 1300]) == (kind == "lower case")
    for line in (tmp_path / "built" / "samples.jsonl").read_text().splitlines():
        sample = json.loads(line)
        encoding = tokenizer.encode(sample["text"], add_special_tokens=False)
        assert sample["ids"] == encoding.ids


def test_built_records_pass_verification(large, run_stage):
    code, log = run_stage("verify", dir=os.path.dirname(large.clean))
    assert code == 0, log
    assert log.count("checking ") >= 4


def test_packed_documents_are_those_of_records_of_their_own(small, run_stage, tmp_path):
    for name in ("alone", "packed"):
        options = small_records(small, tmp_path / name, pack_documents=name == "packed")
        code, log = run_stage("build_tfrecords", max_seq_length=128, **options)
        assert code == 0, log
    assert run_stage("verify", dir=tmp_path / "packed")[0] == 0
    found = {}
    for name in ("alone", "packed"):
        read = rows(str(tmp_path / name), "train", 128)
        found[name] = sorted(
            example
            for ids, mask, segments in zip(*read.values(), strict=True)
            for example in documents_of(ids[: sum(mask)], segments[: sum(mask)])
        )
    assert found["packed"] == found["alone"]
    values = {
        name: manifest.read(str(tmp_path / name), "build_tfrecords")
        for name in ("alone", "packed")
    }
    alone, packed = (values[name]["counts"]["train"] for name in ("alone", "packed"))
    assert packed["examples"] < alone["examples"] == len(found["alone"])
    assert packed["tokens"] == alone["tokens"]
    assert [values[n]["pack_documents"] for n in values] == [False, True]


def documents_of(ids: list[int], segments: list[int]) -> list[tuple]:
    """The (ids, segment ids) of each document in a row."""
    begins = [i for i, token in enumerate(ids) if token == vocab.CLS_ID]
    ends = [*begins[1:], len(ids)]
    return [(ids[b:e], segments[b:e]) for b, e in zip(begins, ends, strict=True)]


def test_held_out_documents_are_never_trained_on(large):
    tokenizer = vocab.load_tokenizer(os.path.join(large.vocab, "vocab.txt"))

    def text_of(split: str) -> str:
        lines = rows(large.records1, split, 64)["input_ids"]
        return "\n".join(f" {' '.join(map(str, line))} " for line in lines)

    text = {split: text_of(split) for split in ("train", "eval")}
    found = {"train": 0, "eval": 0}
    for entry in manifest.read(large.clean, "clean_corpus")["files"]:
        path = os.path.join(large.clean, entry["name"])
        for document in shards.read_shard(path):
            data = "\n".join(document).encode()
            digest = hashlib.blake2b(data, digest_size=8).digest()
            held_out = int.from_bytes(digest, "little") < 0.05 * 2**64
            if not held_out and found["train"] >= 100:
                continue
            ids = tokenizer.encode(document[0], add_special_tokens=False).ids[:16]
            inside, outside = ("eval", "train") if held_out else ("train", "eval")
            part = f" {' '.join(map(str, ids))} "
            assert part in text[inside]
            assert part not in text[outside]
            found[inside] += 1
    assert found["train"] == 100
    assert found["eval"] > 150


def test_samples_are_held_out_lines_with_their_ids(large):
    tokenizer = vocab.load_tokenizer(os.path.join(large.vocab, "vocab.txt"))
    lines = pathlib.Path(large.records1, "samples.jsonl").read_text().splitlines()
    assert len(lines) == 200
    for sample in map(json.loads, lines[:20]):
        encoding = tokenizer.encode(sample["text"], add_special_tokens=False)
        assert sample["ids"] == encoding.ids


def test_held_out_documents_depend_on_the_text_alone(small, run_stage, tmp_path):
    documents = random_documents(40)
    chosen = []
    for seed, order in enumerate((documents, documents[::-1])):
        raw = tmp_path / f"{seed}.txt"
        raw.write_text(raw_text(order))
        clean, built = tmp_path / f"clean{seed}", tmp_path / f"built{seed}"
        code, log = run_stage("clean_corpus", input=raw, output_dir=clean)
        assert code == 0, log
        code, log = run_stage(
            "build_tfrecords",
            input_dir=clean,
            vocab_dir=small.vocab,
            output_dir=built,
            eval_fraction=0.3,
            seed=seed,
        )
        assert code == 0, log
        lines = (built / "samples.jsonl").read_text().splitlines()
        chosen.append(sorted(json.loads(line)["text"] for line in lines))
    assert chosen[0] == chosen[1] != []


def test_training_without_evaluation(small, run_stage, tmp_path):
    code, log = run_stage(
        "build_tfrecords",
        input_dir=small.clean,
        vocab_dir=small.vocab,
        output_dir=tmp_path / "built",
        eval_fraction=0,
    )
    assert code == 0, log
    counts = manifest.read(str(tmp_path / "built"), "build_tfrecords")["counts"]
    assert counts["train"]["documents"] == 40
    assert counts["eval"]["examples"] == 0


def test_empty_evaluation_share_is_refused(small, run_stage, tmp_path):
    code, log = run_stage(
        "build_tfrecords",
        input_dir=small.clean,
        vocab_dir=small.vocab,
        output_dir=tmp_path / "built",
        eval_fraction=1e-9,
    )
    assert code == 1
    assert "of 40 documents leaves" in log
    assert "0 evaluation examples" in log
    assert "Traceback" not in log
    assert not (tmp_path / "built" / "manifest.json").exists()


def test_training_a_vocabulary_again_gives_the_same_folder(small, run_stage, tmp_path):
    again = tmp_path / "vocab"
    code, log = run_stage(
        "train_vocab", input_dir=small.clean, output_dir=again, vocab_size=1300
    )
    assert code == 0, log
    assert snapshot(again) == snapshot(small.vocab)


def test_cleaning_counts_what_it_changes_and_drops(write, run_stage, tmp_path):
    lines = [
        "가나다라마",
        "가나다라마",
        "ㅋㅋㅋㅋㅋㅋ 가나",
        "",
        "가",
        "hello world",
        "라\ud83d",
    ]
    raw = "".join(json.dumps({"t": line}) + "\n" for line in lines)
    folder = str(tmp_path / "clean")
    code, log = run_stage(
        "clean_corpus", input=write("a.jsonl", raw), text_field="t", output_dir=folder
    )
    assert code == 0, log
    found = manifest.read(folder, "clean_corpus")
    assert found["written"]["documents"] == found["written"]["lines"] == 2
    dropped = {reason: counts["lines"] for reason, counts in found["dropped"].items()}
    assert dropped == {"low_hangul": 1, "too_short": 2, "duplicate": 1}
    assert set(found["samples"]["too_short"]) == {"가", "라\ud83d"}
    changed = {rule: counts["lines"] for rule, counts in found["rules"].items()}
    assert changed == {"keep": 1, "shorten_runs": 1, "squeeze_space": 1}
    shard = shards.read_shard(os.path.join(folder, "corpus-00000-00000.txt"))
    assert list(shard) == [["가나다라마"], ["ㅋㅋㅋ 가나"]]


def test_workers_do_not_change_the_clean_text(small, run_stage, tmp_path):
    code, log = run_stage(
        "clean_corpus", input=small.raw, output_dir=tmp_path / "two", num_workers=2
    )
    assert code == 0, log
    assert snapshot(tmp_path / "two") == snapshot(small.clean)


@pytest.mark.parametrize(
    ("name", "text", "options", "message"),
    [
        ("a.txt", b"a\xff", {}, "invalid UTF-8 at byte 1"),
        ("a.txt", "\n\n", {}, "every line is empty"),
        ("a.csv", "가", {}, "cannot tell its format"),
        ("a.txt.gz", "가", {}, "cannot be read past byte 0"),
        ("a.jsonl", '{"t": "가"}', {}, "--text_field is needed"),
        ("a.jsonl", '{"t": "가"}', {"text_field": "x"}, "no field 'x'; it has t"),
        ("a.jsonl", "[1]", {"text_field": "t"}, "line 1 is a JSON list"),
        ("a.tsv", "t\tu\n가\n", {"text_field": "t"}, "line 2 has 1 columns"),
        ("a.txt", "가나다라", {"recipe": "x"}, "unknown recipe"),
    ],
)
def test_cleaning_refuses(write, refused, name, text, options, message):
    refused("clean_corpus", message, input=write(f"in/{name}", text), **options)


def test_cleaning_refuses_a_pattern_without_match(refused, tmp_path):
    refused("clean_corpus", "no file matches", input=tmp_path / "*.txt")


def test_cleaning_refuses_a_folder(refused, tmp_path):
    (tmp_path / "in").mkdir()
    refused("clean_corpus", "is a folder, files are needed", input=tmp_path / "in")


def test_nothing_left_is_no_finished_folder(write, run_stage, tmp_path):
    raw = write("a.txt", "hello\nworld\n")
    code, log = run_stage("clean_corpus", input=raw, output_dir=tmp_path / "clean")
    assert code == 1
    assert "nothing is left of 2 records" in log
    assert not (tmp_path / "clean" / "manifest.json").exists()


def options_of(stage: str, made: types.SimpleNamespace) -> dict[str, object]:
    return {
        "clean_corpus": {"input": made.raw},
        "train_vocab": {"input_dir": made.clean, "vocab_size": 1300},
        "build_tfrecords": {"input_dir": made.clean, "vocab_dir": made.vocab},
    }[stage]


STAGES = ("clean_corpus", "train_vocab", "build_tfrecords")


@pytest.mark.parametrize("stage", STAGES)
def test_full_output_folder_is_refused(small, refused, tmp_path, stage):
    refused(
        stage,
        f"contains files that {stage} did not write: 'keep.txt'",
        output_dir=tmp_path / "old_output",
        overwrite=False,
        **options_of(stage, small),
    )


@pytest.mark.parametrize("stage", STAGES)
def test_output_folder_that_holds_the_input_is_refused(small, run_stage, stage):
    folder = os.path.dirname(small.raw)
    before = snapshot(folder)
    code, log = run_stage(
        stage, output_dir=folder, overwrite=True, **options_of(stage, small)
    )
    assert code == 1
    assert "contains the input" in log
    assert snapshot(folder) == before


@pytest.mark.parametrize("stage", STAGES[1:])
@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: shutil.rmtree(folder), "is not a folder"),
        (lambda folder: os.remove(f"{folder}/manifest.json"), "did not finish there"),
        (lambda folder: os.truncate(f"{folder}/manifest.json", 50), "is damaged"),
        (
            lambda folder: os.truncate(f"{folder}/corpus-00000-00000.txt", 50),
            "has 50 bytes",
        ),
        (lambda folder: os.remove(f"{folder}/corpus-00000-00000.txt"), "is missing"),
    ],
    ids=["no_folder", "unfinished", "damaged", "truncated", "shard_missing"],
)
def test_bad_clean_folder_is_refused(small, refused, tmp_path, stage, damage, message):
    clean = str(tmp_path / "clean")
    shutil.copytree(small.clean, clean)
    damage(clean)
    refused(stage, message, **{**options_of(stage, small), "input_dir": clean})


def test_changed_vocabulary_is_refused(small, refused, tmp_path):
    folder = tmp_path / "vocab"
    shutil.copytree(small.vocab, folder)
    path = folder / "vocab.txt"
    path.write_text(path.read_text().replace("[UNK]\n[CLS]", "[CLS]\n[UNK]"))
    refused(
        "build_tfrecords",
        "has changed since train_vocab",
        input_dir=small.clean,
        vocab_dir=folder,
    )


def test_a_shard_that_was_edited_gives_no_records(small, run_stage, tmp_path):
    clean = tmp_path / "clean"
    shutil.copytree(small.clean, clean)
    path = sorted(clean.glob("corpus-*.txt"))[-1]
    path.write_bytes(path.read_bytes()[:-4] + "각\n".encode())
    options = {"input_dir": clean, "vocab_dir": small.vocab, "num_workers": 1}
    code, log = run_stage("build_tfrecords", output_dir=tmp_path / "out", **options)
    assert code == 1
    assert f"{path.name} has changed since clean_corpus wrote it" in log
    assert not (tmp_path / "out" / "manifest.json").exists()


def test_clean_folder_as_vocabulary_is_refused(small, refused):
    refused(
        "build_tfrecords",
        "was made by data_prep.clean_corpus",
        input_dir=small.clean,
        vocab_dir=small.clean,
    )


@pytest.mark.parametrize(
    ("size", "message"),
    [(100, "leaves no room for a word"), (900, "--limit_alphabet")],
)
def test_vocabulary_without_room_is_refused(small, run_stage, tmp_path, size, message):
    options = {"input_dir": small.clean, "output_dir": tmp_path / "vocab"}
    code, log = run_stage("train_vocab", **options, vocab_size=size)
    assert code == 1 and message in log
    # Nothing was finished, so that other settings need no --overwrite.
    code, log = run_stage("train_vocab", **options, vocab_size=1300)
    assert code == 0, log
    assert snapshot(tmp_path / "vocab") == snapshot(small.vocab)


def test_command_line_fails_with_one_message_and_code_1(tmp_path):
    command = ["-m", "data_prep.clean_corpus", "--input=no/*.txt"]
    ended = processes.run(*command, f"--output_dir={tmp_path / 'clean'}")
    assert ended.code == 1
    assert "--input: no file matches 'no/*.txt'" in ended.err
    assert "Traceback" not in ended.err
    assert os.listdir(tmp_path) == []


def test_unquoted_pattern_is_explained(tmp_path):
    command = ["-m", "data_prep.clean_corpus", "--input", "a.txt", "b.txt"]
    ended = processes.run(*command, f"--output_dir={tmp_path / 'clean'}")
    assert ended.code == 1
    assert "unexpected argument 'b.txt'" in ended.output


def test_stages_write_the_same_on_gs_as_locally(tmp_path, bucket_folder):
    for work in (str(tmp_path), bucket_folder):
        chain.write_inputs(work)
        for name in ("clean", "vocab", "tfrecords", "verify"):
            processes.check(*chain.commands(work)[name], warm=True)
    assert len(chain.contents(bucket_folder)) > 10
    assert chain.different(bucket_folder, str(tmp_path)) == set()
