"""What raises an alarm and what does not, on real answers to products that the model has not seen."""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from prodclf_assets.classifier.profile import profile_of
from prodclf_assets.monitoring.drift.causes import CAUSES, DriftReport
from prodclf_assets.monitoring.drift.measure import SIGNALS, DriftConfig, Verdicts, measure
from prodclf_assets.monitoring.drift.reference import Reference, reference_of
from prodclf_assets.monitoring.drift.window import DriftWindow
from prodclf_tests.classifier.shop import products
from prodclf_tests.monitoring.conftest import joined
from prodclf_tests.trained import TrainedModel

Change = Callable[[DriftWindow], DriftWindow]


@pytest.fixture(scope="module")
def own(trained_model: TrainedModel) -> Reference:
    """What the trained model itself carries: 1,100 training and 130 held-out products, less than any real shop."""
    return reference_of(trained_model.bundle)


def reference_from(train: DriftWindow, held_out: DriftWindow, labels: list[str]) -> Reference:
    """The reference of a model trained on these products, by the code that training uses."""
    there = {True: "x", False: ""}
    batch = products(
        train.title,
        brand=train.brand,
        seller_id=train.seller_id,
        description=[there[bool(has)] for has in train.has_description],
        subcategory=[there[bool(has)] for has in train.has_subcategory],
        price=train.price.tolist(),
        list_price=train.list_price.tolist(),
        rating=train.rating.tolist(),
        reviews_count=train.reviews_count.tolist(),
    )
    counts = Counter(held_out.predicted_category)
    n = len(held_out)
    profile = profile_of(batch) | {
        "label_shares": [counts[label] / n for label in labels],
        "confidence_tenths": (np.histogram(held_out.confidence, 10, (0, 1))[0] / n).tolist(),
        "familiarity_deciles": np.quantile(held_out.familiarity, np.linspace(0, 1, 11)).tolist()
        if not np.isnan(held_out.familiarity).any()
        else None,
    }
    return Reference.of(profile, labels, n)


@pytest.fixture(scope="module")
def usual(same_shop: DriftWindow, trained_model: TrainedModel) -> Reference:
    """The reference of a shop of ordinary size: 4,000 training and 1,000 held-out products."""
    train, held_out = same_shop.take(range(8_000, 12_000)), same_shop.take(range(7_000, 8_000))
    return reference_from(train, held_out, trained_model.bundle.labels)


def mixed(shop: DriftWindow, others: DriftWindow, rng: np.random.Generator, n: int = 1_000) -> DriftWindow:
    """n products, of which one in five is one of the others."""
    fifth = n // 5
    return joined(
        shop.take(rng.choice(len(shop), n - fifth, replace=False)),
        others.take(rng.choice(len(others), fifth)),
    )


def alarms(
    reference: Reference, shop: DriftWindow, rng: np.random.Generator, windows: int, rows: int
) -> list[DriftReport]:
    found = (
        measure(reference, shop.take(rng.choice(len(shop), rows, replace=False))) for _ in range(windows)
    )
    return [report for report in found if report.drifted]


def test_without_drift_at_most_one_window_in_a_hundred_raises_an_alarm(
    own: Reference, same_shop: DriftWindow
) -> None:
    rng = np.random.default_rng(1)
    assert len(alarms(own, same_shop, rng, 1_000, 500)) <= 10


def test_no_reference_is_so_unlucky_that_it_raises_alarms_again_and_again(
    same_shop: DriftWindow, trained_model: TrainedModel
) -> None:
    """Training and held-out products drawn anew, few and many, and windows short and long."""
    rng = np.random.default_rng(2)
    for train, held_out, rows in ((500, 60, 500), (4_000, 500, 250), (4_000, 500, 2_000)):
        raised = 0
        for _ in range(10):
            order = rng.permutation(len(same_shop))
            reference = reference_from(
                same_shop.take(order[:train]),
                same_shop.take(order[train : train + held_out]),
                trained_model.bundle.labels,
            )
            fresh = same_shop.take(order[train + held_out :])
            raised += len(alarms(reference, fresh, rng, 6, rows))
        assert raised <= 3, (train, held_out, rows)


def commonest(values: list[str], rank: int) -> str:
    return Counter(value for value in values if value).most_common(rank)[-1][0]


