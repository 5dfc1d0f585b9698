"""The rows of one task."""

import dataclasses
from typing import NamedTuple

from electra_tf.finetune.kinds.base import Kind
from electra_tf.finetune.kinds.rows import Row


class LocatedRow(NamedTuple):
    """A row, and where in its file it is ("line 7").

    Rows of one group share an article, so a split must not separate them; "" stands for
    a group of rows with the same text.
    """

    row: Row
    where: str
    group: str = ""


@dataclasses.dataclass(frozen=True)
class Dataset:
    """Rows of one task.

    Attributes:
      labels: every label, or tag, in the order of the head's outputs; empty if the
        head has none.
      test: empty where no labelled one is published.
      dev_from: "file", or "train" where a tenth of train, by a hash, is the dev set.
      sha256: of the rows, which tells whether two runs had the same ones.
      counts: of rows that were dropped, changed or seen twice; see `splits.load`.
    """

    kind: Kind
    labels: tuple[str, ...]
    train: list[Row]
    dev: list[Row]
    test: list[Row]
    dev_from: str
    sha256: str
    counts: dict[str, int]

    @property
    def described(self) -> dict[str, str | int]:
        """The dataset's entries in results.json."""
        return {
            "kind": self.kind.name,
            "train_rows": len(self.train),
            "dev_rows": len(self.dev),
            "test_rows": len(self.test),
            "dev_from": self.dev_from,
            "data_sha256": self.sha256,
        }
