"""Published figures: as they stand in their tables, and beside which runs."""

import pytest

from electra_tf.finetune.data import tasks
from electra_tf.finetune.kinds import table as kinds
from tools.scores import published


def test_figures_stand_under_their_tasks():
    systems = {system.model: system.scores for system in published.SYSTEMS}
    assert len(systems) == len(published.SYSTEMS) == 10
    assert systems["KcELECTRA-base"]["nsmc", "accuracy"] == pytest.approx(0.9171)
    assert systems["KR-ELECTRA"]["hate_speech", "macro_f1"] == pytest.approx(0.745)
    assert systems["KoELECTRA-Base"]["korquad", "exact_match"] == pytest.approx(0.611)
    assert ("hate_speech", "macro_f1") not in systems["KoELECTRA-Base"]
    best = max(scores["korsts", "spearman"] for scores in systems.values())
    assert best == systems["KoELECTRA-Base-v3"]["korsts", "spearman"]


def test_tasks_and_metrics_are_those_of_the_tasks():
    for system in published.SYSTEMS:
        for task, metric in system.scores:
            assert published.belongs(task, 10**6)
            entry = tasks.TASKS[task]
            assert metric in entry.kind.metric_names(entry.labels)
            if entry.kind is not kinds.QUESTION_ANSWERING:
                assert metric == entry.metric


def test_they_belong_beside_models_of_as_many_rows():
    assert published.belongs("nsmc", 150_000)
    assert published.belongs("naver_ner", 72_900)  # less a tenth for dev
    assert not published.belongs("nsmc", 20_000)
    assert not published.belongs("kobest_copa", 3_076)


def test_note_names_the_sources_of_what_is_shown():
    note = published.note(["KR-ELECTRA", "KoELECTRA-Base-v3", "other"])
    assert "README of snunlp/KR-ELECTRA (KoELECTRA-Base-v3, KR-ELECTRA)" in note
    assert "KcBERT" not in note
