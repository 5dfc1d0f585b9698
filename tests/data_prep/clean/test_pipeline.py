"""Raw files to clean shards: what is kept, what is dropped, and what a kill leaves."""

import errno
import gzip
import os
import re
import signal
from importlib import metadata
from typing import Any

import pytest
from helpers import processes
from helpers.clean_runs import (
    EVERYTHING,
    corpus,
    documents,
    jsonl,
    rejects,
    run,
    snapshot,
)

from common import files, output_folder
from common.errors import UserError
from data_prep import verify
from data_prep.clean import pipeline


@pytest.fixture
def small(monkeypatch):
    """Parts of a few kilobytes, so that a small corpus has many."""
    monkeypatch.setattr(pipeline, "MEBIBYTE", 1 << 12)


def test_lines_and_their_reasons(write, tmp_path):
    rows = [
        "첫 번째 문장입니다.",
        "첫 번째   문장입니다.",  # equal after cleaning
        "",
        "짧",
        "no hangul here at all",
        "둘째 줄 http://a.kr/b 끝",
        "이 영화 정말 재미있게 봤습니다 추천!",
        "가" * 20_000,
    ]
    path = write("raw.jsonl", jsonl(*({"t": text} for text in rows)))
    exclude = write("task.tsv", "id\ttext\n1\t영화 정말 재미있게 봤습니다\n")
    output = tmp_path / "clean"
    values = run(
        [path],
        output,
        text_field="t",
        exclude=(exclude,),
        exclude_min_characters=10,
        write_rejects=True,
    )
    assert documents(output) == [["첫 번째 문장입니다."], ["둘째 줄 끝"]]
    dropped = {reason: counts["lines"] for reason, counts in values["dropped"].items()}
    assert dropped == {
        "duplicate": 1,
        "too_short": 1,
        "low_hangul": 1,
        "excluded": 1,
        "too_long": 1,
    }
    assert values["read"]["records"] == 8
    assert values["read"]["blank_records"] == 1
    assert values["read"]["lines"] == 7
    assert values["rules"]["remove_urls"]["lines"] == 1
    assert values["most_frequent"] == [[2, "첫 번째 문장입니다."]]
    found = {row["reason"]: row for row in rejects(output)}
    assert set(found) == set(dropped)
    assert found["excluded"]["line"] == 7
    assert found["excluded"]["found"] == "영화정말재미있게봤습니다"
    assert found["too_short"] == {
        "file": path,
        "line": 4,
        "reason": "too_short",
        "text": "짧",
    }
    report = (output / "report.html").read_text(encoding="utf-8")
    for text in (
        "remove_urls",
        "low_hangul",
        "no hangul here",
        "raw.jsonl",
        "excluded",
    ):
        assert text in report


def test_excluded_lines_are_listed_without_being_asked_for(write, tmp_path):
    path = write("raw.txt", "평가에 쓰이는 문장입니다\n다른 문장입니다\n짧\n")
    run(
        [path],
        tmp_path / "clean",
        exclude=(write("a.txt", "평가에 쓰이는 문장입니다"),),
    )
    assert [row["reason"] for row in rejects(tmp_path / "clean")] == ["excluded"]


def test_scattered_records_of_a_group_are_one_document(small, write, tmp_path):
    rows = [
        {"t": f"문장 번호 {i:04d} 입니다", "g": i % 40 if i % 3 else None, "d": -i}
        for i in range(400)
    ]
    path = write("raw.jsonl", jsonl(*rows))
    values = run([path], tmp_path / "a", text_field="t", group_field="g", shard_mib=1)
    assert len(values["files"]) > 3
    expected: dict[Any, list[str]] = {}
    for i, row in enumerate(rows):
        key = ("alone", i) if row["g"] is None else row["g"]
        expected.setdefault(key, []).append(row["t"])
    assert documents(tmp_path / "a") == list(expected.values())
    options = {"text_field": "t", "group_field": "g", "sort_field": "d"}
    run([path], tmp_path / "b", **options)
    assert documents(tmp_path / "b") == [lines[::-1] for lines in expected.values()]


