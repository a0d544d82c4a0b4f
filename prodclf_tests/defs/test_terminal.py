from collections.abc import Sequence

import dagster as dg
import pytest

from prodclf_assets.defs.failures import user_errors
from prodclf_assets.defs.terminal import terminal_logger
from prodclf_assets.errors import SourceError


@dg.asset
def talking(context: dg.AssetExecutionContext) -> None:
    context.log.info("read 3 rows")
    context.log.debug("a detail")
    context.log.warning("one price is odd")


@dg.asset(deps=[talking])
@user_errors
def unusable(context: dg.AssetExecutionContext) -> None:
    raise SourceError("shop.csv is empty; give a file with at least one product")


@dg.asset(deps=[talking])
def broken() -> None:
    raise ZeroDivisionError("nobody foresaw this")


@dg.asset(deps=[unusable])
def after() -> None:
    """Never reached."""


def shown(
    capfd: pytest.CaptureFixture[str],
    *assets: dg.AssetsDefinition,
    checks: Sequence[dg.AssetChecksDefinition] = (),
    verbose: bool = False,
) -> str:
    defs = dg.Definitions(
        assets=list(assets),
        asset_checks=list(checks),
        jobs=[dg.define_asset_job("all", selection=dg.AssetSelection.all())],
        loggers={"terminal": terminal_logger},
    )
    with dg.DagsterInstance.ephemeral() as instance:
        defs.resolve_job_def("all").execute_in_process(
            run_config={"loggers": {"terminal": {"config": {"verbose": verbose}}}},
            instance=instance,
            raise_on_error=False,
        )
    return capfd.readouterr().err


def test_what_assets_say_is_one_short_line_each(capfd: pytest.CaptureFixture[str]) -> None:
    lines = shown(capfd, talking).splitlines()
    assert [line.split(" ", 1)[1] for line in lines] == [
        "talking: read 3 rows",
        "talking: warning: one price is odd",
    ]


def test_an_error_of_the_user_leaves_no_trace_and_no_list_of_what_was_not_reached(
    capfd: pytest.CaptureFixture[str],
) -> None:
    text = shown(capfd, talking, unusable, after)
    assert "Traceback" not in text
    assert "Stack Trace" not in text
    assert "after" not in text


def test_an_error_nobody_foresaw_is_shown_with_its_trace(capfd: pytest.CaptureFixture[str]) -> None:
    text = shown(capfd, talking, broken)
    assert "ZeroDivisionError: nobody foresaw this" in text
    assert "Stack Trace" in text


@dg.asset_check(asset=talking, blocking=True)
def sound() -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=False, description="half of the products are gone")


@dg.asset(deps=[talking])
def behind() -> None:
    """Never reached."""


def test_a_failed_check_leaves_no_trace(capfd: pytest.CaptureFixture[str]) -> None:
    text = shown(capfd, talking, behind, checks=[sound])
    assert "Traceback" not in text
    assert "Stack Trace" not in text
    assert "DagsterAssetCheckFailedError" not in text


def test_verbose_shows_every_event_and_detail(capfd: pytest.CaptureFixture[str]) -> None:
    text = shown(capfd, talking, unusable, verbose=True)
    assert "a detail" in text
    assert "STEP_SUCCESS" in text
