"""Tasks from files of a test's own."""

from electra_tf.finetune.data.tasks import CustomTask, Task
from electra_tf.finetune.kinds.base import Kind


def custom(kind: Kind, train_file: str, dev_file: str = "", **changes) -> Task:
    return CustomTask(kind.name, train_file, dev_file, **changes).task()
