import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pandas as pd
import pytest
from click.testing import CliRunner, Result
from dagster import _cli as dagster_cli

from prodclf_assets.catalog.product import ProductBatch
from prodclf_assets.catalog.reading.readers import read_source
from prodclf_assets.catalog.sample.generator import sample_catalogue
from prodclf_assets.classifier.bundle import Bundle
from prodclf_assets.classifier.scoring.score_table import SCORE_COLUMNS
from prodclf_assets.cli import main
from prodclf_assets.cli.train import _instance
from prodclf_assets.defs.assets import catalog, splits
from prodclf_assets.errors import SourceError
from prodclf_assets.lake import open_lake
from prodclf_assets.registry import Registry, open_registry
from prodclf_assets.settings import get_settings
from prodclf_tests.defs.conftest import REPOSITORY
from prodclf_tests.settled import settle

PRODCLF = [sys.executable, "-c", "from prodclf_assets.cli import main; main()"]

# Five good rows and three broken ones: no title, a price that is none, a line cut short.
EIGHT_ROWS = """sku,title,brand,price,note
1,Noise Cancelling Headphones,Torro,45.99,keep me
2,Non stick frying pan,,"32,50",
3,,Orzo,12.00,no title
4,Matte lipstick ruby,Orzo,abc,bad price
5,Ground coffee arabica 500 g,Kasol,9.99,
6,Jigsaw puzzle 500 pieces,Kasol,15,
7,Yoga mat
8,"Football, size 5",Orzo,"₹2,499",last
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working directory without any settings, and PRODCLF_HOME in it."""
    settle(tmp_path / "home", monkeypatch)
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    get_settings.cache_clear()


@pytest.fixture
def eight(home: Path) -> Path:
    path = home / "eight.csv"
    path.write_text(EIGHT_ROWS, encoding="utf-8")
    return path


