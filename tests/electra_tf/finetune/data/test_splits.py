"""Splits that can be trusted: who is on which side, and what is refused."""

import json
import pathlib
from collections.abc import Callable

import pytest
from helpers import processes
from helpers.own_task import custom
from hypothesis import given
from hypothesis import strategies as st

from common.errors import UserError
from electra_tf.finetune.data import splits as datasets
from electra_tf.finetune.data.dataset import LocatedRow
from electra_tf.finetune.data.tasks import TASKS
from electra_tf.finetune.kinds import table as kinds
from electra_tf.finetune.kinds.rows import Answer, Row

Write = Callable[..., str]
TEXTS = st.lists(st.text(min_size=1, max_size=3), min_size=1, unique=True)
COLUMNS = "id\tdocument\tlabel\n"


@pytest.fixture
def write(tmp_path: pathlib.Path) -> Write:
    """Writes files into the data folder; returns the folder."""

    def write_files(**contents: str) -> str:
        for name, content in contents.items():
            path = tmp_path / name.replace("__", ".")
            path.write_text(content, encoding="utf-8", newline="")
        return str(tmp_path)

    return write_files


def nsmc(count: int, prefix: str = "글") -> str:
    lines = [f"{i}\t{prefix} {i}\t{i % 2}\n" for i in range(count)]
    return COLUMNS + "".join(lines)


def found(texts: list[str], group: str = "") -> list[LocatedRow]:
    return [LocatedRow(Row(text, text), "line 1", group) for text in texts]


def texts(rows: list) -> list[str]:
    return [row.text for row in rows]


def test_files_of_a_release_are_read_as_they_are(write):
    folder = write(
        train__tsv=nsmc(20),
        dev__tsv=nsmc(4, "개발"),
        test_official__tsv=nsmc(6, "시험"),
    )
    dataset = datasets.load(TASKS["nsmc"], folder)
    assert dataset.kind is kinds.CLASSIFICATION
    assert (dataset.labels, dataset.dev_from) == (("0", "1"), "file")
    assert texts(dataset.train) == [f"글 {i}" for i in range(20)]
    assert texts(dataset.dev) == [f"개발 {i}" for i in range(4)]
    assert texts(dataset.test) == [f"시험 {i}" for i in range(6)]
    assert not any(dataset.counts.values())


def test_without_a_dev_file_a_tenth_of_train_is_it(write):
    folder = write(ratings_train__txt=nsmc(1000), ratings_test__txt=nsmc(6, "시험"))
    dataset = datasets.load(TASKS["nsmc"], folder)
    assert dataset.dev_from == "train"
    assert 70 < len(dataset.dev) < 130
    together = {row.id for row in dataset.train} | {row.id for row in dataset.dev}
    assert len(together) == len(dataset.train) + len(dataset.dev) == 1000
    assert len(dataset.test) == 6


@given(TEXTS, TEXTS)
def test_no_row_changes_sides_when_others_come(few, more):
    train, dev = datasets.split_off_dev(found(few))
    larger_train, larger_dev = datasets.split_off_dev(found([*more, *few]))
    assert {f.row.text for f in train} <= {f.row.text for f in larger_train}
    assert {f.row.text for f in dev} <= {f.row.text for f in larger_dev}


@given(TEXTS, st.text(min_size=1))
def test_a_group_stays_together(few, group):
    assert [] in datasets.split_off_dev(found(few, group))


def test_questions_of_an_article_are_on_one_side(write):
    def articles(first: int, last: int) -> str:
        data = []
        for i in range(first, last):
            answer = {"text": "글", "answer_start": 0}
            paragraphs = [
                {
                    "context": f"글 {i} {j}",
                    "qas": [{"id": f"{i}-{j}", "question": "뭐", "answers": [answer]}],
                }
                for j in range(3)
            ]
            data.append({"title": f"제목 {i}", "paragraphs": paragraphs})
        return json.dumps({"data": data})

    names = ("KorQuAD_v1.0_train.json", "KorQuAD_v1.0_dev.json")
    contents = (articles(0, 60), articles(60, 61))
    folder = write(**dict(zip(names, contents, strict=True)))
    dataset = datasets.load(TASKS["korquad"], folder)
    sides = [{row.id.split("-")[0] for row in s} for s in (dataset.train, dataset.dev)]
    assert not sides[0] & sides[1]
    assert all(len(rows) % 3 == 0 for rows in (dataset.train, dataset.dev))
    assert dataset.labels == () and len(dataset.test) == 3


