"""`prodclf drift` and `prodclf review`: on a real registry, lake and model."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner, Result

from prodclf_assets.classifier.bundle import Bundle
from prodclf_assets.cli import main
from prodclf_assets.cli.drift import Since
from prodclf_assets.lake import Lake, open_lake
from prodclf_assets.monitoring.review.human_labels import human_labels
from prodclf_assets.registry import Registry, open_registry
from prodclf_assets.settings import get_settings
from prodclf_tests.monitoring.conftest import log_answers, product_columns, shop_rows
from prodclf_tests.settled import settle

NOW = datetime.now(UTC)


@pytest.fixture
def home(tmp_path: Path, mlflow_uri: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working directory with an empty registry and lake."""
    settle(tmp_path / "home", monkeypatch)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", mlflow_uri)
    monkeypatch.chdir(tmp_path)
    get_settings.cache_clear()
    yield tmp_path
    get_settings.cache_clear()


@pytest.fixture
def lake(home: Path) -> Lake:
    return open_lake(get_settings().lake)


@pytest.fixture
def registry(home: Path, trained_bundle_folder: Path, lake: Lake) -> Registry:
    """A registry whose champion is the session's trained model, version 1."""
    registry = open_registry(get_settings())
    registry.log_and_register(trained_bundle_folder)
    registry.promote(1, "the first", lake)
    return registry


def run(*arguments: object) -> Result:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


# drift


@pytest.mark.parametrize(
    ("text", "ago"),
    [("36h", timedelta(hours=36)), ("7d", timedelta(days=7)), ("4w", timedelta(weeks=4))],
)
def test_spans_are_counted_from_now(text: str, ago: timedelta) -> None:
    found = Since().convert(text, None, None)
    assert abs(datetime.now(UTC) - ago - found) < timedelta(minutes=1)


def test_dates_are_utc_unless_they_say() -> None:
    assert Since().convert("2030-01-31", None, None) == datetime(2030, 1, 31, tzinfo=UTC)
    assert Since().convert("2030-01-31T12:00+02:00", None, None) == datetime(2030, 1, 31, 10, tzinfo=UTC)


def test_without_a_model_drift_says_so_and_is_no_failure(home: Path) -> None:
    result = run("drift")
    assert result.exit_code == 0
    assert result.stderr.strip() == "no model is live yet"
    assert json.loads(run("drift", "--json").stdout)["state"] == "nothing to compare yet"


def test_drift_is_a_table_for_people_json_for_programs_and_a_page(
    home: Path, registry: Registry, lake: Lake, trained_bundle: Bundle
) -> None:
    log_answers(lake, trained_bundle, shop_rows(11, 0, 900), at=NOW - timedelta(hours=3))
    result = run("drift", "--html", "drift.html")
    assert result.exit_code == 0, result.stderr
    (brand,) = [line for line in result.stdout.splitlines() if line.startswith("brand")]
    assert "yes" in brand
    assert "have a new brand" in brand
    assert "advice: label" in result.stderr
    assert "brand, for example: '" in result.stderr
    assert "<h1>Drift:" in (home / "drift.html").read_text(encoding="utf-8")
    report = json.loads(run("drift", "--json").stdout)
    assert report["drifted"] is True
    assert report["model_version"] == "1"
    assert json.loads(run("drift", "--json", "--since", "1h").stdout)["answers"] == 0


# review


@pytest.fixture
def answered(registry: Registry, lake: Lake, trained_bundle: Bundle) -> pd.DataFrame:
    """Products that were answered, every one with doubt."""
    rows = shop_rows(11, 0, 300)
    log_answers(lake, trained_bundle, rows, at=NOW - timedelta(hours=3), decision=["review"] * len(rows))
    return rows


def test_the_queue_goes_out_comes_back_and_is_learnt_from(
    home: Path, answered: pd.DataFrame, lake: Lake, trained_bundle: Bundle
) -> None:
    result = run("review", "export", "queue.csv", "--rows", 20)
    assert result.exit_code == 0, result.stderr
    assert "queue.csv: 20 products;" in result.stderr
    queue = pd.read_csv("queue.csv", dtype="string", keep_default_na=False)
    assert list(queue.columns)[:4] == ["category", "title", "brand", "predicted_category"]
    assert (queue["category"] == "").all()
    label = trained_bundle.labels[3]
    queue.loc[0, "category"] = label
    queue.loc[1, "category"] = "OK"
    queue.to_csv("queue.csv", index=False)
    assert json.loads(run("review", "import", "queue.csv", "--reviewer", "asha", "--json").stdout) == {
        "stored": 2, "known_before": 0, "not_answered": 18,
    }  # fmt: skip
    assert "stored 0 labels; 2 were known before" in run("review", "import", "queue.csv").stderr
    labels = human_labels(lake).table
    assert labels["category"].tolist() == [label, queue["predicted_category"][1]]
    assert labels["reviewer"].tolist() == ["asha", "asha"]
    assert not labels["blind"].any()
    left = json.loads(run("review", "export", "rest.jsonl", "--rows", 5_000, "--json").stdout)
    rest = pd.read_json("rest.jsonl", lines=True)
    assert left["rows"] == len(rest)
    assert not set(queue["title"][:2]) & set(rest["title"])


