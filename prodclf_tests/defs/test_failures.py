from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from prodclf_assets.defs import failures
from prodclf_assets.defs.failures import as_failure, user_errors
from prodclf_assets.defs.io_managers import ReportIOManager
from prodclf_assets.defs.resources import LakeResource
from prodclf_assets.errors import LakeError, LakeUnavailableError, SourceError
from prodclf_assets.lake import Lake
from prodclf_tests.defs.graph import why_failed


def test_a_user_error_becomes_a_failure_with_its_sentence_and_no_retries() -> None:
    with pytest.raises(dg.Failure) as caught, as_failure():
        raise SourceError("no file matches catalogue/*.csv: correct PRODCLF_SOURCE")
    assert caught.value.description == "no file matches catalogue/*.csv: correct PRODCLF_SOURCE"
    assert caught.value.allow_retries is False
    assert caught.value.metadata["error"].value == "SourceError"


def test_other_errors_pass_through_with_their_own_type() -> None:
    with pytest.raises(ZeroDivisionError), as_failure():
        1 / 0  # noqa: B018


def test_the_decorator_keeps_the_signature_that_dagster_reads() -> None:
    calls = []

    @dg.asset(retry_policy=dg.RetryPolicy(max_retries=3))
    @user_errors
    def broken(context: dg.AssetExecutionContext) -> int:
        calls.append(context.run_id)
        raise LakeError("the lake is gone: check PRODCLF_LAKE")

    result = dg.materialize([broken], raise_on_error=False)
    assert len(calls) == 1, "a user error must not be retried"
    assert why_failed(result, "broken") == "the lake is gone: check PRODCLF_LAKE"


def test_outside_a_step_nothing_is_tried_again() -> None:
    with pytest.raises(dg.Failure, match="did not answer"), as_failure():
        raise LakeUnavailableError("the store did not answer")


def test_pauses_grow() -> None:
    pauses = []
    for attempts in range(3):
        with pytest.raises(dg.RetryRequested) as caught, as_failure(attempts):
            raise LakeUnavailableError("the store did not answer")
        pauses.append(caught.value.seconds_to_wait)
        assert caught.value.max_retries == 3
    assert pauses == sorted(pauses)
    assert 0 < pauses[0] < pauses[2] < 120


@pytest.mark.parametrize(("answers", "calls"), [(2, 3), (99, 4)])
def test_a_step_is_tried_again_when_a_service_was_away_and_says_so_when_it_stays_away(
    monkeypatch: pytest.MonkeyPatch, answers: int, calls: int
) -> None:
    monkeypatch.setattr(failures, "RETRIES", dg.RetryPolicy(max_retries=3, delay=0.01))
    made = []

    @dg.asset
    @user_errors
    def patient() -> None:
        made.append(1)
        if len(made) <= answers:
            raise LakeUnavailableError("the store did not answer: try again later")

    result = dg.materialize([patient], raise_on_error=False)
    assert len(made) == calls
    assert result.success == (answers < 4)
    if not result.success:
        assert why_failed(result, "patient") == "the store did not answer: try again later"


@pytest.mark.parametrize("side", ["read", "write"])
def test_storage_that_was_away_is_tried_again_too(
    home: Path, monkeypatch: pytest.MonkeyPatch, side: str
) -> None:
    monkeypatch.setattr(failures, "RETRIES", dg.RetryPolicy(max_retries=3, delay=0.01))
    away = [1, 2]

    @dg.asset(io_manager_key="io")
    def first() -> dict[str, int]:
        return {"n": 1}

    @dg.asset(io_manager_key="io")
    def second(first: dict[str, int]) -> dict[str, int]:
        return {"n": first["n"] + 1}

    plain = getattr(Lake, "opened" if side == "read" else "write")

    def sometimes(self: Lake, *given: Any, **named: Any) -> Any:
        if away:
            away.pop()
            raise LakeUnavailableError("the store did not answer: try again later")
        return plain(self, *given, **named)

    monkeypatch.setattr(Lake, "opened" if side == "read" else "write", sometimes)
    result = dg.materialize([first, second], resources={"io": ReportIOManager(lake=LakeResource())})
    assert result.success
    assert not away
    assert result.output_for_node("second") == {"n": 2}
