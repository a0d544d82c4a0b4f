from pathlib import Path

import pandas as pd
import pytest

from prodclf_tests.benchmarks.tasks import TASKS, Rows, folds_of, load_task, split_rows

DATA = Path(__file__).parents[3] / "shared" / "data"


@pytest.fixture(scope="module")
def rows() -> Rows:
    titles = [f"thing {number // 2}" for number in range(800)]
    labels = ["Toys > Cars" if number % 3 else "Toys > Dolls" for number in range(798)] + [
        "Toys > Kites",
        "Toys > Kits",
    ]
    return split_rows("shop:2", pd.DataFrame({"title": titles, "title_key": titles, "category": labels}))


def test_folds_part_the_training_rows_by_title(rows: Rows) -> None:
    folds = list(folds_of(rows, 4))
    measured = pd.concat([fold.test for fold in folds])
    assert sorted(measured["title"]) == sorted(rows.train["title"])
    for fold in folds:
        assert not set(fold.train["title_key"]) & set(fold.test["title_key"])
        assert len(fold.train) + len(fold.test) == len(rows.train)
        assert fold.validation is rows.validation
        assert not set(fold.test["title_key"]) & set(rows.test["title_key"])
    assert len({fold.task for fold in folds}) == len({fold.hash for fold in folds}) == 4


def test_folds_are_the_same_every_time(rows: Rows) -> None:
    assert [fold.hash for fold in folds_of(rows, 3)] == [fold.hash for fold in folds_of(rows, 3)]


def test_labels_with_one_training_row_keep_their_name(rows: Rows) -> None:
    assert set(rows.train["category"]) == {"Toys > Cars", "Toys > Dolls", "Toys > Kites", "Toys > Kits"}


def test_rows_are_read_as_they_were_saved(rows: Rows, tmp_path: Path) -> None:
    rows.save(tmp_path / "kept")
    assert Rows.load(tmp_path / "kept").hash == rows.hash


@pytest.mark.skipif(not DATA.is_dir(), reason=f"the real catalogues are not at {DATA}")
def test_a_real_task_has_the_rows_of_the_graph() -> None:
    task = load_task("amazon_in:2", DATA)
    assert (task.labels, len(task.train), len(task.test)) == (112, 6971, 875)
    assert task.task in TASKS
