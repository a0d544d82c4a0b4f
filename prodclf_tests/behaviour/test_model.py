"""How a trained model must behave, whatever is inside (Ribeiro et al. 2020): invariance, direction, the least it can do."""

import random
import string
import unicodedata
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from prodclf_assets.catalog.columns import PRODUCT_COLUMNS
from prodclf_assets.catalog.product import ProductBatch
from prodclf_assets.classifier.bundle import Bundle
from prodclf_assets.classifier.calibration.thresholds import Thresholds
from prodclf_assets.classifier.evaluation.baseline import Baseline, fit_baseline
from prodclf_assets.classifier.predictions import Predictions
from prodclf_tests.trained import TrainedModel

Record = dict[str, Any]
TEXTS = ("title", "brand", "description", "subcategory")


@pytest.fixture(scope="module")
def records(trained_model: TrainedModel) -> list[Record]:
    """Test products as a client would send them."""
    frame = trained_model.test[list(PRODUCT_COLUMNS)].astype(object)
    return [
        {name: value for name, value in record.items() if value is not None}
        for record in frame.where(frame.notna(), None).to_dict("records")
    ]


@pytest.fixture(scope="module")
def truth(trained_model: TrainedModel) -> np.ndarray:
    return trained_model.test["category"].to_numpy(object)


def answer(bundle: Bundle, records: list[Record]) -> Predictions:
    return bundle.predict(ProductBatch.from_records(records)[0])


def changed(
    records: list[Record], edit: Callable[[str], str], fields: tuple[str, ...] = TEXTS
) -> list[Record]:
    return [{k: edit(v) if k in fields else v for k, v in record.items()} for record in records]


def probability(bundle: Bundle, records: list[Record], category: str) -> np.ndarray:
    """float64[n]: of one category for each product, 0 where it is no candidate."""
    labels, probabilities = bundle.rank(ProductBatch.from_records(records)[0])
    return np.where(labels == bundle.labels.index(category), probabilities, 0).sum(axis=1)


def accuracy(found: list[str], truth: np.ndarray) -> float:
    return float((np.array(found, object) == truth).mean())


def full_width(text: str) -> str:
    return "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in text)


@pytest.mark.parametrize(
    "edit",
    [
        str.upper,
        str.lower,
        str.title,
        lambda text: f"  {text}\n",
        lambda text: text.replace(" ", " \t\u00a0 "),
        lambda text: text.replace("&", "&amp;"),
        lambda text: unicodedata.normalize("NFD", text),
        lambda text: "\u200b".join(text),
        full_width,
    ],
    ids=["upper", "lower", "title", "ends", "spaces", "entities", "decomposed", "invisible", "fullwidth"],
)
def test_how_a_text_is_written_changes_nothing(
    trained_model: TrainedModel, records: list[Record], edit: Callable[[str], str]
) -> None:
    before, after = (
        answer(trained_model.bundle, records),
        answer(trained_model.bundle, changed(records, edit)),
    )
    assert after.category == before.category
    assert after.decision == before.decision
    np.testing.assert_array_equal(after.confidence, before.confidence)


def test_ids_order_and_unknown_fields_change_nothing(
    trained_model: TrainedModel, records: list[Record]
) -> None:
    before = answer(trained_model.bundle, records)
    others = [{**record, "product_id": f"x{i}", "colour": "red"} for i, record in enumerate(records)]
    backwards = answer(trained_model.bundle, others[::-1])
    assert backwards.category[::-1] == before.category
    np.testing.assert_array_equal(backwards.confidence[::-1], before.confidence)


@pytest.mark.parametrize(
    "edit",
    [
        lambda title: f"NEW! {title}",
        lambda title: f"{title} - Best Price",
        lambda title: f"*** {title} *** Free Shipping",
        lambda title: f"{title}!!!",
    ],
)
def test_marketing_seldom_changes_the_category(
    trained_model: TrainedModel, records: list[Record], truth: np.ndarray, edit: Callable[[str], str]
) -> None:
    before = answer(trained_model.bundle, records)
    after = answer(trained_model.bundle, changed(records, edit, ("title",)))
    assert np.mean([a == b for a, b in zip(before.category, after.category, strict=True)]) >= 0.93
    assert accuracy(after.category, truth) >= accuracy(before.category, truth) - 0.03


