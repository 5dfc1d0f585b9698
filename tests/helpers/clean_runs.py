"""Small corpora, and clean_corpus run on them in this process."""

import json
import pathlib
import random
from typing import Any

from common import manifest
from common.output_folder import Output
from data_prep.clean import pipeline
from data_prep.clean.settings import CleanSettings
from data_prep.stages import parallel, shards
from data_prep.stages.executors import LocalExecutor

EVERYTHING = {
    "text_field": "text",
    "group_field": "item",
    "sort_field": "day",
    "near_duplicates": 0.8,
    "write_rejects": True,
    "shard_mib": 1,
}


def run(
    patterns: list[str],
    output: Any,
    workers: int = 1,
    overwrite: bool = False,
    **settings: Any,
) -> dict:
    """Runs the stage in this process; returns the manifest."""
    with parallel.Workers(workers) as pool:
        pipeline.run(
            CleanSettings(**settings),
            patterns,
            Output(str(output), overwrite),
            LocalExecutor(pool),
        )
    return manifest.read(str(output), "clean_corpus")


def documents(output: Any) -> list[list[str]]:
    entries = manifest.read(str(output), "clean_corpus")["files"]
    return [d for e in entries for d in shards.read_shard(f"{output}/{e['name']}")]


def snapshot(folder: Any) -> dict[str, bytes]:
    paths = [path for path in pathlib.Path(folder).rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def rejects(output: Any) -> list[dict]:
    paths = sorted(pathlib.Path(output, "rejects").iterdir())
    return [json.loads(line) for path in paths for line in path.open(encoding="utf-8")]


def jsonl(*rows: dict) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def corpus(seed: int, count: int) -> str:
    """Reviews of scattered items, with duplicates, near duplicates and trash."""
    rng = random.Random(seed)
    syllables = [chr(0xAC00 + 28 * i) for i in range(300)]
    words = ["".join(rng.choices(syllables, k=rng.randint(1, 4))) for _ in range(500)]
    rows: list[dict] = []
    for number in range(count):
        text = " ".join(rng.choices(words, k=rng.randint(8, 20))) + "ㅋ" * (number % 7)
        kind = rng.random()
        if rows and kind < 0.1:
            text = rng.choice(rows)["text"]
        elif rows and kind < 0.2:
            text = rng.choice(rows)["text"] + "!"
        elif kind < 0.3:
            text = rng.choice(
                ["", "ㅋ", "no hangul at all", "http://a.kr/b 010-1234-5678"]
            )
        rows.append(
            {"text": text, "item": rng.randint(0, count // 4), "day": number % 9}
        )
    return jsonl(*rows)