@given(TEXTS, st.integers(1, 50), st.integers(1, 50))
def test_fewer_rows_are_among_more_and_keep_their_order(some, first, second):
    rows = [Row(text, text) for text in some]
    fewer, more = (datasets.draw(rows, n) for n in sorted([first, second]))
    assert len(fewer) == min(len(rows), first, second)
    assert set(fewer) <= set(more)
    assert fewer == [row for row in rows if row in fewer]


def test_fewer_train_rows_leave_dev_and_test_alone(write):
    folder = write(ratings_train__txt=nsmc(300), ratings_test__txt=nsmc(6))
    full = datasets.load(TASKS["nsmc"], folder)
    part = datasets.load(TASKS["nsmc"], folder, train_rows=100)
    assert len(part.train) == 100 and set(part.train) < set(full.train)
    assert (part.dev, part.test) == (full.dev, full.test)
    assert part.sha256 != full.sha256


def test_the_draw_is_not_the_split():
    """Rows that just missed dev would otherwise be drawn first."""
    rows = found([f"글 {i}" for i in range(2000)])
    train, _ = datasets.split_off_dev(rows)
    drawn = datasets.draw([f.row for f in train], 200)
    places = [datasets.hash_of("dev", row.text) / 2**64 for row in drawn]
    assert max(places) > 0.9


def test_sides_do_not_change_with_a_release_of_this_code():
    _, dev = datasets.split_off_dev(found([f"글 {i}" for i in range(50)]))
    assert [f.row.text for f in dev] == ["글 3", "글 15", "글 21", "글 30"]
    drawn = datasets.draw([Row("", f"글 {i}") for i in range(50)], 3)
    assert texts(drawn) == ["글 25", "글 32", "글 41"]


def test_fingerprint_tells_rows_labels_and_splits_apart():
    row = Row("1", "가", label="0")
    splits = [
        {"train": [row], "dev": []},
        {"train": [], "dev": [row]},
        {"train": [Row("1", "가", label="1")], "dev": []},
        {"train": [Row("1", "가", text_pair="", label="0")], "dev": []},
        {"train": [row, row], "dev": []},
        {"train": [Row("1", "\ud800", label="0")], "dev": []},
    ]
    assert len({datasets.fingerprint(rows) for rows in splits}) == len(splits)
    assert datasets.fingerprint(splits[0]) == datasets.fingerprint(dict(splits[0]))


def test_empty_texts_are_dropped_from_train_and_dev_alone(write):
    empty = "90\t\t0\n91\t \u3000\t1\n"
    folder = write(
        train__tsv=nsmc(9) + empty,
        dev__tsv=nsmc(4, "개발") + empty,
        test_official__tsv=nsmc(6, "시험") + empty,
    )
    dataset = datasets.load(TASKS["nsmc"], folder)
    assert [len(dataset.train), len(dataset.dev), len(dataset.test)] == [9, 4, 8]
    for split in ("train", "dev", "test"):
        assert dataset.counts[f"{split}_empty_text"] == 2


def test_an_empty_half_of_a_pair_counts_as_empty(write):
    columns = "id\tsentence1\tsentence2\tlabel\n"
    pairs = columns + "1\t가\t나\t0\n2\t다\t\t1\n3\t라\t마\t1\n"
    folder = write(translated_train__tsv=pairs, dev_2k__tsv=pairs, test_2k__tsv=pairs)
    dataset = datasets.load(TASKS["paws"], folder)
    assert [row.id for row in dataset.train] == ["1", "3"]
    assert dataset.counts["dev_in_train"] == 2
    assert dataset.counts["test_in_train"] == 2  # the one dropped is not in train


def test_rows_seen_in_training_are_counted(write):
    repeated = COLUMNS + "1\t글 3\t1\n2\t글 3\t0\n3\t글3\t1\n"
    folder = write(
        train__tsv=nsmc(9), dev__tsv=nsmc(4, "개발"), test_official__tsv=repeated
    )
    counts = datasets.load(TASKS["nsmc"], folder).counts
    assert (counts["dev_in_train"], counts["test_in_train"]) == (0, 2)


def squad_with(*answers: dict) -> str:
    question = {"id": "q", "question": "뭐", "answers": [*answers]}
    good = {"text": "비", "answer_start": 0}
    others = [
        {
            "title": f"제목 {i}",
            "paragraphs": [
                {
                    "context": "비",
                    "qas": [{"id": f"{i}", "question": "뭐", "answers": [good]}],
                }
            ],
        }
        for i in range(40)
    ]
    bad = {"title": "나쁨", "paragraphs": [{"context": "비", "qas": [question]}]}
    return json.dumps({"data": [*others, bad]})


