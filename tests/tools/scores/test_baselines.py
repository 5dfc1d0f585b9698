"""Baselines: what the majority is, and that linear models see what they are to see."""

import math

import pytest
from helpers import processes

from common.errors import UserError
from electra_tf.finetune import results
from electra_tf.finetune.data.dataset import Dataset
from electra_tf.finetune.kinds import table as kinds
from electra_tf.finetune.kinds.rows import Row, Unit
from tools.scores import baselines


def dataset(kind: kinds.Kind, rows: list[Row], labels: tuple[str, ...] = ()) -> Dataset:
    """The rows are train and dev; test has them the other way round."""
    return Dataset(kind, labels, rows, list(rows), rows[::-1], "file", "ab", {})


def predicted(name: str, data: Dataset, rows: list[Row]) -> list:
    *_, last = baselines.candidates(name, data)
    return last.predict(rows)


def test_majority_is_what_most_of_train_have():
    rows = [Row(str(i), "x", label=label) for i, label in enumerate("abbc")]
    assert predicted("majority", dataset(kinds.CLASSIFICATION, rows), rows) == ["b"] * 4
    rows = [Row(str(i), "x", label=label) for i, label in enumerate([1.0, 2.0, 6.0])]
    assert predicted("majority", dataset(kinds.REGRESSION, rows), rows[:1]) == [3.0]
    sets = [("a",), ("a", "b"), ("b", "a"), ()]
    rows = [Row(str(i), "x", label=label) for i, label in enumerate(sets)]
    data = dataset(kinds.MULTI_LABEL, rows, ("a", "b"))
    assert predicted("majority", data, rows[:1]) == [("a",)]  # b: half, not more


def tagged(text: str, tags: list[str]) -> Row:
    units = [Unit(i, i + 1, tag) for i, tag in enumerate(tags)]
    return Row(text, text, label=tuple(units))


def test_majority_tag_is_a_unit_s_own():
    rows = [tagged("가나", ["B-X", "O"]), tagged("가다", ["B-X", "I-X"])]
    rows.append(tagged("가", ["O"]))
    unseen = tagged("나가라", ["", "", ""])
    data = dataset(kinds.TAGGING, rows, ("O", "B-X", "I-X"))
    assert predicted("majority", data, [unseen, rows[1]]) == [
        ["O", "B-X", "O"],
        ["B-X", "I-X"],
    ]


def sentences() -> list[Row]:
    """A word tells the label; the others are in both."""
    words = ["영화", "배우", "음악", "이야기"]
    return [
        Row(f"{word}{label}", f"{word} 정말 {said}", label=label)
        for word in words
        for label, said in (("0", "지루하다"), ("1", "재미있다"))
    ]


@pytest.mark.parametrize("name", ["words", "characters"])
def test_linear_model_finds_the_word_that_tells(name):
    rows = sentences()
    data = dataset(kinds.CLASSIFICATION, rows, ("0", "1"))
    unseen = [Row("", "처음 지루하다"), Row("", "처음 재미있다")]
    assert predicted(name, data, unseen) == ["0", "1"]


def test_linear_model_finds_numbers_and_several_labels():
    rows = [Row(r.id, r.text, label=5.0 * int(r.label)) for r in sentences()]
    low, high = predicted("words", dataset(kinds.REGRESSION, rows), rows[:2])
    assert low < 1 and high > 4
    labels = {"0": ("bad", "dull"), "1": ()}
    rows = [Row(r.id, r.text, label=labels[r.label]) for r in sentences()]
    data = dataset(kinds.MULTI_LABEL, rows, ("bad", "dull"))
    assert predicted("words", data, rows[:2]) == [("bad", "dull"), ()]


def test_pairs_are_seen_as_more_or_less_alike():
    """Every text is in pairs of both labels: nothing but the two together tells."""
    texts = ["날씨 맑다", "버스 늦다", "밥 맛있다", "책 두껍다", "산 높다"]
    rows = [
        Row(a + b, a, b, label="same" if a == b else "other")
        for a in texts
        for b in texts
    ]
    data = dataset(kinds.CLASSIFICATION, rows, ("other", "same"))
    for name in ("words", "characters"):
        assert predicted(name, data, rows) == [row.label for row in rows]