def in_category(shop: DriftWindow) -> DriftWindow:
    chosen = commonest(shop.predicted_category, 1)
    return shop.take([row for row, path in enumerate(shop.predicted_category) if path == chosen])


def in_department(shop: DriftWindow) -> DriftWindow:
    tops = [path.split(" > ")[0] for path in shop.predicted_category]
    chosen = commonest(tops, 4)
    return shop.take([row for row, top in enumerate(tops) if top == chosen])


def of_brand(shop: DriftWindow) -> DriftWindow:
    chosen = commonest(shop.brand, 60)
    return shop.take([row for row, brand in enumerate(shop.brand) if brand == chosen])


def of_seller(shop: DriftWindow) -> DriftWindow:
    chosen = commonest(shop.seller_id, 300)
    return shop.take([row for row, seller in enumerate(shop.seller_id) if seller == chosen])


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (in_category, "output"),
        (in_department, "output"),
        (of_brand, "brand"),
        (of_seller, "seller"),
    ],
)
def test_a_fifth_of_other_products_is_seen_within_a_thousand(
    usual: Reference, same_shop: DriftWindow, change: Change, cause: str
) -> None:
    rng = np.random.default_rng(3)
    before = same_shop.take(range(7_000))
    for _ in range(5):
        report = measure(usual, mixed(before, change(before), rng))
        assert cause in [found.name for found in report.drifted]


@pytest.mark.parametrize("rows", [500, 1_000])
def test_a_fifth_from_another_shop_is_seen_even_by_a_model_of_a_thousand_products(
    own: Reference, same_shop: DriftWindow, other_shop: DriftWindow, rows: int
) -> None:
    rng = np.random.default_rng(4)
    for _ in range(10):
        report = measure(own, mixed(same_shop, other_shop, rng, rows))
        (brand,) = [cause for cause in report.drifted if cause.name == "brand"]
        assert "have a new brand" in brand.sentence
        assert brand.advice == "label"
        assert report.advice in ("label", "retrain")


def new_brand_examples(report: DriftReport) -> tuple[int, ...]:
    (brand,) = [cause for cause in report.drifted if cause.name == "brand"]
    return brand.signals[0].examples


def test_examples_are_products_that_show_it(
    own: Reference, same_shop: DriftWindow, other_shop: DriftWindow
) -> None:
    window = mixed(same_shop, other_shop, np.random.default_rng(5))
    shown = new_brand_examples(measure(own, window))
    assert len(shown) == 5
    known = {brand.casefold() for brand in own.values["brand"].shares}
    assert all(window.brand[row] and window.brand[row].casefold() not in known for row in shown)


def nothing_filled(window: DriftWindow) -> DriftWindow:
    empty = np.full(len(window), np.nan)
    return replace(
        window,
        has_description=np.zeros(len(window), np.bool_),
        brand=[""] * len(window),
        rating=empty,
        price=empty,
    )


@pytest.mark.parametrize(
    ("change", "cause", "says"),
    [
        (nothing_filled, "input", "100.0% of the products lack description"),
        (lambda window: replace(window, rating=window.rating * 20), "input", "the median rating is"),
        (
            lambda window: replace(window, title=[f"{title} on sale now today" for title in window.title]),
            "input",
            "title_words",
        ),
        (lambda window: replace(window, price=window.price * 1.6), "price", "the median price is"),
        (
            lambda window: replace(window, confidence=window.confidence - 0.15),
            "confidence",
            "the median confidence is",
        ),
        (
            lambda window: replace(window, predicted_category=["Toys > Puzzles"] * len(window)),
            "output",
            "'Toys > Puzzles'",
        ),
    ],
    ids=["missing", "other scale", "longer titles", "dearer", "less sure", "one answer"],
)
def test_each_cause_is_told_from_the_others(
    usual: Reference, same_shop: DriftWindow, change: Change, cause: str, says: str
) -> None:
    report = measure(usual, change(same_shop.take(range(1_000))))
    assert {found.name for found in report.drifted} == {cause}
    assert says in report.drifted[0].sentence
    assert report.drifted[0].leading is not None
    assert report.drifted[0].leading.effect >= report.drifted[0].leading.threshold