@pytest.fixture(scope="module")
def telling(trained_model: TrainedModel) -> dict[str, list[str]]:
    """Per category the words that ten training titles of it have, and next to none of another; commonest first."""
    words = [set(title.lower().split()) for title in trained_model.train["title"]]
    everywhere = Counter(word for title in words for word in title)
    found: dict[str, list[str]] = {}
    for category in sorted(set(trained_model.train["category"])):
        own = Counter(
            word
            for title, true in zip(words, trained_model.train["category"], strict=True)
            if true == category
            for word in title
            if word.isalpha()
        )
        chosen = [word for word, rows in own.most_common() if rows >= 10 and rows >= 0.95 * everywhere[word]]
        if chosen:
            found[category] = chosen[:3]
    assert len(found) >= 8
    return found


def test_a_word_that_only_one_category_has_speaks_for_it(
    trained_model: TrainedModel, records: list[Record], truth: np.ndarray, telling: dict[str, list[str]]
) -> None:
    for category, words in telling.items():
        others = [record for record, true in zip(records, truth, strict=True) if true != category]
        added = changed(others, lambda title, word=words[0]: f"{title} {word}", ("title",))
        before, after = (probability(trained_model.bundle, each, category) for each in (others, added))
        assert np.mean(after >= before) > 0.9, (category, words[0])
        assert after.mean() > max(2 * before.mean(), before.mean() + 0.01), (category, words[0])


def test_a_product_that_is_called_what_its_category_sells_is_filed_there(
    trained_model: TrainedModel, telling: dict[str, list[str]]
) -> None:
    for category, words in telling.items():
        told, untold = (
            probability(trained_model.bundle, [{"title": title}], category)[0]
            for title in (" ".join(words), "pack of 2")
        )
        assert told > untold, (category, words)
    found = answer(trained_model.bundle, [{"title": " ".join(words)} for words in telling.values()])
    assert accuracy(found.category, np.array(list(telling), object)) >= 0.9


def test_the_sellers_own_hint_and_the_brand_are_heard(
    trained_model: TrainedModel, records: list[Record], truth: np.ndarray
) -> None:
    bare = [{"title": record["title"]} for record in records]
    told, untold = (
        sum(
            probability(trained_model.bundle, [record], category)[0]
            for record, category in zip(asked, truth, strict=True)
        )
        for asked in (records, bare)
    )
    assert told > untold


@pytest.fixture(scope="module")
def baseline(trained_model: TrainedModel) -> Baseline:
    return fit_baseline(trained_model.train, trained_model.validation)


def test_it_beats_the_majority_and_holds_against_the_linear_baseline(
    trained_model: TrainedModel, baseline: Baseline
) -> None:
    truth = trained_model.test["category"].to_numpy(object)
    held = ProductBatch.from_frame(trained_model.test)
    right = np.array(trained_model.bundle.predict(held).category, object) == truth
    other = baseline.predict(held) == truth
    majority = trained_model.train["category"].mode()[0]
    assert right.mean() > 5 * (truth == majority).mean()
    # Rows on which just one of the two is right decide between them; two standard deviations are chance.
    assert right.sum() - other.sum() >= -2 * np.sqrt((right != other).sum())


@pytest.mark.parametrize(
    ("absent", "loss"),
    [
        (("price", "list_price"), 0.05),
        (("rating", "reviews_count"), 0.05),
        (("brand", "seller_id"), 0.10),
        (("subcategory",), 0.10),
        (("description",), 0.15),
    ],
)
def test_what_is_missing_costs_little(
    trained_model: TrainedModel,
    records: list[Record],
    truth: np.ndarray,
    absent: tuple[str, ...],
    loss: float,
) -> None:
    found = answer(
        trained_model.bundle, [{k: v for k, v in record.items() if k not in absent} for record in records]
    )
    assert (
        accuracy(found.category, truth)
        >= accuracy(answer(trained_model.bundle, records).category, truth) - loss
    )
    assert np.isfinite(found.confidence).all()


