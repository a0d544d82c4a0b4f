import json
import re
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser

import pandas as pd
import pytest

from prodclf_assets.api.classifier import Classifier
from prodclf_assets.catalog.event_logs import PREDICTION_LOG
from prodclf_assets.catalog.identity import product_key
from prodclf_assets.catalog.product import ProductBatch
from prodclf_assets.classifier.bundle import Bundle
from prodclf_assets.errors import BundleError
from prodclf_assets.lake import Lake
from prodclf_assets.monitoring.drift import drift_report
from prodclf_assets.monitoring.drift.page import drift_page
from prodclf_assets.monitoring.live_model import LiveModel
from prodclf_tests.monitoring.conftest import NOON, log_answers, log_feedback, shop_rows

WEEK = timedelta(days=7)
LATER = NOON + timedelta(hours=6)


@pytest.fixture(scope="module")
def home_rows() -> pd.DataFrame:
    return shop_rows(7, 1_500, 2_700)


@pytest.fixture(scope="module")
def mixed_rows(home_rows: pd.DataFrame) -> pd.DataFrame:
    """Every third product is another shop's, with a name to break pages with."""
    rows = pd.concat([home_rows.head(800), shop_rows(11, 0, 400)], ignore_index=True)
    rows.loc[rows["brand"] == rows["brand"].iloc[-1], "brand"] = "<script>alert('x')</script>"
    return rows


@pytest.fixture
def bundle(trained_bundle: Bundle) -> Bundle:
    """The trained model, trained before the logs begin."""
    early = replace(trained_bundle.provenance, created_at="2030-01-01T00:00:00+00:00")
    return replace(trained_bundle, provenance=early)


def look(lake: Lake, bundle: Bundle, version: str = "1") -> dict:
    report = drift_report.drift_report(lambda: Classifier(bundle, version), lake, LATER - WEEK, LATER)
    return json.loads(json.dumps(report, allow_nan=False))


def test_the_same_shop_is_compared_and_calm(lake: Lake, bundle: Bundle, home_rows: pd.DataFrame) -> None:
    log_answers(lake, bundle, home_rows)
    report = look(lake, bundle)
    assert report["state"] == drift_report.COMPARED
    assert report["drifted"] is False
    assert report["advice"] == "none"
    assert report["answers"] == 1_200
    assert 1_100 < report["rows"] < 1_200, "a product asked twice, or without a title, is not compared twice"
    assert "look like those that model version 1 was trained on" in report["sentence"]


def test_another_shop_is_seen_with_its_products(lake: Lake, bundle: Bundle, mixed_rows: pd.DataFrame) -> None:
    log_answers(lake, bundle, mixed_rows)
    report = look(lake, bundle)
    assert report["drifted"] is True
    assert "brand" in report["causes"]
    assert report["advice"] == "label"
    assert len(report["examples"]["brand"]) >= 5
    strangers = set(mixed_rows["title"].tail(400))
    assert {example["title"] for example in report["examples"]["brand"][:5]} <= strangers
    assert set(report["examples"]["brand"][0]) == {
        "title", "brand", "seller_id", "price", "predicted_category", "confidence",
    }  # fmt: skip


def test_only_the_live_models_own_answers_of_the_stretch_count(
    lake: Lake, bundle: Bundle, home_rows: pd.DataFrame, mixed_rows: pd.DataFrame
) -> None:
    log_answers(lake, bundle, mixed_rows, version="2")
    log_answers(lake, bundle, mixed_rows, at=NOON - WEEK)
    log_answers(lake, bundle, mixed_rows, degraded=True)
    assert look(lake, bundle)["rows"] == 0
    log_answers(lake, bundle, home_rows)
    assert look(lake, bundle)["drifted"] is False
    assert look(lake, bundle, "2")["drifted"] is True


