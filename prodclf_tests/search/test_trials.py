"""What a trial measures, and on what."""

from dataclasses import fields, replace

import numpy as np
import pytest

from prodclf_assets.classifier.label_sets import LabelSets
from prodclf_assets.classifier.ranking.ranker import RankerConfig
from prodclf_assets.search import trials
from prodclf_assets.search.trials import (
    FOLDS,
    MOST_ROUNDS,
    SPACE,
    Material,
    Trial,
    default_parameters,
    measure,
    with_parameters,
)
from prodclf_tests.classifier.shop import label_sets
from prodclf_tests.search.made_up import learnt, material, measured

WEAK = {**default_parameters(), "learning_rate": 0.02, "leaves": 7}


def test_products_of_one_title_share_a_fold_and_every_fold_has_some() -> None:
    made = material(600)
    assert (made.fold[::2] == made.fold[1::2]).all()
    shares = np.bincount(made.fold, minlength=FOLDS) / 600
    assert len(shares) == FOLDS
    assert (shares > 0.2).all()


def test_of_too_many_products_the_same_are_drawn_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trials, "MOST_PRODUCTS", 50)
    one, other = (Material.of(learnt(200)) for _ in range(2))
    assert len(one.fold) == len(one.learnt.labels) == 50
    assert one.learnt.digest == other.learnt.digest
    np.testing.assert_array_equal(one.fold, other.fold)


def test_after_each_fold_more_products_are_measured_by_a_booster_that_has_not_seen_them() -> None:
    made = material()
    steps = list(measure(made, default_parameters(), threads=1))
    assert [step.folds for step in steps] == list(range(1, FOLDS + 1))
    for number, step in enumerate(steps):
        np.testing.assert_array_equal(~np.isnan(step.losses), made.fold <= number)
    last = steps[-1]
    assert last.rows == 400
    assert 0.5 < last.accuracy < 0.95, "in sample it would be nearly always right"
    assert last.log_loss == pytest.approx(last.losses.mean(), rel=1e-5)
    assert 0 < last.rounds <= MOST_ROUNDS


def test_the_same_parameters_give_the_same_numbers_on_any_threads() -> None:
    made = material()
    one, two = ([*measure(made, WEAK, threads)][-1] for threads in (1, 2))
    np.testing.assert_array_equal(one.losses, two.losses)
    assert (one.right, one.rounds) == (two.right, two.rounds)


def test_products_without_the_right_candidate_count_as_wrong_and_have_no_loss() -> None:
    made = material()
    labels = made.learnt.labels.copy()
    labels[:40] = 99
    some = Material(replace(made.learnt, truth=LabelSets.single(labels)), made.fold)
    step = [*measure(some, WEAK, threads=1)][-1]
    assert np.isnan(step.losses[:40]).all()
    assert not np.isnan(step.losses[40:]).any()
    assert step.rows == 400
    assert step.right <= 360


def test_the_loss_of_a_product_in_several_categories_is_that_of_any_of_them() -> None:
    """Every second product is in all of its candidates, so that nothing can be wrong about it."""
    made = material()
    everywhere = [
        [own, *set(candidates) - {own}] if row % 2 else [own]
        for row, (own, candidates) in enumerate(
            zip(made.learnt.labels.tolist(), made.learnt.pairs.candidates.tolist(), strict=True)
        )
    ]
    several = Material(replace(made.learnt, truth=label_sets(everywhere)), made.fold)
    step = [*measure(several, WEAK, threads=1)][-1]
    np.testing.assert_allclose(step.losses[1::2], 0, atol=1e-6)
    assert step.losses[::2].mean() > 0.1
    assert 200 < step.right < 400


def test_a_trial_is_compared_with_the_default_product_by_product() -> None:
    default = measured([1.0, 2.0, 3.0, float("nan")])
    found = Trial.of(4, WEAK, measured([0.5, 1.5, 2.5, float("nan")]), default)
    assert (found.number, found.parameters) == (4, WEAK)
    assert found.gain == pytest.approx(0.5)
    assert found.gain_error == pytest.approx(0, abs=1e-7)
    partial = Trial.of(4, WEAK, measured([0.5, float("nan"), 3.5, float("nan")], folds=1), default)
    assert partial.gain == pytest.approx(0)
    assert partial.gain_error == pytest.approx(0.5 / np.sqrt(2))
    assert found.is_whole
    assert not partial.is_whole


def test_what_is_searched_is_a_parameter_and_its_default_is_in_range() -> None:
    assert set(SPACE) <= {field.name for field in fields(RankerConfig)}
    for name, value in default_parameters().items():
        assert SPACE[name].low <= value <= SPACE[name].high
        assert isinstance(value, int) == SPACE[name].whole
    changed = with_parameters(RankerConfig(rounds=9), {"leaves": 7, "l2": 2.0})
    assert (changed.rounds, changed.leaves, changed.l2) == (9, 7, 2.0)
