"""Take out of an installed environment what never runs in it, and say what is left.

Used while an image is built: `python slim.py /opt/prodclf [--serving]`. Standard library only. What it takes out is listed
here by name; `prodclf_tests/infra/test_images.py` then runs the system on what is left.
"""

import argparse
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

# Test suites that wheels ship; nothing imports them.
TESTED = ("matplotlib", "numba", "pandas", "pyarrow", "scipy", "sklearn")
# Globs below site-packages.
UNUSED = (
    "**/*.js.map",
    # C++ headers, and Arrow Flight, which only RPC clients need.
    "pyarrow/include",
    "pyarrow/_flight.*",
    "pyarrow/libarrow_flight.so*",
    "pyarrow/libarrow_python_flight.so*",
    # The same file under three names, of which programs are linked to the one with the ABI number alone.
    "pyarrow/libarrow_python*.so",
    "pyarrow/libarrow_python*.so.*.*.*",
    # Ray's Java workers, the pages of its dashboard, and the libraries that are not Serve, Data or Tune.
    "ray/jars",
    "ray/dashboard/client",
    "ray/rllib",
    "ray/llm",
    "../../../bin/py-spy",
    # What matplotlib writes PDF and PostScript with; our plots are PNG. It imports `agl` and `misc` whatever it draws.
    "fontTools/*Lib",
    "fontTools/cu2qu",
    "fontTools/qu2cu",
    "fontTools/pens",
    "fontTools/subset",
)
# Serving speaks to S3 and asks for credentials, nothing else of AWS.
AWS_SERVICES = ("s3", "sso", "sso-oidc", "sts")
# The graph starts its runs on ECS, too.
AWS_SERVICES_OF_GRAPH = (*AWS_SERVICES, "ec2", "ecs", "logs", "secretsmanager")
# Globs of programs and libraries that were built without `strip`: symbols for debuggers. None of them was patched after it was
# linked, which `strip` would undo.
STRIPPED = (
    "aiohttp/**/*.so",
    "llvmlite/binding/libllvmlite.so",
    "pyarrow/lib*.so*",
    "ray/_raylet.so",
    "ray/_private/runtime_env/agent/thirdparty_files/**/*.so",
    "ray/core/src/ray/gcs/gcs_server",
    "ray/core/src/ray/raylet/raylet",
    "uvloop/loop.*.so",
    "yaml/*.so",
)


def site_packages(environment: Path) -> Path:
    """The folder of installed packages of a virtual environment."""
    return next((environment / "lib").glob("python3*/site-packages"))


def unused(packages: Path, *, serving: bool) -> Iterator[Path]:
    """Every file and folder that is to go."""
    for pattern in UNUSED:
        yield from packages.glob(pattern)
    for name in TESTED:
        yield from packages.glob(f"{name}/**/tests")
    needed = AWS_SERVICES if serving else AWS_SERVICES_OF_GRAPH
    for folder in (packages / "botocore" / "data").iterdir():
        if folder.is_dir() and folder.name not in needed:
            yield folder


def slim(environment: Path, *, serving: bool) -> None:
    """Remove what is unused and strip what is large.

    Raises:
        CalledProcessError: `strip` failed.
    """
    packages = site_packages(environment)
    for path in list(unused(packages, serving=serving)):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)  # it may lie in a folder that has gone already
        else:
            path.unlink(missing_ok=True)
    for pattern in STRIPPED:
        for path in packages.glob(pattern):
            subprocess.run(["strip", "--strip-unneeded", path], check=True)


def size(path: Path) -> int:
    """Bytes on disk of a file or of everything below a folder; what has two names counts once."""
    seen: dict[int, int] = {}
    for each in (path, *path.rglob("*")):
        facts = each.lstat()
        seen[facts.st_ino] = facts.st_blocks * 512
    return sum(seen.values())


def largest(environment: Path, count: int = 10) -> list[tuple[str, int]]:
    """The largest packages and their bytes on disk, largest first; `x.libs` counts towards `x`."""
    sizes: dict[str, int] = {}
    for path in site_packages(environment).iterdir():
        if path.suffix != ".dist-info":
            name = path.name.removesuffix(".libs").removesuffix("_binary")
            sizes[name] = sizes.get(name, 0) + size(path)
    return sorted(sizes.items(), key=lambda item: -item[1])[:count]


def main() -> None:
    """Slim the environment that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("environment", type=Path)
    parser.add_argument("--serving", action="store_true", help="also drop what only the graph uses")
    arguments = parser.parse_args()
    before = size(arguments.environment)
    slim(arguments.environment, serving=arguments.serving)
    print(f"{before / 1e6:.0f} MB before, {size(arguments.environment) / 1e6:.0f} MB after; the largest:")
    for name, bytes_ in largest(arguments.environment):
        print(f"  {bytes_ / 1e6:6.0f} MB {name}")


if __name__ == "__main__":
    main()
