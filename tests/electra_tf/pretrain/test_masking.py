"""Statistics of what is drawn, and the effects of every draw."""

import collections

import numpy as np
import pytest
import tensorflow as tf
from helpers import tiny

from data_prep.vocab.vocabulary import CLS_ID, MASK_ID, SEP_ID
from electra_tf.model.batch import Inputs
from electra_tf.pretrain import masking
from electra_tf.pretrain.masking import Masked

SEED = tf.constant([11, 7])
LENGTH = 32


def config(**changes):
    return tiny.config(max_seq_length=LENGTH, **changes)


def with_specials(rows: int) -> Inputs:
    """Rows of all lengths with [MASK], [CLS] and [SEP] strewn in."""
    lengths = [3 + i % (LENGTH - 2) for i in range(rows)]
    inputs = tiny.inputs(lengths, LENGTH)
    rng = np.random.RandomState(1)
    specials = rng.choice([CLS_ID, SEP_ID, MASK_ID], [rows, LENGTH])
    strewn = (rng.uniform(size=[rows, LENGTH]) < 0.2) & (inputs.input_mask.numpy() == 1)
    strewn[:, 1] = False  # leaves every row a candidate
    ids = np.where(strewn, specials, inputs.input_ids)
    return inputs._replace(input_ids=tf.constant(ids, tf.int32))


def masked_at(positions: list[list[int]], inputs: Inputs, number: int = 99) -> Masked:
    """A draw of these positions; slots from `number` on hold nothing."""
    positions = tf.constant(positions)
    ids = tf.gather(inputs.input_ids, positions, batch_dims=1)
    used = tf.range(positions.shape[1])[None] < number
    weights = tf.cast(tf.broadcast_to(used, positions.shape), tf.float32)
    return Masked(inputs.input_ids, positions, ids, weights)


def test_candidates_are_real_tokens_that_are_not_special():
    inputs = with_specials(200)
    ids, mask = inputs.input_ids.numpy(), inputs.input_mask.numpy()
    expected = (mask == 1) & ~np.isin(ids, [CLS_ID, SEP_ID, MASK_ID])
    assert np.array_equal(masking.candidates(inputs), expected)
    assert expected.any() and not expected.all()


def test_every_drawn_slot_holds_a_candidate_and_its_id():
    inputs = with_specials(600)
    drawn = masking.mask(inputs, config(), SEED)
    positions, weights = drawn.masked_lm_positions, drawn.masked_lm_weights.numpy()
    allowed = tf.gather(masking.candidates(inputs), positions, batch_dims=1).numpy()
    assert allowed[weights == 1].all()
    ids = tf.gather(inputs.input_ids, positions, batch_dims=1).numpy()
    assert np.array_equal(drawn.masked_lm_ids.numpy()[weights == 1], ids[weights == 1])
    assert set(np.unique(weights)) == {0.0, 1.0}


@pytest.mark.parametrize("mask_prob", [0.15, 0.25])
def test_number_drawn_rounds_half_to_even(mask_prob):
    lengths = list(range(3, LENGTH + 1))
    settings = config(mask_prob=mask_prob)
    drawn = masking.mask(tiny.inputs(lengths, LENGTH), settings, SEED)
    slots = settings.max_predictions_per_seq
    wanted = np.round(np.array(lengths, np.float32) * np.float32(mask_prob))
    expected = np.maximum(1, np.minimum(slots, wanted))
    numbers = drawn.masked_lm_weights.numpy().sum(-1)
    assert np.array_equal(numbers, expected)
    if mask_prob == 0.25:  # halves that go down, halves that go up, and both limits
        by_length = dict(zip(lengths, numbers, strict=True))
        assert [by_length[n] for n in (3, 6, 10, 14, 18, 32)] == [1, 2, 2, 4, 4, 8]


def test_number_drawn_is_limited_by_the_slots():
    inputs = tiny.inputs([LENGTH], LENGTH)
    settings = config(mask_prob=0.15)
    assert settings.max_predictions_per_seq == 4  # of round(4.8)
    drawn = masking.mask(inputs, settings, SEED)
    assert drawn.masked_lm_weights.numpy().tolist() == [[1.0] * 4]


