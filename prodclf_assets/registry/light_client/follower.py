"""One version looked up again and again without MLflow in the process, for who follows an alias.

MLflow brings 100 MB and a second of imports along. What a follower asks every few seconds is three rows of its database or one
request to its server, and those are read here as they are. A bundle is fetched likewise, where it lies in a folder or its
server hands it out; from elsewhere MLflow fetches it, in a process of its own. A store that wants more than that (another
database, credentials) is reached by MLflow as ever.
"""

import json
import os
import sqlite3
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from prodclf_assets.errors import RegistryError
from prodclf_assets.registry.connection import SQLITE
from prodclf_assets.registry.fetched import fetched
from prodclf_assets.registry.light_client.download import download
from prodclf_assets.registry.light_client.mlflow_tables import MlflowTables
from prodclf_assets.registry.registry import Registry, open_registry
from prodclf_assets.registry.versions import RegisteredVersion, bundle_folder
from prodclf_assets.settings import Settings

_SERVER = ("http://", "https://")
_SECONDS = 10.0
_FETCH, _FETCH_SECONDS = "prodclf_assets.registry.light_client.fetch_bundle", 600.0
# Any of these in the environment makes MLflow send what is not sent here, or trust whom is not trusted here.
_CREDENTIALS = (
    "USERNAME",
    "PASSWORD",
    "TOKEN",
    "AUTH",
    "AWS_SIGV4",
    "INSECURE_TLS",
    "CLIENT_CERT_PATH",
    "SERVER_CERT_PATH",
)
_WANTS_MLFLOW = ("MLFLOW_WORKSPACE", *(f"MLFLOW_TRACKING_{name}" for name in _CREDENTIALS))
_OWN_AUTHORITIES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


class Follower:
    """Looks a version up and fetches its bundle; answers as `Registry` does.

    Args:
        settings: name the tracking store, a SQLite file or a server without credentials, and the model.
    """

    def __init__(self, settings: Settings) -> None:
        self._uri = settings.tracking_uri
        self._model = settings.model_name
        self._tables = MlflowTables(Path(self._uri.removeprefix(SQLITE)).absolute(), self._model)

    def resolve(self, ref: str) -> RegisteredVersion:
        """Return the version that an alias names, or that has this number.

        Raises:
            RegistryError: there is no such version or alias, or the store cannot be reached.
        """
        try:
            found = self._from_server(ref) if self._uri.startswith(_SERVER) else self._from_file(ref)
        except (OSError, sqlite3.Error, ValueError, KeyError) as error:
            raise RegistryError(
                f"cannot look up {ref!r} of {self._model!r} in the model registry {self._uri} ({error}): check "
                "MLFLOW_TRACKING_URI and that its server or file can be reached"
            ) from error
        if found is None:
            raise RegistryError(
                f"{self._model!r} has no version or alias {ref!r} in {self._uri}: run `prodclf train`, or "
                "`prodclf models promote` a version there is"
            )
        return found

    def fetch(self, version: RegisteredVersion, into: Path) -> Path:
        """Return the bundle of a version in a folder of its own below `into`, verified against its hash.

        Raises:
            RegistryError: the bundle cannot be downloaded, or differs from what was registered.
        """
        try:
            return fetched(version, into, lambda aside: self._download(version, aside))
        except (OSError, sqlite3.Error, ValueError, KeyError):
            return self._fetch_by_mlflow(version, into)

    def _download(self, version: RegisteredVersion, aside: Path) -> Path:
        """Bring the bundle into a folder.

        Raises:
            OSError, sqlite3.Error, ValueError, KeyError: it is not to be had without MLflow.
        """
        bundle = download(self._uri, self._location(version), aside)
        if bundle is None:
            raise ValueError("a store that MLflow knows how to reach")
        return bundle

    def _location(self, version: RegisteredVersion) -> str:
        if self._uri.startswith(_SERVER):
            found = self._ask("model-versions/get-download-uri", {"version": str(version.version)})
            return str(found["artifact_uri"])
        row = self._tables.version(str(version.version))
        return str(row[-1]) if row else ""

    def _fetch_by_mlflow(self, version: RegisteredVersion, into: Path) -> Path:
        # The package may have been found by a path that only this process was given.
        paths = [str(Path(__file__).parents[3]), os.environ.get("PYTHONPATH", "")]
        done = subprocess.run(
            [sys.executable, "-m", _FETCH, self._uri, self._model, str(version.version), str(into)],
            capture_output=True, text=True, check=False, timeout=_FETCH_SECONDS,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in paths if path)},
        )  # fmt: skip
        if done.returncode:
            reason = (done.stderr.strip().splitlines() or ["the process that fetches was killed"])[-1]
            raise RegistryError(reason)
        return bundle_folder(version, into)

    def _from_file(self, ref: str) -> RegisteredVersion | None:
        if not self._tables.file.exists():
            return None
        aliases = self._tables.aliases()
        row = self._tables.version(str(aliases.get(ref, ref)))
        if row is None:
            return None
        number, run, created, text, _ = row
        names = tuple(sorted(alias for alias, version in aliases.items() if version == number))
        return self._version(number, run, created, text, names, self._tables.tags(str(number)))

    def _from_server(self, ref: str) -> RegisteredVersion | None:
        route, asked = (
            ("model-versions/get", "version") if ref.isdecimal() else ("registered-models/alias", "alias")
        )
        try:
            found = self._ask(route, {asked: ref})["model_version"]
        except urllib.error.HTTPError as error:
            # Of an alias that is not there the server says that the request is wrong.
            if json.load(error).get("error_code") in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                return None
            raise
        tags = {tag["key"]: tag["value"] for tag in found.get("tags", [])}
        names = tuple(sorted(found.get("aliases", [])))
        return self._version(
            found["version"],
            found.get("run_id"),
            found["creation_timestamp"],
            found.get("description"),
            names,
            tags,
        )

    def _ask(self, route: str, query: Mapping[str, str]) -> dict[str, Any]:
        """What the server says about the model."""
        url = f"{self._uri.rstrip('/')}/api/2.0/mlflow/{route}?{urllib.parse.urlencode({'name': self._model, **query})}"
        with urllib.request.urlopen(url, timeout=_SECONDS) as response:
            answer: dict[str, Any] = json.load(response)
            return answer

    def _version(
        self,
        number: Any,
        run: str | None,
        created: int,
        text: str | None,
        aliases: tuple[str, ...],
        tags: Mapping[str, str],
    ) -> RegisteredVersion:
        return RegisteredVersion(
            name=self._model,
            version=int(number),
            run_id=run or None,
            created_at=datetime.fromtimestamp(created / 1000, UTC),
            aliases=aliases,
            tags=tags,
            description=text or "",
        )


def open_follower(settings: Settings) -> Follower | Registry:
    """Return what follows the registry that the environment names, without MLflow where that is possible."""
    uri = settings.tracking_uri
    return Follower(settings) if uri.startswith(SQLITE) or _is_open_server(uri) else open_registry(settings)


def _is_open_server(uri: str) -> bool:
    """Whether a URI is that of a tracking server which asks for nothing that only MLflow sends."""
    wanted = _WANTS_MLFLOW + (_OWN_AUTHORITIES if uri.startswith("https://") else ())
    return (
        uri.startswith(_SERVER)
        and "@" not in uri
        and not any(name in os.environ for name in wanted)
        and not (Path.home() / ".mlflow" / "credentials").exists()
    )