def test_unfamiliar_wording_is_its_own_cause_and_more_familiar_wording_is_none(
    same_shop: DriftWindow, trained_model: TrainedModel
) -> None:
    rng = np.random.default_rng(6)
    told = replace(same_shop, familiarity=rng.beta(8, 1, len(same_shop)))
    reference = reference_from(
        told.take(range(3_000)), told.take(range(3_000, 4_000)), trained_model.bundle.labels
    )
    fresh = told.take(range(4_000, 5_000))
    assert not measure(reference, fresh).drifted
    assert not measure(reference, replace(fresh, familiarity=np.ones(1_000))).drifted
    strange = np.where(rng.random(1_000) < 0.2, 0.3, fresh.familiarity)
    report = measure(reference, replace(fresh, familiarity=strange))
    assert [cause.name for cause in report.drifted] == ["vocabulary"]
    assert report.drifted[0].leading is not None
    assert all(strange[row] == 0.3 for row in report.drifted[0].leading.examples)


def test_too_few_products_raise_no_alarm_and_it_says_so(own: Reference, other_shop: DriftWindow) -> None:
    report = measure(own, other_shop.take(range(150)))
    assert not report.drifted
    assert report.advice == "none"
    sentences = [cause.sentence for cause in report.causes if cause.signals]
    assert all("200 are needed" in sentence for sentence in sentences)
    assert measure(own, other_shop.take([])).rows == 0
    assert measure(own, other_shop.take(range(150)), DriftConfig(minimum_rows=100)).drifted


def test_labels_decide_between_labelling_training_and_ignoring(
    own: Reference, same_shop: DriftWindow, other_shop: DriftWindow
) -> None:
    rng = np.random.default_rng(7)
    window = mixed(same_shop, other_shop, rng)
    confidence = rng.uniform(0.4, 0.9, 200)
    right = Verdicts(confidence, rng.random(200) < confidence)
    wrong = Verdicts(confidence, rng.random(200) < confidence - 0.3)
    few = Verdicts(confidence[:50], np.zeros(50, np.bool_))
    assert measure(own, window).advice == "label"
    assert measure(own, window, verdicts=few).advice == "label"
    assert measure(own, window, verdicts=right).advice == "ignore"
    worse = measure(own, window, verdicts=wrong)
    assert worse.advice == "retrain"
    assert {cause.advice for cause in worse.drifted} == {"retrain"}
    assert "people agreed with" in worse.drifted[-1].sentence


def test_drift_without_consequence_is_to_be_ignored_until_answers_are_less_sure(
    usual: Reference, same_shop: DriftWindow
) -> None:
    dearer = same_shop.take(range(1_000))
    dearer = replace(dearer, price=dearer.price * 2)
    assert measure(usual, dearer).advice == "ignore"
    unsure = replace(dearer, confidence=dearer.confidence - 0.2)
    assert {cause.advice for cause in measure(usual, unsure).drifted} == {"label"}


def test_the_count_of_signals_is_that_of_a_complete_look(
    same_shop: DriftWindow, trained_model: TrainedModel
) -> None:
    """The level of each is divided by it."""
    told = replace(same_shop, familiarity=np.linspace(0, 1, len(same_shop)))
    reference = reference_from(told, told, trained_model.bundle.labels)
    verdicts = Verdicts(np.full(100, 0.5), np.ones(100, np.bool_))
    report = measure(reference, told.take(range(300)), verdicts=verdicts)
    assert sum(len(cause.signals) for cause in report.causes) == SIGNALS
    assert all(cause.measured for cause in report.causes)


def test_the_report_is_json_with_every_number(own: Reference, other_shop: DriftWindow) -> None:
    content = json.loads(json.dumps(measure(own, other_shop).to_dict(), allow_nan=False))
    assert [cause["name"] for cause in content["measures"]] == list(CAUSES)
    assert "brand" in content["causes"]
    brand = content["measures"][2]
    assert brand["drifted"]
    assert brand["rows"] >= brand["minimum_rows"] == 200
    assert brand["effect"] >= brand["threshold"]
    assert brand["p_value"] <= brand["level"]
    assert len(brand["signals"]) == 2
    assert content["drifted"] is True
