"""Labelled tasks as data: where their public files are, and how they are read.

Numbers of epochs and lengths are the published ones: of KoELECTRA's fine-tuning
(nsmc to hate_speech) and of KLUE's baselines, but that klue_ner's 145 characters need
no 510 positions. KoBEST's and 3i4k's are ours.
"""

import dataclasses
from typing import NamedTuple

from common.cli import UserError
from electra_tf.finetune.data.rows import Kind


class Files(NamedTuple):
    """Names of one release, within its folder; "" where there is no such file."""

    train: str
    dev: str = ""  # "": some of train, by a hash of its text
    test: str = ""


@dataclasses.dataclass(frozen=True)
class Task:
    """What a model is to learn from which files.

    Attributes:
      files: releases; the first one whose train file is in the folder is read.
      metric: by which the best epoch is chosen.
      format: "tsv", "jsonl", "json" (a list of objects), "conll" (a word and its tag a
        line), "klue_ner" (a character and its tag a line), "naver_ner" (a sentence and
        its tags a line) or "squad"; "" means by a file's ending.
      header: names of a TSV file's columns where its first line is none.
      text: columns, which a space joins. In JSON a dot leads into an object.
      label_separator: between the labels of MULTI_LABEL.
      labels: in the order of the head's outputs, or the names of choices in theirs;
        () means those of train, sorted. With given ones letter case does not matter,
        for KoBEST writes TRUE and True. Types of entities for TAGGING.
    """

    name: str
    kind: Kind
    files: tuple[Files, ...]
    metric: str
    format: str = "tsv"
    header: tuple[str, ...] = ()
    id: str = ""
    text: tuple[str, ...] = ("text",)
    text_pair: str = ""
    choices: tuple[str, ...] = ()
    label: str = "label"
    label_separator: str = ","
    labels: tuple[str, ...] = ()
    max_seq_length: int = 128
    num_train_epochs: int = 10


def _kobest(name: str) -> tuple[Files, ...]:
    """Files of KoBEST, whose folders all hold the same names."""
    names = ("train.tsv", "dev.tsv", "test.tsv")
    return (Files(*(f"{name}_{file}" for file in names)), Files(*names))


_KOELECTRA = (
    Task(
        name="nsmc",
        kind=Kind.CLASSIFICATION,
        files=(
            Files("ratings_train.txt", test="ratings_test.txt"),
            Files("ratings_train.tsv", test="ratings_test.tsv"),
            Files("train.tsv", "dev.tsv", "test_official.tsv"),
        ),
        metric="accuracy",
        id="id",
        text=("document",),
        labels=("0", "1"),
    ),
    Task(
        name="naver_ner",
        kind=Kind.TAGGING,
        files=(Files("train.tsv", test="test.tsv"),),
        metric="entity_f1",
        format="naver_ner",
        labels=tuple("PER FLD AFW ORG LOC CVL DAT TIM NUM EVT ANM PLT MAT TRM".split()),
        num_train_epochs=20,
    ),
    Task(
        name="paws",
        kind=Kind.CLASSIFICATION,
        files=(Files("translated_train.tsv", "dev_2k.tsv", "test_2k.tsv"),),
        metric="accuracy",
        id="id",
        text=("sentence1",),
        text_pair="sentence2",
        labels=("0", "1"),
        num_train_epochs=15,
    ),
    Task(
        name="kornli",
        kind=Kind.CLASSIFICATION,
        files=(Files("multinli.train.ko.tsv", "xnli.dev.ko.tsv", "xnli.test.ko.tsv"),),
        metric="accuracy",
        text=("sentence1",),
        text_pair="sentence2",
        label="gold_label",
        labels=("contradiction", "entailment", "neutral"),
        num_train_epochs=15,
    ),
    Task(
        name="korsts",
        kind=Kind.REGRESSION,
        files=(Files("sts-train.tsv", "sts-dev.tsv", "sts-test.tsv"),),
        metric="spearman",
        text=("sentence1",),
        text_pair="sentence2",
        label="score",
    ),
    Task(
        name="question_pair",
        kind=Kind.CLASSIFICATION,
        files=(Files("train.tsv", "dev.tsv", "test.tsv"),),
        metric="accuracy",
        text=("question1",),
        text_pair="question2",
        label="is_duplicate",
        labels=("0", "1"),  # 0 means the same, whatever the column's name says
    ),
    # KoELECTRA's published numbers are of the dev file, so it is the test here, and
    # epochs are chosen on some of train.
    Task(
        name="korquad",
        kind=Kind.QUESTION_ANSWERING,
        files=(Files("KorQuAD_v1.0_train.json", test="KorQuAD_v1.0_dev.json"),),
        metric="f1",
        format="squad",
        text=("context",),
        text_pair="question",
        max_seq_length=512,
        num_train_epochs=7,
    ),
    Task(
        name="hate_speech",
        kind=Kind.CLASSIFICATION,
        files=(
            Files("koelectra_train.tsv", test="koelectra_val.tsv"),
            Files("train.tsv", test="val.tsv"),
        ),
        metric="macro_f1",
        text=("comment",),
        label="hate",
        labels=("none", "offensive", "hate"),
    ),
)

