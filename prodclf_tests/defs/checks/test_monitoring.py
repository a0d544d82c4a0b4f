"""When the share of suspect categories is out of the ordinary."""

import pytest

from prodclf_assets.defs.checks.monitoring import check_suspects


@pytest.mark.parametrize(
    ("suspects", "before", "passed"),
    [
        (0, None, True),
        (190, None, True),
        (210, None, False),
        (60, (1000, 45), True),
        (66, (1000, 45), True),
        (90, (1000, 45), False),
        (90, (1000, 80), True),
        (3, (1000, 0), True),
        (20, (1000, 0), False),
    ],
)
def test_many_suspects_and_clearly_more_than_before_are_warned_of(
    suspects: int, before: tuple[int, int] | None, passed: bool
) -> None:
    earlier = before and dict(zip(("listings", "suspects"), before, strict=True))
    found = check_suspects({"listings": 1000, "suspects": suspects, "before": earlier})
    assert found.passed == passed
    assert f"{suspects / 1000:.1%} of 1,000 listings" in str(found.description)
    assert ("the time before" in str(found.description)) == (before is not None)
    assert ("mixed categories up" in str(found.description)) == (not passed)


def test_nothing_asked_is_nothing_to_warn_of() -> None:
    assert check_suspects({"listings": 0, "suspects": 0, "before": None}).passed
