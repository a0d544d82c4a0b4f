"""Whether what a search found is used, and for which catalogue."""

from pathlib import Path

import numpy as np
import pytest

from prodclf_assets.search.progress import Progress, choose, gains_so_far, parameters_shown, still_fits
from prodclf_assets.search.trials import MOST_ROUNDS, default_parameters
from prodclf_tests.search.made_up import numbered, progress, trial


def test_the_best_trial_is_taken_when_it_is_better_beyond_chance() -> None:
    found = choose(progress(trial(1, -0.01), trial(2, 0.02), trial(3, 0.01)))
    assert found.parameters == {**default_parameters(), "l2": 2.0, "rounds": MOST_ROUNDS}
    assert "the best of 3 trials, number 2, has log loss 2.4800 instead of 2.5000" in found.reason
    assert found.reason.startswith("parameters of a search")


@pytest.mark.parametrize(
    "trials",
    [
        pytest.param([trial(1, 0.02, error=0.01)], id="within chance"),
        pytest.param([trial(1, -0.5)], id="worse"),
        pytest.param([trial(1, 0.5, folds=1)], id="given up after one fold"),
        pytest.param([], id="none"),
    ],
)
def test_otherwise_the_defaults_stay_and_the_reason_says_so(trials: list) -> None:
    found = choose(progress(*trials))
    assert found.parameters == {}
    assert found.reason.startswith("default parameters")


def test_the_best_of_what_was_given_up_does_not_count() -> None:
    known = progress(trial(1, 0.1), trial(2, 0.9, folds=2), trial(3, 0.2))
    assert known.best == trial(3, 0.2)
    assert gains_so_far(known.trials) == [0.1, 0.1, 0.2]
    assert gains_so_far(numbered([-1.0, -0.5])) == [0.0, 0.0]


def test_saved_and_loaded_it_is_the_same(tmp_path: Path) -> None:
    known = progress(trial(1, 1 / 3), trial(2, 0.1, folds=1))
    known.save(tmp_path)
    loaded = Progress.load(tmp_path)
    assert (loaded.trials, loaded.seconds) == (known.trials, known.seconds)
    np.testing.assert_array_equal(loaded.default.losses, known.default.losses)
    assert loaded.default.log_loss == known.default.log_loss


RECORD = {"parameters": {"leaves": 7}, "categories": ["a", "b", "c", "d"]}


@pytest.mark.parametrize(
    ("record", "categories", "objection"),
    [
        (RECORD, ["a", "b", "c", "d"], None),
        (RECORD, ["a", "b", "c", "d", "e", "f"], None),
        (RECORD, ["a", "x", "y"], "another catalogue, which shares 17% of the categories"),
        ({**RECORD, "parameters": {"forks": 7}}, ["a", "b", "c", "d"], "no parameter forks"),
    ],
)
def test_parameters_pass_on_to_a_catalogue_with_most_of_the_same_categories(
    record: dict, categories: list[str], objection: str | None
) -> None:
    found = still_fits(record, categories)
    assert found == objection if objection is None else objection in str(found)


def test_parameters_are_shown_in_a_line() -> None:
    assert parameters_shown({"leaves": 31, "l2": 0.123456}) == "leaves 31, l2 0.123"
