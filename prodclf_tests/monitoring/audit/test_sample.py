"""From what was filed to what is drawn, judged and shown: a real lake, answers of a real model."""

from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest

from prodclf_assets.catalog.identity import product_key
from prodclf_assets.catalog.product import ProductBatch
from prodclf_assets.catalog.splits import OTHER
from prodclf_assets.catalog.stored_table import write_frames, write_json
from prodclf_assets.classifier.bundle import Bundle
from prodclf_assets.lake import Lake
from prodclf_assets.monitoring.audit import filed
from prodclf_assets.monitoring.audit.filed import ANSWERED, filed_products
from prodclf_assets.monitoring.audit.judging import judged
from prodclf_assets.monitoring.audit.levels import Promise, level_of
from prodclf_assets.monitoring.audit.queue import audit_queue
from prodclf_assets.monitoring.audit.sample import (
    ASSET,
    SAMPLE_COLUMNS,
    WAITS,
    Sample,
    empty_sample,
    extend_sample,
    latest_per_day,
    read_sample,
)
from prodclf_assets.monitoring.review.human_labels import human_labels
from prodclf_assets.monitoring.review.review_queue import QUEUE_COLUMNS
from prodclf_tests.monitoring.conftest import NOON, lake, log_answers, log_feedback, shop_rows

__all__ = ["lake"]

DAY, WEEK = timedelta(days=1), timedelta(days=7)
LATER = NOON + timedelta(hours=6)


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    return shop_rows(7, 1_500, 2_100)


def store(lake: Lake, asset: str, table: pd.DataFrame, scratch: Path) -> None:
    scratch.mkdir(exist_ok=True)
    write_frames([table], scratch / "table.parquet")
    write_json({"per_day": 7}, scratch / "notes.json")
    lake.write(asset, scratch)


def catalogue_answers(bundle: Bundle, rows: pd.DataFrame, decision: str = "auto") -> pd.DataFrame:
    """Rows of the asset `predictions`."""
    answers = bundle.predict(ProductBatch.from_frame(rows))
    return rows.drop(columns="category").assign(
        predicted_category=answers.category,
        confidence=answers.confidence,
        decision=decision,
        model_version="1",
    )


def sampled(lake: Lake, earlier: pd.DataFrame, per_day: int = 10, now=LATER) -> Sample:
    labelled = human_labels(lake).table
    answers = judged(earlier, labelled, [], lake)
    overall = level_of(answers, "all", "", Promise(0.95, 0.05))
    return extend_sample(
        earlier, filed_products(lake, now - WEEK, now, 1), answers, labelled, overall, per_day, now
    )


def test_what_was_filed_is_the_catalogue_and_what_was_answered_lately(
    lake: Lake, trained_bundle: Bundle, rows: pd.DataFrame, tmp_path: Path
) -> None:
    titled = rows[rows["title"].notna()]
    store(lake, "predictions", catalogue_answers(trained_bundle, titled.head(300)), tmp_path / "a")
    log_answers(lake, trained_bundle, titled.iloc[200:400], decision=["auto"] * 200, version="2")
    log_answers(lake, trained_bundle, titled.iloc[400:450], decision=["review"] * 50)
    log_answers(
        lake, trained_bundle, titled.iloc[450:], decision=["auto"] * len(titled.iloc[450:]), degraded=True
    )
    found = filed_products(lake, LATER - WEEK, LATER, 1)
    assert list(found.columns)[-len(ANSWERED) :] == list(ANSWERED)
    assert set(found.index) == set(product_key(titled.head(400)))
    assert found.index.is_unique
    again = set(product_key(titled.iloc[200:300]))
    assert set(found.loc[found.index.isin(again), "model_version"]) == {"2"}, (
        "the latest answer is what stands"
    )


def test_of_very_many_products_each_has_the_same_chance_however_often_it_came(
    lake: Lake, trained_bundle: Bundle, rows: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filed, "MOST_FILED", 100)
    store(lake, "predictions", catalogue_answers(trained_bundle, rows), tmp_path / "a")
    log_answers(lake, trained_bundle, rows.head(300), decision=["auto"] * 300)
    whole = set(product_key(rows).dropna())
    counts = [set(filed_products(lake, LATER - WEEK, LATER, seed).index) for seed in range(40)]
    assert all(found <= whole and 25 < len(found) < 250 for found in counts)
    often, once = set(product_key(rows.head(300)).dropna()), set(product_key(rows.tail(300)).dropna())
    shares = [
        sum(len(found & group) for found in counts) / len(group) / 40
        for group in (often - once, once - often)
    ]
    assert shares[0] == pytest.approx(shares[1], abs=0.05)


