"""Scoring a catalogue again: the answers are those of predicting everything, and only what changed is predicted."""

import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from prodclf_assets.catalog.product import ProductBatch
from prodclf_assets.classifier.scoring.rescoring import (
    ANSWERS,
    EarlierAnswers,
    Rescored,
    answer_columns,
    product_hashes,
    rescore,
)
from prodclf_tests.trained import TrainedModel


def batches(frame: pd.DataFrame, rows: int = 40) -> list[pa.Table]:
    table = pa.Table.from_pandas(frame, preserve_index=False)
    return [table.slice(start, rows) for start in range(0, table.num_rows, rows)]


@pytest.fixture(scope="module")
def products(trained_model: TrainedModel) -> pd.DataFrame:
    return trained_model.test.drop(columns="title_key").reset_index(drop=True)


def score(
    frame: pd.DataFrame, model: TrainedModel, out: Path, earlier: Path | None = None, rows: int = 40
) -> tuple[Rescored, pd.DataFrame]:
    before = EarlierAnswers(earlier) if earlier else None
    predict = partial(answer_columns, bundle=model.bundle)
    counts = rescore(batches(frame, rows), predict, "3", out, before, at_once=2)
    return counts, pd.read_parquet(out)


def test_every_product_has_the_answer_that_predicting_it_gives(
    products: pd.DataFrame, trained_model: TrainedModel, tmp_path: Path
) -> None:
    counts, table = score(products, trained_model, tmp_path / "out.parquet")
    bundle = trained_model.bundle
    expected = bundle.predict(ProductBatch.from_frame(products)).to_columns(bundle.labels)
    for name in ANSWERS.names:
        assert table[name].tolist() == expected[name].to_pylist()
    assert table["product_id"].tolist() == products["product_id"].tolist()
    assert table["category"].tolist() == products["category"].tolist()
    assert set(table["model_version"]) == {"3"}
    assert counts.rows == counts.scored == len(products) == sum(counts.decisions.values())
    assert counts.decisions["auto"] == (table["decision"] == "auto").sum()


def test_only_changed_products_are_predicted_wherever_they_stand_now(
    products: pd.DataFrame, trained_model: TrainedModel, tmp_path: Path
) -> None:
    score(products, trained_model, tmp_path / "before.parquet")
    changed = products.sample(frac=1, random_state=5).reset_index(drop=True).drop(index=[3, 4])
    changed = pd.concat([changed, changed.iloc[:2]], ignore_index=True)
    changed.loc[[0, 7], "price"] = 123_456.0
    changed.loc[9, "title"] = "Something new"
    changed.loc[10, "category"] = "another label"
    changed.loc[11, "product_id"] = "another id"
    counts, again = score(changed, trained_model, tmp_path / "after.parquet", tmp_path / "before.parquet", 33)
    assert (counts.rows, counts.scored) == (len(changed), 3)
    _, whole = score(changed, trained_model, tmp_path / "whole.parquet")
    pd.testing.assert_frame_equal(again, whole)


def test_nothing_is_predicted_when_nothing_changed(
    products: pd.DataFrame, trained_model: TrainedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, first = score(products, trained_model, tmp_path / "before.parquet")

    def refuse(*_: object) -> None:
        raise AssertionError("predicted again")

    monkeypatch.setattr(type(trained_model.bundle), "predict", refuse)
    counts, again = score(products, trained_model, tmp_path / "after.parquet", tmp_path / "before.parquet")
    assert counts.scored == 0
    pd.testing.assert_frame_equal(again, first)


def test_few_row_groups_are_held(products: pd.DataFrame, trained_model: TrainedModel, tmp_path: Path) -> None:
    score(products, trained_model, tmp_path / "before.parquet", rows=10)
    assert pq.ParquetFile(tmp_path / "before.parquet").num_row_groups > 8
    earlier = EarlierAnswers(tmp_path / "before.parquet")
    taken = earlier.take(np.arange(len(products))[::-1].copy())
    assert taken.num_rows == len(products)
    assert len(earlier._kept) == 4


def test_hashes_follow_what_the_model_sees_and_nothing_else() -> None:
    frame = pd.DataFrame(
        {
            "product_id": ["1", "2", "3", "4", "5"],
            "title": ["Tea", "Tea", "Tea", "Tea", "a"],
            "description": [None, "", "x", None, "b"],
            "brand": None, "seller_id": None, "subcategory": None,
            "price": [0.0, -0.0, 0.0, None, 1.0],
            "list_price": np.nan, "rating": np.nan, "reviews_count": np.nan,
            "category": list("abcde"),
        }
    ).astype(dict.fromkeys(("title", "description", "brand", "seller_id", "subcategory"), "string"))  # fmt: skip
    hashes = product_hashes(frame)
    assert hashes[0] == hashes[1]
    assert len(set(hashes.tolist())) == 4
    assert product_hashes(frame.iloc[::-1]).tolist() == hashes[::-1].tolist()


def test_hashes_are_the_same_in_every_process() -> None:
    program = (
        "import pandas as pd; from prodclf_assets.classifier.scoring.rescoring import product_hashes as h;"
        "t = ('title', 'description', 'brand', 'seller_id', 'subcategory');"
        "n = ('price', 'list_price', 'rating', 'reviews_count');"
        "print(h(pd.DataFrame({**{k: pd.Series(['Tea ₹'], dtype='string') for k in t}, **{k: [1.5] for k in n}}))[0])"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", program], capture_output=True, check=True, env={"PYTHONHASHSEED": seed}
        ).stdout
        for seed in ("1", "2")
    }
    assert len(said) == 1