def test_answers_that_stand_nowhere_are_dropped_from_train_alone(write):
    lost = {"text": "눈", "answer_start": 0}
    names = ("KorQuAD_v1.0_train.json", "KorQuAD_v1.0_dev.json")
    folder = write(**dict.fromkeys(names, squad_with(lost)))
    dataset = datasets.load(TASKS["korquad"], folder)
    assert dataset.counts["train_lost_answer"] == 1
    assert len(dataset.train) + len(dataset.dev) == 40
    assert dataset.test[-1].label == (Answer("눈", 0),)


def test_labels_of_ones_own_are_those_of_train_sorted(write):
    rows = "text\tlabel\n" + "".join(f"글 {i}\t{'나가다'[i % 3]}\n" for i in range(60))
    folder = write(a__tsv=rows, b__tsv=rows)
    task = custom(kinds.CLASSIFICATION, f"{folder}/a.tsv", f"{folder}/b.tsv")
    dataset = datasets.load(task, "")
    assert dataset.labels == ("가", "나", "다")
    assert dataset.test == [] and dataset.counts["dev_in_train"] == 60


def test_tags_are_both_of_each_type(write):
    folder = write(
        a__conll="가\tB-X\n나\tO\n\n다\tI-Y\n", b__conll="라\tB-Y\n마\tI-Y\n"
    )
    task = custom(kinds.TAGGING, f"{folder}/a.conll", f"{folder}/b.conll")
    dataset = datasets.load(task, "")
    assert dataset.labels == ("O", "B-X", "I-X", "B-Y", "I-Y")
    assert dataset.counts["train_repaired_tags"] == 1


def test_a_label_that_train_never_has_is_refused_by_its_line(write):
    folder = write(a__tsv="text\tlabel\n가\t1\n나\t2\n", b__tsv="text\tlabel\n다\t3\n")
    task = custom(kinds.CLASSIFICATION, f"{folder}/a.tsv", f"{folder}/b.tsv")
    with pytest.raises(UserError, match="b.tsv, line 2 .*no label '3'; it has 1, 2"):
        datasets.load(task, "")
    several = custom(kinds.MULTI_LABEL, f"{folder}/a.tsv", f"{folder}/b.tsv")
    with pytest.raises(UserError, match="the train file has no label '3'"):
        datasets.load(several, "")
    write(a__tsv="가\tB-X\n나\tO\n", b__tsv="다\tB-Y\n")
    tags = custom(kinds.TAGGING, f"{folder}/a.tsv", f"{folder}/b.tsv")
    with pytest.raises(UserError, match="no label 'B-Y'; it has O, B-X, I-X"):
        datasets.load(tags, "")


def test_a_label_that_the_task_does_not_have_is_refused_in_train_too(write):
    folder = write(
        train__tsv=nsmc(5) + "7\t글\t-1\n",
        dev__tsv=nsmc(4),
        test_official__tsv=nsmc(4),
    )
    with pytest.raises(UserError, match="train.tsv, line 7 .id 7.: nsmc has no label"):
        datasets.load(TASKS["nsmc"], folder)


@pytest.mark.parametrize(
    ("kind", "content", "message"),
    [
        (
            kinds.CLASSIFICATION,
            "text\tlabel\n가\t1\n나\t1\n",
            "2 train rows have one label, '1'",
        ),
        (kinds.MULTI_LABEL, "text\tlabel\n가\t\n나\t,\n", "have no label"),
        (kinds.REGRESSION, "text\tlabel\n가\t1\n나\t1.0\n", "one label, 1.0"),
        (kinds.TAGGING, "가\tO\n나\tO\n", "one label, 'O'"),
    ],
)
def test_train_rows_with_nothing_to_tell_apart_are_refused(
    write, kind, content, message
):
    folder = write(a__tsv=content)
    task = custom(kind, f"{folder}/a.tsv", f"{folder}/a.tsv")
    with pytest.raises(UserError, match=message):
        datasets.load(task, "")


def test_a_dev_set_of_one_class_is_allowed(write):
    folder = write(a__tsv="text\tlabel\n가\t1\n나\t2\n", b__tsv="text\tlabel\n다\t2\n")
    task = custom(kinds.CLASSIFICATION, f"{folder}/a.tsv", f"{folder}/b.tsv")
    assert len(datasets.load(task, "").dev) == 1