def test_absurd_numbers_do_not_decide(
    trained_model: TrainedModel, records: list[Record], truth: np.ndarray
) -> None:
    before = accuracy(answer(trained_model.bundle, records).category, truth)
    for price in (0, 1e12, -5, "free", None):
        found = answer(trained_model.bundle, [{**record, "price": price} for record in records])
        assert accuracy(found.category, truth) >= before - 0.15
        assert ((found.confidence >= 0) & (found.confidence <= 1)).all()


FOREIGN = {
    "Finnish": "tässä lauseessa puhutaan kalastuksesta järvellä kesäiltana ystävien kanssa nuotiolla metsän reunassa",
    "Hungarian": "ez egy magyar nyelvű mondat amelyben hosszú magánhangzók és ékezetek vannak sétálunk a parton",
    "Russian": "быстрая лиса прыгает через ленивую собаку пока бабушка печёт пироги для внуков",
    "Hindi": "यह एक हिन्दी वाक्य है जिसमें कई शब्द हैं और कोई अर्थ नहीं है",
}


def nonsense() -> list[Record]:
    """500 titles that say nothing here: random letters, signs, digits, other scripts, other languages, nothing at all."""
    drawn = random.Random(3)

    def words(alphabet: str, most: int = 10) -> str:
        return " ".join("".join(drawn.choices(alphabet, k=drawn.randint(3, most))) for _ in range(3))

    kinds: list[Callable[[], str]] = [
        lambda: words("abcdefghijklmnopqrstuvwxyz"),
        lambda: words("qxzjvwkpy0123456789"),
        lambda: words("0123456789-#/."),
        lambda: words("这是一个没有意义的中文句子用来测试模型是否会放弃回答"),
        lambda: "".join(chr(drawn.randint(33, 126)) for _ in range(drawn.randint(5, 40))),
        lambda: "".join(chr(drawn.randint(0x100, 0x2FFF)) for _ in range(drawn.randint(5, 40))),
        *(lambda text=text: " ".join(drawn.sample(text.split(), 5)) for text in FOREIGN.values()),
        lambda: drawn.choice(["", "   ", "!!!", "🍵🍵", "\u2014 \u2014"]),
    ]
    return [{"title": kinds[number % len(kinds)]()} for number in range(500)]


def test_nonsense_is_not_filed(trained_model: TrainedModel, records: list[Record]) -> None:
    found = answer(trained_model.bundle, nonsense())
    assert found.decision.count("auto") <= 10
    assert np.median(found.confidence) < 0.5 < np.median(answer(trained_model.bundle, records).confidence)
    # With a threshold as a larger catalogue gets it, since on so few validation rows nothing may be filed at all.
    bold = replace(
        trained_model.bundle,
        thresholds=Thresholds(common=0.6, familiar=trained_model.bundle.thresholds.familiar),
    )
    assert answer(bold, nonsense()).decision.count("auto") <= 10
    assert np.mean(np.array(answer(bold, records).decision) == "auto") > 0.2


def test_of_single_words_and_letters_nothing_is_filed(trained_model: TrainedModel) -> None:
    titles = trained_model.test["title"].dropna()
    words = sorted({word for title in titles for word in title.split()})[:500]
    asked = [{"title": text} for text in (*words, *string.ascii_lowercase)]
    assert set(answer(trained_model.bundle, asked).decision) == {"abstain"}


def test_more_confident_answers_are_more_often_right(
    trained_model: TrainedModel, records: list[Record], truth: np.ndarray
) -> None:
    found = answer(trained_model.bundle, records)
    right = np.array(found.category, object) == truth
    order = np.argsort(found.confidence)
    half = len(order) // 2
    assert right[order[half:]].mean() > right[order[:half]].mean() + 0.1
    assert abs(found.confidence.mean() - right.mean()) < 0.1
