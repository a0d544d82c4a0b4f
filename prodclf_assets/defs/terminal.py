"""What `prodclf train` shows while it works: a short line per message, and a trace only where it helps.

An error that is the user's to mend is one sentence in the summary that ends the run; Dagster's own console would
print it as two traces and a line for every step that was not reached. All of that is still in the run's history.
"""

import logging
import sys

import dagster as dg

SKIPPED = "Dependencies for step"


@dg.logger
def terminal_logger(_: dg.InitLoggerContext) -> logging.Logger:
    """Log what assets say, warnings, and errors nobody foresaw."""
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(is_worth_showing)
    handler.setFormatter(_ShortLine())
    logger = logging.Logger("prodclf", logging.INFO)
    logger.addHandler(handler)
    return logger


def is_worth_showing(record: logging.LogRecord) -> bool:
    """Whether a person at a terminal wants this record: what assets say, and failures that are not the user's."""
    about = getattr(record, "dagster_meta", {})
    event = about.get("dagster_event")
    if event is None:
        return not str(about.get("orig_message", "")).startswith(SKIPPED)
    return bool(event.is_step_failure and event.step_failure_data.user_failure_data is None)


class _ShortLine(logging.Formatter):
    """Time, step and message; for a failure the message is its trace."""

    def format(self, record: logging.LogRecord) -> str:
        about = getattr(record, "dagster_meta", {})
        event = about.get("dagster_event")
        text = record.getMessage() if event is not None else about.get("orig_message", record.getMessage())
        mark = f"{record.levelname.lower()}: " if record.levelno >= logging.WARNING else ""
        return f"{self.formatTime(record, '%H:%M:%S')} {about.get('step_key') or 'run'}: {mark}{text}"
