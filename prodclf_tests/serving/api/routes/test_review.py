"""The desk over HTTP: each product to one person, stored before it is confirmed, undone until a training has read it."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from prodclf_assets.catalog.event_logs import FEEDBACK
from prodclf_assets.lake import Lake
from prodclf_assets.monitoring.review.human_labels import human_labels
from prodclf_serving.api.app import build_app
from prodclf_serving.service import Service
from prodclf_tests.serving.conftest import Send, like, problem_of, sender
from prodclf_tests.serving.review_desk.a_queue import ALIKE, fill

ALWAYS = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
ASHA, BO = {"reviewer": "asha", "tab": "tab-a"}, {"reviewer": "bo", "tab": "tab-b"}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, service: Service) -> Path:
    home = tmp_path_factory.mktemp("desk")
    fill(home, service.model().bundle)
    return home


@pytest.fixture
def lake(home: Path) -> Iterator[Lake]:
    from prodclf_assets.lake import open_lake

    return open_lake(str(home / "lake"))


@pytest.fixture
def replica(home: Path, service: Service) -> Iterator[Callable[..., Send]]:
    """Make replicas that share only the lake."""
    from contextlib import ExitStack

    with ExitStack() as made:
        yield lambda **settings: sender(build_app(made.enter_context(like(service, home, **settings))))


def ids(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [item["id"] for item in answer.json()["items"]]


def decision(item: dict[str, Any], category: str, **more: Any) -> dict[str, Any]:
    told = {"predicted_category": item["predicted_category"], "model_version": "1"}
    return {
        "annotation": f"a-{item['id']}",
        "id": item["id"],
        "product": item["product"],
        "category": category,
        **told,
        **more,
    }


def stored(lake: Lake, annotation: str) -> list[dict[str, Any]]:
    rows = lake.events(FEEDBACK).read(*ALWAYS).sort_by("time").to_pylist()
    return [row for row in rows if row["annotation"] == annotation]


def test_two_people_on_two_replicas_never_get_the_same(replica) -> None:
    first, second = replica(), replica()
    mine = ids(first("POST", "/review/next", json={**ASHA, "count": 10}))
    others = ids(second("POST", "/review/next", json={**BO, "count": 10}))
    other_tab = ids(second("POST", "/review/next", json={**ASHA, "tab": "tab-c", "count": 10}))
    assert len(mine) == len(others) == len(other_tab) == 10
    assert len({*mine, *others, *other_tab}) == 30
    assert (
        ids(second("POST", "/review/next", json={**ASHA, "count": 10})) == mine
    )  # whichever replica is asked


def test_a_decision_is_in_the_lake_when_it_is_confirmed_and_counts_once(
    replica, lake: Lake, service: Service
) -> None:
    first, label = replica(), service.model().bundle.labels[3]
    answer = first("POST", "/review/next", json={**ASHA, "count": 1}).json()
    (item,) = answer["items"]
    assert item["likely"][0]["category"] == item["predicted_category"]
    said = decision(item, label, note="by the box")
    for _ in range(2):
        after = first("POST", "/review/decisions", json={**ASHA, "decisions": [said]})
        assert after.status_code == 201, after.text
        assert after.json()["stored"] == [said["annotation"]]
        assert after.json()["remaining"] == answer["remaining"] - 1
    (row,) = stored(lake, said["annotation"])
    assert (row["category"], row["reviewer"], row["source"], row["note"]) == (
        label,
        "asha",
        "desk",
        "by the box",
    )
    (labelled,) = human_labels(lake).table.query("title == @row['title']").to_dict("records")
    assert (labelled["category"], labelled["blind"]) == (label, False)
    assert item["id"] not in ids(replica()("POST", "/review/next", json={**BO, "count": 10}))
    assert any(
        each["annotation"] == said["annotation"] and each["undo"]
        for each in first("GET", "/review/said?reviewer=asha").json()["said"]
    )


def test_undone_is_as_if_it_had_not_been_said_until_a_training_has_read_it(
    replica, lake: Lake, service: Service, tmp_path
) -> None:
    first = replica()
    one, other = first("POST", "/review/next", json={**ASHA, "count": 2}).json()["items"]
    labels = service.model().bundle.labels
    both = [decision(one, labels[0]), decision(other, "", verdict="no-category")]
    before = first("POST", "/review/decisions", json={**ASHA, "decisions": both}).json()
    assert before["tally"]["unfit"] == 1
    assert [each["title"] for each in first("GET", "/review/said?unfit=true").json()["said"]] == [
        other["product"]["title"]
    ]
    undone = first("POST", "/review/undo", json={**ASHA, "annotations": [both[1]["annotation"]]}).json()
    assert undone["withdrawn"] == [both[1]["annotation"]]
    assert (undone["remaining"], undone["tally"]["unfit"]) == (before["remaining"] + 1, 0)
    again = first("POST", "/review/undo", json={**ASHA, "annotations": [both[1]["annotation"]]}).json()
    assert "already" in again["refused"][both[1]["annotation"]]
    folder = tmp_path / "labels"
    folder.mkdir()
    (folder / "table.parquet").write_bytes(b"")
    lake.write("human_labels", folder)
    late = first("POST", "/review/undo", json={**ASHA, "annotations": [both[0]["annotation"]]}).json()
    assert "training" in late["refused"][both[0]["annotation"]]
    assert len(stored(lake, both[0]["annotation"])) == 1


def test_what_somebody_else_has_at_hand_is_not_decided(replica, lake: Lake, service: Service) -> None:
    first, second = replica(), replica()
    (item,) = first("POST", "/review/next", json={**ASHA, "count": 1}).json()["items"]
    said = decision(item, service.model().bundle.labels[0], annotation="late")
    answer = second("POST", "/review/decisions", json={**BO, "decisions": [said]}).json()
    assert answer["refused"] == {"late": "asha has this product at hand"}
    assert stored(lake, "late") == []


def test_a_category_that_is_gone_and_a_product_without_a_title_are_refused(replica, lake: Lake) -> None:
    first = replica()
    (item,) = first("POST", "/review/next", json={**ASHA, "count": 1}).json()["items"]
    gone = first(
        "POST", "/review/decisions", json={**ASHA, "decisions": [decision(item, "Gone", annotation="gone")]}
    )
    problem_of(gone, 422, "unknown-category")
    bare = {"annotation": "bare", "product": {"title": ""}, "category": "Gone"}
    problem_of(first("POST", "/review/decisions", json={**ASHA, "decisions": [bare]}), 422, "invalid-product")
    problem_of(first("POST", "/review/next", json={"reviewer": "asha", "tab": "a/b"}), 422)
    assert stored(lake, "gone") == stored(lake, "bare") == []


def test_the_table_is_filtered_and_sorted(replica) -> None:
    first = replica()
    whole = first("GET", "/review/rows?count=200").json()
    assert len(whole["rows"]) == whole["total"] > 20
    doubt = [row["confidence"] for row in first("GET", "/review/rows?sort=doubt").json()["rows"]]
    assert doubt == sorted(doubt)
    hampers = first("GET", "/review/rows?text=HAMPER%20gift").json()["rows"]
    assert {row["product"]["title"] for row in hampers} <= set(ALIKE)
    branch = whole["rows"][0]["predicted_category"].partition(" > ")[0]
    under = first("GET", "/review/rows", params={"category": branch}).json()["rows"]
    assert under
    assert {row["predicted_category"].partition(" > ")[0] for row in under} == {branch}


def test_categories_are_found_and_have_examples(replica, service: Service) -> None:
    first, label = replica(), service.model().bundle.labels[2]
    found = first("POST", "/review/categories", json={"text": label.rpartition(" > ")[2]}).json()["found"]
    assert found[0]["category"] == label
    assert (
        found[0]["examples"]
        == first("GET", "/review/examples", params={"category": label}).json()["examples"]
        != []
    )
    assert first("POST", "/review/categories", json={"product": {"title": "mug"}, "recent": [label]}).json()[
        "found"
    ]


def test_who_has_no_key_cannot_write(replica, tmp_path) -> None:
    (tmp_path / "keys").write_text("0123456789abcdef-shop")
    first = replica(api_keys_file=tmp_path / "keys")
    assert first("GET", "/review").status_code == 200
    for path in ("next", "decisions", "undo", "categories"):
        problem_of(first("POST", f"/review/{path}", json=ASHA), 401)
    problem_of(first("GET", "/review/rows"), 401)
    key = {"authorization": "Bearer 0123456789abcdef-shop"}
    assert first("POST", "/review/next", json=ASHA, headers=key).status_code == 200


def test_a_lake_that_is_away_is_said(service: Service, tmp_path) -> None:
    fill(tmp_path, service.model().bundle, 20)
    with like(service, tmp_path) as own:
        send = sender(build_app(own))
        assert send("POST", "/review/next", json=ASHA).status_code == 200
        (tmp_path / "lake").rename(tmp_path / "moved")
        (tmp_path / "lake").write_text("in the way")
        problem_of(send("POST", "/review/next", json=BO), 503, "not-stored")


def test_what_is_given_back_is_for_others(replica) -> None:
    first, second = replica(), replica()
    mine = ids(first("POST", "/review/next", json={**ASHA, "count": 1}))
    answer = first("POST", "/review/release", json={**ASHA, "products": mine})
    assert answer.status_code == 204
    assert mine[0] in ids(second("POST", "/review/next", json={**BO, "count": 10}))
