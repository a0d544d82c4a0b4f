"""The versions of a model: found by alias or number, fetched, registered, and made champion with a record of why."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from prodclf_assets.errors import RegistryError
from prodclf_assets.lake import Lake
from prodclf_assets.registry.connection import Connection
from prodclf_assets.registry.fetched import fetched
from prodclf_assets.registry.promotions import PROMOTIONS_LOG, Event, previous_champion, promotion_record
from prodclf_assets.registry.runs import as_version, joined_run, log_facts, log_model
from prodclf_assets.registry.versions import (
    BUNDLE,
    BUNDLE_HASH,
    CHALLENGER,
    CHAMPION,
    MEASURED,
    MEASURED_HASH,
    NUMBERS,
    PROMOTED,
    REFUSED,
    ROLLED_BACK,
    RegisteredVersion,
    from_mlflow,
    hashes_of,
)
from prodclf_assets.settings import Settings

if TYPE_CHECKING:
    import pandas as pd

# Versions asked for in one request; the most that MLflow's stores allow is 200,000.
PAGE = 1000


class Registry:
    """The versions of one registered model: looked at, fetched, added to, named and promoted.

    Every method raises RegistryError, in one sentence, when MLflow cannot be reached or refuses.

    Args:
        tracking_uri: a `sqlite:///` file, any other database MLflow knows, or the URL of a tracking server.
        model_name: name of the registered model.
        experiment: name of the experiment that runs are logged to.
        artifact_location: where a new experiment keeps its files: a folder or `s3://…`; None leaves it to the
            tracking server, or means a folder beside a SQLite file.

    Attributes:
        connection: to the tracking store; it loads MLflow only when its client is asked for.
    """

    def __init__(
        self,
        tracking_uri: str,
        model_name: str,
        experiment: str = "prodclf",
        artifact_location: str | None = None,
    ) -> None:
        self.connection = Connection(tracking_uri, experiment, artifact_location)
        self.model_name = model_name

    def list_versions(self) -> list[RegisteredVersion]:
        """Return every registered version, newest first; none when nothing was ever registered."""
        if self.connection.is_empty:
            return []
        with self.connection.explained(f"list the versions of {self.model_name!r}"):
            aliases = self._aliases()
            found = [from_mlflow(item, aliases) for item in self._search()]
        return sorted(found, key=lambda item: item.version, reverse=True)

    def find(self, ref: str | int) -> RegisteredVersion | None:
        """Return the version that an alias names, or that has this number; None when there is none."""
        if self.connection.is_empty:
            return None
        with self.connection.explained(f"look up {ref!r} of {self.model_name!r}"):
            aliases = self._aliases()
            found = self._numbered(str(aliases.get(str(ref), ref)))
        return None if found is None else from_mlflow(found, aliases)

    def resolve(self, ref: str | int) -> RegisteredVersion:
        """Return the version that an alias names, or that has this number.

        Raises:
            RegistryError: there is no such version or alias; the sentence says which there are.
        """
        found = self.find(ref)
        if found is None:
            raise self._unknown(ref)
        return found

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
        with self.connection.explained(f"fetch version {version.version} of {version.name!r}"):
            return fetched(version, into, lambda aside: self._download(version, aside))

    def fetch_measured(self, version: RegisteredVersion, into: Path) -> Path:
        """Return the bundle that was measured in a version's place, in a folder below `into`; its own when that was.

        Raises:
            RegistryError: the bundle cannot be downloaded, or differs from what was registered.
        """
        if MEASURED_HASH not in version.tags:
            return self.fetch(version, into)
        with self.connection.explained(
            f"fetch what was measured of version {version.version} of {version.name!r}"
        ):
            folder = self._download(version, into, MEASURED)
        if hashes_of(folder)[BUNDLE_HASH] != version.tags[MEASURED_HASH]:
            raise RegistryError(
                f"what was measured of {version.name!r} version {version.version} differs from what was registered: "
                "restore its artifacts or register it again"
            )
        return folder

    def ensure_experiment(self) -> str:
        """Return the id of the experiment; create it, with its artifact location, when it is absent."""
        return self.connection.experiment_id()

    def log_and_register(
        self,
        bundle_dir: Path,
        *,
        measured_dir: Path | None = None,
        run_id: str | None = None,
        params: Mapping[str, object] | None = None,
        metrics: Mapping[str, float] | None = None,
        tags: Mapping[str, object] | None = None,
        artifacts: Mapping[str, Path] | None = None,
        input_example: "pd.DataFrame | None" = None,
        description: str = "",
    ) -> RegisteredVersion:
        """Log a bundle with what is known of it, and register it as the next version of the model.

        Registering the same bundle from the same run again (a retried step) returns the version it has.

        Args:
            bundle_dir: the bundle's folder.
            measured_dir: that of the model that was measured in its place, kept beside it; None when it was measured itself.
            run_id: the MLflow run to log to; a new one, ended here, when None.
            params: settings of the training.
            metrics: its measurements.
            tags: put on the run and on the version.
            artifacts: files and folders to keep with the run, by the name they get there.
            input_example: a few products; columns that are not a product's are left out.
            description: the model card, shown with the version.
        """
        hashes = hashes_of(bundle_dir)
        if run_id is not None:
            for known in self.list_versions():
                if known.run_id == run_id and known.bundle_hash == hashes[BUNDLE_HASH]:
                    return known
        marks = {**hashes, **{key: str(value) for key, value in (tags or {}).items()}}
        bundles = {"bundle": bundle_dir}
        if measured_dir is not None:
            bundles["measured"] = measured_dir
            marks[MEASURED_HASH] = hashes_of(measured_dir)[BUNDLE_HASH]
        experiment_id, client = self.ensure_experiment(), self.connection.client
        with (
            self.connection.explained(f"register {self.model_name!r}"),
            joined_run(client, experiment_id, run_id) as run,
        ):
            log_facts(client, run, params=params or {}, tags=marks, artifacts=artifacts or {})
            model = log_model(
                client, run, bundles, tags=marks, metrics=metrics or {}, input_example=input_example
            )
            version = as_version(client, run, model, self.model_name, tags=marks, description=description)
            return self.resolve(version)

    def set_alias(self, alias: str, version: int | str) -> None:
        """Let an alias name this version, and no other from now on."""
        client = self.connection.client
        with self.connection.explained(f"set alias {alias!r} to version {version} of {self.model_name!r}"):
            client.set_registered_model_alias(self.model_name, alias, str(version))

    def promote(
        self,
        version: int | str,
        reason: str,
        lake: Lake,
        *,
        numbers: Mapping[str, Any] | None = None,
        automatic: bool = False,
    ) -> RegisteredVersion:
        """Make a version the champion and write it to the promotion log.

        Args:
            version: version number or alias.
            reason: why, as a person would say it.
            lake: keeps the promotion log.
            numbers: the measurements behind the decision, kept in the log.
            automatic: no person decided this; a version that was rolled back is then refused.

        Raises:
            RegistryError: the version is unknown, or was rolled back and only a person may bring it back.
        """
        chosen = self.resolve(version)
        if automatic and chosen.bundle_hash and self.was_rolled_back(chosen.bundle_hash):
            raise RegistryError(
                f"version {chosen.version} of {self.model_name!r} was rolled back and is not promoted again by "
                f"itself: run `prodclf models promote {chosen.version}` if it should be"
            )
        self._change_champion("promote", chosen, reason, lake, numbers or {})
        client = self.connection.client
        with self.connection.explained(f"tag version {chosen.version} of {self.model_name!r}"):
            self._tag(chosen, PROMOTED, reason)
            if numbers:
                self._tag(chosen, NUMBERS, json.dumps(dict(numbers)))
            for mark in {ROLLED_BACK, REFUSED} & chosen.tags.keys():
                client.delete_model_version_tag(self.model_name, str(chosen.version), mark)
            if CHALLENGER in chosen.aliases:
                client.delete_registered_model_alias(self.model_name, CHALLENGER)
        return self.resolve(chosen.version)

    def refuse(
        self, version: int | str, reason: str, lake: Lake, *, numbers: Mapping[str, Any] | None = None
    ) -> None:
        """Write to the promotion log, and on the version, that it does not become the champion and why.

        A version that is the champion, or has been, keeps what it was promoted for.
        """
        chosen = self.resolve(version)
        self._log("refuse", chosen, reason, lake, numbers or {})
        if PROMOTED in chosen.tags:
            return
        with self.connection.explained(f"tag version {chosen.version} of {self.model_name!r}"):
            self._tag(chosen, REFUSED, reason)
            if numbers:
                self._tag(chosen, NUMBERS, json.dumps(dict(numbers)))

    def note_holds(
        self, event: Literal["hold", "release"], reason: str, lake: Lake, numbers: Mapping[str, Any]
    ) -> None:
        """Write to the promotion log that answers of the champion are held for review, or no longer.

        Raises:
            RegistryError: there is no champion.
        """
        self._log(event, self.resolve(CHAMPION), reason, lake, numbers)

    def rollback(self, reason: str, lake: Lake) -> RegisteredVersion:
        """Restore the champion before this one, as the promotion log has it, and mark the one that leaves.

        Raises:
            RegistryError: there is no champion, or none before it.
        """
        current = self.resolve(CHAMPION)
        previous = previous_champion(lake.read_log(PROMOTIONS_LOG), self.model_name, current.version)
        if previous is None:
            raise RegistryError(
                f"{self.model_name!r} has no champion before version {current.version} to go back to: promote "
                "another version with `prodclf models promote VERSION`"
            )
        restored = self.resolve(previous)
        # Marked first: killed after this line the old champion still serves, but no gate brings it back later.
        with self.connection.explained(f"tag version {current.version} of {self.model_name!r}"):
            self._tag(current, ROLLED_BACK, reason)
        self._change_champion("rollback", restored, reason, lake, {})
        return self.resolve(restored.version)

    def _change_champion(
        self, event: Event, to: RegisteredVersion, reason: str, lake: Lake, numbers: Mapping[str, Any]
    ) -> None:
        # Written first: whatever is killed here, nothing is ever served that the log does not name.
        self._log(event, to, reason, lake, numbers)
        self.set_alias(CHAMPION, to.version)

    def _log(
        self, event: Event, of: RegisteredVersion, reason: str, lake: Lake, numbers: Mapping[str, Any]
    ) -> None:
        with self.connection.explained(f"look up the champion of {self.model_name!r}"):
            before = self._aliases().get(CHAMPION)
        record = promotion_record(
            event,
            self.model_name,
            of.version,
            previous=before,
            reason=reason,
            bundle_hash=of.bundle_hash,
            numbers=numbers,
        )
        lake.append(PROMOTIONS_LOG, record)

    def _tag(self, version: RegisteredVersion, key: str, value: str) -> None:
        self.connection.client.set_model_version_tag(self.model_name, str(version.version), key, value)

    def _search(self) -> Iterator[Any]:
        """Yield what MLflow knows of every version, page by page."""
        named, token = f"name = '{self.model_name}'", None
        while True:
            page = self.connection.client.search_model_versions(named, max_results=PAGE, page_token=token)
            yield from page
            token = page.token
            if not token:
                return

    def _numbered(self, number: str) -> Any:
        """Return what MLflow knows of a version, or None when there is no such version."""
        from mlflow.exceptions import MlflowException

        # Databases refuse numbers that do not fit their integers.
        if not number.isdecimal() or int(number) >= 2**31:
            return None
        try:
            return self.connection.client.get_model_version(self.model_name, number)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            return None

    def _unknown(self, ref: str | int) -> RegistryError:
        """Return the error for a version or alias that is not there, which says what is."""
        versions = self.list_versions()
        if not versions:
            return RegistryError(
                f"no version of {self.model_name!r} is registered in {self.connection.address}: run `prodclf train`"
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
            model = self.connection.client.get_registered_model(self.model_name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            return {}
        return {alias: int(version) for alias, version in model.aliases.items()}

    def _download(self, version: RegisteredVersion, aside: Path, part: str = BUNDLE) -> Path:
        from mlflow.artifacts import download_artifacts

        source = self.connection.client.get_model_version_download_uri(version.name, str(version.version))
        return Path(
            download_artifacts(
                artifact_uri=f"{source}/{part}",
                dst_path=str(aside),
                tracking_uri=self.connection.tracking_uri,
                registry_uri=self.connection.tracking_uri,
            )
        )


def open_registry(settings: Settings) -> Registry:
    """Return the registry that the environment names; models lie in the lake's bucket when the lake is on S3.

    A tracking server has its own place for artifacts and is left to it.
    """
    remote = settings.tracking_uri.startswith(("http://", "https://"))
    if remote:
        location = None
    elif settings.lake.startswith("s3://"):
        location = f"{settings.lake.rstrip('/')}/_mlflow"
    else:
        location = str(settings.home.resolve() / "mlflow-artifacts")
    return Registry(settings.tracking_uri, settings.model_name, settings.experiment, location)
