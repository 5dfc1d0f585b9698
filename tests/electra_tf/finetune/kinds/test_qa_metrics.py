"""KorQuAD's scores, worked out by hand."""

import pytest

from common.errors import UserError
from electra_tf.finetune.kinds import qa_metrics


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("Seoul  Station\n", "seoul station"),
        ("《서울》의 '봄'", "서울 의 봄"),
        ("‘서울’〈역〉<구>", "서울 역 구"),
        ("서울(Seoul)", "서울 seoul"),
        ("1,000.5%", "10005"),
        ("a-b", "ab"),
        ("the 서울", "the 서울"),
        ("“서울”『역』「구」·…", "“서울”『역』「구」·…"),
        (" \u3000?!", ""),
    ],
)
def test_marks_become_spaces_or_nothing(text, normal):
    assert qa_metrics.normalize(text) == normal


@pytest.mark.parametrize(
    ("prediction", "gold", "exact", "f1"),
    [
        ("서울", "서울", True, 1.0),
        ("서울에", "서울", False, 0.8),  # 2 of 3 characters, 2 of 2
        ("서울", "서울에", False, 0.8),
        ("서울 시", "서울시", False, 1.0),  # spaces are no characters
        ("《서울》", "서울", True, 1.0),
        ("1,000명", "1000명", True, 1.0),
        ("서울(한국)", "서울 한국", True, 1.0),
        ("“서울”", "서울", False, 2 / 3),  # these quotation marks stay
        ("SEOUL", "seoul", True, 1.0),
        ("아아아", "아아", False, 0.8),  # each character as often as both have it
        ("하하", "하", False, 2 / 3),
        ("울서", "서울", False, 1.0),  # their order does not matter
        ("부산", "서울", False, 0.0),
        ("", "서울", False, 0.0),
        ("", "", True, 0.0),
        ("!", "?", True, 0.0),
    ],
)
def test_a_prediction_against_one_answer(prediction, gold, exact, f1):
    assert qa_metrics.exact_match(prediction, gold) is exact
    assert qa_metrics.f1(prediction, gold) == pytest.approx(f1)


def test_the_best_gold_answer_counts_for_each_metric():
    golds = ["부산", "서울에서", "서울에"]
    assert qa_metrics.scores(["서울"], [golds]) == {
        "exact_match": 0.0,
        "f1": pytest.approx(0.8),
    }


def test_scores_are_means_over_questions():
    golds = [["서울"], ["서울", "한국"], ["서울에"], ["서울"]]
    assert qa_metrics.scores(["서울", "한국", "서울", ""], golds) == {
        "exact_match": 0.5,
        "f1": pytest.approx(0.7),
    }


def test_questions_that_cannot_be_scored_are_refused():
    with pytest.raises(UserError, match="1 of 2 questions, the first at index 1,"):
        qa_metrics.scores(["서울", "부산"], [["서울"], []])
    with pytest.raises(UserError, match="no questions to score"):
        qa_metrics.scores([], [])
    with pytest.raises(ValueError):
        qa_metrics.scores(["서울"], [["서울"], ["부산"]])
