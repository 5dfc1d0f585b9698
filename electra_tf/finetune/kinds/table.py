"""All kinds of tasks, by name. A new kind is a file beside this one and a row here.

Its head and loss are a row of `finetune.heads`.
"""

from electra_tf.finetune.kinds.base import Kind
from electra_tf.finetune.kinds.classification import CLASSIFICATION
from electra_tf.finetune.kinds.multi_label import MULTI_LABEL
from electra_tf.finetune.kinds.multiple_choice import MULTIPLE_CHOICE
from electra_tf.finetune.kinds.question_answering import QUESTION_ANSWERING
from electra_tf.finetune.kinds.regression import REGRESSION
from electra_tf.finetune.kinds.tagging import TAGGING

KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        CLASSIFICATION,
        MULTI_LABEL,
        REGRESSION,
        MULTIPLE_CHOICE,
        TAGGING,
        QUESTION_ANSWERING,
    )
}
