"""A span of the context. A row's label is a tuple of answers, each of them right.

A prediction is a list of answers, the likeliest first (`qa_answers.Prediction`).
"""

from typing import Any

from tokenizers import Tokenizer

from electra_tf.finetune.kinds import qa_answers, qa_metrics, qa_windows
from electra_tf.finetune.kinds.base import Kind, Logits, Prepared, Reading, Scores
from electra_tf.finetune.kinds.encoding import Features
from electra_tf.finetune.kinds.qa_answers import Prediction
from electra_tf.finetune.kinds.rows import Labels, Row


class QuestionAnswering(Kind):
    name = "question_answering"
    metrics = qa_metrics.NAMES
    default_metric = "f1"
    architecture = "ElectraForQuestionAnswering"
    num_outputs = 2
    file_format = "squad"
    default_columns = ("context", "question")
    min_distinct = 0
    fits_tsv = False
    has_probabilities = False

    def prepare(self, reading: Reading, rows: list[Row], training=False) -> Prepared:
        """Windows of contexts; in training, none of rows without a usable answer."""
        settings = reading.settings
        windows, counts = qa_windows.build(
            rows,
            Tokenizer.from_str(reading.tokenizer_json),
            settings.max_seq_length,
            settings.doc_stride,
            settings.max_query_length,
            drop_unanswered=training,
        )
        features = Features(windows.input_ids, windows.segment_ids, windows.targets)
        return Prepared(rows, features, counts, windows)

    def predictions(self, reading: Reading, prepared: Prepared, logits: Logits) -> list:
        return qa_answers.best(
            prepared.windows,
            prepared.rows,
            [value[:, 0] for value in logits],
            [value[:, 1] for value in logits],
            reading.settings.n_best_size,
            reading.settings.max_answer_length,
        )

    def record(self, row: Row, prediction: list[Prediction]) -> dict[str, Any]:
        answers = [answer._asdict() for answer in prediction]
        return {"prediction": prediction[0].text, "answers": answers}

    def scores(self, predictions: list, rows: list[Row], labels: Labels) -> Scores:
        right = [[answer.text for answer in row.label] for row in rows]
        return qa_metrics.scores([best[0].text for best in predictions], right)


QUESTION_ANSWERING = QuestionAnswering()
