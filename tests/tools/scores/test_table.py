"""The table of scores: its numbers, what is best, and what must be said under it."""

import math

import pytest
from helpers.score_runs import run

from tools.scores import table as score_table


def rows(markdown: str) -> list[list[str]]:
    """The cells of every line of Markdown's tables."""
    lines = [line for line in markdown.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def test_cells_are_mean_and_sample_deviation_of_the_test_scores():
    table = score_table.build([("a", run({0: 0.90, 1: 0.92, 2: 0.94}))])
    headings, _, row = rows(score_table.markdown(table))
    assert headings == ["model", "weights", "nsmc accuracy"]
    assert row == ["small", "pretrained", "**92.00 ± 2.00 (3)**"]


def test_one_seed_has_no_deviation_and_failed_ones_are_told():
    found = [
        ("a", run({0: 0.9, 1: "the loss is nan"})),
        ("b", run({0: "killed"}, init="random")),
        ("c", run({0: math.nan}, model="other")),
    ]
    table = score_table.build(found)
    text = score_table.markdown(table)
    assert rows(text)[2:5] == [
        ["small", "pretrained", "**90.00 (1, 1 failed)**"],
        ["other", "pretrained", "undefined (1)"],
        ["small", "random", "failed (0, 1 failed)"],
    ]
    assert "- 'small', nsmc, 100 rows: seed 1 failed: the loss is nan" in text
    assert "seed 0 failed: killed" in text


def test_best_of_each_column_is_bold_and_columns_are_apart():
    found = [
        ("a", run({0: 0.9}, train_rows=20_000)),
        ("b", run({0: 0.7}, train_rows=2_000)),
        ("c", run({0: 0.8}, train_rows=2_000, init="baseline", model="words")),
        ("d", run({0: 0.6}, task="korsts", metric="spearman", on_test=False)),
    ]
    table = score_table.build(found, with_published=False)
    headings, _, *shown = rows(score_table.markdown(table))
    assert headings[2:] == [
        "korsts spearman, on dev",
        "nsmc accuracy, 2,000 rows",
        "nsmc accuracy, 20,000 rows",
    ]
    assert shown == [
        ["small", "pretrained", "**60.00 (1)**", "70.00 (1)", "**90.00 (1)**"],
        ["words", "baseline", "", "**80.00**", ""],
    ]


def test_runs_of_other_rows_are_marked_and_said_to_be():
    found = [
        ("a", run({0: 0.7}, model="a", data_sha256="1" * 64)),
        ("b", run({0: 0.8}, model="b", data_sha256="2" * 64)),
        ("c", run({0: 0.9}, model="c", data_sha256="2" * 64)),
    ]
    table = score_table.build(found)
    text = score_table.markdown(table)
    assert [row[2] for row in rows(text)[2:]] == [
        "70.00 (1)†",
        "80.00 (1)",
        "**90.00 (1)**",
    ]
    assert (
        "- † nsmc accuracy: not comparable, the rows differ ('b' and 'c' had "
        "222222222222; 'a' had 111111111111, by data_sha256)"
    ) in text
    same = score_table.build(found[1:])
    assert not same.notes and "†" not in score_table.markdown(same)


def test_two_runs_of_one_cell_go_by_their_folders():
    found = [("runs/a", run({0: 0.7})), ("runs/b", run({0: 0.8}))]
    table = score_table.build(found)
    assert [row.model for row in table.rows] == ["small [runs/a]", "small [runs/b]"]


def test_differences_are_of_the_seeds_in_common():
    found = [
        ("a", run({0: 0.90, 1: 0.80, 2: 0.95})),
        ("b", run({0: 0.80, 1: 0.82, 7: 0.10}, init="random", model="none")),
    ]
    (delta,) = score_table.build(found).deltas
    assert delta.by_seed == {0: pytest.approx(0.10), 1: pytest.approx(-0.02)}
    # Of 10 and -2 points: mean 4, squares 2 * 36 over 1.
    expected = "+4.00 ± 8.49 (better with 1 of 2 seeds)"
    assert score_table.delta_text(delta) == expected
    assert ["nsmc accuracy", "small", "none", expected] in rows(
        score_table.markdown(score_table.build(found))
    )


def test_differences_without_seeds_in_common_are_of_the_means():
    found = [("a", run({0: 0.9, 1: 0.8})), ("b", run({5: 0.7}, init="random"))]
    (delta,) = score_table.build(found).deltas
    assert score_table.delta_text(delta) == "+15.00 (means; no seed in common)"
    undefined = ("b", run({5: math.nan}, init="random"))
    (delta,) = score_table.build([found[0], undefined]).deltas
    assert score_table.delta_text(delta) == "undefined"


def test_models_of_other_rows_or_tasks_are_not_subtracted():
    a = ("a", run({0: 0.9}))
    for changes in ({"data_sha256": "2" * 64}, {"train_rows": 7}, {"task": "paws"}):
        other = ("b", run({0: 0.7}, init="random", **changes))
        assert score_table.build([a, other]).deltas == []


def test_published_figures_stand_beside_runs_of_as_many_rows():
    found = [("a", run({0: 0.8}, train_rows=150_000)), ("b", run({0: 0.7}))]
    table = score_table.build(found)
    shown = {row.model: row for row in table.rows if row.init == "published"}
    full = [column for column in table.columns if column.train_rows == 150_000]
    assert all(list(row.cells) == full for row in shown.values())
    assert score_table.cell_text(shown["KcELECTRA-base"], full[0]) == "91.71"
    # Best is what was measured, though less.
    assert not any(row.cells[full[0]].is_best for row in shown.values())
    assert any("not measured here" in note for note in table.notes)
    assert not score_table.build(found[1:]).notes
    assert len(score_table.build(found, with_published=False).rows) == 1


def test_bars_of_names_do_not_break_the_table():
    table = score_table.build([("a", run({0: 0.8}, model="a|b"))])
    assert "| a\\|b | pretrained |" in score_table.markdown(table)
