"""How a score comes about: which epoch, which seed, and what a second call does.

Networks are stood in for by one whose logits are known for each epoch; what networks
themselves do is in test_training.py.
"""

import dataclasses
import math
import os

import numpy as np
import pytest
from helpers import small
from helpers.known_networks import KERNEL, on_disk, run, saved_mark
from helpers.own_task import custom

from common.errors import UserError
from electra_tf.finetune import model_folder, protocol, results, results_folder
from electra_tf.finetune.data.dataset import Dataset
from electra_tf.finetune.kinds import table as kinds
from electra_tf.finetune.kinds.rows import Answer, Row

pytestmark = pytest.mark.usefixtures("plain")


def test_the_best_epoch_on_dev_is_tested_and_nothing_else(networks, tmp_path):
    wanted = run(tmp_path)
    found, calls = networks(wanted, s1=[0.5, 0.9, 0.7])
    [seed] = found.seeds
    assert (seed.best_epoch, seed.dev["accuracy"]) == (2, 0.9)
    assert [epoch.dev["accuracy"] for epoch in seed.epochs] == [0.5, 0.9, 0.7]
    assert [epoch.loss for epoch in seed.epochs] == [1.0, 0.5, pytest.approx(1 / 3)]
    asked = [call for call in calls if call[1] != "train"]
    assert asked == [(1, "dev", 1), (1, "dev", 2), (1, "dev", 3), (1, "test", 2)]
    assert seed.test["accuracy"] == 0.9
    assert saved_mark(wanted.output_dir) == 12
    assert found == on_disk(wanted)
    assert found.counts["train_empty_text"] == 2 and found.counts["dev_truncated"] == 0
    assert (found.train_rows, found.dev_rows, found.test_rows) == (30, 10, 20)


def test_of_equal_epochs_the_first_one_counts(networks, tmp_path):
    found, _ = networks(run(tmp_path), s0=[0.6, 0.8, 0.8])
    assert found.seeds[0].best_epoch == 2


def test_the_best_seeds_model_is_kept_and_of_equals_the_first(networks, tmp_path):
    wanted = run(tmp_path)
    networks(wanted, s0=[0.5] * 3, s1=[0.2, 0.4, 0.9], s2=[0.9] * 3, s3=[0.8] * 3)
    assert saved_mark(wanted.output_dir) == 13
    said = model_folder.read(
        os.path.join(wanted.output_dir, results_folder.MODEL_FOLDER)
    )
    assert said.labels == small.LABELS[kinds.CLASSIFICATION]


def test_a_second_call_does_only_what_is_missing(networks, tmp_path):
    wanted = run(tmp_path)
    networks(wanted, s0=[0.9] * 3, s2=[0.5] * 3)
    before = on_disk(wanted)
    found, calls = networks(wanted, s0=[0.1] * 3, s1=[0.7] * 3, s2=[0.1] * 3)
    assert {call[0] for call in calls} == {1}
    assert [seed.seed for seed in found.seeds] == [0, 1, 2]
    assert [found.seeds[0], found.seeds[2]] == before.seeds
    assert saved_mark(wanted.output_dir) == 1  # seed 0, epoch 1


def test_results_grow_by_a_seed_at_a_time(networks, tmp_path):
    wanted = run(tmp_path)

    class Killed(BaseException):
        pass

    class Mortal(list):
        def __getitem__(self, index):
            raise Killed

    with pytest.raises(Killed):
        networks(wanted, s0=Mortal())
    # Known for a run's folder before its first seed is there.
    assert on_disk(wanted).seeds == []
    with pytest.raises(Killed):
        networks(wanted, s0=[0.8] * 3, s1=Mortal())
    assert [seed.seed for seed in on_disk(wanted).seeds] == [0]
    found, calls = networks(wanted, s0=[0.1] * 3, s1=[0.6] * 3)
    assert {call[0] for call in calls} == {1}
    assert [seed.dev["accuracy"] for seed in found.seeds] == [0.8, 0.6]


def test_a_seed_that_diverges_failed_and_is_tried_again(networks, tmp_path):
    wanted = run(tmp_path)
    found, _ = networks(wanted, s0=[0.5, None], s1=[0.7] * 3)
    assert found.seeds[0] == results.Seed(0, error="the loss is not finite")
    assert found.seeds[1].error is None and saved_mark(wanted.output_dir) == 11
    # A call for other seeds leaves it as it is.
    found, _ = networks(wanted, s2=[0.6] * 3)
    assert [seed.error is None for seed in found.seeds] == [False, True, True]
    found, calls = networks(wanted, s0=[0.8] * 3, s1=[0.1] * 3)
    assert {call[0] for call in calls} == {0}
    assert [seed.error for seed in found.seeds] == [None] * 3
    assert found == on_disk(wanted) and saved_mark(wanted.output_dir) == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"settings": small.settings(learning_rate=3e-5)}, "config learning_rate: 0.0"),
        (
            {"pretrained": dataclasses.replace(small.pretrained(), sha256="1" * 64)},
            "checkpoint sha256: '0000.* there, '1111.* now",
        ),
        ({"random_init": True}, "init 'pretrained' there, 'random' now"),
        ({"sha256": "cd" * 32}, "data_sha256 'abab.* there, 'cdcd.* now"),
        ({"task": custom(kinds.CLASSIFICATION, "t.tsv", metric="f1")}, "metric 'acc"),
    ],
    ids=str,
)
def test_results_of_another_run_are_refused_by_name(
    networks, tmp_path, changes, message
):
    before = run(tmp_path)
    networks(before, s0=[0.5] * 3)
    if "sha256" in changes:
        changes = {"dataset": dataclasses.replace(before.dataset, **changes)}
    with pytest.raises(UserError, match=message):
        networks(run(tmp_path, **changes), s0=[0.9] * 3)
    assert on_disk(before).seeds[0].best_epoch == 1