def test_too_few_texts_for_a_dev_set_are_refused(write):
    folder = write(a__tsv="text\tlabel\n가\t1\n가\t2\n")
    with pytest.raises(UserError, match="too few different texts .2 rows.*pass a dev"):
        datasets.load(custom(kinds.CLASSIFICATION, f"{folder}/a.tsv"), "")


def test_only_blank_texts_are_refused(write):
    folder = write(a__tsv="text\tlabel\n \t1\n\t2\n")
    with pytest.raises(UserError, match="every row has an empty text"):
        datasets.load(custom(kinds.CLASSIFICATION, f"{folder}/a.tsv"), "")


def test_questions_whose_answers_are_all_elsewhere_are_refused(write):
    answer = {"text": "눈", "answer_start": 0}
    question = {"id": "q", "question": "뭐", "answers": [answer]}
    paragraph = {"context": "비", "qas": [question]}
    document = {"data": [{"title": "글", "paragraphs": [paragraph]}]}
    folder = write(a__json=json.dumps(document))
    task = custom(kinds.QUESTION_ANSWERING, f"{folder}/a.json")
    with pytest.raises(UserError, match="none of 1 questions .* answer in its context"):
        datasets.load(task, "")


def test_dev_rows_on_which_no_score_is_defined_are_refused(write):
    folder = write(
        a__tsv="text\tlabel\n가\t1\n나\t2\n", b__tsv="text\tlabel\n다\t3\n라\t3\n"
    )
    paths = [f"{folder}/{name}.tsv" for name in "abb"]
    task = custom(kinds.REGRESSION, *paths[:2])
    with pytest.raises(UserError, match="b.tsv: its 2 dev rows have one label, 3.0"):
        datasets.load(task, "")
    task = custom(kinds.REGRESSION, paths[0], paths[0], test_file=paths[1])
    with pytest.raises(UserError, match="b.tsv: its 2 test rows have one label, 3.0"):
        datasets.load(task, "")


@pytest.mark.parametrize("content", ["", "text\tlabel\n"], ids=["empty", "header"])
@pytest.mark.parametrize("split", ["train", "dev", "test"])
def test_a_file_without_rows_is_refused(write, split, content):
    names = ("train", "dev", "test")
    rows = "text\tlabel\n가\t1\n나\t2\n"
    folder = write(**{f"{n}__tsv": content if n == split else rows for n in names})
    paths = dict(zip(names, (f"{folder}/{name}.tsv" for name in names), strict=True))
    task = custom(
        kinds.CLASSIFICATION, paths["train"], paths["dev"], test_file=paths["test"]
    )
    with pytest.raises(UserError, match=f"{split}.tsv has no rows"):
        datasets.load(task, "")


def test_missing_files_are_named_with_what_there_is(write):
    folder = write(dev__tsv=nsmc(3), notes__md="")
    wanted = "ratings_train.txt or ratings_train.tsv or train.tsv"
    with pytest.raises(UserError, match=f"{wanted}, not .* holds dev.tsv, notes.md"):
        datasets.load(TASKS["nsmc"], folder)
    write(train__tsv=nsmc(3))
    with pytest.raises(UserError, match="nsmc needs test_official.tsv, not found"):
        datasets.load(TASKS["nsmc"], folder)
    own = custom(kinds.CLASSIFICATION, f"{folder}/train.jsonl")
    with pytest.raises(UserError, match="train.jsonl.*holds dev.tsv, notes.md, train"):
        datasets.load(own, "")
    with pytest.raises(UserError, match="which is empty or does not exist"):
        datasets.load(TASKS["nsmc"], folder + "/nowhere")


def test_klue_ner_takes_one_release_whole(write):
    """Its dev file holds the rows of the other release's train file."""
    train = "".join(f"{c}\tB-PS\n나\tO\n\n" for c in "가각간갇갈감갑값갓강")
    folder = write(
        **{"ner_split_train.tsv": train, "klue-ner-v1.1_dev.tsv": "가\tB-PS\n"},
        **{"ner_split_dev.tsv": "겁\tB-PS\n", "ner_split_test.tsv": "겉\tB-LC\n"},
    )
    dataset = datasets.load(TASKS["klue_ner"], folder)
    assert (texts(dataset.dev), texts(dataset.test)) == (["겁"], ["겉"])


def test_loading_needs_no_tensorflow():
    code = (
        "import sys, electra_tf.finetune.data.splits; "
        "sys.exit('tensorflow' in sys.modules)"
    )
    processes.check("-c", code)
