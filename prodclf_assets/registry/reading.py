"""Which versions of a model there are, what they are called, and their bundles on this machine."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from prodclf_assets.errors import RegistryError
from prodclf_assets.registry.connection import Connection
from prodclf_assets.registry.fetched import fetched
from prodclf_assets.registry.light_client.download import BUNDLE
from prodclf_assets.registry.versions import RegisteredVersion, from_mlflow

# Versions asked for in one request; the most that MLflow's stores allow is 200,000.
PAGE = 1000


class RegistryReader:
    """The versions of one registered model, to be looked at and fetched.

    Every method raises RegistryError, in one sentence, when MLflow cannot be reached or refuses.

    Args:
        tracking_uri: a `sqlite:///` file, any other database MLflow knows, or the URL of a tracking server.
        model_name: name of the registered model.
        experiment: name of the experiment that runs are logged to.
        artifact_location: where a new experiment keeps its files: a folder or `s3://…`; None leaves it to the
            tracking server, or means a folder beside a SQLite file.
    """

    def __init__(
        self,
        tracking_uri: str,
        model_name: str,
        experiment: str = "prodclf",
        artifact_location: str | None = None,
    ) -> None:
        self._connection = Connection(tracking_uri, experiment, artifact_location)
        self.model_name = model_name
        self.experiment = experiment

    @property
    def tracking_uri(self) -> str:
        """The URI of the tracking store."""
        return self._connection.tracking_uri

    @property
    def artifact_location(self) -> str | None:
        """Where a new experiment keeps its files; None when the tracking store decides."""
        return self._connection.artifact_location

    def list_versions(self) -> list[RegisteredVersion]:
        """Return every registered version, newest first; none when nothing was ever registered."""
        if self._connection.is_empty:
            return []
        with self._connection.explained(f"list the versions of {self.model_name!r}"):
            aliases = self._aliases()
            found = [from_mlflow(item, aliases) for item in self._search()]
        return sorted(found, key=lambda item: item.version, reverse=True)

    def resolve(self, ref: str | int) -> RegisteredVersion:
        """Return the version that an alias names, or that has this number.

        Raises:
            RegistryError: there is no such version or alias; the sentence says which there are.
        """
        if not self._connection.is_empty:
            with self._connection.explained(f"look up {ref!r} of {self.model_name!r}"):
                aliases = self._aliases()
                found = self._find(str(aliases.get(str(ref), ref)))
            if found is not None:
                return from_mlflow(found, aliases)
        raise self._unknown(ref)

    def was_rolled_back(self, bundle_hash: str) -> bool:
        """Say whether a model equal to this one was champion and was rolled back."""
        return any(item.rolled_back and item.bundle_hash == bundle_hash for item in self.list_versions())

    def fetch(self, version: RegisteredVersion, into: Path) -> Path:
        """Return the bundle of a version in a folder of its own below `into`, verified against its hash.

        The folder is named after the model and its files, appears whole or not at all, and is used again when it is
        already there; any number of processes may fetch into one place.

        Raises:
            RegistryError: the bundle cannot be downloaded, or differs from what was registered.
        """
        with self._connection.explained(f"fetch version {version.version} of {version.name!r}"):
            return fetched(version, into, lambda aside: self._download(version, aside))

    def _search(self) -> Iterator[Any]:
        """Yield what MLflow knows of every version, page by page."""
        named, token = f"name = '{self.model_name}'", None
        while True:
            page = self._connection.client.search_model_versions(named, max_results=PAGE, page_token=token)
            yield from page
            token = page.token
            if not token:
                return

    def _find(self, number: str) -> Any:
        """Return what MLflow knows of a version, or None when there is no such version."""
        from mlflow.exceptions import MlflowException

        # Databases refuse numbers that do not fit their integers.
        if not number.isdecimal() or int(number) >= 2**31:
            return None
        try:
            return self._connection.client.get_model_version(self.model_name, number)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            return None

    def _unknown(self, ref: str | int) -> RegistryError:
        """Return the error for a version or alias that is not there, which says what is."""
        versions = self.list_versions()
        if not versions:
            return RegistryError(
                f"no version of {self.model_name!r} is registered in {self._connection.address}: run `prodclf train`"
            )
        latest = versions[0].version
        if str(ref).isdecimal():
            return RegistryError(
                f"{self.model_name!r} has no version {ref}: the newest is {latest}, see `prodclf models list`"
            )
        aliases = sorted(f"{alias} (version {item.version})" for item in versions for alias in item.aliases)
        return RegistryError(
            f"{self.model_name!r} has no alias {ref!r}; there is {', '.join(aliases) or 'none yet'}: "
            f"run `prodclf models promote {latest}` or `prodclf train`"
        )

    def _aliases(self) -> dict[str, int]:
        """Return every alias of the model and its version; none when the model does not exist."""
        from mlflow.exceptions import MlflowException

        try:
            model = self._connection.client.get_registered_model(self.model_name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            return {}
        return {alias: int(version) for alias, version in model.aliases.items()}

    def _download(self, version: RegisteredVersion, aside: Path) -> Path:
        from mlflow.artifacts import download_artifacts

        source = self._connection.client.get_model_version_download_uri(version.name, str(version.version))
        return Path(
            download_artifacts(
                artifact_uri=f"{source}/{BUNDLE}",
                dst_path=str(aside),
                tracking_uri=self.tracking_uri,
                registry_uri=self.tracking_uri,
            )
        )