def test_the_same_weights_elsewhere_are_the_same_run(networks, tmp_path):
    networks(run(tmp_path), s0=[0.5] * 3)
    moved = dataclasses.replace(small.pretrained(), path="elsewhere")
    found, calls = networks(
        run(tmp_path, pretrained=moved, model_name="b"), s0=[0.9] * 3
    )
    assert calls == [] and len(found.seeds) == 1


def test_a_score_that_is_undefined_is_worse_than_any(networks, tmp_path, monkeypatch):
    values = iter([math.nan, math.nan, 0.0, math.nan])
    monkeypatch.setattr(
        kinds.CLASSIFICATION, "scores", lambda *_: {"accuracy": next(values)}
    )
    wanted = run(tmp_path)
    wanted = dataclasses.replace(
        wanted, dataset=dataclasses.replace(wanted.dataset, test=[])
    )
    found, _ = networks(wanted, s0=[0.5] * 3)
    assert found.seeds[0].best_epoch == 3 and found.seeds[0].test is None
    assert results.summary(found).split == "dev"
    assert math.isnan(on_disk(wanted).seeds[0].epochs[0].dev["accuracy"])


def test_where_every_score_is_undefined_the_first_epoch_and_seed_count(
    networks, tmp_path, monkeypatch
):
    nan = {"accuracy": math.nan}
    monkeypatch.setattr(kinds.CLASSIFICATION, "scores", lambda *_: nan)
    wanted = run(tmp_path)
    found, _ = networks(wanted, s0=[0.5] * 3, s1=[0.5] * 3)
    assert [seed.best_epoch for seed in found.seeds] == [1, 1]
    assert saved_mark(wanted.output_dir) == 1
    assert math.isnan(results.summary(found).mean)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"settings": small.settings(max_seq_length=33)},
            "32 positions, so it must be from 4 to 32",
        ),
        (
            {"settings": small.settings(max_seq_length=3)},
            "32 positions, so it must be from 4 to 32",
        ),
        (
            {"task": custom(kinds.CLASSIFICATION, "t.tsv", metric="entity_f1")},
            "--metric=entity_f1: the scores of classification with 2 labels are acc",
        ),
    ],
    ids=["long", "short", "metric"],
)
def test_what_cannot_work_is_said_before_training(networks, tmp_path, changes, message):
    with pytest.raises(UserError, match=message):
        networks(run(tmp_path, **changes), s0=[0.5] * 3)
    assert not os.path.exists(tmp_path / "out")


def test_fewer_rows_than_a_batch_are_said(networks, tmp_path, caplog):
    for size, said in ((30, False), (31, True)):
        settings = small.settings(train_batch_size=size)
        wanted = run(tmp_path / str(size), settings=settings)
        caplog.clear()
        networks(wanted, s0=[0.5] * 3)
        text = "30 train rows are fewer than --train_batch_size=31"
        assert (text in caplog.text) == said


def test_questions_without_answers_that_can_be_learnt(networks, tmp_path):
    row = Row("a", "서울 이 다", "?", label=(Answer("없다", 0),))
    data = Dataset(
        *(kinds.QUESTION_ANSWERING, (), [row], [row], []), *("file", "ab" * 32, {})
    )
    task = custom(kinds.QUESTION_ANSWERING, "train.json")
    with pytest.raises(UserError, match="none of the 1 train rows can be used"):
        networks(run(tmp_path, dataset=data, task=task), s0=[0.5] * 3)


def test_settings_that_are_not_given_are_the_tasks(cpu):
    task = custom(kinds.CLASSIFICATION, "t.tsv")
    task = dataclasses.replace(task, max_seq_length=77, num_train_epochs=9)
    given = small.settings(max_seq_length=0, num_train_epochs=0, compute_dtype="auto")
    found = protocol.resolved(given, task, cpu)
    assert (found.max_seq_length, found.num_train_epochs) == (77, 9)
    assert found.compute_dtype == "float32"
    given = small.settings(max_seq_length=8, num_train_epochs=2)
    assert protocol.resolved(given, task, cpu) == given


def test_random_weights_are_not_those_of_the_start(cpu, tmp_path):
    weights = small.values(small.model(kinds.CLASSIFICATION, seed=5))
    begin = small.pretrained(weights)
    name = "electra/embeddings/word_embeddings"
    found = {
        random_init: protocol.make_finetuner(
            run(tmp_path, pretrained=begin, strategy=cpu, random_init=random_init), 1, 0
        ).weights()
        for random_init in (True, False)
    }
    np.testing.assert_array_equal(found[False][name], weights[name])
    assert not np.allclose(found[True][name], weights[name])
    # The head is new in both, and the seed's.
    np.testing.assert_array_equal(found[True][KERNEL], found[False][KERNEL])
    assert not np.allclose(found[False][KERNEL], weights[KERNEL])


def test_dropout_is_that_of_fine_tuning_whatever_pretraining_had(tmp_path, cpu):
    settings = small.settings(
        hidden_dropout_prob=0.25, attention_probs_dropout_prob=0.5
    )
    whole = run(tmp_path, settings=settings, strategy=cpu, random_init=True)
    network = protocol.make_finetuner(whole, 1, 0).model.config
    assert network == dataclasses.replace(
        small.NETWORK, hidden_dropout_prob=0.25, attention_probs_dropout_prob=0.5
    )
