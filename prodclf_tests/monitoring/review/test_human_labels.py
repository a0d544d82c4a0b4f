from datetime import timedelta

import pandas as pd
import pytest

from prodclf_assets.catalog.schema import RawProducts, conform, schema_failures
from prodclf_assets.lake import Lake
from prodclf_assets.monitoring.review.human_labels import human_labels
from prodclf_tests.monitoring.conftest import NOON, log_feedback


def products(*rows: tuple[str | None, str | None, str | None]) -> pd.DataFrame:
    """Rows by id, title and brand."""
    return pd.DataFrame(rows, columns=["product_id", "title", "brand"]).astype("string")


def later(hours: float) -> dict[str, object]:
    return {"at": NOON + timedelta(hours=hours)}


def test_nobody_has_said_anything_yet(lake: Lake) -> None:
    found = human_labels(lake)
    assert found.table.empty
    assert found.annotations == 0
    log_feedback(lake, products(("1", "mug", "Orzo")), ["A"])
    pd.testing.assert_series_equal(found.table.dtypes, human_labels(lake).table.dtypes)


def test_the_latest_about_a_product_wins_in_whatever_order_it_was_written(lake: Lake) -> None:
    rows = products((None, "Mug", "Orzo"), (None, "mug!", "ORZO"), (None, "mug", "Kasol"))
    log_feedback(lake, rows.iloc[[1]], ["New > Category"], **later(5))
    log_feedback(lake, rows.iloc[[0]], ["Old > Category"], **later(1))
    log_feedback(lake, rows.iloc[[2]], ["Other > Category"], **later(0))
    found = human_labels(lake)
    assert found.table.set_index("brand")["category"].to_dict() == {
        "ORZO": "New > Category",
        "Kasol": "Other > Category",
    }
    assert (found.annotations, found.superseded, found.unusable) == (3, 1, 0)


def test_a_product_whose_title_changed_is_recognised_by_id_and_brand(lake: Lake) -> None:
    rows = products(("7", "mug", "Orzo"), ("7", "mug, large", "Orzo"), ("7", "mug", "Kasol"))
    for hours in range(3):
        log_feedback(lake, rows.iloc[[hours]], [f"Category {hours}"], **later(hours))
    assert sorted(human_labels(lake).table["category"]) == ["Category 1", "Category 2"]


def test_events_without_a_title_or_a_category_are_counted_and_left_out(lake: Lake) -> None:
    rows = products(("1", None, "Orzo"), ("2", "mug", None), ("3", "jug", None), ("4", "cup", None))
    log_feedback(lake, rows, ["A", None, "A > > B", "A>B"])
    found = human_labels(lake)
    assert found.table["category"].tolist() == ["A > B"]
    assert found.unusable == 3


@pytest.mark.parametrize(
    ("source", "predicted", "blind"),
    [
        ("file", None, True),
        ("desk", None, True),
        ("file", "A", False),
        ("desk", "A", False),
        ("http", None, False),
        ("http", "A", False),
    ],
)
def test_blind_is_only_what_came_from_the_queue_without_answers(
    lake: Lake, source: str, predicted: str | None, blind: bool
) -> None:
    log_feedback(lake, products(("1", "mug", None)), ["A"], source=source, predicted_category=predicted)
    table = human_labels(lake).table
    assert table["blind"].tolist() == [blind]
    assert table["blind"].dtype == bool


def test_it_is_a_products_frame_that_cleaning_would_accept(lake: Lake) -> None:
    log_feedback(lake, products(("1", "mug", "Orzo"), ("2", "jug", None)), ["A", "B"], reviewer="asha")
    table = human_labels(lake).table
    assert not schema_failures(conform(table), RawProducts)
    assert table[["title", "title_key", "category"]].notna().all(axis=None)
    assert table["reviewer"].tolist() == ["asha", "asha"]


def test_what_is_withdrawn_gives_way_to_what_was_said_before(lake: Lake) -> None:
    rows = products(("1", "mug", "Orzo"), ("2", "jug", None))
    log_feedback(lake, rows, ["A", "B"], **later(0))
    log_feedback(lake, rows, ["C", "D"], annotation="x", source="desk", **later(1))
    assert human_labels(lake).table["category"].tolist() == ["C", "D"]
    log_feedback(lake, rows.iloc[:1], [None], annotation="x", verdict="withdrawn", **later(2))
    found = human_labels(lake)
    assert found.table["category"].tolist() == ["A", "B"]
    assert (found.annotations, found.unusable) == (2, 0)


def test_a_product_that_no_category_fits_has_no_label(lake: Lake) -> None:
    rows = products(("1", "mug", "Orzo"))
    log_feedback(lake, rows, ["A"], **later(0))
    log_feedback(lake, rows, [None], annotation="x", verdict="no-category", **later(1))
    assert human_labels(lake).table.empty
    log_feedback(lake, rows, ["B"], **later(2))
    assert human_labels(lake).table["category"].tolist() == ["B"]
