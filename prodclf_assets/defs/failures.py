"""User errors as Dagster shows them: the sentence itself as the failure, tried again only where that can help."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Final, ParamSpec, TypeVar

import dagster as dg
from dagster._core.execution.context.compute import current_execution_context

from prodclf_assets.errors import PassingError, ProdclfError, disk_fault
from prodclf_assets.settings import get_settings

P = ParamSpec("P")
T = TypeVar("T")

# Beside the retries that the S3 and MLflow clients make within seconds: about 10 s, 30 s, 70 s.
RETRIES: Final = dg.RetryPolicy(
    max_retries=3, delay=10, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS
)


@contextmanager
def as_failure(attempts: int | None = None) -> Iterator[None]:
    """Turn a ProdclfError into a `dg.Failure` that carries its sentence.

    Retrying cannot mend an absent file or a blank column, so the failure forbids it. What may pass by itself, a
    service that did not answer, is tried again with growing pauses where there is a step to try.

    Args:
        attempts: how often this step was tried before; None where there is no step.

    Raises:
        dagster.RetryRequested: the block raised a PassingError in a step.
        dagster.Failure: the block raised another ProdclfError.
    """
    try:
        with _told_of_disks():
            yield
    except ProdclfError as error:
        failure = dg.Failure(
            description=str(error), metadata={"error": type(error).__name__}, allow_retries=False
        )
        if attempts is None or not isinstance(error, PassingError):
            raise failure from error
        failure.__cause__ = error
        pause = RETRIES.calculate_delay(attempts + 1)
        raise dg.RetryRequested(RETRIES.max_retries, pause) from failure


@contextmanager
def _told_of_disks() -> Iterator[None]:
    """Make one sentence of a full or read-only disk, too."""
    try:
        yield
    except ProdclfError:
        raise
    except Exception as error:
        fault = disk_fault(error, get_settings().home.absolute())
        if fault is None:
            raise
        raise ProdclfError(fault) from error


def user_errors(function: Callable[P, T]) -> Callable[P, T]:
    """Decorate the function of an asset or of a check so that its ProdclfErrors become failures."""

    @wraps(function)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> T:
        step = current_execution_context.get()
        with as_failure(step.op_execution_context.retry_number if step is not None else None):
            return function(*args, **kwargs)

    return guarded
