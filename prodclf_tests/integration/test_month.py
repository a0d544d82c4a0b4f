"""A month of the loop: real daemons, runs, registry and service on a real S3 server, under a clock that is moved.

What a month brings: deliveries, a brand that was not there before, a supplier's broken files, a category that is split, a
reviewer's careless table, a promotion that is rolled back, and people's labels. At each step the runs that are expected, their
outcome, the version that answers, and nothing else. Days on which nothing of this happens are passed over.
"""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from prodclf_assets.catalog.columns import LABEL_COLUMN
from prodclf_assets.catalog.event_logs import FEEDBACK
from prodclf_assets.catalog.product import ProductBatch
from prodclf_assets.catalog.schema import conform
from prodclf_assets.classifier.bundle import Bundle
from prodclf_assets.lake import by_hour, open_lake
from prodclf_assets.monitoring.review.human_labels import ALWAYS
from prodclf_assets.registry.versions import BUNDLE_HASH, hashes_of
from prodclf_assets.settings import get_settings
from prodclf_tests.defs.conftest import REPOSITORY
from prodclf_tests.defs.graph import run_graph
from prodclf_tests.integration import month_shop as shop
from prodclf_tests.integration.month import Month, Ran, damaged, month, without_titles
from prodclf_tests.s3_server import S3Server
from prodclf_tests.settled import settle

FOLLOWERS = Ran("followers", True)


@pytest.fixture
def world(
    tmp_path: Path, empty_mlflow_database: Path, s3_server: S3Server, s3_bucket: str
) -> Iterator[Month]:
    with month(tmp_path / "home", empty_mlflow_database, s3_server, s3_bucket) as made:
        yield made


def delivered(world: Month, day: int, outcome: str) -> None:
    """The day's file leads to one run with this outcome, and to nothing else."""
    world.deliver(day)
    assert world.turn(day, "6:05") == [Ran("new_products", True, (), outcome)]
    assert world.turn(day, "6:12", conditions=True) == []
    assert world.said("new_products") == "no file is new, changed or gone since the last run was started"