@pytest.mark.parametrize(
    ("deduplicate", "kept"),
    [
        ("line", [["같은 줄입니다", "처음 줄입니다"], ["다른 줄입니다"]]),
        (
            "document",
            [["같은 줄입니다", "처음 줄입니다"], ["같은 줄입니다", "다른 줄입니다"]],
        ),
        (
            "none",
            [
                ["같은 줄입니다", "처음 줄입니다"],
                ["같은 줄입니다", "다른 줄입니다"],
                ["같은 줄입니다", "처음 줄입니다"],
            ],
        ),
    ],
)
def test_duplicates_of_lines_and_of_documents(write, tmp_path, deduplicate, kept):
    first, second = "같은 줄입니다\n처음 줄입니다\n", "같은 줄입니다\n다른 줄입니다\n"
    path = write("raw.txt", "\n".join([first, second, first]))
    run([path], tmp_path / "clean", deduplicate=deduplicate)
    assert documents(tmp_path / "clean") == kept


def test_near_duplicates_go_and_lose_no_line_that_another_repeats(write, tmp_path):
    base = " ".join(f"문장{i} 가나다{i * 7919 % 997}" for i in range(40))
    other = "이것은 전혀 다른 문서의 긴 문장입니다"
    texts = [base, f"{base} 끝", other, f"{other}\n{base} 끝"]
    path = write("raw.jsonl", jsonl(*({"t": text} for text in texts)))
    values = run([path], tmp_path / "clean", text_field="t", near_duplicates=0.8)
    # The second is near the first; the fourth then is the first with its last line.
    assert documents(tmp_path / "clean")[:2] == [[base], [other]]
    assert values["dropped"]["near_duplicate"]["lines"] >= 1
    lines = {line for document in documents(tmp_path / "clean") for line in document}
    assert {base, other} <= lines


def test_any_number_of_workers_gives_the_same_bytes(small, write, tmp_path):
    paths = [write(f"raw{i}.jsonl", corpus(i, 300)) for i in range(3)]
    found = []
    for workers in (1, 2, 7):
        run(paths, tmp_path / str(workers), workers=workers, **EVERYTHING)
        found.append(snapshot(tmp_path / str(workers)))
    assert len([name for name in found[0] if name.startswith("corpus-")]) > 6
    assert found[0] == found[1] == found[2]


def test_a_run_stopped_after_any_piece_of_work_goes_on(
    small, write, tmp_path, monkeypatch
):
    path = write("raw.jsonl", corpus(0, 120))
    run([path], tmp_path / "whole", **EVERYTHING)
    whole, finish = snapshot(tmp_path / "whole"), output_folder.WorkLog.finish
    finished: list[str] = []

    def stop_before(count: int):
        def finish_or_stop(self, name, payload):
            if len(finished) >= count:
                raise KeyboardInterrupt
            finished.append(name)
            finish(self, name, payload)

        return finish_or_stop

    pieces = 0
    while not (tmp_path / "stopped" / "manifest.json").exists():
        pieces += 1
        monkeypatch.setattr(output_folder.WorkLog, "finish", stop_before(pieces))
        try:
            run([path], tmp_path / "stopped", **EVERYTHING)
        except KeyboardInterrupt:
            assert not (tmp_path / "stopped" / "manifest.json").exists()
    assert pieces == len(finished) == len(set(finished)) > 20
    assert snapshot(tmp_path / "stopped") == whole


def test_killed_processes_lose_nothing(write, tmp_path):
    path = write("raw.jsonl", corpus(0, 8_000))
    flags = [f"--{name}={value}" for name, value in EVERYTHING.items()]
    command = ["-m", "data_prep.clean_corpus", f"--input={path}", *flags]
    command += ["--num_workers=2"]
    processes.check(*command, f"--output_dir={tmp_path / 'whole'}")
    command += [f"--output_dir={tmp_path / 'killed'}"]
    for line in ("Python", "cleaning:", "dropping near duplicates:"):
        with processes.running(*command) as process:
            process.wait_for(line)
            assert process.kill().code == -signal.SIGKILL
    processes.check(*command)
    assert snapshot(tmp_path / "killed") == snapshot(tmp_path / "whole")


