"""A fine-tuned folder's predictions for rows without labels, and their files."""

import dataclasses
import json
from typing import NamedTuple

import pytest
from helpers import damage, small

from common.errors import UserError
from electra_tf.finetune import model_folder, predict
from electra_tf.finetune.kinds import table as kinds
from electra_tf.finetune.kinds.rows import Row, Unit

pytestmark = pytest.mark.usefixtures("plain")
KINDS = pytest.mark.parametrize("found", kinds.KINDS.values(), ids=str, indirect=True)


class Found(NamedTuple):
    rows: list[Row]
    predictor: predict.Predictor

    def lines(self, name: str, rows_at_once: int = 100) -> list[str]:
        return list(self.predictor.lines(name, self.rows, rows_at_once))


def unlabelled(kind: kinds.Kind) -> list[Row]:
    """Long and short ones in turn, which are not read in that order; one is empty."""
    rows = [dataclasses.replace(row, label=None) for row in small.ROWS[kind]]
    if kind is kinds.TAGGING:
        tagged = small.ROWS[kind]
        labels = [tuple(u._replace(tag="") for u in row.label) for row in tagged]
        rows = [
            dataclasses.replace(row, label=label)
            for row, label in zip(rows, labels, strict=True)
        ]
    long, short = rows
    no_units = () if kind is kinds.TAGGING else None
    empty = dataclasses.replace(short, text="", label=no_units)
    rows = [long, short, empty, long, short]
    return [dataclasses.replace(row, id=str(i)) for i, row in enumerate(rows)]


@pytest.fixture(scope="module")
def found(request, cpu, tmp_path_factory) -> Found:
    kind, path = request.param, str(tmp_path_factory.mktemp("model"))
    made = small.model(kind)
    if kind is kinds.TAGGING:
        made.head.classifier.bias.assign([-9.0, 9.0, 0.0])  # each unit is an entity
    said = small.described(kind)
    model_folder.write(path, made, small.values(made), said, small.tokenizer())
    return Found(unlabelled(kind), predict.Predictor(path, cpu, batch_size=2))


def test_a_folder_with_a_file_cut_short_is_refused(cpu, tmp_path):
    kind, made = kinds.CLASSIFICATION, small.model(kinds.CLASSIFICATION)
    folder = tmp_path / "model"
    described = small.described(kind)
    model_folder.write(
        str(folder), made, small.values(made), described, small.tokenizer()
    )

    def read(cut: str) -> None:
        predict.Predictor(cut, cpu, batch_size=2)

    assert damage.refused(folder, tmp_path, read) == {
        *("config.json", "model.safetensors", "finetuning.json"),
        *("tokenizer.json", "tokenizer_config.json"),
    }


def records(found: Found) -> list[dict]:
    return [json.loads(line) for line in found.lines("a.jsonl")]


@KINDS
def test_every_row_has_its_own_prediction_in_order(found):
    said = records(found)
    assert [record.pop("id") for record in said] == list("01234")
    assert all(len(record) for record in said)
    values = [json.dumps(_rounded(record), ensure_ascii=False) for record in said]
    assert values[0] == values[3] and values[1] == values[4]
    assert values[0] != values[1]