def test_slots_past_the_number_hold_nothing():
    drawn = masking.mask(with_specials(300), config(mask_prob=0.25), SEED)
    weights = drawn.masked_lm_weights.numpy()
    assert (np.diff(weights, axis=1) <= 0).all(), "used slots come first"
    unused = weights == 0
    assert unused.any()
    assert not drawn.masked_lm_positions.numpy()[unused].any()
    assert not drawn.masked_lm_ids.numpy()[unused].any()


def test_positions_are_uniform_over_candidates():
    rows = 4000
    row = with_specials(LENGTH)
    inputs = Inputs(*(tf.repeat(values[25:26], rows, axis=0) for values in row))
    drawn = masking.mask(inputs, config(mask_prob=0.25), SEED)
    positions = drawn.masked_lm_positions.numpy()[drawn.masked_lm_weights == 1]
    allowed = np.flatnonzero(masking.candidates(row)[25])
    counts = np.bincount(positions, minlength=LENGTH)[allowed]
    assert counts.sum() == len(positions) > 10_000
    expected = np.full(len(allowed), len(positions) / len(allowed))
    statistic, bound = tiny.chi_square(counts, expected)
    assert statistic < bound


def test_positions_are_drawn_with_replacement():
    rows = 2000
    inputs = tiny.inputs([LENGTH] * rows, LENGTH)
    drawn = masking.mask(inputs, config(), SEED)
    positions = drawn.masked_lm_positions.numpy()
    share = np.mean([len(set(row)) < 4 for row in positions])
    expected = 1 - (29 / 30) * (28 / 30) * (27 / 30)
    assert abs(share - expected) < 4 * np.sqrt(expected * (1 - expected) / rows)


def test_a_share_of_85_percent_becomes_mask():
    rows = 80_000
    settings = config(mask_prob=0.03)
    assert settings.max_predictions_per_seq == 1
    inputs = tiny.inputs([LENGTH] * rows, LENGTH)
    drawn = masking.mask(inputs, settings, SEED)
    at_slot = tf.gather(drawn.input_ids, drawn.masked_lm_positions, batch_dims=1)
    at_slot = at_slot.numpy()[:, 0]
    is_mask = at_slot == MASK_ID
    assert abs(is_mask.mean() - 0.85) < 3 * np.sqrt(0.85 * 0.15 / rows)
    assert np.array_equal(at_slot[~is_mask], drawn.masked_lm_ids.numpy()[~is_mask, 0])


def test_only_drawn_positions_are_masked():
    inputs = with_specials(300)
    drawn = masking.mask(inputs, config(), SEED)
    changed = np.argwhere(drawn.input_ids != inputs.input_ids)
    positions = drawn.masked_lm_positions.numpy()
    assert len(changed)
    for row, column in changed:
        assert column in positions[row]
        assert drawn.input_ids[row, column] == MASK_ID


def test_position_0_is_drawn_but_never_replaced():
    rows = 200
    ids = tf.fill([rows, LENGTH], 9)
    one_candidate = tf.one_hot(tf.zeros([rows], tf.int32), LENGTH, dtype=tf.int32)
    inputs = Inputs(ids * one_candidate, one_candidate, one_candidate * 0)
    drawn = masking.mask(inputs, config(), SEED)
    assert drawn.masked_lm_weights.numpy().sum() == rows
    assert drawn.masked_lm_ids.numpy()[:, 0].tolist() == [9] * rows
    assert np.array_equal(drawn.input_ids, inputs.input_ids)
    sampled = tf.fill(drawn.masked_lm_positions.shape, 20)
    corrupted = masking.corrupt(inputs, drawn, sampled, config())
    assert np.array_equal(corrupted.input_ids, inputs.input_ids)
    assert not corrupted.is_fake_tokens.numpy().any()


@pytest.mark.parametrize("length", [0, 2])
def test_row_without_candidates_draws_nothing(length):
    inputs = tiny.inputs([LENGTH, LENGTH], LENGTH)
    ids = np.zeros([2, LENGTH], np.int32)
    ids[0, :length] = [CLS_ID, SEP_ID][:length]
    ids[1] = inputs.input_ids[1]
    mask = (ids != 0).astype(np.int32)
    inputs = Inputs(tf.constant(ids), tf.constant(mask), tf.zeros_like(ids))
    drawn = masking.mask(inputs, config(), SEED)
    assert drawn.masked_lm_weights.numpy().sum(-1).tolist() == [0, 4]
    assert not drawn.masked_lm_positions.numpy()[0].any()
    assert not drawn.masked_lm_ids.numpy()[0].any()
    assert np.array_equal(drawn.input_ids[0], ids[0])