def test_a_finished_run_is_not_repeated_and_other_settings_are_refused(write, tmp_path):
    path = write("raw.txt", "첫 번째 문장입니다\n")
    run([path], tmp_path / "clean")
    before = snapshot(tmp_path / "clean")
    run([path], tmp_path / "clean")
    assert snapshot(tmp_path / "clean") == before
    with pytest.raises(UserError, match='recipe was "default", is now "kcbert"'):
        run([path], tmp_path / "clean", recipe="kcbert")
    write("raw.txt", "첫 번째 문장이 아닙니다\n")
    with pytest.raises(UserError, match="input was"):
        run([path], tmp_path / "clean")
    assert snapshot(tmp_path / "clean") == before


def test_input_changed_between_a_kill_and_the_rerun_is_refused(
    small, write, tmp_path, monkeypatch
):
    text = corpus(0, 100)
    path = write("raw.jsonl", text)
    with monkeypatch.context() as patch:
        patch.setattr(pipeline, "write_shard", None)
        with pytest.raises(TypeError):
            run([path], tmp_path / "clean", **EVERYTHING)
    write("raw.jsonl", text.replace('"day": 1', '"day": 2', 1))
    with pytest.raises(UserError, match="raw.jsonl has changed since"):
        run([path], tmp_path / "clean", **EVERYTHING)


def test_a_full_disk_leaves_nothing_half_written(write, tmp_path, monkeypatch):
    path = write("raw.txt", "첫 번째 문장입니다\n")

    def no_room_for_shards(descriptor: int) -> None:
        if "corpus-" in os.readlink(f"/proc/self/fd/{descriptor}"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(files.os, "fsync", no_room_for_shards)
        message = re.escape("corpus-00000-00000.txt: No space left on device. Finished")
        with pytest.raises(UserError, match=message):
            run([path], tmp_path / "clean")
    names = os.listdir(tmp_path / "clean")
    assert not [name for name in names if name.startswith(("corpus", "manifest"))]
    run([path], tmp_path / "clean")
    assert documents(tmp_path / "clean") == [["첫 번째 문장입니다"]]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"text_field": "x"}, "no field 'x'"),
        ({}, "--text_field is needed"),
        ({"text_field": "text", "sort_field": "day"}, "add --group_field"),
        ({"text_field": "text", "mask_pii": ("fax",)}, "--mask_pii=fax: choose all"),
        ({"text_field": "text", "exclude": ("no.tsv",)}, "--exclude: no file matches"),
    ],
)
def test_bad_settings_are_refused_before_anything_is_removed(
    write, tmp_path, settings, message
):
    path = write("raw.jsonl", corpus(0, 10))
    write("clean/keep.txt", "precious")
    with pytest.raises(UserError, match=message):
        run([path], tmp_path / "clean", overwrite=True, **settings)
    assert snapshot(tmp_path / "clean") == {"keep.txt": b"precious"}


def test_nothing_left_is_an_error_that_tells_the_reasons(write, tmp_path):
    path = write("raw.txt", "abc def ghi jkl\nx\n")
    message = "nothing is left of 2 records; reasons: low_hangul, too_short"
    with pytest.raises(UserError, match=message):
        run([path], tmp_path / "clean")
    assert not (tmp_path / "clean" / "manifest.json").exists()


def test_masked_data_gives_special_tokens_to_the_vocabulary(write, tmp_path):
    path = write("raw.txt", "연락처는 010-1234-5678 입니다 꼭 연락 주세요\n")
    values = run([path], tmp_path / "a", mask_pii=("all",))
    assert documents(tmp_path / "a") == [["연락처는 [PHONE] 입니다 꼭 연락 주세요"]]
    assert "[PHONE]" in values["special_tokens"]
    plain = run([path], tmp_path / "b")
    assert plain["special_tokens"] == []
    assert plain["recipe_hash"] != values["recipe_hash"]
    run([path], tmp_path / "c", mask_pii=("phone:[TEL]",))
    assert documents(tmp_path / "c") == [["연락처는 [TEL] 입니다 꼭 연락 주세요"]]


def test_lines_are_cut_into_sentences_if_asked(write, tmp_path):
    pytest.importorskip("kiwipiepy")
    text = "오늘은 날씨가 좋았습니다. 그래서 산책을 나갔습니다. 참 즐거웠어요."
    path = write("raw.txt", text + "\n")
    values = run([path], tmp_path / "clean", split_sentences=True)
    (document,) = documents(tmp_path / "clean")
    assert len(document) == 3
    assert " ".join(document) == text
    assert values["split"] == {"lines": 2, "bytes": -2}


