"""A tokenizer of a few words, and questions, for tests of question answering."""

from tokenizers import BertWordPieceTokenizer, Tokenizer

from data_prep.vocab import vocabulary
from electra_tf.finetune.kinds.rows import Answer, Row

TOKENS = [
    *vocabulary.SPECIAL_TOKENS,
    *"서울 ##은 ##에 부산 부산에 한국 ##의 수도 는 이 다 . ? 《".split(),
    *"가 ##나 a ##b 漢".split(),
    *"0123456789",
]


def tokenizer(lowercase: bool = False) -> Tokenizer:
    ids = {token: i for i, token in enumerate(TOKENS)}
    wordpiece = BertWordPieceTokenizer(ids, lowercase=lowercase, strip_accents=False)
    return Tokenizer.from_str(wordpiece.to_str())


def row(context: str, *answers: tuple[str, int], question: str = "수도 ?") -> Row:
    label = tuple(Answer(*answer) for answer in answers)
    return Row("id", context, question, label=label)