def test_seed_decides_the_draw():
    inputs = with_specials(50)
    first, again, other = (
        masking.mask(inputs, config(), tf.constant(seed))
        for seed in ([1, 2], [1, 2], [1, 3])
    )
    for a, b in zip(first, again, strict=True):
        assert np.array_equal(a, b)
    assert not np.array_equal(first.masked_lm_positions, other.masked_lm_positions)
    assert not np.array_equal(first.input_ids, other.input_ids)


WITHOUT = {"mask_without_replacement": True}
WHOLE_WORDS = {"whole_word_mask": True}
# Every odd token id from 5 on continues a word.
IS_CONTINUATION = np.arange(tiny.VOCAB_SIZE) % 2 == 1
IS_CONTINUATION[:5] = False


def words_of(inputs: Inputs) -> list[list[list[int]]]:
    """Positions of each word of each row."""
    allowed, ids = masking.candidates(inputs).numpy(), inputs.input_ids.numpy()
    found = []
    for row in range(len(ids)):
        words: list[list[int]] = []
        for i in np.flatnonzero(allowed[row]):
            if words and words[-1][-1] == i - 1 and IS_CONTINUATION[ids[row, i]]:
                words[-1].append(int(i))
            else:
                words.append([int(i)])
        found.append(words)
    return found


def drawn_positions(drawn: Masked) -> list[list[int]]:
    numbers = drawn.masked_lm_weights.numpy().sum(-1).astype(int)
    positions = drawn.masked_lm_positions.numpy()
    return [row[:n].tolist() for row, n in zip(positions, numbers, strict=True)]


def test_without_replacement_no_position_is_drawn_twice():
    inputs = with_specials(600)
    settings = config(mask_prob=0.8, **WITHOUT)
    drawn = masking.mask(inputs, settings, SEED)
    positions = drawn_positions(drawn)
    assert all(len(set(row)) == len(row) for row in positions)
    # As many as with replacement, unless the row has fewer candidates.
    usual = drawn_positions(masking.mask(inputs, config(mask_prob=0.8), SEED))
    available = masking.candidates(inputs).numpy().sum(-1)
    expected = np.minimum([len(row) for row in usual], available)
    assert [len(row) for row in positions] == expected.tolist()
    assert (expected < [len(row) for row in usual]).any()
    again = masking.mask(inputs, settings, SEED)
    assert drawn_positions(again) == positions
    other = masking.mask(inputs, settings, tf.constant([1, 2]))
    assert drawn_positions(other) != positions


def test_without_replacement_candidates_are_drawn_uniformly():
    rows = 4000
    row = with_specials(LENGTH)
    inputs = Inputs(*(tf.repeat(values[25:26], rows, axis=0) for values in row))
    drawn = masking.mask(inputs, config(mask_prob=0.25, **WITHOUT), SEED)
    positions = np.concatenate(drawn_positions(drawn))
    allowed = np.flatnonzero(masking.candidates(row)[25])
    counts = np.bincount(positions, minlength=LENGTH)[allowed]
    assert counts.sum() == len(positions) > 10_000
    expected = np.full(len(allowed), len(positions) / len(allowed))
    statistic, bound = tiny.chi_square(counts, expected)
    assert statistic < bound  # counts vary less than with replacement


def test_whole_words_are_drawn_or_left():
    inputs = with_specials(600)
    settings = config(mask_prob=0.25, **WHOLE_WORDS)
    drawn = masking.mask(inputs, settings, SEED, IS_CONTINUATION)
    sizes = collections.Counter()
    for words, positions in zip(words_of(inputs), drawn_positions(drawn), strict=True):
        chosen = [word for word in words if set(word) & set(positions)]
        assert sorted(sum(chosen, [])) == sorted(positions)
        sizes.update(len(word) for word in chosen)
    assert sizes[1] > 100 and sizes[2] > 100 and sizes[3] > 20
    allowed = masking.candidates(inputs).numpy()
    at_slots = np.take_along_axis(allowed, drawn.masked_lm_positions.numpy(), 1)
    assert at_slots[drawn.masked_lm_weights == 1].all()