def test_a_second_run_of_a_process_excludes_its_own_texts(write, tmp_path):
    text = "이 영화 정말 재미있게 봤습니다\n어제 본 드라마가 더 재미있었습니다\n"
    path = write("a.txt", text)
    for line in text.splitlines():
        exclude = write("task.txt", line)
        run([path], tmp_path / "clean", exclude=(exclude,), overwrite=True)
        assert line not in sum(documents(tmp_path / "clean"), [])


@pytest.mark.parametrize(
    ("settings", "package"),
    [
        ({"recipe": "kcbert"}, "soynlp"),
        ({"near_duplicates": 0.8}, "rensa"),
        ({"split_sentences": True}, "kiwipiepy"),
    ],
)
def test_another_version_of_what_decides_the_text_is_refused(
    write, tmp_path, monkeypatch, settings, package
):
    path = write("a.txt", "영화가 재미있었습니다. 또 보고 싶습니다.\n")
    values = run([path], tmp_path / "clean", **settings)
    assert values["config"]["versions"][package] == metadata.version(package)
    run([path], tmp_path / "clean", **settings)
    monkeypatch.setattr(metadata, "version", lambda name: "99")
    with pytest.raises(UserError, match=f"versions was .*{package}.*, is now"):
        run([path], tmp_path / "clean", **settings)


def test_a_part_of_which_nothing_is_left_has_no_shard(small, write, tmp_path):
    line = "같은 문장이 여러 번 나옵니다\n"
    paths = [write(f"{name}.txt", line * 200) for name in "abc"]
    values = run(paths, tmp_path / "clean", shard_mib=1)
    assert [entry["lines"] for entry in values["files"]] == [1]
    names = [path.name for path in (tmp_path / "clean").glob("corpus-*")]
    assert names == [entry["name"] for entry in values["files"]]
    assert list(verify.folder_problems(str(tmp_path / "clean"))) == []


@pytest.mark.parametrize("extension", ["txt", "txt.gz"])
def test_an_edit_of_the_input_that_keeps_its_size_is_noticed(
    write, tmp_path, extension
):
    def written(text: str) -> str:
        data = text.encode()
        return write(f"a.{extension}", gzip.compress(data, 0) if "gz" in path else data)

    path = f"a.{extension}"
    text = "이 영화 정말 재미있게 봤습니다\n어제 본 드라마가 더 재미있었습니다\n"
    paths = [written(text), write("b.txt", "다른 파일에도 한 줄이 있습니다\n")]
    run(paths, tmp_path / "clean")
    before = snapshot(tmp_path / "clean")
    os.utime(written(text), (1e9, 1e9))  # copied, say
    run(paths, tmp_path / "clean")
    written(text.replace("영화", "연극"))
    with pytest.raises(UserError, match=rf"a\.{extension} changed since --output_dir="):
        run(paths, tmp_path / "clean")
    assert snapshot(tmp_path / "clean") == before
    run(paths, tmp_path / "clean", overwrite=True)
    assert "연극" in documents(tmp_path / "clean")[0][0]


def test_a_bucket_gets_what_a_local_folder_gets(small, write, tmp_path, bucket_folder):
    local, remote = [], []
    for i in range(2):
        text = corpus(i, 150)
        local.append(write(f"raw{i}.jsonl", text))
        remote.append(f"{bucket_folder}/raw/{i}.jsonl")
        files.write_text(remote[-1], text)
    values = run(local, tmp_path / "clean", **EVERYTHING)
    output = f"{bucket_folder}/clean"
    on_bucket = run(remote, output, **EVERYTHING)
    assert len(values["files"]) > 3
    assert on_bucket["files"] == values["files"]
    assert list(verify.folder_problems(output)) == []
    run(remote, output, **EVERYTHING)
    files.write_text(remote[1], text.replace("ㅋ", "ㅎ"))
    with pytest.raises(UserError, match=f"{remote[1]} changed since --output_dir="):
        run(remote, output, **EVERYTHING)
