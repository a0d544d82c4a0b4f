"""What `prodclf train` shows while it works: a short line per message, and a trace only where it helps.

An error that is the user's to mend is one sentence in the summary that ends the run; Dagster's own console would
print it as two traces and a line for every step that was not reached. All of that is still in the run's history.
"""

import logging
import sys
from typing import Any

import dagster as dg

SKIPPED = "Dependencies for step"


@dg.logger(config_schema={"verbose": dg.Field(bool, default_value=False)})
def terminal_logger(context: dg.InitLoggerContext) -> logging.Logger:
    """Log what assets say, warnings, and errors nobody foresaw; everything when it is to be verbose."""
    verbose = context.logger_config["verbose"]
    handler = logging.StreamHandler(sys.stderr)
    if not verbose:
        handler.addFilter(is_worth_showing)
    handler.setFormatter(_ShortLine())
    logger = logging.Logger("prodclf", logging.DEBUG if verbose else logging.INFO)
    logger.addHandler(handler)
    return logger


def is_worth_showing(record: logging.LogRecord) -> bool:
    """Whether a person at a terminal wants this record: what assets say, and failures that are not the user's."""
    about = getattr(record, "dagster_meta", {})
    event = about.get("dagster_event")
    if event is None:
        return about.get("step_key") is not None and not str(about.get("orig_message", "")).startswith(
            SKIPPED
        )
    return bool(event.is_step_failure and not _is_understood(event.step_failure_data))


def _is_understood(failure: Any) -> bool:
    """Whether the summary at the end of the run says all there is to a failure: a user's error, or a check's sentence."""
    check = failure.error is not None and failure.error.cls_name == "DagsterAssetCheckFailedError"
    return check or failure.user_failure_data is not None


class _ShortLine(logging.Formatter):
    """Time, step and message; for a failure the message is its trace."""

    def format(self, record: logging.LogRecord) -> str:
        about = getattr(record, "dagster_meta", {})
        event = about.get("dagster_event")
        text = record.getMessage() if event is not None else about.get("orig_message", record.getMessage())
        mark = f"{record.levelname.lower()}: " if record.levelno >= logging.WARNING else ""
        return f"{self.formatTime(record, '%H:%M:%S')} {about.get('step_key') or 'run'}: {mark}{text}"
