"""Every reason for which a challenger is refused, and that it is let through otherwise."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from prodclf_assets.classifier.evaluation.latency import BLOCK_ROWS, Latency
from prodclf_assets.classifier.evaluation.promotion_gate import (
    CALIBRATION_LIMIT,
    GateConfig,
    PromotionDecision,
    allowed_calibration_error,
    decide,
    paired_bootstrap,
    too_slow,
)
from prodclf_assets.classifier.evaluation.report import EvaluationReport

TRUTH = ["a"] * 100 + ["b"] * 100 + ["rare"] * 10
WRONG = "wrong"
QUICK = [Latency(0.001, 0.02), Latency(0.001, 0.02)]


def shop(truth: list[str], others: list[str | None] | None = None) -> pd.DataFrame:
    """Test products of these categories, and of others."""
    columns = {"category": truth, "other_categories": others or [None] * len(truth)}
    return pd.DataFrame(columns, dtype="string")


TEST = shop(TRUTH)


def report(**changes: Any) -> EvaluationReport:
    """A report of a good model."""
    values = {name: {} for name in EvaluationReport.__dataclass_fields__}
    return EvaluationReport(
        **{  # type: ignore[arg-type]
            **values,
            "accuracy": 0.9,
            "baseline_accuracy": 0.88,
            "model_better": 12,
            "baseline_better": 8,
            "ece": 0.02,
            "reliability": [{"confidence": 0.9, "accuracy": 0.9, "rows": 14.0}] * 15,
            "rows": len(TRUTH),
            **changes,
        }
    )


def answers(**errors: int) -> list[str]:
    """The truth, but for the first `errors` products of each category named."""
    left = dict(errors)
    given = []
    for truth in TRUTH:
        wrong = left.get(truth, 0) > 0
        left[truth] = left.get(truth, 0) - 1
        given.append(WRONG if wrong else truth)
    return given


def judged(challenger: list[str], champion: list[str] | None, **config: Any) -> PromotionDecision:
    return decide(report(), TEST, challenger, champion, QUICK, GateConfig(**config))


def test_below_the_linear_baseline_it_is_refused() -> None:
    decision = decide(report(accuracy=0.8, model_better=4, baseline_better=21), TEST, TRUTH, None, QUICK[:1])
    assert not decision.promote
    assert decision.reason == "accuracy 0.8000 is below the linear baseline's 0.8800 beyond chance"
    latency = {"challenger_ms_1": 1.0, f"challenger_ms_{BLOCK_ROWS}": 20.0}
    assert decision.numbers == {
        "accuracy": 0.8, "baseline_accuracy": 0.88, "ece": 0.02, "rows": 210.0, **latency
    }  # fmt: skip


def test_chance_below_the_baseline_is_forgiven() -> None:
    assert decide(
        report(accuracy=0.85, model_better=8, baseline_better=14), TEST, TRUTH, None, QUICK[:1]
    ).promote


def test_badly_calibrated_it_is_refused() -> None:
    allowed = allowed_calibration_error(report().reliability)
    assert allowed > CALIBRATION_LIMIT
    decision = decide(report(ece=allowed + 0.001), TEST, TRUTH, None, QUICK[:1])
    assert not decision.promote
    assert decision.reason.startswith("calibration error ")
    assert decide(report(ece=allowed), TEST, TRUTH, None, QUICK[:1]).promote


@pytest.mark.parametrize(
    ("challenger", "champion", "reason"),
    [
        (Latency(0.0199, 0.099), Latency(0.0001, 0.001), None),
        (Latency(0.0201, 0.02), Latency(0.001, 0.02), "one product take 20.1 ms, the champion 1.0 ms; 20.0 ms are allowed"),
        (Latency(0.001, 0.25), Latency(0.001, 0.08), "256 products take 250.0 ms, the champion 80.0 ms; 240.0 ms are allowed"),
        (Latency(0.001, 0.239), Latency(0.001, 0.08), None),
        (Latency(0.51, 0.02), Latency(0.4, 0.02), "one product take 510.0 ms, the champion 400.0 ms; 500.0 ms are allowed"),
        (Latency(0.49, 0.99), None, None),
        (Latency(0.49, 1.01), None, "256 products take 1010.0 ms; 1000.0 ms are allowed"),
    ],
)  # fmt: skip
def test_only_what_is_several_times_as_slow_and_noticed_is_too_slow(
    challenger: Latency, champion: Latency | None, reason: str | None
) -> None:
    latencies = [challenger] if champion is None else [challenger, champion]
    assert too_slow(latencies, GateConfig()) == reason
    answers_of_champion = None if champion is None else TRUTH
    decision = decide(report(), TEST, TRUTH, answers_of_champion, latencies)
    assert decision.promote == (reason is None)
    assert decision.reason == reason or reason is None
    assert decision.numbers["challenger_ms_1"] == 1000 * challenger.one
    assert ("champion_ms_256" in decision.numbers) == (champion is not None)


def test_without_a_champion_the_baseline_is_enough() -> None:
    decision = judged(answers(a=100), None)
    assert decision.promote
    assert "no champion yet" in decision.reason
    assert "difference" not in decision.numbers


def test_worse_than_the_champion_it_is_refused_with_the_interval() -> None:
    decision = judged(answers(a=9, b=9, rare=3), answers())
    assert not decision.promote
    assert decision.reason.startswith("it is worse than the champion by 0.1000 (95% interval -0.")
    assert decision.numbers["champion_accuracy"] == 1
    assert decision.numbers["difference"] == pytest.approx(-0.1)
    assert decision.numbers["difference_low"] < -0.1 < decision.numbers["difference_high"] < 0
    assert "(90% interval" in judged(answers(a=9, b=9, rare=3), answers(), significance=0.1).reason


def test_a_loss_that_may_be_chance_is_no_reason() -> None:
    decision = judged(answers(a=2), answers(b=1))
    assert decision.promote
    assert decision.reason.startswith("no significant loss against the champion: -0.0048 (95% interval")
    assert decision.numbers["largest_category_loss"] == pytest.approx(0.02)


def test_a_category_sacrificed_for_the_average_is_named_the_worst_one_first() -> None:
    truth = TRUTH + ["c"] * 100
    champion = [*answers(), *[WRONG] * 50, *["c"] * 50]
    decision = decide(report(), shop(truth), [*answers(a=12, b=15), *["c"] * 100], champion, QUICK)
    assert decision.numbers["difference_low"] > 0
    assert not decision.promote
    assert decision.reason == "category 'b' loses 0.150 of its recall (100 rows)"
    assert decision.numbers["largest_category_loss"] == pytest.approx(0.15)
    assert decide(report(), shop(truth), [*answers(a=9, b=10), *["c"] * 100], champion, QUICK).promote


def test_a_category_with_few_products_decides_nothing() -> None:
    sacrificed = judged(answers(rare=6), answers(a=6))
    assert sacrificed.promote
    assert not judged(answers(rare=6), answers(a=6), category_rows=10).promote
    assert "largest_category_loss" not in judged(answers(), answers(), category_rows=1000).numbers


def test_an_answer_is_right_when_the_product_is_listed_there() -> None:
    """A champion that answers rows' own categories is no better than a challenger that answers others of theirs."""
    test = shop(TRUTH, ["sale\nshelf"] * 100 + [None] * 110)
    elsewhere = ["shelf"] * 100 + TRUTH[100:]
    decision = decide(report(), test, elsewhere, TRUTH, QUICK)
    assert decision.promote
    assert decision.numbers["difference"] == 0
    assert not decide(report(), TEST, elsewhere, TRUTH, QUICK).promote
    # A name that is only part of one, or none at all, is no category of the product.
    for wrong in ("s", "sale\nshelf", ""):
        assert not decide(report(), test, [wrong] * 100 + TRUTH[100:], TRUTH, QUICK).promote