def test_wrong_answers_are_all_named_and_nothing_is_stored(
    home: Path, answered: pd.DataFrame, lake: Lake, trained_bundle: Bundle
) -> None:
    good = trained_bundle.labels[0]
    lines = [f"{good},mug", f"{good[:-1]},jug", *(f"nonsense {number},cup {number}" for number in range(30))]
    Path("back.csv").write_text("category,title\n" + "\n".join(lines), encoding="utf-8")
    result = run("review", "import", "back.csv")
    assert result.exit_code == 1
    first, *_, last = result.stderr.strip().splitlines()
    assert first.startswith("back.csv row 3, column 'category': ")
    assert f"did you mean {good!r}" in first
    assert last == (
        "error: 31 answers cannot be used, 11 of them not shown: correct them and read the file again; "
        "nothing was stored"
    )
    assert human_labels(lake).annotations == 0


def test_blind_files_show_no_answer_and_give_blind_labels(
    home: Path, answered: pd.DataFrame, lake: Lake, trained_bundle: Bundle
) -> None:
    assert run("review", "export", "blind.parquet", "--blind", "--rows", 3).exit_code == 0
    queue = pd.read_parquet("blind.parquet")
    assert not {"predicted_category", "branch", "confidence", "decision", "model_version"} & set(
        queue.columns
    )
    queue.assign(category=trained_bundle.labels[0]).to_parquet("blind.parquet")
    assert run("review", "import", "blind.parquet").exit_code == 0
    assert human_labels(lake).table["blind"].tolist() == [True] * 3


def test_what_score_was_not_sure_of_can_be_reviewed_too(
    home: Path, registry: Registry, lake: Lake, trained_bundle_folder: Path
) -> None:
    pd.DataFrame(product_columns(shop_rows(11, 0, 200))).to_csv("new.csv", index=False)
    assert run("score", "new.csv", "filed.csv", "--model", trained_bundle_folder).exit_code == 0
    filed = pd.read_csv("filed.csv")
    doubtful = filed[filed["decision"].isin(["review", "abstain"]) & filed["title"].notna()]
    result = run("review", "export", "queue.csv", "--scored", "filed.csv", "--json")
    assert result.exit_code == 0, result.stderr
    assert 0 < json.loads(result.stdout)["rows"] <= len(doubtful)
    assert set(pd.read_csv("queue.csv")["title"]) <= set(doubtful["title"])
    result = run("review", "export", "queue.csv", "--scored", "new.csv")
    assert result.exit_code == 1
    assert "new.csv has no column 'decision'" in result.stderr


def test_a_former_name_in_a_returned_file_is_brought_up_to_date(
    home: Path, registry: Registry, lake: Lake, trained_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = trained_bundle.labels[0]
    Path("taxonomy.yaml").write_text(f"changes: [{{rename: '{old}', to: New > Name}}]", encoding="utf-8")
    monkeypatch.setenv("PRODCLF_TAXONOMY", "taxonomy.yaml")
    get_settings.cache_clear()
    Path("back.csv").write_text(f"category,title\n{old},mug\nnew>name,jug\n", encoding="utf-8")
    assert run("review", "import", "back.csv").exit_code == 0
    assert human_labels(lake).table["category"].tolist() == ["New > Name"] * 2


def test_without_any_category_known_no_answer_can_be_checked(home: Path) -> None:
    Path("back.csv").write_text("category,title\nA,mug\n", encoding="utf-8")
    result = run("review", "import", "back.csv")
    assert result.exit_code == 1
    assert "run `prodclf train` first" in result.stderr


def test_the_categories_of_the_catalogue_count_before_any_model_knows_them(home: Path, lake: Lake) -> None:
    (home / "table").mkdir()
    pd.DataFrame({"category": ["Brand > New", "Brand > New"]}).to_parquet(home / "table" / "table.parquet")
    lake.write("clean_products", home / "table")
    Path("back.csv").write_text("category,title\nBrand > New,mug\n", encoding="utf-8")
    assert run("review", "import", "back.csv").exit_code == 0
    assert human_labels(lake).table["category"].tolist() == ["Brand > New"]


def test_status_says_what_waits_and_what_no_training_has_seen(
    home: Path, answered: pd.DataFrame, lake: Lake, trained_bundle: Bundle
) -> None:
    before = run("review", "status")
    assert "review_queue has not been made yet" in before.stderr
    assert "0 products have a label from a person" in before.stderr
    run("review", "export", "queue.csv", "--rows", 2)
    queue = pd.read_csv("queue.csv", dtype="string").assign(category="ok")
    queue.to_csv("queue.csv", index=False)
    run("review", "import", "queue.csv")
    facts = json.loads(run("review", "status", "--json").stdout)
    assert facts == {
        "suspects": None, "waiting": None, "queue_made_at": None, "labelled": 2, "by_source": {"file": 2}, "not_in_training": 2,
    }  # fmt: skip
    (home / "table").mkdir()
    human_labels(lake).table.to_parquet(home / "table" / "table.parquet")
    for asset in ("human_labels", "review_queue"):
        lake.write(asset, home / "table")
    said = run("review", "status").stderr
    assert "2 products wait for a person, as of 20" in said
    assert "2 products have a label from a person (2 file)" in said
    assert "0 of these labels came after the last training read them" in said
