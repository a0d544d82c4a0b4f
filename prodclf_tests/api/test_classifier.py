import subprocess
import sys
from math import isnan
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from prodclf_assets import Classifier, read_products
from prodclf_assets.api.model_folder import live_categories
from prodclf_assets.catalog.cleaning.cleaning import clean_products
from prodclf_assets.catalog.product import ProductBatch
from prodclf_assets.classifier.evaluation.baseline import fit_baseline
from prodclf_assets.classifier.evaluation.report import Answered, evaluate
from prodclf_assets.classifier.training.training import TrainingConfig, fit_features, fit_model
from prodclf_assets.cli import main
from prodclf_assets.errors import BundleError, LabelError, RegistryError, SourceError
from prodclf_assets.registry import open_registry
from prodclf_assets.settings import get_settings
from prodclf_tests.trained import TrainedModel

# Good rows, and what can be wrong with one: no title, a price that is none, a line cut short.
FEED = """sku,title,brand,price,note
1,Noise Cancelling Headphones,Torro,45.99,keep me
2,Non stick frying pan,,"32,50",
3,,Orzo,12.00,no title
4,Matte lipstick ruby,Orzo,abc,bad price
7,Yoga mat
8,"Football, size 5",Orzo,"₹2,499",last
"""


@pytest.fixture
def model(trained_model: TrainedModel) -> Classifier:
    return Classifier(trained_model.bundle, trained_model.bundle.version)


def scored(source: str, *options: str) -> pd.DataFrame:
    """What `prodclf score` adds to the rows of a file."""
    result = CliRunner().invoke(main, ["score", source, "filed.parquet", "--model", "./model", *options])
    assert result.exit_code == 0, result.output
    filed = pd.read_parquet("filed.parquet")
    return filed.loc[:, "predicted_category":]