def test_without_test_products_nothing_is_held_against_it() -> None:
    decision = decide(report(), TEST.iloc[:0], [], [], QUICK)
    assert decision.promote
    assert decision.reason == "there are no test products to compare it with the champion on"
    assert "difference" not in decision.numbers
    worse = report(accuracy=0.8, model_better=4, baseline_better=21)
    assert not decide(worse, TEST.iloc[:0], [], [], QUICK).promote, "the baseline is to be met all the same"


@pytest.mark.parametrize(("labels", "shared"), [([], 0.0), (["rare", "x"], 10 / 210), (["x"], 0.0)])
def test_a_champion_of_another_catalogue_is_not_beaten(labels: list[str], shared: float) -> None:
    """It would be wrong about every product, and any challenger better."""
    decision = decide(report(), TEST, TRUTH, [WRONG] * len(TRUTH), QUICK, champion_labels=labels)
    assert not decision.promote
    assert "another catalogue" in decision.reason
    assert decision.numbers["shared_categories"] == pytest.approx(shared)
    assert "champion_accuracy" not in decision.numbers


def test_a_champion_that_knows_some_of_the_categories_is_compared() -> None:
    champion = [said if said == "a" else WRONG for said in TRUTH]
    assert decide(report(), TEST, TRUTH, champion, QUICK, champion_labels=["a", "x"]).promote
    others = shop(["new"] * len(TRUTH), list(TRUTH))
    found = decide(report(), others, TRUTH, TRUTH, QUICK, champion_labels=["a"])
    assert found.numbers["shared_categories"] == pytest.approx(100 / 210)


def test_better_than_the_champion_it_is_promoted() -> None:
    decision = judged(answers(), answers(a=20, b=20))
    assert decision.promote
    assert decision.numbers["difference_low"] > 0
    assert decision.to_dict() == {
        "promote": True, "reason": decision.reason, "numbers": decision.numbers
    }  # fmt: skip


def test_the_comparison_is_paired() -> None:
    """Two models of equal accuracy that err on other rows differ less surely than their rows would say alone."""
    same = judged(answers(a=30), answers(a=30)).numbers
    assert same["difference_low"] == same["difference_high"] == 0
    apart = judged(answers(a=30), answers(b=30)).numbers
    assert apart["difference_low"] < 0 < apart["difference_high"]


def test_the_bootstrap_interval_is_that_of_the_normal_approximation() -> None:
    drawn = np.random.default_rng(0)
    gain = drawn.choice([-1.0, 0.0, 1.0], size=2000, p=[0.05, 0.85, 0.10])
    low, high = paired_bootstrap(gain, GateConfig(resamples=20_000))
    half = 1.96 * gain.std() / np.sqrt(len(gain))
    assert low == pytest.approx(gain.mean() - half, abs=0.002)
    assert high == pytest.approx(gain.mean() + half, abs=0.002)
    assert (low, high) == paired_bootstrap(gain, GateConfig(resamples=20_000))
    assert (low, high) == paired_bootstrap(gain[::-1], GateConfig(resamples=20_000))
    wide = paired_bootstrap(gain, GateConfig(significance=0.01))
    assert wide[0] < low < high < wide[1]


def test_the_interval_holds_the_true_difference_about_as_often_as_it_says() -> None:
    held = 0
    for seed in range(300):
        gain = np.random.default_rng(seed).choice([-1.0, 0.0, 1.0], size=400, p=[0.1, 0.8, 0.1])
        low, high = paired_bootstrap(gain, GateConfig(resamples=400))
        held += low <= 0 <= high
    assert 0.91 <= held / 300 <= 0.99
