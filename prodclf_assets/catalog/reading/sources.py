"""Find the files of a source: a path, a folder, a glob, or the same in S3."""

import contextlib
import fnmatch
import glob
import math
import shutil
import tempfile
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from prodclf_assets.catalog.reading.unpacking import HEAD_BYTES, PACKED, is_packed, stranger, unpack
from prodclf_assets.errors import LakeError, LakeUnavailableError, SourceError, SourceUnavailableError
from prodclf_assets.lake.s3 import S3Object, S3Store, make_client

FileKind = Literal["csv", "jsonl", "parquet"]
PARQUET_MARK: Final = b"PAR1"
SUFFIXES: Final[dict[str, FileKind]] = {
    ".csv": "csv",
    ".tsv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
    **dict.fromkeys(PACKED, "csv"),
}
_WILD = "*?["


@dataclass(frozen=True)
class ListedFile:
    """A file of a source as a listing shows it, unread.

    Attributes:
        name: how the user knows it: a path or an `s3://` URI.
        size: bytes.
        stamp: changes whenever the file is written anew: for S3 the ETag, which follows from the content; on disk the
            time of the last change and the inode, which do not.
    """

    name: str
    size: int
    stamp: str

    @property
    def in_bucket(self) -> bool:
        """Whether it lies in S3."""
        return self.name.startswith("s3://")


@dataclass(frozen=True)
class FoundFile:
    """A file of a source that can be read.

    Attributes:
        name: how the user knows it: a path or an `s3://` URI.
        kind: its format, by content where that tells, else by suffix.
        path: where it can be read; for S3, and for what was unpacked, only while `found_files` stands at it.
        packed: the workbook or archive that it was unpacked from.
    """

    name: str
    kind: FileKind
    path: Path
    packed: Path | None = None


def listed_files(source: str, s3_client: Any = None) -> list[ListedFile]:
    """Return the files of a source in the order of their names, reading none of them.

    Args:
        source: a file, a folder (searched through), a glob, or `s3://bucket/` with a key, a prefix or a glob.
        s3_client: a boto3 client; one from the usual AWS variables when absent.

    Raises:
        SourceError: nothing is there, or the bucket cannot be read (then its cause is a LakeError).
    """
    if not source.startswith("s3://"):
        return [listed for path in _local_paths(source) if (listed := _listed(path)) is not None]
    objects: list[S3Object] = []
    list_on(source, objects, s3_client=s3_client)
    return files_among(source, objects)


def list_on(source: str, objects: list[S3Object], seconds: float = math.inf, s3_client: Any = None) -> bool:
    """Go on listing the objects that may be files of an S3 source, and return whether that came to its end.

    Args:
        source: `s3://bucket/` with a key, a prefix or a glob.
        objects: what was listed before, in its order; what comes after it is added.
        seconds: after so long no more is asked for; a thousand objects are added however short that is.
        s3_client: a boto3 client; one from the usual AWS variables when absent.

    Raises:
        SourceError: the bucket cannot be read (then its cause is a LakeError).
    """
    bucket, key = _bucket_and_key(source)
    with _as_source_error(source):
        store = S3Store(s3_client or make_client(), bucket)
        stop = time.monotonic() + seconds
        for page, more in store.pages(_fixed_prefix(key), after=objects[-1].key if objects else ""):
            objects += page
            if more and page and time.monotonic() > stop:
                return False
    return True


def files_among(source: str, objects: Sequence[S3Object]) -> list[ListedFile]:
    """Return the files of an S3 source among listed objects, in the order of their names.

    Raises:
        SourceError: none of them is one.
    """
    bucket, key = _bucket_and_key(source)
    matching = set(_matching_keys([item.key for item in objects], key))
    if not matching:
        raise SourceError(
            f"{source} holds no product file; check bucket and key ({_known_suffixes()} files are read)"
        )
    return [
        ListedFile(f"s3://{bucket}/{item.key}", item.size, item.etag)
        for item in sorted(objects, key=lambda item: item.key)
        if item.key in matching
    ]


def found_files(
    source: str, s3_client: Any = None, only: Collection[str] | None = None, *, keep_in: Path | None = None
) -> Iterator[FoundFile]:
    """Yield the files of a source in the order of their names; S3 objects are downloaded one at a time.

    Args:
        source: as for `listed_files`.
        s3_client: a boto3 client; one from the usual AWS variables when absent.
        only: names of the files that are wanted; all when absent.
        keep_in: a folder where S3 objects stay; each goes when the next one comes when absent.

    Raises:
        SourceError: nothing is there, its format is not known, or the bucket cannot be read.
    """
    client = (s3_client or make_client()) if source.startswith("s3://") else None
    wanted = [item for item in listed_files(source, client) if only is None or item.name in only]
    with tempfile.TemporaryDirectory(prefix="prodclf-source-") as folder:
        for number, item in enumerate(wanted):
            made = (keep_in or Path(folder)) / str(number)
            path = Path(item.name)
            if item.in_bucket:
                made.mkdir()
                bucket, key = _bucket_and_key(item.name)
                path = made / key.rsplit("/", 1)[-1]
                with _as_source_error(source):
                    S3Store(client, bucket).download(key, path)
            yield _as_it_is(item.name, path, made)
            if keep_in is None:
                shutil.rmtree(made, ignore_errors=True)


