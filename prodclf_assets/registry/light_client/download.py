"""A registered bundle's files without MLflow, where they lie in a folder or a tracking server hands them out itself."""

import json
import shutil
import urllib.parse
import urllib.request
from pathlib import Path

from prodclf_assets.registry.versions import BUNDLE

_FILE, _PROXIED = "file://", "mlflow-artifacts:/"
_SECONDS = 60.0


def download(tracking_uri: str, location: str, aside: Path) -> Path | None:
    """Bring a bundle into a new folder.

    Args:
        tracking_uri: the store that knows the version.
        location: where it says that the version's files are.
        aside: the folder to make.

    Returns:
        the bundle in it; None when only MLflow can reach the place.

    Raises:
        OSError: a file cannot be read or written, or the server does not answer.
        ValueError: the server's answer makes no sense.
    """
    target = aside / "bundle"
    if location.startswith(("/", _FILE)):
        kept = Path(urllib.parse.unquote(location.removeprefix(_FILE))) / BUNDLE
        if not kept.is_dir():
            return None
        shutil.copytree(kept, target)
        # The copy of a read-only folder could be neither moved to its place nor removed.
        for folder in (target, *filter(Path.is_dir, target.rglob("*"))):
            folder.chmod(0o755)
        return target
    if location.startswith(_PROXIED) and not location.startswith(_PROXIED + "/"):
        route = f"{tracking_uri.rstrip('/')}/api/2.0/mlflow-artifacts/artifacts"
        _download_folder(route, f"{location.removeprefix(_PROXIED)}/{BUNDLE}", target)
        return target
    return None


def _download_folder(route: str, path: str, target: Path) -> None:
    with urllib.request.urlopen(
        f"{route}?{urllib.parse.urlencode({'path': path})}", timeout=_SECONDS
    ) as answer:
        files = json.load(answer)["files"]
    target.mkdir(parents=True)
    for file in files:
        name = str(file["path"])
        if name in ("", ".", "..") or Path(name).name != name:
            raise ValueError(f"the server names a file {name!r}")
        if file["is_dir"]:
            _download_folder(route, f"{path}/{name}", target / name)
            continue
        with (
            urllib.request.urlopen(
                f"{route}/{urllib.parse.quote(f'{path}/{name}')}", timeout=_SECONDS
            ) as answer,
            (target / name).open("wb") as out,
        ):
            shutil.copyfileobj(answer, out)