@pytest.mark.parametrize("length", [8, 20, LENGTH])
def test_whole_words_mask_the_wanted_number_of_tokens_on_average(length):
    rows, settings = 20_000, config(mask_prob=0.3, **WHOLE_WORDS)
    inputs = tiny.inputs([length] * rows, LENGTH)
    # Words of two tokens at most.
    begins = (np.arange(LENGTH) % 2 == 1) & (inputs.input_ids > 4)
    ids = tf.where(begins, 6 + 2 * (inputs.input_ids % 16), inputs.input_ids)
    inputs = inputs._replace(input_ids=ids)
    drawn = masking.mask(inputs, settings, SEED, IS_CONTINUATION)
    numbers = drawn.masked_lm_weights.numpy().sum(-1)
    wanted = min(np.round(0.3 * length), settings.max_predictions_per_seq)
    deviation = abs(numbers.mean() - wanted)
    if length < LENGTH:
        assert deviation < 4 * numbers.std() / np.sqrt(rows)
    else:  # no slot is free for a word that passes the number wanted: others replace it
        assert deviation < 0.005 * wanted
    assert numbers.max() <= settings.max_predictions_per_seq


def test_first_word_is_drawn_uniformly():
    rows = 6000
    row = tiny.inputs([20], LENGTH, seed=5)
    inputs = Inputs(*(tf.repeat(values, rows, axis=0) for values in row))
    drawn = masking.mask(
        inputs, config(mask_prob=0.3, **WHOLE_WORDS), SEED, IS_CONTINUATION
    )
    (words,) = words_of(row)
    assert len({len(word) for word in words}) > 1
    starts = [positions[0] for positions in drawn_positions(drawn)]
    counts = np.array([starts.count(word[0]) for word in words])
    assert counts.sum() == rows
    statistic, bound = tiny.chi_square(counts, np.full(len(words), rows / len(words)))
    assert statistic < bound


def test_word_longer_than_the_slots_is_never_drawn():
    inputs = tiny.inputs([LENGTH] * 500, LENGTH)
    ids = np.full([500, LENGTH], 7)  # continuations, but for
    ids[:, [1, 24, 25]] = 6  # words of 23, 1 and 6 tokens
    ids[:, 0], ids[:, -1] = CLS_ID, SEP_ID
    inputs = inputs._replace(input_ids=tf.constant(ids, tf.int32))
    settings = config(mask_prob=0.25, **WHOLE_WORDS)
    drawn = masking.mask(inputs, settings, SEED, IS_CONTINUATION)
    found = {tuple(row) for row in drawn_positions(drawn)}
    word = tuple(range(25, 31))
    assert {(24, *word), (*word, 24)} <= found
    assert found <= {(), (24,), word, (24, *word), (*word, 24)}


def test_numbers_of_documents_count_as_real_tokens():
    alone = tiny.inputs([9, 12, 11])
    packed = tiny.packed(alone)
    plain = packed._replace(input_mask=tf.ones_like(packed.input_mask))
    for settings in (config(), config(**WITHOUT)):
        drawn = masking.mask(packed, settings, SEED)
        expected = masking.mask(plain, settings, SEED)
        for a, b in zip(drawn, expected, strict=True):
            assert np.array_equal(a, b)
        assert drawn.masked_lm_weights.numpy().sum() == 4


LOGITS = np.array([0.0, 1.0, -1.0, 2.0, 0.5, -0.5, 3.0, 1.5], np.float32)
SLOTS = 5000


def sampled_counts(settings, true_id: int, seed=SEED) -> np.ndarray:
    logits = tf.tile(tf.constant(LOGITS)[None, None], [4, SLOTS, 1])
    zeros = tf.zeros([4, SLOTS], tf.int32)
    drawn = Masked(zeros, zeros, zeros + true_id, tf.ones([4, SLOTS]))
    sampled = masking.sample(logits, drawn, settings, seed)
    assert sampled.dtype == tf.int32
    return np.bincount(sampled.numpy().ravel(), minlength=len(LOGITS))


def softmax(logits: np.ndarray) -> np.ndarray:
    values = np.exp(logits.astype(np.float64))
    return values / values.sum()