def _rounded(value):
    if isinstance(value, dict):
        return {name: _rounded(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_rounded(part) for part in value]
    return round(value, 3) if isinstance(value, float) else value


@KINDS
def test_rows_may_come_a_few_at_a_time(found):
    ending = ".tsv" if found.predictor.kind.fits_tsv else ".jsonl"
    found.predictor.counts.clear()
    whole, counts = found.lines("a" + ending), found.predictor.counts.copy()
    found.predictor.counts.clear()
    assert list(map(_parsed, found.lines("a" + ending, 2))) == list(map(_parsed, whole))
    assert found.predictor.counts == counts


def _parsed(line: str):
    if line.startswith("{"):
        return _rounded(json.loads(line))
    return [f"{float(x):.3f}" if "." in x else x for x in line.split("\t")]


ONE_ANSWER = (kinds.CLASSIFICATION, kinds.MULTIPLE_CHOICE)


@pytest.mark.parametrize("found", ONE_ANSWER, ids=str, indirect=True)
def test_probabilities_are_shares_of_one_and_the_likeliest_is_predicted(found):
    for record in records(found):
        shares = record["probabilities"]
        assert sum(shares.values()) == pytest.approx(1.0, abs=1e-5)
        assert max(shares, key=shares.get) == str(record["prediction"])


@pytest.mark.parametrize("found", [kinds.MULTI_LABEL], ids=str, indirect=True)
def test_each_of_several_labels_has_a_probability_of_its_own(found):
    for record in records(found):
        likely = [n for n, p in record["probabilities"].items() if p > 0.5]
        assert record["prediction"] == likely


@pytest.mark.parametrize("found", [kinds.QUESTION_ANSWERING], ids=str, indirect=True)
def test_answers_are_slices_of_the_context(found):
    for row, record in zip(found.rows, records(found), strict=True):
        for answer in record["answers"]:
            assert row.text[answer["start"] : answer["end"]] == answer["text"]
        assert record["prediction"] == record["answers"][0]["text"]
        total = sum(answer["probability"] for answer in record["answers"])
        assert total == pytest.approx(1.0)


@pytest.mark.parametrize("found", [kinds.CLASSIFICATION], ids=str, indirect=True)
def test_a_tsv_has_a_column_for_each_label(found):
    header, *lines = [line.split("\t") for line in found.lines("a.tsv")]
    assert header == ["id", "prediction", "없음", "혐오\n"]
    for line, record in zip(lines, records(found), strict=True):
        assert line[:2] == [record["id"], record["prediction"]]
        shares = list(record["probabilities"].values())
        assert list(map(float, line[2:])) == pytest.approx(shares, abs=1e-6)


@pytest.mark.parametrize("found", [kinds.REGRESSION], ids=str, indirect=True)
def test_a_tsv_of_numbers_has_the_number_alone(found):
    header, *lines = found.lines("a.tsv")
    assert header == "id\tprediction\n"
    assert [float(line.split("\t")[1]) for line in lines] == [
        record["prediction"] for record in records(found)
    ]


def test_entities_are_exact_slices_of_the_text():
    text = "한국의 수도 는 부산"
    places = [(0, 3), (4, 6), (7, 8), (9, 11)]
    units = tuple(Unit(*place, "") for place in places)
    tags = ["B-LC", "I-LC", "O", "B-PS"]
    found = kinds.TAGGING.record(Row("a", text, label=units), tags)["entities"]
    assert [(e["type"], e["text"]) for e in found] == [
        ("LC", "한국의 수도"),
        ("PS", "부산"),
    ]
    assert all(text[e["start"] : e["end"]] == e["text"] for e in found)


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ("B-LC B-LC O O", [(0, 3), (4, 6)]),
        ("B-LC I-PS I-PS O", [(0, 3), (4, 8)]),
        ("O O I-LC I-LC", [(7, 11)]),
        ("O O O O", []),
    ],
)
def test_where_entities_begin_and_end(tags, expected):
    places = [(0, 3), (4, 6), (7, 8), (9, 11)]
    row = Row("a", "한국의 수도 는 부산", label=tuple(Unit(*p, "") for p in places))
    found = kinds.TAGGING.record(row, tags.split())["entities"]
    assert [(e["start"], e["end"]) for e in found] == expected


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("a.txt", kinds.CLASSIFICATION),
        ("a.tsv", kinds.TAGGING),
        ("a.tsv", kinds.QUESTION_ANSWERING),
        ("tsv", kinds.REGRESSION),
    ],
)
def test_endings_without_a_form_are_refused(path, kind):
    with pytest.raises(
        UserError, match=f"--output={path}: for predictions of {kind.name} the name"
    ):
        predict.check_output(path, kind)
    predict.check_output("a.jsonl", kind)
