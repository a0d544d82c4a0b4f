"""The two places a lake can lie in, and the hands that a test may lay on them behind the lake's back."""

from pathlib import Path
from typing import Any, Protocol

from prodclf_assets.lake import FolderStore, Lake, S3Store, Store, open_lake
from prodclf_tests.s3_server import S3Server


class Place(Protocol):
    location: str
    client: Any

    def store(self) -> Store: ...

    def put(self, key: str, data: bytes) -> None: ...

    def remove(self, key: str) -> None: ...

    def half_written(self) -> bool:
        """Whether some file is being uploaded at this moment."""
        ...


class FolderPlace:
    def __init__(self, root: Path) -> None:
        self.location, self.client = str(root), None

    def store(self) -> Store:
        return FolderStore(Path(self.location))

    def put(self, key: str, data: bytes) -> None:
        (Path(self.location) / key).write_bytes(data)

    def remove(self, key: str) -> None:
        (Path(self.location) / key).unlink()

    def half_written(self) -> bool:
        found = list(Path(self.location).glob("*/versions/*/files/file"))
        return any(path.stat().st_size for path in found)


class S3Place:
    def __init__(self, server: S3Server, bucket: str) -> None:
        self.client, self._bucket = server.client, bucket
        self.location = f"s3://{bucket}/some/prefix"

    def store(self) -> Store:
        return S3Store(self.client, self._bucket, "some/prefix")

    def put(self, key: str, data: bytes) -> None:
        self.client.put_object(Bucket=self._bucket, Key=f"some/prefix/{key}", Body=data)

    def remove(self, key: str) -> None:
        self.client.delete_object(Bucket=self._bucket, Key=f"some/prefix/{key}")

    def half_written(self) -> bool:
        return "Uploads" in self.client.list_multipart_uploads(Bucket=self._bucket)


class Wrapped:
    """A real store with something happening before each call; `before` gets the method's name and its key."""

    def __init__(self, store: Store, before: Any) -> None:
        self._store, self._before = store, before

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)

        def call(key: str = "", *rest: Any) -> Any:
            if name not in {"describe", "local_folder"}:
                self._before(name, key)
            return method(key, *rest)

        return call


def lake_of(place: Place) -> Lake:
    return open_lake(place.location, place.client)


def folder_of(root: Path, files: dict[str, bytes]) -> Path:
    """Write files below a folder and return it."""
    for name, data in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    return root


def contents_of(folder: Path) -> dict[str, bytes]:
    """Return every file below a folder by its relative name."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}
