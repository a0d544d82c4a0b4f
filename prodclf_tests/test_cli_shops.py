"""Two catalogues in one home, trained, asked, served and reviewed in turn: nothing of one reaches the other."""

import asyncio
import json
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner, Result

from prodclf_assets.catalog.event_logs import FEEDBACK, PREDICTION_LOG
from prodclf_assets.cli import main
from prodclf_assets.lake import EventSchema, open_lake
from prodclf_assets.settings import get_settings
from prodclf_serving.service import Service
from prodclf_serving.settings import ServiceConfig, ServingSettings
from prodclf_tests.defs.test_two_catalogues import write_shop
from prodclf_tests.settled import settle


@pytest.fixture
def home(tmp_path: Path, empty_mlflow_database: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    settle(tmp_path / "home", monkeypatch)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "home").mkdir()
    shutil.copyfile(empty_mlflow_database, tmp_path / "home" / "mlflow.db")
    yield tmp_path / "home"
    get_settings.cache_clear()


def run(*arguments: object) -> Result:
    """Run `prodclf` as a shell does that has no PRODCLF_SHOP set."""
    get_settings.cache_clear()
    result = CliRunner().invoke(main, [str(each) for each in arguments], env={"PRODCLF_SHOP": None})
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def done(*arguments: object) -> str:
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    return result.output


def answered(shop: str) -> set[str]:
    """The first steps of the categories that a shop answers to a file."""
    done("score", "asked.csv", "filed.csv", "--shop", shop)
    return set(pd.read_csv("filed.csv")["predicted_category"].str.split(" > ").str[0])


def serve_one(shop: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Ask the service of a shop for one product, which it logs; the first step of the category that it answers."""
    with monkeypatch.context() as variables:
        variables.setenv("PRODCLF_SHOP", shop)
        get_settings.cache_clear()
        service = Service(ServiceConfig.of(get_settings(), ServingSettings(request_log="off")))
        service.start()
        service.holder.refresh()
        product = {"title": "Noise cancelling headphones"}
        (answer,) = asyncio.run(service.answer(service.model(), [product], "asked"))
        service.stop()
        return answer.category.split(" > ")[0]


def logged(lake: str, log: EventSchema) -> int:
    now = datetime.now(UTC)
    return len(open_lake(lake).events(log).read(now - timedelta(hours=1), now))


def test_two_shops_and_a_home_of_before(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("Tea", "Toys"):
        write_shop(Path(f"{name.lower()}.csv"), name)
    pd.read_csv("tea.csv").drop(columns="category").head(20).to_csv("asked.csv", index=False)

    assert "is trained as shop" not in done("train", "--source", "tea.csv"), "a new home is its first shop"
    before = {path: path.read_bytes() for path in home.rglob("*.json")}
    said = done("train", "--source", "toys.csv")
    assert (
        "toys.csv is trained as shop 'toys', a new one, since shop 'default' knows another catalogue" in said
    )
    assert "there is no champion yet" in said
    assert all(path.read_bytes() == content for path, content in before.items())

    shops = {shop["name"]: shop for shop in json.loads(done("shops", "list", "--json"))}
    assert [(name, shop["champion"], shop["current"]) for name, shop in shops.items()] == [
        ("default", 1, False), ("toys", 1, True),
    ]  # fmt: skip
    assert [Path(shop["source"]).name for shop in shops.values()] == ["tea.csv", "toys.csv"]

    assert [answered("default"), answered("toys"), answered("default")] == [{"Tea"}, {"Toys"}, {"Tea"}]
    assert [serve_one("default", monkeypatch), serve_one("toys", monkeypatch)] == ["Tea", "Toys"]

    category = pd.read_csv("toys.csv")["category"][0]
    Path("labels.csv").write_text(f"title,category\nA thing,{category}\n", "utf-8")
    done("review", "import", "labels.csv")
    refused = run("review", "import", "labels.csv", "--shop", "default")
    assert refused.exit_code == 1
    assert category in refused.stderr
    places = [str(home / "lake"), str(home / "shops" / "toys" / "lake")]
    assert [logged(lake, FEEDBACK) for lake in places] == [0, 1]
    assert [logged(lake, PREDICTION_LOG) for lake in places] == [1, 1]

    done("shops", "use", "default")
    assert (
        run("models", "show", "--json").stdout == run("models", "show", "--shop", "default", "--json").stdout
    )
    assert '"product_classifier-toys"' in done("models", "show", "--shop", "toys", "--json")


def test_a_shop_is_made_chosen_and_named_in_errors(home: Path) -> None:
    assert "absent.csv" in run("init", "tea", "--source", "absent.csv").stderr
    assert run("shops", "use", "tea").exit_code == 1
    assert "next: prodclf train --source FILE" in done("init", "tea")
    unknown = run("models", "list", "--shop", "coffee")
    assert unknown.exit_code == 1
    assert unknown.stderr == (
        "error: there is no shop 'coffee'; there are default, tea, and `prodclf init coffee` makes it\n"
    )
    assert run("init", "tea").exit_code == 1
    assert "prodclf train --shop tea --source FILE" in run("train").output
    assert "* tea" in done("shops", "list").replace("  ", " ")