# Test labels are not published, so the dev file is the test here too.
_KLUE = (
    Task(
        name="klue_nli",
        kind=Kind.CLASSIFICATION,
        files=(Files("klue-nli-v1.1_train.json", test="klue-nli-v1.1_dev.json"),),
        metric="accuracy",
        format="json",
        id="guid",
        text=("premise",),
        text_pair="hypothesis",
        label="gold_label",
        labels=("entailment", "contradiction", "neutral"),
        num_train_epochs=5,
    ),
    Task(
        name="klue_sts",
        kind=Kind.REGRESSION,
        files=(Files("klue-sts-v1.1_train.json", test="klue-sts-v1.1_dev.json"),),
        metric="pearson",
        format="json",
        id="guid",
        text=("sentence1",),
        text_pair="sentence2",
        label="labels.real-label",
        num_train_epochs=4,
    ),
    Task(
        name="klue_ner",
        kind=Kind.TAGGING,
        files=(
            Files("klue-ner-v1.1_train.tsv", test="klue-ner-v1.1_dev.tsv"),
            Files("ner_split_train.tsv", "ner_split_dev.tsv", "ner_split_test.tsv"),
        ),
        metric="entity_f1",
        format="klue_ner",
        labels=("PS", "LC", "OG", "DT", "TI", "QT"),
        num_train_epochs=3,
    ),
)

_KOBEST = (
    Task(
        name="kobest_boolq",
        kind=Kind.CLASSIFICATION,
        files=_kobest("BoolQ"),
        metric="macro_f1",
        id="ID",
        text=("Text",),
        text_pair="Question",
        label="Answer",
        labels=("False", "True"),
        max_seq_length=256,
    ),
    Task(
        name="kobest_copa",
        kind=Kind.MULTIPLE_CHOICE,
        files=_kobest("COPA"),
        metric="macro_f1",
        id="ID",
        text=("sentence", "question"),
        choices=("1", "2"),
        label="Answer",
        labels=("1", "2"),
    ),
    Task(
        name="kobest_wic",
        kind=Kind.CLASSIFICATION,
        files=_kobest("WiC"),
        metric="macro_f1",
        id="ID",
        text=("SENTENCE1",),  # the word stands in brackets
        text_pair="SENTENCE2",
        label="ANSWER",
        labels=("False", "True"),
    ),
    Task(
        name="kobest_hellaswag",
        kind=Kind.MULTIPLE_CHOICE,
        files=_kobest("HellaSwag"),
        metric="macro_f1",
        text=("context",),
        choices=("choice1", "choice2", "choice3", "choice4"),
        labels=("0", "1", "2", "3"),
        max_seq_length=256,
    ),
    Task(
        name="kobest_sentineg",
        kind=Kind.CLASSIFICATION,
        files=_kobest("SentiNeg"),
        metric="macro_f1",
        id="ID",
        text=("Text",),
        label="Label",
        labels=("0", "1"),
    ),
)

_3I4K = Task(
    name="3i4k",
    kind=Kind.CLASSIFICATION,
    files=(Files("fci_train_val.txt", test="fci_test.txt"),),
    metric="accuracy",
    header=("label", "text"),
    labels=tuple("0123456"),
)

TASKS: dict[str, Task] = {
    task.name: task for task in (*_KOELECTRA, *_KLUE, *_KOBEST, _3I4K)
}

_CUSTOM_METRICS = {
    Kind.CLASSIFICATION: "accuracy",
    Kind.MULTI_LABEL: "micro_f1",
    Kind.REGRESSION: "spearman",
    Kind.MULTIPLE_CHOICE: "accuracy",
    Kind.TAGGING: "entity_f1",
    Kind.QUESTION_ANSWERING: "f1",
}


def custom(
    kind: Kind,
    train_file: str,
    dev_file: str = "",
    test_file: str = "",
    text_column: str = "",
    text_pair_column: str = "",
    label_column: str = "label",
    choice_columns: tuple[str, ...] = (),
    label_separator: str = ",",
    metric: str = "",
    max_seq_length: int = 128,
    num_train_epochs: int = 3,
) -> Task:
    """A task of one's own, from files named in full.

    TAGGING reads a word and its tag a line, QUESTION_ANSWERING the JSON of SQuAD; their
    columns are those of files to be predicted, "context" and "question" by default for
    the latter. The others read .tsv with a header, .jsonl, or a list in .json.
    The label of MULTIPLE_CHOICE is the right one's place in `choice_columns`, from 0.

    Raises:
      UserError: no train file, or choices where there are none or without them.
    """
    if not train_file:
        raise UserError("--train_file is empty: a task of one's own needs it")
    if (kind is Kind.MULTIPLE_CHOICE) != (len(choice_columns) > 1):
        raise UserError(
            f"--choice_columns={','.join(choice_columns)!r}: {kind.value} "
            + ("needs two or more" if kind is Kind.MULTIPLE_CHOICE else "has none")
        )
    if kind is Kind.MULTI_LABEL and not label_separator:
        raise UserError("--label_separator is empty: say what is between labels")
    if kind is Kind.QUESTION_ANSWERING:
        text_column = text_column or "context"
        text_pair_column = text_pair_column or "question"
    return Task(
        name="custom",
        kind=kind,
        files=(Files(train_file, dev_file, test_file),),
        metric=metric or _CUSTOM_METRICS[kind],
        format="",
        text=(text_column or "text",),
        text_pair=text_pair_column,
        choices=choice_columns,
        label=label_column,
        label_separator=label_separator,
        labels=tuple(str(index) for index in range(len(choice_columns))),
        max_seq_length=max_seq_length,
        num_train_epochs=num_train_epochs,
    )
