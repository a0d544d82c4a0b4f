import numpy as np
import pandas as pd

from prodclf_tests.benchmarks.classifier.engineered_peer import BUCKETS, FEATURES, IDS, engineered, fit, tune
from prodclf_tests.benchmarks.tasks import split_rows
from prodclf_tests.classifier.shop import products


def column(name: str, *arguments: object, **fields: object) -> list[float]:
    return engineered(products(*arguments, **fields))[:, FEATURES.index(name)].tolist()  # type: ignore[arg-type]


def test_there_are_nineteen() -> None:
    assert len(FEATURES) == len(set(FEATURES)) == 19
    assert engineered(products(["one", "two"])).shape == (2, 19)
    assert engineered(products([])).shape == (0, 19)


def test_numbers_of_a_product() -> None:
    one = {"price": [50.0], "list_price": [100.0], "rating": [4.0], "reviews_count": [np.e - 1]}
    assert column("discount", ["x"], **one) == [0.5]
    assert np.isclose(column("price", ["x"], **one), np.log(51)).all()
    assert np.isclose(column("popularity", ["x"], **one), 4.0).all()
    assert column("price_range", ["x"], **one) == [np.floor(2 * np.log(51))]


def test_what_is_missing_stays_missing() -> None:
    row = dict(zip(FEATURES, engineered(products(["Tea"]))[0].tolist(), strict=True))
    for name in (
        "price",
        "list_price",
        "discount",
        "rating",
        "reviews_count",
        "popularity",
        "brand_in_title",
    ):
        assert np.isnan(row[name])
    assert all(np.isnan(row[name]) for name in IDS)
    assert np.isnan(column("discount", ["x"], price=[5.0], list_price=[0.0])).all()


def test_shape_of_a_title() -> None:
    title = ["Green Tea 250g"]
    assert column("title_characters", title) == [14.0]
    assert column("title_words", title) == [3.0]
    assert column("mean_word_length", title) == [4.0]
    assert column("digit_share", title) == [3 / 14]
    assert column("capital_share", title) == [2 / 14]
    assert column("mean_word_length", ["!"]) == [0.0]
    assert column("brand_in_title", title * 2, brand=["green", "Lipton"]) == [1.0, 0.0]


def test_ids_are_hashed_alike_in_every_process_and_whatever_the_case() -> None:
    brands = ["Acme", "acme", "Other"]
    codes = column("brand", ["x"] * 3, brand=brands)
    assert codes[0] == codes[1] == 2622.0
    assert codes[0] != codes[2]
    assert all(0 <= code < BUCKETS for code in codes)


def test_brand_and_price_range_are_crossed() -> None:
    crossed = column("brand_price_range", ["x"] * 4, brand=["A", "A", "A", "B"], price=[10, 10.1, 900, 10])
    assert crossed[0] == crossed[1]
    assert len(set(crossed)) == 3


def test_it_learns_what_a_brand_sells() -> None:
    n = 600
    brand = [f"b{row % 4}" for row in range(n)]
    frame = pd.DataFrame(
        {
            "title": [f"thing {row}" for row in range(n)],
            "title_key": [f"thing {row}" for row in range(n)],
            "brand": brand,
            "category": ["Tea" if name in ("b0", "b3") else "Toys" for name in brand],
        }
    )
    rows = split_rows("shop:1", frame)
    parameters = tune(rows, 1)
    assert 1 <= parameters["rounds"] <= 150
    fitted = fit(rows, parameters, 1)
    answers = fitted.answer(products(["thing 1", "thing 2"], brand=["b3", "b1"]))
    assert answers.category.tolist() == ["Tea", "Toys"]
    assert answers.auto is None