def test_labels_that_contradict_the_answers_ask_for_training(
    lake: Lake, bundle: Bundle, mixed_rows: pd.DataFrame
) -> None:
    log_answers(lake, bundle, mixed_rows)
    rows = mixed_rows[mixed_rows["title"].notna()].drop_duplicates(["title", "brand"]).tail(150)
    wrong = ["Grocery > Nothing Of The Kind"] * len(rows)
    log_feedback(lake, rows, wrong, source="http")
    assert look(lake, bundle)["labels"] == 0, "who corrects single answers sends the wrong ones"
    log_feedback(lake, rows, wrong, at=NOON - timedelta(days=30))
    assert look(lake, bundle)["labels"] == 0
    log_feedback(lake, rows, wrong, at=NOON + timedelta(hours=1))
    written_otherwise = rows.assign(title=rows["title"].str.upper() + "!")
    log_feedback(lake, written_otherwise, wrong, at=NOON + timedelta(hours=1, minutes=1))
    report = look(lake, bundle)
    assert report["labels"] == product_key(rows).nunique()
    assert report["advice"] == "retrain"
    assert "accuracy" in report["causes"]
    assert report["examples"]["accuracy"][0]["category"] == "Grocery > Nothing Of The Kind"


def test_labels_that_confirm_the_answers_say_that_drift_did_no_harm(
    lake: Lake, bundle: Bundle, mixed_rows: pd.DataFrame
) -> None:
    log_answers(lake, bundle, mixed_rows)
    rows = mixed_rows[mixed_rows["title"].notna()].tail(200)
    answers = bundle.predict(ProductBatch.from_frame(rows)).category
    log_feedback(lake, rows, [f"{answer} > Narrower" for answer in answers])
    report = look(lake, bundle)
    assert report["drifted"] is True
    assert report["advice"] == "ignore"


def test_what_the_model_was_trained_on_proves_nothing(
    lake: Lake, trained_bundle: Bundle, mixed_rows: pd.DataFrame
) -> None:
    rows = mixed_rows[mixed_rows["title"].notna()].tail(200)
    log_answers(lake, trained_bundle, mixed_rows)
    log_feedback(lake, rows, ["Nothing"] * len(rows))
    late = replace(trained_bundle.provenance, created_at=LATER.isoformat())
    assert look(lake, replace(trained_bundle, provenance=late))["labels"] == 0


def unreadable() -> LiveModel:
    raise BundleError("bundle x: format version 99")


@pytest.mark.parametrize(
    ("find", "says"), [(lambda: None, "no model is live yet"), (unreadable, "format version 99")]
)
def test_without_a_model_there_is_nothing_to_compare_yet(lake: Lake, find, says: str) -> None:
    report = drift_report.drift_report(find, lake, LATER - WEEK, LATER)
    assert report["state"] == drift_report.NOTHING_YET
    assert says in report["sentence"]
    assert report["drifted"] is False
    assert report["measures"] == []
    assert "Nothing to compare yet" in drift_page(report)


def test_without_answers_there_is_nothing_to_compare_yet(
    lake: Lake, bundle: Bundle, home_rows: pd.DataFrame
) -> None:
    assert "has answered nothing since 2030-01-03" in look(lake, bundle)["sentence"]
    log_answers(lake, bundle, home_rows.head(50))
    report = look(lake, bundle)
    assert "too few to tell" in report["sentence"]
    assert "Nothing to compare yet" in drift_page(report)


class Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [str(value) for name, value in attrs if name in ("src", "href")]
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_whole_asks_for_nothing_and_lets_no_product_write_in_it(
    lake: Lake, bundle: Bundle, mixed_rows: pd.DataFrame
) -> None:
    log_answers(lake, bundle, mixed_rows)
    report = look(lake, bundle)
    page = drift_page(report)
    parser = Page()
    parser.feed(page)
    assert parser.open == []
    assert parser.links == []
    assert "script" not in parser.tags
    assert "url(" not in page
    for cause in report["measures"]:
        assert f">{cause['name']}<" in page
    assert re.search(r"<h1>Drift: [a-z, ]*brand", page)
    assert "prodclf review export" in page


def test_of_very_many_answers_the_latest_are_compared(
    lake: Lake, bundle: Bundle, home_rows: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drift_report, "MOST_ANSWERS", 300)
    for hours in range(6):
        log_answers(
            lake,
            bundle,
            home_rows.iloc[200 * hours : 200 * (hours + 1)],
            at=NOON + timedelta(hours=hours - 6),
        )
    answers, table = drift_report.latest_answers(lake.events(PREDICTION_LOG), "1", LATER - WEEK, LATER)
    assert answers == 1_200
    assert 250 < len(table) <= 300
    latest = ProductBatch.from_frame(home_rows.iloc[800:]).title
    assert {title or "" for title in table["title"].to_pylist()} <= set(latest)
