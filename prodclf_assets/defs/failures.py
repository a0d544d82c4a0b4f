"""User errors as Dagster shows them: the sentence itself as the failure, never retried."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import ParamSpec, TypeVar

import dagster as dg

from prodclf_assets.errors import ProdclfError

P = ParamSpec("P")
T = TypeVar("T")


@contextmanager
def as_failure() -> Iterator[None]:
    """Turn a ProdclfError into a `dg.Failure` that carries its sentence.

    Retrying cannot mend an absent file or a blank column, so the failure forbids it.

    Raises:
        dagster.Failure: the block raised a ProdclfError.
    """
    try:
        yield
    except ProdclfError as error:
        raise dg.Failure(
            description=str(error), metadata={"error": type(error).__name__}, allow_retries=False
        ) from error


def user_errors(function: Callable[P, T]) -> Callable[P, T]:
    """Decorate the function of an asset or of a check so that its ProdclfErrors become failures."""

    @wraps(function)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> T:
        with as_failure():
            return function(*args, **kwargs)

    return guarded
