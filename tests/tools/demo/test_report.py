"""The demo's report: evaluations and counted answers."""

import pytest

from common.errors import UserError
from tools.demo import report
from tools.demo.corpus import HeldSentence


def _record(step: int, **values: float) -> dict:
    names = ("loss", "masked_lm_loss", "disc_loss", "disc_auc")
    return {"kind": "eval", "step": step, **dict.fromkeys(names, 0.5), **values}


EVALUATIONS = [_record(0, loss=41.5), _record(5), _record(10, loss=30.25)]


@pytest.mark.parametrize("records", [[], EVALUATIONS[:1]], ids=["none", "no last"])
def test_evaluations_of_an_unfinished_run_are_refused(records):
    message = "some/model has no evaluation of the start and the end"
    with pytest.raises(UserError, match=message):
        report.print_evaluations("some/model", records)


def test_evaluation_table_shows_first_and_last(capsys):
    report.print_evaluations("model", EVALUATIONS)
    lines = capsys.readouterr().out.strip().splitlines()
    assert lines[0].split()[-4:] == ["step", "0", "step", "10"]
    assert ["loss", "41.5000", "30.2500"] in [line.split() for line in lines]
    assert not any(line.startswith(("kind", "step")) for line in lines[1:])


class _Models:
    """Always fills in the same words, and finds one word the oddest."""

    def __init__(self, best: str, oddest: str):
        self._best, self._oddest = best, oddest
        self.asked: list[tuple[list[str], int]] = []
        self.scored: list[list[str]] = []

    def fillers(self, words, index, count):
        self.asked.append((words, index))
        return [(self._best, 0.9), ("나머지", 0.1)][:count]

    def token_scores(self, words):
        self.scored.append(words)
        scores = [0.9 if word == self._oddest else 0.2 for word in words]
        return list(zip(words, scores, strict=True)), scores


HELD = [
    HeldSentence(
        "김밥은 정말 맛있어요", 2, frozenset({"맛있어요", "좋아요"}), "추워요"
    ),
    HeldSentence("국물이 너무 짰어요", 0, frozenset({"국물이", "국이"}), "화면이"),
    HeldSentence("배송이 아주 빨라요", 2, frozenset({"빨라요", "좋아요"}), "매워요"),
    HeldSentence("면발이 조금 질겨요", 2, frozenset({"질겨요"}), "추워요"),
]


@pytest.mark.parametrize(
    ("best", "oddest", "expected"),
    [
        ("좋아요", "추워요", {"filler": 2, "replaced": 2}),
        ("질겨요", "화면이", {"filler": 1, "replaced": 1}),
        ("없다", "맛있어요", {"filler": 0, "replaced": 0}),
    ],
)
def test_examine_counts_right_answers(best, oddest, expected, capsys):
    # Where no word is odder than the others, the first one is taken: index 0 is the
    # swapped word of the second sentence only, where a tie would count by accident.
    held = HELD if oddest == "화면이" else [HELD[0], *HELD[2:]]
    models = _Models(best, oddest)
    assert report.examine(models, held) == expected
    capsys.readouterr()


def test_examine_hides_the_target_and_swaps_in_the_wrong_word(capsys):
    models = _Models("국물이", "화면이")
    report.examine(models, HELD[1:2])
    assert models.asked == [(["국물이", "너무", "짰어요"], 0)]
    assert models.scored == [["화면이", "너무", "짰어요"]]
    shown = capsys.readouterr().out
    assert "____ 너무 짰어요" in shown and "국물이 0.90" in shown
    assert "화면이 너무 짰어요" in shown and "화면이 0.90" in shown


def test_examine_shows_three_sentences_in_full(capsys):
    report.examine(_Models("좋아요", "추워요"), HELD)
    assert capsys.readouterr().out.count("discriminator:") == 3
