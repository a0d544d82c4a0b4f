"""What was said is followed across the log's objects, counted, and forgotten when it is withdrawn."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd

from prodclf_assets.catalog.event_logs import FEEDBACK
from prodclf_assets.lake import open_lake
from prodclf_serving.review_desk.said import ALWAYS, Said
from prodclf_tests.monitoring.conftest import log_feedback

MUG = pd.DataFrame({"product_id": ["1"], "title": ["Mug!"], "brand": ["Orzo"]}).astype("string")


def test_what_was_said_is_known_until_it_is_withdrawn(tmp_path: Path) -> None:
    lake, said = open_lake(str(tmp_path)), Said()
    log = lake.events(FEEDBACK)
    now = datetime.now(UTC)
    log_feedback(lake, MUG, ["A"], now, annotation="x", reviewer="asha", source="desk")
    said.follow(log, now - timedelta(hours=1))
    assert said.decided == {"mug\x1forzo"}
    assert said.tally("asha") == {"mine": 1, "all": 1, "unfit": 0}
    assert [row["annotation"] for row in said.latest(5, reviewer="asha")] == ["x"]
    assert said.latest(5, reviewer="bo") == []
    log_feedback(lake, MUG, [None], now, annotation="x", verdict="withdrawn", reviewer="asha")
    said.follow(log, ALWAYS[0])
    assert said.decided == set()
    assert said.find("x") is None
    assert said.tally("asha") == {"mine": 0, "all": 0, "unfit": 0}


def test_a_withdrawal_may_be_read_before_what_it_withdraws() -> None:
    said, now = Said(), datetime.now(UTC)
    row = {"time": now, "annotation": "x", "title": "mug", "brand": None, "reviewer": "asha", "verdict": None}
    said.add([{**row, "verdict": "withdrawn"}])
    said.add([row, row])
    assert said.decided == set()
    assert said.find("x") is None


def test_what_other_programs_say_settles_a_product_too(tmp_path: Path) -> None:
    lake, said = open_lake(str(tmp_path)), Said()
    log_feedback(lake, MUG, ["A"], datetime.now(UTC), source="http")
    said.follow(lake.events(FEEDBACK), ALWAYS[0])
    assert said.decided == {"mug\x1forzo"}
    assert said.tally("")["all"] == 0
