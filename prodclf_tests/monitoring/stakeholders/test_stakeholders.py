"""The report for management: facts from real reports, and page and slides that say the same."""

import io
import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from pptx import Presentation

from prodclf_assets.classifier.evaluation.baseline import fit_baseline
from prodclf_assets.classifier.evaluation.report import Answered, evaluate
from prodclf_assets.lake import LogEntry
from prodclf_assets.monitoring.stakeholders.figures import (
    MOST_LISTED,
    RISKS,
    Stakeholders,
    gather,
    headline,
    shares,
    work,
)
from prodclf_assets.monitoring.stakeholders.page import stakeholder_page
from prodclf_assets.monitoring.stakeholders.slides import stakeholder_deck

DECISION = {
    "decision": "promoted (version 3)",
    "reason": "better on <shoes> & boots",
    "champion": "version 3",
}
DRIFT = {"sentence": "as in training", "drifted": False}


def log(count: int) -> list[LogEntry]:
    return [
        LogEntry(
            number,
            datetime(2031, 1, number, tzinfo=UTC),
            {"event": "promote", "version": number, "reason": f"reason {number}"},
        )
        for number in range(1, count + 1)
    ]


@pytest.fixture(scope="module")
def evaluation(trained_model: Any) -> dict[str, Any]:
    baseline = fit_baseline(trained_model.train, trained_model.validation)
    answered = Answered.by(trained_model.bundle, baseline, trained_model.test)
    return evaluate(trained_model.bundle, answered).to_dict()


@pytest.fixture(scope="module")
def facts(evaluation: dict[str, Any]) -> Stakeholders:
    return gather(evaluation, DECISION, DRIFT, log(8), 0.5)


def words_of(deck: bytes) -> str:
    found = []
    for slide in Presentation(io.BytesIO(deck)).slides:
        for shape in slide.shapes:
            if shape.has_text_frame:
                found.append(shape.text_frame.text)
            if shape.has_table:
                found += [cell.text for row in shape.table.rows for cell in row.cells]
            if shape.has_chart:
                series = shape.chart.plots[0].series
                found += [f"{value:.0%}" for value in series[0].values]
                found += [f"{each.name} {round(each.values[0])}" for each in series]
    return "\n".join(found)


def test_facts_are_those_of_the_reports(facts: Stakeholders, evaluation: dict[str, Any]) -> None:
    assert facts.auto_rows == evaluation["decisions"]["auto"]
    assert facts.filed_per_1000 == round(1000 * evaluation["auto_share"])
    assert facts.hours_per_1000 == pytest.approx(facts.filed_per_1000 * 0.5 / 60)
    assert facts.wrong_per_1000 <= facts.filed_per_1000
    assert [change.version for change in facts.changes] == [8, 7, 6, 5, 4, 3]
    assert sum(count for _, count in shares(facts)) == 1000
    recalls = [recall for _, _, recall in facts.weakest]
    assert recalls == sorted(recalls)
    assert len(facts.confusions) <= MOST_LISTED
    assert json.loads(json.dumps(facts.to_dict()))["hours_per_1000"] == facts.hours_per_1000


def test_page_and_slides_say_the_same(facts: Stakeholders) -> None:
    page = (
        re.sub(r"<[^>]+>", " ", stakeholder_page(facts))
        .replace("&gt;", ">")
        .replace("&amp;", "&")
        .replace("&lt;", "<")
    )
    deck = words_of(stakeholder_deck(facts))
    for said in (
        headline(facts),
        work(facts),
        f"{facts.auto_precision:.1%}",
        "reason 8",
        DRIFT["sentence"],
        *(true for true, _, _ in facts.confusions),
        *(f"{share:.0%}" for _, share in facts.coverage),
        *(risk for risk, _ in RISKS),
        *(name for name, _ in shares(facts)),
    ):
        assert said in page, said
        assert said in deck, said
    assert len(Presentation(io.BytesIO(stakeholder_deck(facts))).slides) == 6


def test_page_fetches_nothing_and_escapes_what_it_is_told(facts: Stakeholders) -> None:
    page = stakeholder_page(facts)
    assert not re.search(r"(?:src|href)=|url\(|@import|<script", page)
    assert "&lt;shoes&gt; &amp; boots" in page
    assert "<shoes>" not in page


def test_minus_signs_do_not_end_a_line(evaluation: dict[str, Any]) -> None:
    lost = {**DECISION, "reason": "loss of -0.01 (interval -0.02 to 0.01), well-known"}
    found = gather(evaluation, lost, DRIFT, log(1), 0.5).decision
    assert "of \N{MINUS SIGN}0.01 (interval \N{MINUS SIGN}0.02 to" in found
    assert "well-known" in found


def test_no_cell_of_the_slides_is_cut_short_of_what_we_wrote(facts: Stakeholders) -> None:
    assert "…" not in words_of(stakeholder_deck(facts))


def test_nothing_filed_and_nothing_wrong_are_said(facts: Stakeholders) -> None:
    shy = replace(
        facts, auto_share=0.0, auto_precision=0.0, auto_rows=0, confusions=(), weakest=(), changes=()
    )
    assert headline(shy) == "No product is sure enough yet to be filed without a person"
    assert "0.0 hours" in work(shy)
    for text in (stakeholder_page(shy), words_of(stakeholder_deck(shy))):
        assert "No mistake was made" in text
    assert 'class="drift"' in stakeholder_page(replace(facts, drifted=True))