def _as_it_is(name: str, path: Path, made: Path) -> FoundFile:
    """A file as what it is, whatever its suffix says; what is packed is unpacked into a folder."""
    try:
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
            if is_packed(head):
                file.seek(0)
                inner, data = unpack(file, name, SUFFIXES)
                made.mkdir(exist_ok=True)
                table = made / f"table-{inner}"
                table.write_bytes(data)
                return FoundFile(name, kind_of(table), table, path)
    except OSError as error:
        raise SourceError(f"{name} cannot be read ({error.strerror}); check its permissions") from error
    if what := stranger(head):
        raise SourceError(f"{name} is {what} and no table; export the products as {_known_suffixes()}")
    if head.startswith(PARQUET_MARK):
        return FoundFile(name, "parquet", path)
    if path.suffix.lower() in PACKED and head:
        raise SourceError(f"{name} is no {path.suffix.lower()} file, whatever its name says; save it as CSV")
    return FoundFile(name, kind_of(path), path)


def no_products(source: str) -> SourceError:
    """Return the error for a source whose files hold no row."""
    return SourceError(f"{source} holds no products; give a file with a header and at least one row")


def kind_of(path: Path) -> FileKind:
    """Tell a file's format by its suffix (`.gz` aside) or, when it has none, by how it begins.

    Raises:
        SourceError: the suffix is of no known format.
    """
    kind = _kind_by_suffix(path.name)
    if kind is not None:
        return kind
    if path.suffix and path.suffix.lower() != ".gz":
        raise SourceError(f"{path}: {path.suffix} files cannot be read; save it as {_known_suffixes()}")
    with path.open("rb") as file:
        head = file.read(64)
    if head.startswith(PARQUET_MARK):
        return "parquet"
    return "jsonl" if head.lstrip()[:1] in (b"{", b"[") else "csv"


def _local_paths(source: str) -> list[Path]:
    path = Path(source).expanduser()
    if path.is_file():
        return [path]
    if path.is_dir():
        paths = [found for found in path.rglob("*") if _is_product_file(found.relative_to(path))]
        if not paths:
            raise SourceError(f"folder {source} holds no product file; put {_known_suffixes()} files there")
        return sorted(paths)
    if any(mark in source for mark in _WILD):
        matches = [Path(match) for match in glob.glob(str(path), recursive=True)]  # noqa: PTH207 absolute globs
        paths = sorted(match for match in matches if match.is_file() and _kind_by_suffix(match.name))
        if not paths:
            raise SourceError(f"no {_known_suffixes()} file matches {source}; check the pattern")
        return paths
    raise SourceError(f"{source} does not exist; check the path given as --source or PRODCLF_SOURCE")


def _listed(path: Path) -> ListedFile | None:
    """Return what the disk says of a file, or None when it is gone since it was listed."""
    try:
        about = path.stat()
    except FileNotFoundError:
        return None
    return ListedFile(str(path), about.st_size, f"{about.st_mtime_ns}-{about.st_ino}")


def _bucket_and_key(uri: str) -> tuple[str, str]:
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    if not bucket:
        raise SourceError(
            f"{uri} names no bucket; write s3://bucket/key, s3://bucket/folder or s3://bucket/*.csv"
        )
    return bucket, key


def _matching_keys(listed: list[str], key: str) -> list[str]:
    """Take a key itself when it exists; else what a glob matches; else the product files below it as a folder."""
    if key in listed and not key.endswith("/"):
        return [key]
    if any(mark in key for mark in _WILD):
        chosen = [
            name for name in listed if fnmatch.fnmatchcase(name, key) and name.count("/") == key.count("/")
        ]
        return [name for name in chosen if _kind_by_suffix(name)]
    folder = f"{key.rstrip('/')}/" if key.strip("/") else ""
    below = [name for name in listed if name.startswith(folder)]
    return [name for name in below if _is_product_file(Path(name.removeprefix(folder)))]


def _fixed_prefix(key: str) -> str:
    return key[: min((key.index(mark) for mark in _WILD if mark in key), default=len(key))]


@contextlib.contextmanager
def _as_source_error(source: str) -> Iterator[None]:
    try:
        yield
    except LakeError as error:
        kind = SourceUnavailableError if isinstance(error, LakeUnavailableError) else SourceError
        raise kind(f"{source} cannot be read: {error}") from error


def _kind_by_suffix(name: str) -> FileKind | None:
    return SUFFIXES.get(Path(name.lower().removesuffix(".gz")).suffix)


def _is_product_file(path: Path) -> bool:
    """Tell whether a file in a folder is data: a known suffix, and no part of its path hidden (`.` or `_` first)."""
    return _kind_by_suffix(path.name) is not None and not any(
        part.startswith((".", "_")) for part in path.parts
    )


def _known_suffixes() -> str:
    return ".csv, .csv.gz, .jsonl, .parquet or .xlsx"