def test_choice_with_the_highest_score_is_taken():
    good, bad = ["맞는 말", "맞는 글"], ["틀린 말", "틀린 글", "틀린 곡"]
    rows = [Row(f"{i}", "문장", choices=(bad[i], good[i]), label=1) for i in (0, 1)]
    rows += [Row(f"{i}a", "문장", choices=(good[i], bad[i]), label=0) for i in (0, 1)]
    data = dataset(kinds.MULTIPLE_CHOICE, rows)
    three = Row("", "문장", choices=(bad[2], bad[0], "맞는 것"), label=2)
    assert predicted("words", data, [*rows, three]) == [1, 1, 0, 0, 2]


def test_units_are_seen_with_what_is_beside_them():
    """The same character begins an entity before one symbol and not before another."""
    rows = [tagged("가나", ["B-X", "I-X"]), tagged("가다", ["O", "O"])] * 3
    data = dataset(kinds.TAGGING, rows, ("O", "B-X", "I-X"))
    assert predicted("characters", data, rows[:2]) == [["B-X", "I-X"], ["O", "O"]]


def test_c_is_chosen_on_dev_and_test_is_scored_with_it(monkeypatch):
    """Each candidate is right on so many of the dev rows."""
    rows = [Row(str(i), "x", label="1") for i in range(4)]
    asked = []

    def candidate(c: float, right: int) -> baselines.Candidate:
        def predict(wanted: list[Row]) -> list[str]:
            asked.append((c, len(wanted)))
            return ["1"] * right + ["0"] * (len(wanted) - right)

        return baselines.Candidate(c, predict)

    tried = [candidate(1.0, 1), candidate(3.0, 3), candidate(10.0, 3)]
    monkeypatch.setattr(baselines, "candidates", lambda name, data: iter(tried))
    data = Dataset(kinds.CLASSIFICATION, ("0", "1"), [], rows, rows[:3], "file", "", {})
    seed, config = baselines.score("words", data, "accuracy")
    assert (seed.dev["accuracy"], seed.test["accuracy"]) == (0.75, 1.0)
    assert config["C"] == 3.0
    assert config["dev_accuracy_by_C"] == {"1.0": 0.25, "3.0": 0.75, "10.0": 0.75}
    assert asked == [(1.0, 4), (3.0, 4), (10.0, 4), (3.0, 3)]


def test_undefined_score_stays_so_and_without_test_rows_there_is_none():
    rows = [Row(str(i), "x", label=float(i)) for i in range(3)]
    data = Dataset(kinds.REGRESSION, (), rows, rows, [], "train", "", {})
    seed, config = baselines.score("majority", data, "spearman")
    assert math.isnan(seed.dev["spearman"]) and seed.test is None
    assert config["C"] is None


def test_baselines_that_a_task_has():
    assert baselines.names(kinds.TAGGING) == ["majority", "characters"]
    assert baselines.names(kinds.REGRESSION, ["words"]) == ["words"]
    with pytest.raises(UserError, match="tagging has no 'words'; it has majority, ch"):
        baselines.names(kinds.TAGGING, ["majority", "words"])
    with pytest.raises(UserError, match="question_answering has no baselines"):
        baselines.names(kinds.QUESTION_ANSWERING)


def test_command_writes_results_of_each_baseline(tmp_path):
    lines = [f"{row.id}\t{row.text}\t{row.label}" for row in sentences()]
    (tmp_path / "nsmc").mkdir()
    for name in ("ratings_train.txt", "ratings_test.txt"):
        more = [
            f"{i}\t{line}\t{i % 2}" for i, line in enumerate(f"{n}" for n in range(40))
        ]
        text = "\n".join(["id\tdocument\tlabel", *lines, *more]) + "\n"
        (tmp_path / "nsmc" / name).write_text(text, encoding="utf-8")
    ended = processes.check(
        *("-m", "tools.score_baselines", "--task=nsmc", "--train_rows=20"),
        *(f"--data_dir={tmp_path}/nsmc", f"--output_dir={tmp_path}/runs"),
        "--baselines=majority,words",
    )
    assert "nsmc, 20 rows, words: accuracy" in ended.err
    found = dict(results.read_all([f"{tmp_path}/runs/*"]))
    words = found[f"{tmp_path}/runs/words"]
    assert set(found) == {f"{tmp_path}/runs/{name}" for name in ("majority", "words")}
    assert (words.init, words.train_rows, words.test_rows) == ("baseline", 20, 48)
    assert words.config["C"] in baselines.GRID
