"""The table of tasks, and tasks of one's own."""

import pytest
from helpers.own_task import custom

from common.errors import UserError
from electra_tf.finetune.data.annotations import TAG_FORMATS
from electra_tf.finetune.data.tasks import TASKS, CustomTask, Files
from electra_tf.finetune.kinds import table as kinds

ALL = pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)


@ALL
def test_what_is_scored_is_never_what_epochs_are_chosen_on(task):
    for release in task.files:
        assert release.train and release.test
        assert len({release.train, release.dev, release.test}) == 3


@ALL
def test_an_entry_says_what_its_kind_needs(task):
    assert (task.format in TAG_FORMATS) == (task.kind is kinds.TAGGING)
    assert (task.format == "squad") == (task.kind is kinds.QUESTION_ANSWERING)
    has_choices = task.kind is kinds.MULTIPLE_CHOICE
    assert len(task.choices) == (len(task.labels) if has_choices else 0)
    without_labels = (kinds.REGRESSION, kinds.QUESTION_ANSWERING)
    assert (task.labels == ()) == (task.kind in without_labels)


@ALL
def test_labels_differ_in_more_than_letter_case(task):
    assert len({label.casefold() for label in task.labels}) == len(task.labels)


def test_a_task_of_ones_own():
    task = custom(
        kinds.CLASSIFICATION, "/a/train.tsv", text_column="q", text_pair_column="a"
    )
    assert task.files == (Files("/a/train.tsv", "", ""),)
    assert (task.text, task.text_pair, task.label) == (("q",), "a", "label")
    assert (task.labels, task.metric) == ((), "accuracy")
    assert custom(kinds.REGRESSION, "t.tsv", metric="pearson").metric == "pearson"


def test_columns_of_questions_have_names_of_their_own():
    task = custom(kinds.QUESTION_ANSWERING, "/a/train.json")
    assert (task.text, task.text_pair) == (("context",), "question")


def test_columns_to_predict_are_the_tasks_unless_others_are_given():
    nsmc, sts = TASKS["nsmc"], TASKS["klue_sts"]
    assert CustomTask().to_predict("nsmc", nsmc.kind, has_pairs=False) == nsmc
    given = CustomTask(text_column="comment")
    assert given.to_predict("nsmc", nsmc.kind, False).text == ("comment",)
    given = CustomTask(text_pair_column="other")
    found = given.to_predict("klue_sts", sts.kind, has_pairs=True)
    assert (found.text, found.text_pair) == (sts.text, "other")
    ner = TASKS["klue_ner"]
    given = CustomTask(text_column="comment")
    assert given.to_predict("klue_ner", ner.kind, False).format == "klue_ner"
    found = given.to_predict("custom", kinds.REGRESSION, has_pairs=False)
    assert (found.kind, found.text) == (kinds.REGRESSION, ("comment",))


@pytest.mark.parametrize(
    ("columns", "task", "kind", "has_pairs", "message"),
    [
        ({}, "custom", kinds.REGRESSION, True, "reads pairs: pass --text_pair_column"),
        ({"text_pair_column": "b"}, "nsmc", kinds.CLASSIFICATION, False, "single text"),
        ({"choice_columns": ("a", "b")}, "nsmc", kinds.CLASSIFICATION, False, "has no"),
        ({}, "custom", kinds.MULTIPLE_CHOICE, False, "needs two or more"),
    ],
)
def test_columns_that_do_not_suit_the_model_are_refused(
    columns, task, kind, has_pairs, message
):
    with pytest.raises(UserError, match=message):
        CustomTask(**columns).to_predict(task, kind, has_pairs)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"train_file": ""}, "--task=custom needs --train_file"),
        ({"choice_columns": ("a", "b")}, "classification has none"),
        ({"kind": kinds.MULTIPLE_CHOICE}, "kind=multiple_choice needs two or more"),
        (
            {"kind": kinds.MULTIPLE_CHOICE, "choice_columns": ("a",)},
            "'a': --kind=multiple_choice needs two or more",
        ),
        ({"kind": kinds.MULTI_LABEL, "label_separator": ""}, "--label_separator is"),
    ],
)
def test_what_cannot_be_a_task(options, message):
    with pytest.raises(UserError, match=message):
        custom(**{"kind": kinds.CLASSIFICATION, "train_file": "t.tsv", **options})