@pytest.fixture
def registry(home: Path, mlflow_uri: str, monkeypatch: pytest.MonkeyPatch) -> Registry:
    """An empty registry that the settings name."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", mlflow_uri)
    get_settings.cache_clear()
    return open_registry(get_settings())


def run(*arguments: object, stdin: bytes | None = None) -> Result:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments], input=stdin)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, command in group.commands.items():
        yield (*path, name)
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))


# Help, version, wrong use


@pytest.mark.parametrize("path", list(commands(main)), ids=" ".join)
def test_every_command_explains_itself(path: tuple[str, ...]) -> None:
    result = run(*path, "--help")
    assert result.exit_code == 0
    assert len(result.output.split("\n\n")[1].strip()) > 20


@pytest.mark.parametrize("command", ["sample", "score", "serve", "train", "models", "drift", "review"])
def test_help_shows_examples_that_parse(command: str) -> None:
    text = run(command, "--help").output
    examples = [line.strip() for line in text.split("Examples:")[1].splitlines() if "prodclf " in line]
    assert examples
    for example in examples:
        words = example.split("prodclf ", 1)[1].split(" > ")[0].replace('"', "").replace("'", "").split()
        options = [word for word in words if word.startswith("--")]
        assert all(option in run(*_command_words(words), "--help").output for option in options), example


def _command_words(words: list[str]) -> list[str]:
    return words[:2] if words[0] in ("models", "review") else words[:1]


def test_version_and_help_need_no_heavy_import() -> None:
    code = (
        "import sys\nfrom click.testing import CliRunner\nfrom prodclf_assets.cli import main\n"
        "for arguments in (['--help'], ['--version'], ['score', '--help'], ['models', '--help']):\n"
        "    assert CliRunner().invoke(main, arguments).exit_code == 0\n"
        "heavy = {'pandas', 'numpy', 'pydantic', 'dagster', 'mlflow', 'ray', 'pyarrow'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_version_is_that_of_the_package() -> None:
    from importlib.metadata import version

    assert run("--version").output == f"prodclf {version('prodclf')}\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ("score",),
        ("score", "in.csv", "out.xlsx"),
        ("score", "in.csv", "out.csv", "--format", "xml"),
        ("sample", "shop.xlsx"),
        ("sample", "shop.csv", "--rows", "0"),
        ("sample", "shop.csv", "--categories", "4", "--leaves", "3"),
        ("train", "--depth", "0"),
        ("serve", "--port", "70000"),
        ("models", "promote"),
        ("drift", "--since", "yesterday"),
        ("nonsense",),
    ],
    ids=" ".join,
)
def test_wrong_use_exits_2(home: Path, arguments: tuple[str, ...]) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert "Usage:" in result.stderr
    assert list(home.iterdir()) == []


# sample


def test_sample_writes_the_generators_rows(home: Path) -> None:
    result = run("sample", "shop.csv", "--rows", 300, "--categories", 3, "--seed", 9, "--json")
    assert result.exit_code == 0
    summary = json.loads(result.stdout)
    assert (summary["rows"], summary["categories"]) == (300, 3)
    expected = next(sample_catalogue(300, 3, seed=9))
    assert pd.read_csv("shop.csv")["title"].tolist() == expected["title"].tolist()
    assert "300 products" in run("sample", "shop.csv", "--rows", 300).stderr


def test_progress_is_shown_on_a_terminal_only(home: Path) -> None:
    command = [*PRODCLF, "sample", "shop.csv", "--rows", "150", "--categories", "2"]
    ours, theirs = os.openpty()
    try:
        subprocess.run(command, stderr=theirs, check=True)
        assert b"\rwrote 150 of 150 rows" in os.read(ours, 4096)
    finally:
        os.close(theirs)
        os.close(ours)
    assert "wrote 150" not in subprocess.run(command, capture_output=True, text=True, check=True).stderr


# score


def test_good_and_broken_rows_are_all_answered_in_order(eight: Path, trained_bundle_folder: Path) -> None:
    result = run("score", eight, "filed.csv", "--model", trained_bundle_folder)
    assert result.exit_code == 0
    back = pd.read_csv("filed.csv", dtype=str, keep_default_na=False)
    assert list(back.columns) == ["sku", "title", "brand", "price", "note", *SCORE_COLUMNS]
    assert back["sku"].tolist() == list("12345678")
    assert back["price"].tolist() == ["45.99", "32,50", "12.00", "abc", "9.99", "15", "", "₹2,499"]
    assert back["note"].tolist() == ["keep me", "", "no title", "bad price", "", "", "", "last"]
    assert (back["model_version"] == Bundle.load(trained_bundle_folder).version).all()
    said = dict(zip(back["sku"], back["issues"], strict=True))
    assert {sku for sku, text in said.items() if text} == {"3", "4", "7"}
    assert "no title" in said["3"]
    assert "'abc' is not a number" in said["4"]
    assert "cut short" in said["7"]
    untitled = back[back["sku"] == "3"].iloc[0]
    assert (untitled["predicted_category"], untitled["decision"], untitled["alternatives"]) == (
        "",
        "abstain",
        "[]",
    )
    assert float(untitled["confidence"]) == 0.0
    assert (back.loc[back["sku"] != "3", "predicted_category"] != "").all()
    for line, part in ((4, "no title"), (5, "'abc'"), (8, "cut short")):
        assert any(f"eight.csv row {line}: " in text and part in text for text in result.stderr.splitlines())
    assert "scored 8 rows" in result.stderr
    assert "3 rows had problems" in result.stderr
    assert result.stdout == ""


def test_strict_writes_and_exits_1(eight: Path, trained_bundle_folder: Path) -> None:
    assert run("score", eight, "filed.csv", "--model", trained_bundle_folder, "--strict").exit_code == 1
    assert len(pd.read_csv("filed.csv")) == 8
    eight.write_text("title\nfrying pan\n")
    assert run("score", eight, "filed.csv", "--model", trained_bundle_folder, "--strict").exit_code == 0


def test_explanations_are_a_column_of_their_own(eight: Path, trained_bundle_folder: Path) -> None:
    result = run("score", eight, "filed.csv", "--model", trained_bundle_folder, "--explain")
    assert result.exit_code == 0
    filed = pd.read_csv("filed.csv")
    assert list(filed.columns)[-2:] == ["issues", "explanation"]
    assert "lipstick" in filed["explanation"][3]
    assert filed["explanation"].str.contains("File it|Have a person look|Do not rely|no title").all()


def test_what_is_read_is_never_written_over(eight: Path, trained_bundle_folder: Path) -> None:
    before = eight.read_bytes()
    Path("link.csv").symlink_to(eight)
    for source, out in (
        ("eight.csv", "eight.csv"),
        (".", "eight.csv"),
        ("*.csv", "link.csv"),
        ("link.csv", eight),
    ):
        result = run("score", source, out, "--model", trained_bundle_folder)
        assert result.exit_code == 2
        assert "is what is read, and would be lost" in result.stderr
    assert eight.read_bytes() == before
    assert sorted(path.name for path in eight.parent.iterdir()) == ["eight.csv", "link.csv"]


def test_rows_and_columns_for_a_spreadsheet(eight: Path, trained_bundle_folder: Path) -> None:
    options = ("--only", "review", "--only", "abstain", "--columns", "sku, decision,alternative_2")
    result = run("score", eight, "some.csv", "--model", trained_bundle_folder, *options)
    assert result.exit_code == 0
    back = pd.read_csv("some.csv", dtype=str)
    assert list(back.columns) == ["sku", "decision", "alternative_2"]
    assert set(back["decision"]) <= {"review", "abstain"}
    assert f"written  {len(back):>9}  those asked for to some.csv" in result.stderr
    assert (
        sum(
            int(line.split()[1])
            for line in result.stderr.splitlines()
            if line[2:].startswith(("auto", "review", "abstain"))
        )
        == 8
    )
    wrong = run("score", eight, "other.csv", "--model", trained_bundle_folder, "--columns", "sku,prize")
    assert wrong.exit_code == 1
    assert "no column 'prize'" in wrong.stderr
    assert not Path("other.csv").exists()


def test_json_summary_counts_what_was_done(eight: Path, trained_bundle_folder: Path) -> None:
    result = run("score", eight, "filed.parquet", "--model", trained_bundle_folder, "--json")
    summary = json.loads(result.stdout)
    assert summary["rows"] == sum(summary["decisions"].values()) == 8
    assert summary["problem_rows"] == summary["issues"]["total"] == 3
    assert summary["model_version"] == Bundle.load(trained_bundle_folder).version
    counted = pd.read_parquet("filed.parquet")["decision"].value_counts().to_dict()
    assert {name: count for name, count in summary["decisions"].items() if count} == counted


def test_scores_are_those_of_the_bundle_whatever_the_format(home: Path, trained_bundle_folder: Path) -> None:
    bundle = Bundle.load(trained_bundle_folder)
    outputs = []
    for suffix in ("csv", "csv.gz", "jsonl", "parquet"):
        source = f"shop.{suffix}"
        assert run("sample", source, "--rows", 120, "--categories", 6, "--seed", 3).exit_code == 0
        assert run("score", source, f"filed.{suffix}", "--model", trained_bundle_folder).exit_code == 0
        read = {
            "jsonl": lambda path: pd.read_json(path, lines=True, precise_float=True),
            "parquet": pd.read_parquet,
        }
        outputs.append(read.get(suffix, pd.read_csv)(f"filed.{suffix}"))
        products = read_source(source, require_labels=False).products
        expected = bundle.predict(ProductBatch.from_frame(products))
        assert outputs[-1]["predicted_category"].tolist() == expected.category
        assert abs(outputs[-1]["confidence"] - expected.confidence).max() < 1e-12
    for output in outputs[1:]:
        assert output["predicted_category"].tolist() == outputs[0]["predicted_category"].tolist()
        assert abs(output["confidence"] - outputs[0]["confidence"]).max() < 1e-12


def test_a_folder_takes_parts_and_is_gone_on_with(
    home: Path, trained_bundle_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("prodclf_assets.classifier.scoring.part_folder.PART_ROWS", 3_000)
    titles = [f"Steel water bottle {number}" for number in range(20_000)]
    pd.DataFrame({"title": titles}).to_parquet("new.parquet")
    score = ("score", "new.parquet", "filed/", "--model", trained_bundle_folder)
    assert run(*score).exit_code == 0
    parts = sorted(Path("filed").glob("part-*.csv"))
    whole = pd.concat(map(pd.read_csv, parts))
    assert len(parts) == 3
    assert whole["title"].tolist() == titles
    manifest = json.loads(Path("filed/manifest.json").read_text())
    manifest["parts"] = manifest["parts"][:1]
    Path("filed/manifest.json").write_text(json.dumps(manifest))
    first = parts[0].stat().st_mtime_ns
    again = run(*score)
    assert "going on behind them" in again.stderr
    assert "scored 20,000 rows" in again.stderr
    assert parts[0].stat().st_mtime_ns == first
    assert pd.concat(map(pd.read_csv, parts)).equals(whole)


def test_own_columns_with_our_names_are_kept(home: Path, trained_bundle_folder: Path) -> None:
    Path("in.csv").write_text("title,confidence,decision\nfrying pan,high,mine\n")
    for source, target in (("in.csv", "once.csv"), ("once.csv", "twice.csv")):
        assert run("score", source, target, "--model", trained_bundle_folder).exit_code == 0
    twice = pd.read_csv("twice.csv").iloc[0]
    assert (twice["input_confidence"], twice["input_decision"]) == ("high", "mine")
    assert twice["input_input_confidence"] == twice["confidence"]


def test_standard_input_and_output(home: Path, trained_bundle_folder: Path) -> None:
    lines = b'{"title": "frying pan", "price": 20}\n{"title": \n'
    result = run(
        "score", "-", "-", "--format", "jsonl", "--model", trained_bundle_folder, "--json", stdin=lines
    )
    assert result.exit_code == 0
    answers = [json.loads(line) for line in result.stdout.splitlines()]
    assert [answer["title"] for answer in answers] == ["frying pan", None]
    assert "standard input row 2: the line is not valid JSON" in result.stderr
    assert json.loads(result.stderr[result.stderr.index("{\n") :])["rows"] == 2
    as_csv = run("score", "-", "-", "--model", trained_bundle_folder, stdin=b"title\nfrying pan\n")
    assert pd.read_csv(io.StringIO(as_csv.stdout)).shape == (1, 1 + len(SCORE_COLUMNS))
    nothing = run("score", "-", "-", "--model", trained_bundle_folder, stdin=b"")
    assert nothing.exit_code == 1
    assert nothing.stderr.startswith("error: standard input is empty")


def test_mapping_and_format_options(home: Path, trained_bundle_folder: Path) -> None:
    Path("in.csv").write_text("what,cost\nfrying pan,20\n")
    Path("map.yaml").write_text("columns: {title: what, price: cost}\n")
    arguments = (
        "score",
        "in.csv",
        "out.data",
        "--model",
        trained_bundle_folder,
        "--source-config",
        "map.yaml",
    )
    assert run(*arguments).exit_code == 2
    assert run(*arguments, "--format", "jsonl", "--top-k", 2).exit_code == 0
    answer = json.loads(Path("out.data").read_text())
    assert answer["what"] == "frying pan"
    assert len(json.loads(answer["alternatives"])) == 2


def test_failure_is_one_sentence_and_leaves_the_former_output(
    eight: Path, trained_bundle_folder: Path
) -> None:
    Path("out.csv").write_text("former")
    model = ("--model", trained_bundle_folder)
    for arguments, names in (
        (("score", "absent.csv", "out.csv", *model), "absent.csv"),
        (("score", eight, "out.csv", "--model", "./nothing"), "nothing"),
        (("score", eight, "out.csv", "--source-config", "absent.yaml", *model), "absent.yaml"),
        (("score", eight, "nowhere/out.csv", *model), "nowhere"),
        (("score", eight, "out.csv"), "prodclf train"),
    ):
        result = run(*arguments)
        assert result.exit_code == 1
        (sentence,) = result.stderr.splitlines()
        assert sentence.startswith("error: ")
        assert names in sentence
        assert result.stdout == ""
    assert Path("out.csv").read_text() == "former"
    assert not list(Path().glob(".*part"))


def test_score_as_a_real_process_gives_the_same_numbers(eight: Path, trained_bundle_folder: Path) -> None:
    assert run("score", eight, "here.csv", "--model", trained_bundle_folder).exit_code == 0
    command = [*PRODCLF, "score", "-", "-", "--model", str(trained_bundle_folder)]
    there = subprocess.run(command, input=EIGHT_ROWS.encode(), capture_output=True, check=False)
    assert there.returncode == 0
    assert there.stdout == Path("here.csv").read_bytes()
    assert "\r" not in there.stderr.decode()  # progress is for terminals
    assert "standard input row 5" in there.stderr.decode()


def test_user_error_of_a_real_process_has_no_traceback(home: Path) -> None:
    done = subprocess.run(
        [*PRODCLF, "score", "absent.csv", "out.csv"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("error: absent.csv does not exist")


# models


def test_empty_registry_says_what_to_do(registry: Registry) -> None:
    listed = run("models", "list")
    assert (listed.exit_code, listed.stdout) == (0, "")
    assert "prodclf train" in listed.stderr
    assert json.loads(run("models", "list", "--json").stdout) == []
    for arguments in (("show",), ("promote", "1"), ("rollback",)):
        result = run("models", *arguments)
        assert result.exit_code == 1
        assert result.stderr.startswith("error: ")


def test_models_are_listed_promoted_rolled_back_and_scored_with(
    registry: Registry, eight: Path, trained_bundle_folder: Path, tmp_path: Path
) -> None:
    for number in (1, 2):
        registry.log_and_register(trained_bundle_folder, description=f"card {number}", tags={"note": number})
    assert run("models", "promote", "1").exit_code == 0
    second = run("models", "promote", "2", "--reason", "better on shoes", "--json")
    assert json.loads(second.stdout)["aliases"] == ["champion"]
    lines = run("models", "list").stdout.splitlines()
    assert lines[0].split()[:3] == ["VERSION", "ALIASES", "CREATED"]
    assert lines[1].split()[:2] == ["2", "champion"]
    assert json.loads(run("models", "list", "--json").stdout)[0]["version"] == 2
    assert run("score", eight, "filed.csv").exit_code == 0
    assert set(pd.read_csv("filed.csv")["model_version"]) == {2}
    back = run("models", "rollback", "--reason", "files tools under toys")
    assert "version 1 of product_classifier is champion" in back.stderr
    assert "rolled back: files tools under toys" in run("models", "list").stdout
    shown = run("models", "show", "champion").stdout
    assert "card 1" in shown
    assert "note: 1" in shown
    assert json.loads(run("models", "show", "2", "--json").stdout)["rolled_back"] == "files tools under toys"
    assert run("score", eight, "filed.csv", "--model", 2).exit_code == 0
    assert set(pd.read_csv("filed.csv")["model_version"]) == {2}


# train and serve


def test_train_reports_a_source_that_is_not_there(home: Path) -> None:
    result = run("train", "--source", "absent.csv")
    assert result.exit_code == 1
    assert "absent.csv does not exist" in result.output
    assert not (home / "home" / "mlflow.db").exists()


def test_train_refuses_a_depth_that_the_mapping_lacks(home: Path) -> None:
    Path("map.yaml").write_text("columns: {title: t}\ncategory_path: [a, b]\n")
    result = run("train", "--source-config", "map.yaml", "--depth", 3)
    assert result.exit_code == 1
    assert result.stderr.startswith("error: --depth 3 does not fit map.yaml")


def test_train_learns_at_the_depth_asked_and_serves_scoring(home: Path) -> None:
    assert run("sample", "shop.parquet", "--rows", 1000, "--categories", 3).exit_code == 0
    options = ("--depth", 1, "--rebalancing", "oversampling", "--min-category-rows", 3)
    options = (*options, "--compare-rebalancing")
    result = run("train", "--source", "shop.parquet", *options)
    assert result.exit_code == 0, result.output
    assert "prodclf: done" in result.stdout
    lake = open_lake(get_settings().lake)
    manifest = json.loads(lake.read_bytes(lake.latest("model"), "manifest.json"))
    assert manifest["training"]["ranker"]["rebalancing"] == "oversampling"
    assert manifest["metrics"]["imbalance_ratio"] > 1
    report = json.loads(lake.read_bytes(lake.latest("evaluation_report"), "report.json"))
    assert len(report["rebalancing"]) == 5
    assert [row["method"] for row in report["rebalancing"] if row["in_use"]] == ["oversampling"]
    assert all(row["ece"] < 0.1 for row in report["rebalancing"])
    assert (home / "home" / "dagster" / "storage").is_dir()
    assert run("score", "shop.parquet", "filed.parquet").exit_code == 0
    filed = pd.read_parquet("filed.parquet")
    assert set(filed["predicted_category"]) <= {"Electronics", "Home & Kitchen", "Beauty"}
    right = filed["predicted_category"] == filed["category"].str.split(" > ").str[0]
    assert right.mean() > 0.8


def test_resume_goes_on_from_the_last_good_asset(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("sample", "shop.csv", "--rows", 300, "--categories", 3).exit_code == 0
    dagster_home = home / "dagster"
    dagster_home.mkdir()
    shutil.copyfile(REPOSITORY / "dagster.yaml", dagster_home / "dagster.yaml")
    monkeypatch.setenv("DAGSTER_HOME", str(dagster_home))
    monkeypatch.setattr(f"{catalog.__name__}.clean_table", refuse("no memory"))
    monkeypatch.setenv("PRODCLF_SOURCE", "shop.csv")
    get_settings.cache_clear()
    command = ["asset", "materialize", "-m", "prodclf_assets.definitions", "--select", "*"]
    assert CliRunner().invoke(dagster_cli.create_dagster_cli(), command).exit_code == 1
    monkeypatch.undo()
    monkeypatch.chdir(home)
    monkeypatch.setenv("PRODCLF_HOME", str(home / "home"))
    monkeypatch.setenv("DAGSTER_HOME", str(dagster_home))
    Path("shop.csv").unlink()
    monkeypatch.setattr(f"{splits.__name__}.assign_splits", refuse("no split"))
    get_settings.cache_clear()
    result = run("train", "--resume")
    assert result.exit_code == 1, "as far as it can go"
    assert "splits: no split" in result.stdout
    with _instance() as instance:
        resumed, failed = instance.get_runs(limit=2)
        assert resumed.parent_run_id == failed.run_id
        done = {stats.step_key for stats in instance.get_run_step_stats(resumed.run_id)}
    assert "clean_products" in done
    assert "raw_products" not in done


def refuse(sentence: str) -> Callable[..., object]:
    def refused(*_: object) -> object:
        raise SourceError(sentence)

    return refused


def test_there_is_nothing_to_resume_where_nothing_failed(home: Path) -> None:
    result = run("train", "--resume")
    assert result.exit_code == 1
    assert "there is nothing to resume: the graph has never run" in result.stderr
    assert run("train", "--resume", "--depth", 1).exit_code == 2


@pytest.mark.parametrize("place", ["anywhere", "repository", "DAGSTER_HOME"])
def test_history_of_training_lies_where_the_settings_say(
    home: Path, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from prodclf_assets.cli.train import _instance

    expected = home / "home"
    if place == "repository":
        shutil.copy(Path(__file__).parents[1] / "dagster.yaml", home)
    if place == "DAGSTER_HOME":
        monkeypatch.setenv("DAGSTER_HOME", str(home / "other"))
        (home / "other").mkdir()
        expected = home / "other"
    with _instance() as instance:
        assert instance.get_runs() == []
    assert [path.is_relative_to(expected) for path in home.rglob("runs.db")] == [True]


def test_serve_passes_a_taken_port_on_as_an_error(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        result = run("serve", "--port", taken.getsockname()[1])
    assert result.exit_code == 1
    assert result.stderr.startswith("error: ")