def same(answers: pd.DataFrame, expected: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(answers, expected, check_dtype=False, rtol=0, atol=1e-12)


# Predict


def test_answers_are_those_of_the_bundle_and_of_the_command(desk: Path, trained_model: TrainedModel) -> None:
    model = Classifier.load("./model")
    answers = model.predict("shop.csv")
    said = trained_model.bundle.predict(ProductBatch.from_frame(read_products("shop.csv")))
    assert answers["predicted_category"].tolist() == said.category
    assert answers["confidence"].tolist() == said.confidence.tolist()
    assert answers["branch"].tolist() == said.branch
    same(answers, scored("shop.csv"))
    same(answers, model.predict(read_products("shop.csv")).assign(issues=answers["issues"]))


def test_what_is_wrong_with_a_row_is_said_as_the_command_says_it(desk: Path) -> None:
    Path("feed.csv").write_text(FEED, encoding="utf-8")
    same(Classifier.load("./model").predict("feed.csv", top_k=2), scored("feed.csv", "--top-k", "2"))
    frame = pd.read_csv("feed.csv", dtype=str)
    answers = Classifier.load("./model").predict(frame)
    same(answers.drop(columns="issues"), scored("feed.csv").drop(columns="issues"))
    assert [bool(text) for text in answers["issues"]] == [False, False, True, True, False, False]


def test_answers_have_the_index_of_what_was_asked(model: Classifier) -> None:
    frame = pd.DataFrame({"Product Name": ["frying pan", "yoga mat"], "decision": ["x", "y"]}, index=[5, 2])
    assert model.predict(frame).index.tolist() == [5, 2]
    assert model.predict(frame["Product Name"]).index.tolist() == [5, 2]
    assert model.explain(frame).index.tolist() == [5, 2]
    assert model.predict(["frying pan"]).index.tolist() == [0]


def test_nothing_asked_is_nothing_answered(model: Classifier) -> None:
    nothing = pd.DataFrame({"title": []})
    assert model.predict(nothing).columns.tolist() == model.predict(["pan"]).columns.tolist()
    assert model.explain(nothing).columns.tolist() == model.explain(["pan"]).columns.tolist()
    assert len(model.predict(nothing)) == len(model.explain(nothing)) == 0


# Explain


def test_explanations_are_those_of_the_command(desk: Path) -> None:
    Path("feed.csv").write_text(FEED, encoding="utf-8")
    why = Classifier.load("./model").explain("feed.csv")
    assert why["explanation"].tolist() == scored("feed.csv", "--explain")["explanation"].tolist()
    assert [part.text for part in why["influences"][3]].count("lipstick") == 1
    assert why["influences"][2] == []


# Train


def test_training_is_that_of_the_graph(desk: Path) -> None:
    model = Classifier.train("shop.csv", folder="mine", threads=1)
    products = clean_products(read_products("shop.csv")).products
    config = TrainingConfig()
    bundle = fit_model(fit_features(products, products.iloc[:0], config, threads=1), config, threads=1)
    assert bundle.provenance.data_hash == model.bundle.provenance.data_hash
    bundle.save(desk / "theirs")
    assert bundle.version == model.version
    assert model.metrics == pytest.approx(bundle.provenance.metrics)
    again = Classifier.load("mine")
    assert (again.version, again.categories) == (model.version, model.categories)
    assert repr(again) == f"<Classifier {model.version}: {len(model.categories)} categories>"


def test_a_mapping_may_be_a_file_or_what_it_holds(desk: Path) -> None:
    shop = read_products("shop.csv").rename(columns={"title": "what", "category": "where"})
    mapping = {
        "columns": {"title": "what"},
        "category_path": "where",
        "depth": 1,
        "never_answers": ["Grocery"],
    }
    Path("map.yaml").write_text(
        "{columns: {title: what}, category_path: where, depth: 1, never_answers: Grocery}"
    )
    model = Classifier.train(shop, mapping, threads=1)
    assert model.version == Classifier.train(shop, Path("map.yaml"), threads=1).version
    assert "Grocery" not in model.categories
    assert all(" > " not in path for path in model.categories)


def test_a_product_in_several_categories_is_right_in_each(desk: Path) -> None:
    titles = [f"{colour} {thing}" for colour in ("red", "blue", "green", "black") for thing in ("tea", "cup")]
    shop = pd.DataFrame({"title": titles, "category": [f"All > {title.split()[1]}" for title in titles]})
    sale = shop[shop["title"].str.contains("tea")].assign(category="Sale")
    both = pd.concat([shop, sale])
    model = Classifier.train(both, threads=1)
    assert model.categories == ["All > cup", "All > tea", "Sale"]
    report = model.evaluate(both)
    assert (report.rows, report.several_rows) == (12, 8)


def test_a_folder_that_holds_something_is_left_as_it_is(desk: Path, model: Classifier) -> None:
    before = sorted(Path("model").iterdir())
    with pytest.raises(BundleError, match="not an empty folder"):
        Classifier.train("shop.csv", folder="model")
    with pytest.raises(BundleError, match="not an empty folder"):
        model.save("model")
    with pytest.raises(BundleError, match="not an empty folder"):
        model.save("shop.csv")
    assert sorted(Path("model").iterdir()) == before


def test_products_that_teach_nothing_are_refused() -> None:
    with pytest.raises(LabelError, match="the frame: all 2 products have the category 'A'"):
        Classifier.train(pd.DataFrame({"title": ["x", "y"], "category": ["A", "A"]}))
    with pytest.raises(SourceError, match="no row has both"):
        Classifier.train(pd.DataFrame({"title": ["x", None], "category": [None, "A"]}))


# Evaluate


def test_measurements_are_those_of_the_report(model: Classifier, trained_model: TrainedModel) -> None:
    learnt = pd.concat([trained_model.train, trained_model.validation], ignore_index=True)
    report = model.evaluate(trained_model.test, baseline_from=learnt)
    linear = fit_baseline(clean_products(learnt).products, learnt.iloc[:0])
    rows = clean_products(trained_model.test).products
    expected = evaluate(model.bundle, Answered.by(model.bundle, linear, rows), "the products given")
    assert report.to_dict() == expected.to_dict()
    assert report.accuracy > 0.8
    assert report.baseline_accuracy > 0.5


def test_without_a_baseline_there_is_no_figure_of_one(model: Classifier, trained_model: TrainedModel) -> None:
    report = model.evaluate(trained_model.test)
    assert isnan(report.baseline_accuracy)
    assert isnan(report.baseline_macro_f1)
    assert (report.baseline_better, report.model_better) == (0, 0)
    assert report.accuracy == model.evaluate(trained_model.test, baseline_from=trained_model.train).accuracy


# Load and save


def test_a_saved_model_is_the_model(desk: Path, model: Classifier) -> None:
    assert Classifier.load(model.save("copy")).version == model.version
    same(Classifier.load("copy").predict(["frying pan"]), model.predict(["frying pan"]))


def test_a_registered_model_is_loaded_by_alias_and_by_version(
    desk: Path, model: Classifier, mlflow_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert Classifier.live() is live_categories() is None
    with pytest.raises(RegistryError, match="prodclf train"):
        Classifier.load("champion")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", mlflow_uri)
    get_settings.cache_clear()
    registry = open_registry(get_settings())
    registry.log_and_register(Path("model"), description="the first")
    registry.set_alias("champion", 1)
    for ref in ("champion", "1", 1, None):
        loaded = Classifier.load(ref)
        assert (loaded.version, loaded.bundle.version) == ("1", model.version)
    assert loaded.predict(["pan"])["model_version"].tolist() == ["1"]
    live = Classifier.live()
    assert live is not None
    assert live.version == "1"
    assert live_categories() == model.categories
    with pytest.raises(RegistryError, match="'challenger'"):
        Classifier.load("challenger")
    with pytest.raises(BundleError, match="champion"):
        Classifier.load(Path("champion"))


# Imports


def loaded_modules(program: str) -> set[str]:
    """What a fresh process has imported at the end of a program, by the first part of the name."""
    told = subprocess.run(
        [
            sys.executable,
            "-c",
            f"{program}\nimport sys\nprint(*{{name.split('.')[0] for name in sys.modules}})",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(told.stdout.split("\n")[-2].split())


def test_the_names_cost_nothing_until_they_are_used() -> None:
    heavy = {"dagster", "lightgbm", "mlflow", "numba", "numpy", "pandas", "pyarrow", "ray", "sklearn"}
    assert not heavy & loaded_modules("import prodclf_assets")
    assert not heavy & loaded_modules("from prodclf_assets import Classifier, read_products")


def test_training_and_answering_need_neither_dagster_nor_mlflow(desk: Path) -> None:
    program = (
        "from prodclf_assets import Classifier, read_products\n"
        "model = Classifier.train(read_products('shop.csv')[:200], threads=1)\n"
        "model.explain(['frying pan']), model.predict(['frying pan'])"
    )
    assert not {"dagster", "mlflow", "ray"} & loaded_modules(program)


def test_names_are_listed_and_others_are_not_there() -> None:
    import prodclf_assets

    assert {"Classifier", "ProductClassifier", "read_products"} <= set(dir(prodclf_assets))
    with pytest.raises(AttributeError, match="no attribute 'Clasifier'"):
        _ = prodclf_assets.Clasifier