def fails(world: Month, day: int, time: str, step: str, sentence: str) -> None:
    """What lies in the bucket leads to one run, which fails at a step; somebody is told why."""
    assert world.turn(day, time) == [Ran("new_products", False, (step,))]
    assert world.turn(day, time.replace(":01", ":03")) == []
    (told,) = world.told()
    assert sentence in told


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_month_in_a_minute(world: Month, tmp_path: Path) -> None:
    delivered(world, 1, "promoted (version 1)")
    assert world.served() == 1

    assert world.turn(12, "10:00") == []
    world.ask(12)
    assert world.turn(15, "2:05", conditions=True, schedule=True) == [FOLLOWERS]
    assert world.turn(15, "2:20", conditions=True) == []
    assert "brand" in world.report("drift_report")["causes"]
    assert "and the advice is not to retrain: label" in world.said("drift")

    world.put("supplier.csv.gz", damaged(shop.delivery(1)))
    fails(world, 15, "6:01", "raw_products", "supplier.csv.gz is damaged gzip")
    world.remove("supplier.csv.gz")
    world.put("supplier.csv", without_titles(shop.delivery(1)))
    fails(world, 15, "12:01", "raw_products_completeness", "rows have a title")
    assert world.served() == 1

    night = world.turn(18, "3:05", conditions=True, schedule=True)
    assert night == [FOLLOWERS, Ran("weekly_training", False, ("raw_products_completeness",))]
    world.remove("supplier.csv")
    (get_settings().home / "taxonomy.yaml").write_text(shop.TAXONOMY)
    world.put("recategorised.csv", shop.recategorised(world.delivered).to_csv(index=False).encode())
    delivered(world, 18, "promoted (version 2)")
    assert len(world.told()) == 1, "of the weekly run"
    assert world.served() == 2

    careless = shop.sorted_carelessly(world.delivered)
    assert world.returned(careless, "careless.csv")["stored"] == len(careless)
    delivered(world, 21, "not promoted (version 3)")
    assert "it is worse than the champion" in world.report("promotion_decision")["reason"]
    assert world.served() == 2
    mended = careless.assign(category=careless["predicted_category"])
    assert world.returned(mended, "mended.csv")["stored"] > 0
    delivered(world, 22, "promoted (version 4)")
    assert world.served() == 4

    delivered(world, 24, "promoted (version 5)")
    assert world.served() == 5
    world.command("models", "rollback", "--reason", "files mugs under tea")
    assert world.served() == 4
    night = world.turn(25, "3:05", conditions=True, schedule=True)
    assert night == [FOLLOWERS, Ran("weekly_training", True, (), "not promoted (version 5)")]
    assert "it was rolled back" in world.report("promotion_decision")["reason"]
    assert world.served() == 4

    assert world.turn(26, "10:00", conditions=True) == []
    world.ask(26)
    judged = shop.judged_by_people(world.delivered)
    assert world.returned(judged, "judged.csv")["stored"] == len(judged)
    assert world.turn(27, "2:05", conditions=True) == [FOLLOWERS]
    assert world.report("drift_report")["advice"] == "retrain"
    assert world.turn(27, "2:20") == [Ran("drift", True, (), "promoted (version 6)")]
    assert world.turn(27, "2:40", conditions=True) == []
    assert world.said("drift").endswith("found no drift"), "by the profile of the new champion"
    assert world.served() == 6
    assert world.turn(30, "2:05", conditions=True) == [FOLLOWERS]
    assert world.turn(30, "2:20", conditions=True) == []
    assert world.served() == 6
    assert world.told() == []
    assert world.promotions() == [
        ("promote", 1), ("promote", 2), ("refuse", 3), ("promote", 4), ("promote", 5), ("rollback", 4), ("refuse", 5),
        ("promote", 6),
    ]  # fmt: skip

    folder = trained_on_everything(world, tmp_path / "everything", tmp_path / "bundle")
    with world.lake.opened(world.lake.latest("model")) as stored:
        assert hashes_of(stored)[BUNDLE_HASH] == hashes_of(folder)[BUNDLE_HASH], "in a bucket as in a folder"
    assert accuracy(world.service.model().bundle) >= accuracy(Bundle.load(folder)) - 0.01


CHAIN = (
    "raw_products", "human_labels", "clean_products", "train_split", "validation_split", "test_split", "features",
    "tuned_parameters", "model",
)  # fmt: skip


def trained_on_everything(world: Month, home: Path, into: Path) -> Path:
    """The bundle of a model that one run trains on all that the shop delivered and people said, in a lake on disk."""
    said = world.lake.events(FEEDBACK).read(*ALWAYS)
    source, taxonomy = str(get_settings().source), str(get_settings().taxonomy)
    with pytest.MonkeyPatch.context() as patch:
        settle(home, patch)
        patch.setenv("PRODCLF_SOURCE", source)
        patch.setenv("PRODCLF_TAXONOMY", taxonomy)
        get_settings.cache_clear()
        home.mkdir()
        lake = open_lake(get_settings().lake)
        for hour, rows in by_hour(said):
            lake.events(FEEDBACK).append(rows, "everything", hour)
        with (
            dg.DagsterInstance.from_config(str(REPOSITORY)) as instance,
            run_graph(instance, *CHAIN) as result,
        ):
            assert result.success
        lake.fetch(lake.latest("model"), into)
    get_settings.cache_clear()
    return into


def accuracy(bundle: Bundle) -> float:
    """On products that nothing was trained on, by the category they belong to."""
    rows = conform(shop.held_out())
    answers = bundle.predict(ProductBatch.from_frame(rows)).category
    return sum(map(str.__eq__, answers, rows[LABEL_COLUMN])) / len(rows)
