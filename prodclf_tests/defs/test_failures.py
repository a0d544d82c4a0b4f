import dagster as dg
import pytest

from prodclf_assets.defs.failures import as_failure, user_errors
from prodclf_assets.errors import LakeError, SourceError


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
    failure = result.failure_data_for_node("broken")
    assert failure is not None
    assert failure.user_failure_data is not None
    assert failure.user_failure_data.description == "the lake is gone: check PRODCLF_LAKE"
