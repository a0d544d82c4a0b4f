"""`prodclf audit` and the audit's review files: on a real registry, lake and model."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd

from prodclf_assets.classifier.bundle import Bundle
from prodclf_assets.lake import Lake
from prodclf_assets.monitoring.audit.judging import judged
from prodclf_assets.monitoring.audit.levels import Promise
from prodclf_assets.monitoring.audit.overlay import change_holds, read_overlay
from prodclf_assets.monitoring.audit.report import audit_report, levels_now
from prodclf_assets.monitoring.audit.sample import ASSET, empty_sample, read_sample
from prodclf_assets.monitoring.review.human_labels import human_labels
from prodclf_assets.registry import PROMOTIONS_LOG, Registry
from prodclf_tests.monitoring.audit.test_sample import sampled, store
from prodclf_tests.monitoring.conftest import log_answers, product_columns, shop_rows
from prodclf_tests.test_cli_monitoring import home, lake, registry, run

__all__ = ["home", "lake", "registry"]

NOW = datetime.now(UTC)


def test_what_was_drawn_goes_out_blind_and_comes_back_as_a_judgement(
    home: Path, registry: Registry, lake: Lake, trained_bundle: Bundle
) -> None:
    assert run("review", "export", "audit.csv", "--queue", "audit").stderr.startswith("audit.csv: 0 products")
    rows = shop_rows(7, 1_500, 1_900)
    log_answers(lake, trained_bundle, rows, at=NOW - timedelta(hours=1), decision=["auto"] * len(rows))
    sample = sampled(lake, empty_sample(), now=NOW - timedelta(minutes=1)).table
    store(lake, ASSET, sample, home / "sample")
    result = run("review", "export", "audit.csv", "--queue", "audit", "--json")
    assert json.loads(result.stdout)["sentence"] == "10 filed products wait to be judged"
    asked = pd.read_csv("audit.csv", dtype=str)
    answer = {"predicted_category", "branch", "confidence", "decision", "model_version"}
    assert not answer & set(asked.columns)
    assert asked["title"].tolist() == sample["title"].tolist()
    said = sample["predicted_category"].where(sample.index > 2, trained_bundle.labels[0])
    asked.assign(category=said.to_numpy()).to_csv("audit.csv", index=False)
    assert run("review", "import", "audit.csv", "--reviewer", "asha").exit_code == 0
    found = judged(read_sample(lake), human_labels(lake).table, trained_bundle.labels, lake)
    assert len(found) == 10
    assert found["wrong"].sum() == (said != sample["predicted_category"]).sum() > 0
    assert run("review", "export", "audit.csv", "--queue", "audit").stderr.startswith("audit.csv: 0 products")


def test_the_products_in_doubt_of_a_file_are_no_audit(home: Path, registry: Registry) -> None:
    result = run("review", "export", "a.csv", "--queue", "audit", "--scored", "b.csv")
    assert result.exit_code == 2
    assert "leave it out with --queue audit" in result.stderr


def test_what_is_held_is_scored_as_review_until_it_is_released(
    home: Path, registry: Registry, lake: Lake
) -> None:
    pd.DataFrame(product_columns(shop_rows(7, 1_500, 1_700))).to_csv("new.csv", index=False)

    def filed() -> pd.DataFrame:
        assert run("score", "new.csv", "filed.csv").exit_code == 0
        return pd.read_csv("filed.csv")

    before = filed()
    name = str(before.loc[before["decision"] == "auto", "predicted_category"].iloc[0])
    change_holds(lake, "hold", [("category", name)], "too many wrong", NOW)
    held = filed()
    assert not ((held["predicted_category"] == name) & (held["decision"] == "auto")).any()
    assert (
        f"held for review since {NOW.isoformat(timespec='seconds')}: category {name!r}"
        in run("audit", "status").stderr
    )

    result = run("audit", "release", "--category", "Toys > Nothing", "--reason", "x")
    assert result.exit_code == 1
    assert f"'Toys > Nothing' is not held for review; held is: category {name!r}" in result.stderr
    assert run("audit", "release", "--reason", "x").exit_code == 2
    result = run("audit", "release", "--category", name, "--reason", "trained again", "--json")
    assert json.loads(result.stdout) == {"released": [f"category {name!r}"], "held": []}
    pd.testing.assert_frame_equal(filed(), before)
    record = lake.read_log(PROMOTIONS_LOG)[-1].record
    assert (record["event"], record["reason"], record["version"]) == ("release", "trained again", 1)
    assert run("models", "rollback").exit_code == 1, "there is still no champion before the first"


def test_status_shows_what_the_report_found(home: Path, registry: Registry, lake: Lake) -> None:
    assert "has not been made yet" in run("audit", "status").stderr
    sample, now = empty_sample(), datetime.now(UTC)
    overlay = read_overlay(lake)
    answers = judged(sample, human_labels(lake).table, [], lake)
    levels = levels_now(sample, answers, Promise(0.95, 0.05), overlay, now)
    (home / "report").mkdir()
    report = audit_report(levels, 4, overlay, "1", now)
    (home / "report" / "report.json").write_text(json.dumps(report), encoding="utf-8")
    lake.write("audit_report", home / "report")
    assert "nothing that was drawn has been judged yet; 4 wait" in run("audit", "status").stderr
    assert json.loads(run("audit", "status", "--json").stdout)["report"] == report
