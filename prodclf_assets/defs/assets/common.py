"""What the assets have in common: who owns them, and which code made them."""

import hashlib
import subprocess
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from prodclf_assets.settings import get_settings

if TYPE_CHECKING:
    from prodclf_assets.classifier.checkpoints import CheckpointFolder

PACKAGE = Path(__file__).parents[2]
DATA_OWNER = "team:data-engineering"
CATALOGUE_OWNER = "team:catalogue-management"


@cache
def code_version(*rooms: str) -> str:
    """Return a version that changes whenever the source of one of these rooms does.

    Hashed and not written by hand, so nobody can forget to raise it; a comment alone also counts as a change.

    Args:
        rooms: packages below `prodclf_assets`.
    """
    digest = hashlib.sha256()
    files = (file for room in rooms for kind in ("*.py", "*.html") for file in (PACKAGE / room).rglob(kind))
    for path in sorted(files):
        digest.update(path.relative_to(PACKAGE).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def git_commit() -> str | None:
    """Return the commit of the code that runs, marked `-dirty` when files differ from it; None where git knows none."""
    command = ["git", "-C", str(PACKAGE), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip() or None


def checkpoint_folder(*rooms: str) -> "CheckpointFolder":
    """Return where training keeps what it has reached, apart by the code and the libraries that compute it.

    Args:
        rooms: packages below `prodclf_assets` that take part, beside catalog and classifier.
    """
    from prodclf_assets.classifier.bundle import library_versions
    from prodclf_assets.classifier.checkpoints import CheckpointFolder

    versions = {"code": code_version("catalog", "classifier", *rooms), **library_versions()}
    return CheckpointFolder(get_settings().checkpoints, versions)
