import subprocess
import sys
import tracemalloc

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC

from prodclf_assets.catalog.columns import (
    ID_COLUMNS,
    LABEL_COLUMN,
    NUMERIC_COLUMNS,
    PRODUCT_COLUMNS,
    TEXT_COLUMNS,
)
from prodclf_assets.catalog.sample.generator import TRUTH_COLUMN, sample_catalogue, write_sample
from prodclf_assets.catalog.text.series import title_key
from prodclf_assets.errors import ProdclfError


def whole(*args: int, **options: object) -> pd.DataFrame:
    return pd.concat(sample_catalogue(*args, **options), ignore_index=True)


def digest(frame: pd.DataFrame) -> int:
    return int(pd.util.hash_pandas_object(frame, index=False).sum() % 2**63)


@pytest.fixture(scope="module")
def shop() -> pd.DataFrame:
    return whole(truth=True)


@pytest.fixture(scope="module")
def sides(shop: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Training and held-out rows that share no title."""
    keys = shop["title"].map(title_key)
    single = shop[~keys.duplicated()]
    held_out = np.random.default_rng(0).random(len(single)) < 0.2
    return single[~held_out], single[held_out]


def test_frames_keep_the_products_contract(shop: pd.DataFrame) -> None:
    assert list(shop.columns) == [*PRODUCT_COLUMNS, LABEL_COLUMN, TRUTH_COLUMN]
    for column in (*ID_COLUMNS, *TEXT_COLUMNS, LABEL_COLUMN):
        assert shop[column].dtype == "string"
        assert not (shop[column] == "").any()
    assert (shop[list(NUMERIC_COLUMNS)].dtypes == "float64").all()
    chunks = list(sample_catalogue(120, chunk_rows=50))
    assert [len(chunk) for chunk in chunks] == [50, 50, 20]
    assert list(chunks[2].columns) == [*PRODUCT_COLUMNS, LABEL_COLUMN]
    assert chunks[2].index.equals(pd.RangeIndex(20))


def test_default_size_and_tree(shop: pd.DataFrame) -> None:
    paths = shop[LABEL_COLUMN].str.split(" > ")
    assert len(shop) == 10_000
    assert set(paths.str.len()) == {2}
    assert paths.str[0].nunique() == 12
    assert shop[LABEL_COLUMN].nunique() == 96
    assert "Electronics > Headphones" in set(shop[LABEL_COLUMN])


@settings(max_examples=15)
@given(
    categories=st.integers(1, 15),
    more=st.integers(0, 300),
    sellers=st.integers(1, 200),
    seed=st.integers(0, 2**32),
)
def test_any_size_of_shop_gives_as_many_distinct_leaves(
    categories: int, more: int, sellers: int, seed: int
) -> None:
    frame = whole(1500, categories, categories + more, sellers, seed, truth=True)
    assert len(frame) == 1500
    assert frame[TRUTH_COLUMN].nunique() <= categories + more
    assert frame[TRUTH_COLUMN].str.split(" > ").str.len().nunique() == 1
    assert frame["seller_id"].nunique() <= sellers


def test_many_leaves_grow_a_third_level_and_are_all_reached() -> None:
    frame = whole(60_000, 13, 320, truth=True)
    assert frame[TRUTH_COLUMN].nunique() == 320
    assert set(frame[TRUTH_COLUMN].str.count(" > ")) == {2}
    assert frame[TRUTH_COLUMN].str.split(" > ").str[0].nunique() == 13


def test_chunking_and_length_do_not_change_the_rows() -> None:
    once = whole(9_000, 3, seed=5)
    pd.testing.assert_frame_equal(once, whole(9_000, 3, seed=5, chunk_rows=777))
    pd.testing.assert_frame_equal(once.iloc[:500], whole(500, 3, seed=5))


def test_another_process_draws_the_same_rows_and_another_seed_others() -> None:
    code = (
        "import pandas as pd\nfrom prodclf_assets.catalog.sample.generator import sample_catalogue\n"
        "frame = pd.concat(sample_catalogue(300, 13, seed=11))\n"
        "print(int(pd.util.hash_pandas_object(frame, index=False).sum() % 2**63))"
    )
    elsewhere = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(elsewhere.stdout) == digest(whole(300, 13, seed=11))
    assert digest(whole(300, 13, seed=11)) != digest(whole(300, 13, seed=12))


def test_every_optional_column_has_gaps_and_the_title_none(shop: pd.DataFrame) -> None:
    missing = shop.isna().mean()
    assert missing[["title", LABEL_COLUMN]].eq(0).all()
    assert missing["product_id"] > 0
    expected = {"description": 0.45, "brand": 0.18, "seller_id": 0.02, "subcategory": 0.32, "price": 0.03}
    for column, share in (expected | {"list_price": 0.25, "rating": 0.16, "reviews_count": 0.15}).items():
        assert missing[column] == pytest.approx(share, abs=0.025), column


def test_numbers_are_those_of_a_shop(shop: pd.DataFrame) -> None:
    priced = shop.dropna(subset=["price", "list_price"])
    assert (shop["price"].dropna() > 0).all()
    assert (priced["list_price"] >= priced["price"]).all()
    assert (priced["list_price"] > priced["price"]).mean() == pytest.approx(0.6, abs=0.05)
    assert shop["rating"].dropna().between(1, 5).all()
    assert (shop["reviews_count"].dropna() % 1 == 0).all()
    logs = np.log(shop["price"]).groupby(shop[TRUTH_COLUMN])
    assert logs.std().median() == pytest.approx(0.6, abs=0.15)
    assert logs.median().max() - logs.median().min() > 3  # from a soft drink to a television


def test_sellers_follow_a_power_law_and_brands_cross_departments(shop: pd.DataFrame) -> None:
    sales = shop["seller_id"].value_counts()
    assert 1_000 < len(sales) <= 5_000
    assert sales.iloc[: len(sales) // 10].sum() > 0.4 * sales.sum()
    departments = shop[TRUTH_COLUMN].str.split(" > ").str[0].groupby(shop["brand"]).nunique()
    assert (departments > 1).mean() > 0.5
    sizes = shop[LABEL_COLUMN].value_counts()
    assert sizes.iloc[0] > 10 * sizes.iloc[-1]


@pytest.mark.parametrize("share", [0.0, 0.03, 0.2])
def test_share_of_wrong_labels_is_what_was_asked(share: float) -> None:
    frame = whole(8_000, wrong_labels=share, truth=True)
    wrong = frame[frame[LABEL_COLUMN] != frame[TRUTH_COLUMN]]
    assert len(wrong) / len(frame) == pytest.approx(share, abs=0.008)
    if share:
        tops = wrong[[LABEL_COLUMN, TRUTH_COLUMN]].apply(lambda column: column.str.split(" > ").str[0])
        assert (tops[LABEL_COLUMN] == tops[TRUTH_COLUMN]).mean() == pytest.approx(0.77, abs=0.1)


@pytest.mark.parametrize("share", [0.0, 0.05, 0.3])
def test_share_of_duplicates_is_what_was_asked(share: float) -> None:
    frame = whole(8_000, 12, 960, duplicates=share)
    exact = frame.duplicated().mean()
    assert exact == pytest.approx(0.4 * share, abs=0.01)
    listed_again = frame.loc[~frame.duplicated(), "title"].map(title_key).duplicated().sum() / len(frame)
    assert listed_again == pytest.approx(0.6 * share, abs=0.01)


def test_majority_and_single_inputs_do_not_solve_it(sides: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    train, held_out = sides
    majority = train[LABEL_COLUMN].mode()[0]
    assert (held_out[LABEL_COLUMN] == majority).mean() < 0.1
    for column in ("subcategory", "brand", "seller_id"):
        votes = train.groupby(column)[LABEL_COLUMN].agg(lambda labels: labels.mode()[0])
        voted = held_out[column].map(votes).fillna(majority)
        assert 0.1 < (voted == held_out[LABEL_COLUMN]).mean() < 0.7, column


def test_a_text_model_learns_it_but_not_perfectly(shop: pd.DataFrame) -> None:
    train, held_out = shop.iloc[:4_000], shop.iloc[6_000:]
    model = make_pipeline(TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True), LinearSVC())
    model.fit(train["title"], train[LABEL_COLUMN])
    assert 0.75 < model.score(held_out["title"], held_out[LABEL_COLUMN]) < 0.92


def test_titles_are_untidy(shop: pd.DataFrame) -> None:
    titles = shop["title"]
    assert titles.str.contains("&amp;").any()
    assert titles.str.contains("  ").any()
    assert 0.05 < titles.str.isupper().mean() < 0.25
    assert titles.str.contains(r"\b[A-Z]{1,2}-?\d{3,4}\b").mean() > 0.05
    named = shop["brand"].notna()
    inside = [b.lower() in t.lower() for b, t in zip(shop["brand"][named], titles[named], strict=True)]
    assert 0.5 < np.mean(inside) < 0.85


@pytest.mark.parametrize(
    ("sizes", "names"),
    [
        ({"rows": 0}, "row"),
        ({"chunk_rows": 0}, "chunks"),
        ({"categories": 0}, "category"),
        ({"sellers": 0}, "seller"),
        ({"categories": 5, "leaves": 4}, "4 leaves"),
        ({"wrong_labels": 0.9}, "wrong labels"),
        ({"duplicates": -0.1}, "duplicates"),
    ],
)
def test_impossible_sizes_are_refused_before_any_row(sizes: dict[str, float], names: str) -> None:
    with pytest.raises(ProdclfError, match=names):
        sample_catalogue(**sizes)


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".csv.gz", ".jsonl"])
def test_written_file_holds_the_catalogue(tmp_path, suffix: str) -> None:
    path = tmp_path / f"shop{suffix}"
    told: list[int] = []
    summary = write_sample(path, 600, 4, sellers=50, seed=3, progress=told.append)
    frame = whole(600, 4, sellers=50, seed=3, truth=True)
    readers = {
        ".parquet": pd.read_parquet,
        ".csv": pd.read_csv,
        ".csv.gz": pd.read_csv,
        ".jsonl": lambda file: pd.read_json(file, lines=True),
    }
    back = readers[suffix](path)
    assert list(back.columns) == [*PRODUCT_COLUMNS, LABEL_COLUMN]
    assert back["title"].tolist() == frame["title"].tolist()
    assert back["brand"].isna().tolist() == frame["brand"].isna().tolist()
    np.testing.assert_allclose(back["price"], frame["price"], rtol=1e-12)
    assert told == [600]
    assert (summary.rows, summary.categories) == (600, 4)
    assert summary.wrong_labels == int((frame[LABEL_COLUMN] != frame[TRUTH_COLUMN]).sum())
    assert summary.sellers == frame["seller_id"].nunique()


def test_memory_does_not_grow_with_the_rows() -> None:
    def peak(rows: int) -> int:
        tracemalloc.start()
        for chunk in sample_catalogue(rows, 12, 96, chunk_rows=5_000):
            del chunk
        top = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return top

    assert peak(60_000) < 1.4 * peak(15_000)