def test_products_are_drawn_once_a_day_and_none_twice(
    lake: Lake, trained_bundle: Bundle, rows: pd.DataFrame
) -> None:
    log_answers(lake, trained_bundle, rows, decision=["auto"] * len(rows))
    first = sampled(lake, empty_sample())
    assert list(first.table.columns) == list(SAMPLE_COLUMNS)
    assert (first.drawn, first.waiting) == (10, 10)
    assert sampled(lake, first.table, now=LATER + timedelta(hours=1)).drawn == 0
    assert sampled(lake, first.table, now=LATER + DAY).drawn == 0, "those of yesterday still wait"
    more = sampled(lake, first.table, per_day=15, now=LATER + DAY)
    assert (more.drawn, more.waiting) == (5, 15)
    assert product_key(more.table).is_unique
    late = LATER + WAITS
    log_answers(lake, trained_bundle, rows, at=late - DAY, decision=["auto"] * len(rows))
    renewed = sampled(lake, first.table, now=late)
    assert (renewed.drawn, renewed.waiting) == (10, 10), (
        "what nobody has judged for long is asked about no more"
    )


def test_what_a_person_has_labelled_is_not_drawn(
    lake: Lake, trained_bundle: Bundle, rows: pd.DataFrame
) -> None:
    titled = rows[rows["title"].notna()].drop_duplicates("title")
    log_answers(lake, trained_bundle, titled, decision=["auto"] * len(titled))
    log_feedback(lake, titled.iloc[5:], ["A > B"] * len(titled.iloc[5:]))
    found = sampled(lake, empty_sample(), per_day=50)
    assert set(product_key(found.table)) == set(product_key(titled.head(5)))


def test_only_blind_labels_that_came_after_the_draw_judge(
    lake: Lake, trained_bundle: Bundle, rows: pd.DataFrame
) -> None:
    log_answers(lake, trained_bundle, rows, decision=["auto"] * len(rows))
    table = sampled(lake, empty_sample(), per_day=12).table
    right = table["predicted_category"].tolist()
    after = LATER + timedelta(hours=1)
    log_feedback(lake, table.iloc[:3], right[:3], at=after, predicted_category=None)
    log_feedback(lake, table.iloc[3:5], ["Not > It"] * 2, at=after, predicted_category=None)
    log_feedback(lake, table.iloc[5:7], ["Not > It"] * 2, at=after)
    log_feedback(lake, table.iloc[7:9], ["Not > It"] * 2, at=after, predicted_category=None, source="http")
    log_feedback(lake, table.iloc[9:10], ["Not > It"], at=LATER - timedelta(hours=1), predicted_category=None)
    labelled = human_labels(lake).table
    found = judged(table, labelled, [], lake)
    assert set(product_key(found)) == set(product_key(table.iloc[:5]))
    assert found["wrong"].sum() == 2
    assert set(found.loc[found["wrong"], "said"]) == {"Not > It"}
    assert len(audit_queue_rows(lake, table, labelled)) == 2


def audit_queue_rows(lake: Lake, table: pd.DataFrame, labelled: pd.DataFrame) -> pd.DataFrame:
    folder = Path(lake.describe()) / "scratch"
    folder.mkdir(exist_ok=True)
    store(lake, ASSET, table, folder)
    return audit_queue(lake, labelled, LATER + timedelta(hours=2))


def test_the_queue_shows_nothing_of_the_answers(
    lake: Lake, trained_bundle: Bundle, rows: pd.DataFrame
) -> None:
    log_answers(lake, trained_bundle, rows, decision=["auto"] * len(rows))
    table = sampled(lake, empty_sample()).table
    queue = audit_queue_rows(lake, table, human_labels(lake).table)
    assert list(queue.columns) == list(QUEUE_COLUMNS)
    assert queue["title"].tolist() == table["title"].tolist()
    hidden = ["predicted_category", "branch", "confidence", "decision", "model_version", "request_id"]
    assert queue[hidden].isna().all(axis=None)
    assert (queue["times"] == 1).all()
    assert latest_per_day(lake) == 7


def test_a_product_of_several_categories_is_right_in_each_and_a_rare_one_in_its_parent(
    lake: Lake, trained_bundle: Bundle, rows: pd.DataFrame, tmp_path: Path
) -> None:
    log_answers(lake, trained_bundle, rows, decision=["auto"] * len(rows))
    table = sampled(lake, empty_sample(), per_day=3).table.assign(predicted_category="Gifts")
    said = ["Toys > Puzzles", "Toys > Puzzles", "Gifts > Rare"]
    after = LATER + timedelta(hours=1)
    log_feedback(lake, table, said, at=after, predicted_category=None)
    listed = table.iloc[:1].assign(
        title_key=product_key(table.iloc[:1]).str.split("\x1f").str[0],
        category="Toys > Puzzles",
        other_categories="Gifts",
    )
    store(
        lake, "clean_products", listed[["title_key", "brand", "category", "other_categories"]], tmp_path / "c"
    )
    found = judged(table, human_labels(lake).table, ["Gifts", "Toys > Puzzles", OTHER], lake)
    by_product = dict(zip(product_key(found), found["wrong"], strict=True))
    assert [by_product[key] for key in product_key(table)] == [False, True, False]


def test_before_the_first_draw_there_is_nothing(lake: Lake) -> None:
    assert read_sample(lake).empty
    assert audit_queue(lake, human_labels(lake).table, NOON).empty
    nothing = sampled(lake, read_sample(lake))
    assert (nothing.drawn, nothing.waiting) == (0, 0)
    pd.testing.assert_frame_equal(nothing.table, empty_sample())
