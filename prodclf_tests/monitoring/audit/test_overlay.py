from pathlib import Path

import pytest

from prodclf_assets.classifier.calibration.holds import Holds
from prodclf_assets.lake import Lake
from prodclf_assets.monitoring.audit.overlay import ASSET, Overlay, change_holds, read_overlay
from prodclf_tests.monitoring.conftest import NOON, lake

__all__ = ["lake"]

SHOES, ACME, ALL = ("category", "Home > Shoes"), ("seller", "acme"), ("all", "")


def test_before_the_first_change_nothing_is_held(lake: Lake) -> None:
    assert read_overlay(lake) == Overlay()
    assert read_overlay(lake).holds == Holds()


def test_what_is_held_stays_so_until_it_is_released(lake: Lake) -> None:
    assert len(change_holds(lake, "hold", [SHOES, ACME], "too many wrong", NOON)) == 2
    assert read_overlay(lake).holds == Holds(False, frozenset({"Home > Shoes"}), frozenset({"acme"}))
    change_holds(lake, "hold", [ALL], "worse", NOON)
    change_holds(lake, "release", [ALL, SHOES], "trained again", NOON)
    overlay = read_overlay(lake)
    assert overlay.holds == Holds(sellers=frozenset({"acme"}))
    assert [(change.event, change.what) for change in overlay.changes] == [
        ("hold", "category 'Home > Shoes'"),
        ("hold", "seller 'acme'"),
        ("hold", "everything"),
        ("release", "everything"),
        ("release", "category 'Home > Shoes'"),
    ]
    assert overlay.latest[SHOES].reason == "trained again"
    assert len(lake.versions(ASSET)) == 3


@pytest.mark.parametrize("event", ["hold", "release"])
def test_what_changes_nothing_writes_nothing(lake: Lake, event: str) -> None:
    change_holds(lake, "hold", [SHOES], "too many wrong", NOON)
    before = read_overlay(lake)
    assert change_holds(lake, event, [SHOES if event == "hold" else ACME], "again", NOON) == ()
    assert read_overlay(lake) == before


def test_who_knows_the_latest_version_reads_nothing_more(lake: Lake) -> None:
    change_holds(lake, "hold", [SHOES], "too many wrong", NOON)
    known = read_overlay(lake)
    assert read_overlay(lake, known) is known
    change_holds(lake, "release", [SHOES], "fine again", NOON)
    assert read_overlay(lake, known).holds == Holds()


def test_it_can_be_kept_elsewhere(lake: Lake, tmp_path: Path) -> None:
    change_holds(lake, "hold", [ACME], "zu viele Fehler: “é”", NOON)
    overlay = read_overlay(lake)
    assert Overlay.from_json(overlay.version, overlay.to_json()) == overlay
