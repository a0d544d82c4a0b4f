"""What waits: where it is read from, and which products are alike."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from prodclf_assets.catalog.columns import PRODUCT_COLUMNS
from prodclf_assets.lake import open_lake
from prodclf_serving.review_desk.queue import Queue, load_queue

NOBODY = None


def row(
    title: str, brand: str | None = None, predicted: str = "A", decision: str = "review"
) -> dict[str, object]:
    empty = dict.fromkeys(PRODUCT_COLUMNS)
    answer = {"predicted_category": predicted, "confidence": 0.5, "decision": decision, "times": 1}
    return {**empty, "title": title, "brand": brand, **answer, "usefulness": 1.0, "model_version": "1"}


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("Basmati rice 5 kg", "Basmati rice 500 g", True),
        ("Basmati rice, 5kg", "RICE basmati 1 l", True),
        ("Rice for 2", "Rice for 3", True),
        ("Basmati rice", "Jasmine rice", False),
        ("12", "13", False),
    ],
)
def test_alike_are_products_that_differ_in_size_alone(one: str, other: str, alike: bool) -> None:
    queue = Queue([row(one), row(other)])
    assert (len(queue.group(queue.waiting[0])) == 2) == alike


def test_brand_and_answer_set_products_apart_but_no_guess_does() -> None:
    queue = Queue([row("mug 1", "Orzo"), row("mug 2", "Kasol"), row("mug 3", "Orzo", "B")])
    assert {len(queue.group(each)) for each in queue.waiting} == {1}
    queue = Queue([row("mug 1", decision="abstain"), row("mug 2", None, "B", "abstain")])
    assert len(queue.group(queue.waiting[0])) == 2


def test_without_a_model_or_an_asset_it_is_said(tmp_path: Path) -> None:
    queue = load_queue(open_lake(str(tmp_path)), NOBODY, datetime.now(UTC))
    assert (queue.waiting, queue.sentence) == ([], "no model is live yet")


def test_the_asset_is_taken_where_it_is_of_today(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    lake, folder = open_lake(str(tmp_path / "lake")), tmp_path / "queue"
    folder.mkdir()
    rows = [{**row("mug"), "price": 2.5}, row("jug")]
    pq.write_table(pa.Table.from_pylist(rows), folder / "table.parquet")
    lake.write("review_queue", folder)
    queue = load_queue(lake, NOBODY, datetime.now(UTC))
    assert [each.product for each in queue.waiting] == [{"title": "mug", "price": 2.5}, {"title": "jug"}]
    assert queue.sentence.startswith("as of ")
