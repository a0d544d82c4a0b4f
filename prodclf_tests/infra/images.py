"""`python -m prodclf_tests.infra.images [--write FILE]`: build both images without a container engine, run the system in them, and say what is in them.

Needs root on Linux, `debootstrap` and a Postgres server; see `replay.py`.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import click

from infra.stack.services import ROOT

IMAGES = ("graph", "serving")
NEEDED = ("debootstrap", "unshare", "postgres")
# What both must keep, and what they are meant to reach; of the image above its base of Debian and Python.
BAR_MB = 2000
AIM_MB = {"graph": 1200, "serving": 800}


def possible() -> bool:
    """Whether this machine can build the images."""
    return os.geteuid() == 0 and all(map(shutil.which, NEEDED))


def replayed() -> dict[str, Any]:
    """What `replay` saw.

    Raises:
        RuntimeError: it failed; the end of what it said.
    """
    work = Path(tempfile.mkdtemp(prefix="prodclf-images-"))
    work.chmod(0o755)
    own_mounts = ["unshare", "--mount", "--propagation", "private"]
    command = [*own_mounts, sys.executable, "-m", "prodclf_tests.infra.replay"]
    try:
        done = subprocess.run(
            [*command, str(work / "base"), str(work / "work")], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        if done.returncode != 0:
            raise RuntimeError(f"the replay of the images ended with {done.returncode}; see above")
        return dict(json.loads(done.stdout))
    finally:
        shutil.rmtree(work, ignore_errors=True)


def table(seen: dict[str, Any]) -> str:
    """Both images: size against bar and aim, and the ten largest packages in MB."""
    lines = ["| image | installed | bar | aim | the ten largest packages, MB |", "|---|---|---|---|---|"]
    for image in IMAGES:
        facts = seen[image]
        size = facts["whole"] / 1e6
        aim = "reached" if size < AIM_MB[image] else "**missed**"
        largest = ", ".join(f"{name} {bytes_ / 1e6:.0f}" for name, bytes_ in facts["largest"])
        lines.append(
            f"| `{image}` | {size:,.0f} MB | {BAR_MB:,} MB | {AIM_MB[image]:,} MB: {aim} | {largest} |"
        )
    return "\n".join(lines) + "\n"


@click.command()
@click.option("--write", type=click.Path(path_type=Path), help="Markdown file to write the table to.")
@click.option("--seen", type=click.Path(exists=True, path_type=Path), help="What an earlier replay printed.")
def main(write: Path | None, seen: Path | None) -> None:
    """Build both images, run the system in them, and print what is in them."""
    if seen is None and not possible():
        raise click.ClickException(f"needs root and {', '.join(NEEDED)}")
    text = table(json.loads(seen.read_text()) if seen else replayed())
    if write is None:
        click.echo(text)
    else:
        head = "# What is in the images\n\nMade by `uv run python -m prodclf_tests.infra.images --write infra/docker/SIZES.md`.\n\n"
        write.write_text(head + text, encoding="utf-8")


if __name__ == "__main__":
    main()
