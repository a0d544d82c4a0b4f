"""What an explanation claims is true: leaving the part out does to the answer what it says."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prodclf_assets.catalog.columns import PRODUCT_COLUMNS
from prodclf_assets.catalog.product import ProductBatch
from prodclf_assets.classifier.bundle import Bundle
from prodclf_assets.classifier.explanation.leave_one_out import MOST_WORDS, Explanation, explain
from prodclf_assets.classifier.predictions import Predictions
from prodclf_tests.trained import TrainedModel


def batch(*records: dict[str, Any]) -> ProductBatch:
    return ProductBatch.from_records(records)[0]


def explained(model: Any, *records: dict[str, Any], **options: int) -> list[Explanation]:
    return list(explain(model, batch(*records), **options))


@dataclass
class Weighted:
    """A model that is its own explanation: the log-odds of "yes" are the sum of its words' weights and of its price."""

    weights: dict[str, float]
    labels = ["no", "yes"]  # noqa: RUF012

    def predict(self, products: ProductBatch, top_k: int = 5) -> Predictions:
        odds = np.array([sum(self.weights[word] for word in title.split()) for title in products.title])
        odds += np.nan_to_num(products.price)
        shares = np.stack([1 / (1 + np.exp(odds)), 1 / (1 + np.exp(-odds))], axis=1)
        order = np.argsort(-shares, axis=1, kind="stable")[:, :top_k]
        top = np.take_along_axis(shares, order, axis=1)
        best = [self.labels[code] for code in order[:, 0].tolist()]
        return Predictions(
            best, top[:, 0], ["auto"] * len(best), best, order.astype(np.int32), top, np.ones(len(best))
        )


@given(
    weights=st.dictionaries(
        st.text("abcdef", min_size=1, max_size=4),
        st.floats(-1, 1).map(lambda weight: round(weight, 3)),
        min_size=1,
        max_size=6,
    ),
    price=st.floats(0, 1) | st.none(),
)
def test_the_effect_of_a_part_is_its_weight_in_a_model_that_adds_weights(weights, price):
    (found,) = explained(Weighted(weights), {"title": " ".join(weights), "price": price})
    sign = 1 if found.category == "yes" else -1
    effects = {part.text if part.kind == "word" else part.field: part for part in found.influences}
    expected = weights | ({} if price is None else {"price": price})
    assert set(effects) == set(expected)
    for name, part in effects.items():
        assert part.effect == pytest.approx(sign * expected[name], abs=1e-9)
        assert part.runner_up_effect == pytest.approx(-part.effect, abs=1e-9)
    ranked = [part.effect for part in found.influences]
    assert ranked == sorted(ranked, reverse=True)


@pytest.fixture(scope="module")
def products(trained_model: TrainedModel) -> list[dict[str, Any]]:
    frame = trained_model.test[list(PRODUCT_COLUMNS)].astype(object)
    return frame.where(frame.notna(), None).to_dict("records")


@pytest.fixture(scope="module")
def found(trained_bundle: Bundle, products: list[dict[str, Any]]) -> list[Explanation]:
    return explained(trained_bundle, *products)


def test_it_explains_the_answer_that_is_given(found, products, trained_bundle: Bundle):
    answers = trained_bundle.predict(batch(*products))
    assert [each.category for each in found] == answers.category
    assert [each.decision for each in found] == answers.decision
    np.testing.assert_array_equal([each.confidence for each in found], answers.confidence)
    second = [trained_bundle.labels[code] for code in answers.top_labels[:, 1].tolist()]
    assert [each.runner_up for each in found] == second
    np.testing.assert_array_equal(
        [each.runner_up_probability for each in found], answers.top_probabilities[:, 1]
    )


def test_without_the_top_word_the_answer_really_is_less_likely(found, products, trained_bundle: Bundle):
    lowered = 0
    for product, explanation in zip(products, found, strict=True):
        top = next(part for part in explanation.influences if part.kind == "word")
        if top.effect < 0.1:
            continue
        without = {
            name: " ".join(word for word in value.split() if top.text.casefold() not in word.casefold())
            if isinstance(value, str)
            else value
            for name, value in product.items()
        }
        labels, shares = trained_bundle.rank(batch(without))
        left = shares[labels == trained_bundle.labels.index(explanation.category)].sum()
        silent = not without["title"]
        assert silent or left < explanation.confidence
        lowered += 1
    assert lowered > len(products) / 2


def test_what_is_said_of_a_field_is_what_happens_without_it(found, products, trained_bundle: Bundle):
    seen = set()
    for product, explanation in zip(products[:60], found, strict=False):
        for part in explanation.influences:
            if part.kind == "field":
                left_out = trained_bundle.predict(batch(product | {part.field: None}), 50)
                assert part.category_without == left_out.category[0]
                place = left_out.top_labels[0] == trained_bundle.labels.index(explanation.category)
                assert part.confidence_without == left_out.top_probabilities[0][place].sum()
                seen.add(part.field)
    assert seen >= {"brand", "price"}


def test_together_and_alone_products_are_explained_alike(found, products, trained_bundle: Bundle):
    # More variants than one call takes, so that calls end between these products.
    assert sum(1 + len(each.influences) for each in found) > 2048 // 2
    twice = explained(trained_bundle, *products, *products)
    assert twice == [*found, *found]
    for row in (0, 7, len(products) - 1):
        assert explained(trained_bundle, products[row]) == [found[row]]


def test_a_word_is_left_out_wherever_it_stands(trained_bundle: Bundle):
    (found,) = explained(
        trained_bundle,
        {"title": "MILTON bottle (Bottle), steel", "brand": "Milton", "description": "a milton"},
    )
    words = [part.text for part in found.influences if part.kind == "word"]
    assert sorted(words) == ["MILTON", "a", "bottle", "steel"]
    without = trained_bundle.predict(
        batch({"title": "bottle (Bottle), steel", "brand": "", "description": "a"}), 50
    )
    milton = next(part for part in found.influences if part.text == "MILTON")
    assert milton.category_without == without.category[0]


def test_how_many_words_are_tried_is_bounded(trained_bundle: Bundle):
    long = {"title": " ".join(f"word{number}" for number in range(500)), "seller_id": "word1 word2"}
    (found,) = explained(trained_bundle, long)
    assert sum(part.kind == "word" for part in found.influences) == MOST_WORDS
    (fewer,) = explained(trained_bundle, long, most_words=3)
    assert sorted(part.text for part in fewer.influences) == ["word0", "word1", "word1 word2", "word2"]


def test_a_product_without_a_title_has_no_explanation(trained_bundle: Bundle):
    (found,) = explained(trained_bundle, {"brand": "Milton", "price": 3})
    assert (found.category, found.runner_up, found.influences) == ("", "", [])


def test_a_title_of_one_word_is_all_there_is(trained_bundle: Bundle):
    (found,) = explained(trained_bundle, {"title": "shampoo!"})
    (only,) = found.influences
    assert (only.text, only.category_without, only.confidence_without) == ("shampoo", "", 0.0)
    assert only.effect > 0


def test_punctuation_alone_is_no_word(trained_bundle: Bundle):
    (found,) = explained(trained_bundle, {"title": "★ - &"})
    assert found.influences == []
    assert found.category


def test_nothing_to_explain_is_explained_by_nothing(trained_bundle: Bundle):
    assert explained(trained_bundle) == []
