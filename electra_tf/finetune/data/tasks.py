"""Labelled tasks: those of tasks.toml, and a user's own."""

import dataclasses
from typing import Any, NamedTuple

from common import toml_files
from common.cli import flag
from common.errors import UserError
from electra_tf.finetune.kinds.base import Kind
from electra_tf.finetune.kinds.table import KINDS


class Files(NamedTuple):
    """File names of one release, in its folder; "" where there is no such file."""

    train: str
    dev: str = ""  # "": a tenth of train, by a hash of its text
    test: str = ""


@dataclasses.dataclass(frozen=True)
class Task:
    """What a model is to learn, from which files.

    Attributes:
      metric: the score that chooses the best epoch.
      files: releases; the first one whose train file is in the folder is read.
      format: "tsv", "jsonl", "json" (a list of objects), "conll" (a word and its tag
        per line), "klue_ner" (a character and its tag per line), "naver_ner" (a
        sentence and its tags per line) or "squad"; "" goes by a file's ending.
      header: names of a TSV file's columns if its first line does not name them.
      text: columns, joined by a space. In JSON a dot leads into an object.
      label_separator: between the labels of one row, for multi_label.
      labels: in the order of the head's outputs, or the names of choices in theirs;
        () stands for those of train, sorted. Letter case of given ones is ignored,
        because KoBEST writes TRUE and True. For tagging: types of entities.
    """

    name: str
    kind: Kind
    metric: str
    files: tuple[Files, ...]
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


def _task(name: str, kind: str, files: list[str], **fields: Any) -> Task:
    releases = (["" if f == "-" else f for f in names.split()] for names in files)
    fields = {n: tuple(v) if isinstance(v, list) else v for n, v in fields.items()}
    releases = tuple(Files(*names) for names in releases)
    return Task(name=name, kind=KINDS[kind], files=releases, **fields)


TASKS: dict[str, Task] = {
    name: _task(name, **fields)
    for name, fields in toml_files.beside(__file__, "tasks.toml").items()
}


@dataclasses.dataclass(frozen=True)
class CustomTask:
    """Files and columns of --task=custom; columns also of --input.

    Tagging reads a word and its tag per line, question answering SQuAD's JSON; the
    columns are then those of files to predict. The others read .tsv with a header,
    .jsonl, or a list in .json. The label of multiple_choice is the right choice's place
    in `choice_columns`, from 0.
    """

    kind: str = flag("classification", "Kind of task.", choices=tuple(KINDS))
    train_file: str = flag("", "Training file for --task=custom.", reads=True)
    dev_file: str = flag("", "Dev file; without one, a tenth of train.", reads=True)
    test_file: str = flag("", "Test file; without one, only dev is scored.", reads=True)
    text_column: str = flag("", "Column of the text.")
    text_pair_column: str = flag("", "Column of the second text.")
    label_column: str = flag("label", "Column of the label.")
    choice_columns: tuple[str, ...] = flag((), "Columns of multiple_choice's choices.")
    label_separator: str = flag(",", "What separates labels of multi_label.")
    metric: str = flag("", "Score that chooses the epoch, else the kind's default.")

    def to_predict(self, name: str, kind: Kind, has_pairs: bool) -> Task:
        """The task of a fine-tuned model, with the columns that were given.

        Args:
          name: of the task that it learnt.
          has_pairs: it reads two texts.

        Raises:
          UserError: they do not suit the model.
        """
        task = TASKS.get(name)
        if not task:
            task = dataclasses.replace(self, kind=kind.name, train_file="-").task()
        columns = {
            "text": (self.text_column,) if self.text_column else (),
            "text_pair": self.text_pair_column,
            "choices": self.choice_columns,
        }
        given = {name: value for name, value in columns.items() if value}
        task = dataclasses.replace(task, **given)
        if bool(task.text_pair) != has_pairs:
            raise UserError(
                "the model reads "
                + (
                    "pairs: pass --text_pair_column"
                    if has_pairs
                    else f"single texts: leave out --text_pair_column={task.text_pair}"
                )
            )
        if bool(task.choices) != kind.has_choices:
            raise UserError(f"--choice_columns: {kind.name} has no choices")
        return task

    def task(self) -> Task:
        """The task, with paths for the files' names.

        Raises:
          UserError: there is no train file, or choices are missing or out of place.
        """
        kind, choices = KINDS[self.kind], self.choice_columns
        if not self.train_file:
            raise UserError("--task=custom needs --train_file")
        if kind.has_choices != (len(choices) > 1):
            raise UserError(
                f"--choice_columns={','.join(choices)!r}: --kind={kind.name} "
                + ("needs two or more" if kind.has_choices else "has none")
            )
        if not self.label_separator:
            raise UserError("--label_separator is empty: pass what is between labels")
        text, text_pair = kind.default_columns
        return Task(
            name="custom",
            kind=kind,
            files=(Files(self.train_file, self.dev_file, self.test_file),),
            metric=self.metric or kind.default_metric,
            format="",
            text=(self.text_column or text,),
            text_pair=self.text_pair_column or text_pair,
            choices=choices,
            label=self.label_column,
            label_separator=self.label_separator,
            labels=tuple(str(index) for index in range(len(choices))),
            num_train_epochs=3,
        )
