import pytest

from prodclf_tests.lake.places import FolderPlace, Place, S3Place


@pytest.fixture(params=["folder", "s3"])
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """An empty place for a lake; every test that takes it runs on a folder and on a real S3 server."""
    if request.param == "folder":
        return FolderPlace(tmp_path_factory.mktemp("place") / "lake")
    server = request.getfixturevalue("s3_server")
    return S3Place(server, request.getfixturevalue("s3_bucket"))