@pytest.mark.parametrize("temperature", [1.0, 2.0])
def test_samples_follow_the_softmax_at_its_temperature(temperature):
    counts = sampled_counts(config(temperature=temperature), true_id=1)
    statistic, bound = tiny.chi_square(
        counts, softmax(LOGITS / temperature) * 4 * SLOTS
    )
    assert statistic < bound


def test_true_token_is_never_sampled_where_it_is_not_allowed():
    counts = sampled_counts(config(disallow_correct=True), true_id=6)
    assert counts[6] == 0
    rest = np.delete(np.arange(len(LOGITS)), 6)
    expected = softmax(LOGITS[rest]) * 4 * SLOTS
    statistic, bound = tiny.chi_square(counts[rest], expected)
    assert statistic < bound


def test_seed_decides_the_sample():
    logits = tf.zeros([2, 50, 30])
    zeros = tf.zeros([2, 50], tf.int32)
    drawn = Masked(zeros, zeros, zeros, tf.ones([2, 50]))
    first, again, other = (
        masking.sample(logits, drawn, config(), tf.constant(seed)).numpy()
        for seed in ([1, 2], [1, 2], [2, 2])
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_no_gradient_passes_the_sample():
    logits = tf.Variable(tf.zeros([1, 4, 30]))
    inputs = tiny.inputs([LENGTH], LENGTH)
    with tf.GradientTape() as tape:
        drawn = masking.mask(inputs, config(), SEED)
        sampled = masking.sample(logits, drawn, config(), SEED)
        ids = masking.corrupt(inputs, drawn, sampled, config()).input_ids
        value = tf.reduce_sum(tf.cast(ids, tf.float32))
    assert tape.gradient(value, logits) is None


def test_fake_where_drawn_and_different():
    inputs = tiny.inputs([LENGTH], LENGTH)
    true_ids = inputs.input_ids.numpy()[0]
    drawn = masked_at([[3, 5, 9]], inputs)
    sampled = tf.constant(
        [[true_ids[3], (true_ids[5] + 1) % 40, (true_ids[9] + 2) % 40]]
    )
    corrupted = masking.corrupt(inputs, drawn, sampled, config())
    assert np.flatnonzero(corrupted.is_fake_tokens[0]).tolist() == [5, 9]
    expected = true_ids.copy()
    expected[[5, 9]] = sampled.numpy()[0, 1:]
    assert np.array_equal(corrupted.input_ids[0], expected)


def test_electric_is_fake_wherever_drawn():
    inputs = tiny.inputs([LENGTH], LENGTH)
    drawn = masked_at([[3, 5, 9, 0]], inputs, number=3)
    electric = config(electra_objective=False, electric_objective=True)
    corrupted = masking.corrupt(inputs, drawn, drawn.masked_lm_ids, electric)
    assert np.flatnonzero(corrupted.is_fake_tokens[0]).tolist() == [3, 5, 9]
    assert np.array_equal(corrupted.input_ids, inputs.input_ids)


def test_a_position_drawn_often_gets_the_floor_of_its_samples_mean():
    inputs = tiny.inputs([LENGTH] * 2, LENGTH)
    true_ids = inputs.input_ids.numpy()
    drawn = masked_at([[4, 7, 4], [6, 6, 6]], inputs)
    sampled = tf.constant([[50, true_ids[0, 7], 61], [44, 43, 41]])
    corrupted = masking.corrupt(inputs, drawn, sampled, config())
    expected = true_ids.copy()
    expected[0, 4], expected[1, 6] = 55, 42
    assert np.array_equal(corrupted.input_ids, expected)
    assert np.argwhere(corrupted.is_fake_tokens).tolist() == [[0, 4], [1, 6]]


def test_undrawn_positions_stay():
    inputs = with_specials(200)
    drawn = masking.mask(inputs, config(), SEED)
    sampled = tf.fill(drawn.masked_lm_positions.shape, MASK_ID)
    corrupted = masking.corrupt(inputs, drawn, sampled, config())
    undrawn = np.ones([200, LENGTH], bool)
    for row, positions in enumerate(drawn.masked_lm_positions.numpy()):
        undrawn[row, positions[positions > 0]] = False
    same = corrupted.input_ids.numpy() == inputs.input_ids.numpy()
    assert same[undrawn].all() and not same[~undrawn].any()
    assert np.array_equal(corrupted.is_fake_tokens.numpy() == 1, ~undrawn)
