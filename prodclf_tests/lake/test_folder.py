"""What only a folder can get wrong."""

import multiprocessing
import os
import resource
from pathlib import Path

import pytest

from prodclf_assets.errors import LakeError
from prodclf_assets.lake import FolderStore, open_lake
from prodclf_tests.lake.places import folder_of


def test_a_lake_where_a_file_is_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    source = folder_of(tmp_path / "source", {"a": b"1"})
    with pytest.raises(LakeError, match=r"cannot write .*file.*; make the folder .* writable.*PRODCLF_LAKE"):
        open_lake(str(tmp_path / "file")).write("raw", source)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_an_unwritable_folder_says_so(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(LakeError, match="Permission denied; make the folder"):
        FolderStore(tmp_path / "lake").create("a/key", b"1")


def test_a_key_that_is_a_folder_cannot_be_read(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    store.create("a/b", b"1")
    with pytest.raises(LakeError, match=r"cannot read .*a: Is a directory"):
        store.read("a")


def test_a_disk_that_is_full_says_so_and_keeps_the_previous_version(tmp_path: Path) -> None:
    lake = open_lake(str(tmp_path / "lake"))
    before = lake.write("raw", folder_of(tmp_path / "small", {"a": b"1"}))
    large = folder_of(tmp_path / "large", {"a": b"x" * 100_000})
    receiver, sender = multiprocessing.Pipe(duplex=False)

    def write_with_no_room() -> None:
        # The kernel refuses to let any file of this process grow further, as a full disk would.
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
        try:
            lake.write("raw", large)
        except LakeError as error:
            sender.send(str(error))

    process = multiprocessing.get_context("fork").Process(target=write_with_no_room)
    process.start()
    process.join(60)
    assert receiver.poll(10)
    assert "with room on its disk" in receiver.recv()
    assert lake.latest("raw") == before
    assert lake.versions("raw") == [before]


def test_home_is_expanded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert open_lake("~/lake").describe() == f"{tmp_path}/lake"
