"""Tags of units -> labels of tokens -> tags: what survives, and what cannot."""

from helpers import questions
from hypothesis import given
from hypothesis import strategies as st

from electra_tf.finetune.kinds import tagging
from electra_tf.finetune.kinds.rows import Unit
from electra_tf.finetune.kinds.tagging import NO_LABEL

LABELS = ("O", "B-LC", "I-LC", "B-PS", "I-PS")
TOKENIZER = questions.tokenizer()
# Spaces of both widths, and characters that the tokenizer drops or does not know.
ALPHABET = "서울은에부산한국가나ab漢다.똠 \u200b\u3000"


def offsets(text: str) -> list[tuple[int, int]]:
    return TOKENIZER.encode(text, add_special_tokens=False).offsets


def characters(text: str) -> list[tuple[int, int]]:
    return [(i, i + 1) for i, c in enumerate(text) if not c.isspace()]


def words(text: str) -> list[tuple[int, int]]:
    """Words, each of the characters between spaces."""
    found, begin = [], 0
    for word in text.split(" "):
        if word.strip():
            found.append((begin, begin + len(word)))
        begin += len(word) + 1
    return found


def round_trip(text: str, units: list[Unit], kept: int | None = None) -> list[str]:
    """What perfect labels of the first `kept` tokens say of the units."""
    labels = tagging.tag_tokens(offsets(text), units, LABELS)
    answers = [0 if label == NO_LABEL else label for label in labels]
    return tagging.tags_of_units(offsets(text), units, answers[:kept], LABELS)


def tagged(text: str, places: list[tuple[int, int]], tags: str) -> list[Unit]:
    """Units with tags "O B-LC ..."."""
    pairs = zip(places, tags.split(), strict=True)
    return [Unit(*place, tag) for place, tag in pairs]


@given(
    st.text(ALPHABET, max_size=25),
    st.sampled_from([characters, words]),
    st.randoms(use_true_random=False),
)
def test_perfect_labels_give_the_tags_back_if_no_entity_begins_or_ends_in_a_token(
    text, cut, random
):
    spans, units, before, last_token = offsets(text), [], "O", None
    for begin, end in cut(text):
        over = [i for i, (a, b) in enumerate(spans) if a < end and b > begin]
        inside = f"I-{before[2:]}" if before != "O" else "O"
        if not over:
            units.append(Unit(begin, end, ""))
            continue
        is_first = over[0] != last_token
        chosen = random.choice(["O", "B-LC", "B-PS", inside])
        before, last_token = chosen if is_first else inside, over[0]
        units.append(Unit(begin, end, before))
    # Units that no token holds go on with an entity that goes on behind them.
    for i, unit in enumerate(units):
        if not unit.tag:
            behind = next((u.tag for u in units[i + 1 :] if u.tag), "O")
            ahead = units[i - 1].tag if i else "O"
            goes_on = behind[:2] == "I-" and behind[2:] == ahead[2:]
            units[i] = unit._replace(tag=behind if goes_on else "O")
    assert round_trip(text, units) == [unit.tag for unit in units]


def test_only_tokens_that_begin_a_unit_have_a_label():
    text = "서울에 부산"
    units = tagged(text, words(text), "B-LC O")
    assert len(offsets(text)) == 3
    assert tagging.tag_tokens(offsets(text), units, LABELS) == [1, NO_LABEL, 0]


def test_a_unit_that_begins_inside_a_token_goes_on_with_it():
    text = "부산에"  # one token
    units = tagged(text, characters(text), "B-LC I-LC O")
    assert round_trip(text, units) == ["B-LC", "I-LC", "I-LC"]


def test_spaces_are_no_units_and_do_not_end_an_entity():
    text = "서울 부산"
    units = tagged(text, characters(text), "B-LC I-LC I-LC I-LC")
    assert round_trip(text, units) == ["B-LC", "I-LC", "I-LC", "I-LC"]


def test_characters_that_the_tokenizer_drops_do_not_hide_a_word_or_cut_an_entity():
    text = "\u200b서울 \u200b 부산"
    assert offsets(text)[0] == (1, 3)
    units = tagged(text, words(text), "B-LC I-LC I-LC")
    assert tagging.tag_tokens(offsets(text), units, LABELS) == [1, 2]
    assert round_trip(text, units) == ["B-LC", "I-LC", "I-LC"]


def test_units_past_the_tokens_that_were_read_are_outside():
    text = "서울 부산 한국"
    units = tagged(text, words(text), "B-LC B-LC B-LC")
    assert round_trip(text, units, kept=2) == ["B-LC", "B-LC", "O"]


def test_tags_that_are_no_label_are_not_learnt():
    text = "서울 부산"
    units = [Unit(0, 2, ""), Unit(3, 5, "B-XX")]
    labels = tagging.tag_tokens(offsets(text), units, LABELS)
    assert labels == [NO_LABEL, NO_LABEL]
