from pathlib import Path

import pytest

from prodclf_assets.errors import ProdclfError
from prodclf_serving.api.middleware import api_keys as keys_module
from prodclf_serving.api.middleware.api_keys import ApiKeys, read_keys
from prodclf_serving.ray_serve.launcher import main
from prodclf_serving.settings import get_serving_settings

OLD, NEW = b"0123456789abcdef-old", b"0123456789abcdef-new"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "keys"
    path.write_bytes(b"# of the shop\n\n" + OLD + b"\n")
    return path


@pytest.fixture(autouse=True)
def _look_every_time(monkeypatch):
    monkeypatch.setattr(keys_module, "_LOOK_SECONDS", 0.0)


def test_a_key_of_the_file_is_known_and_others_are_not(path):
    keys = ApiKeys(path)
    assert keys.fingerprint(OLD) is not None
    for other in (b"", OLD[:-1], OLD + b"x", OLD.upper(), b"# of the shop", NEW):
        assert keys.fingerprint(other) is None


def test_keys_are_told_apart_by_the_start_of_their_hash(path):
    path.write_bytes(OLD + b"\r\n" + NEW)
    keys = ApiKeys(path)
    assert len({keys.fingerprint(OLD), keys.fingerprint(NEW), None}) == 3
    assert keys.fingerprint(OLD) == "18a5cd36"


def test_a_rotation_needs_no_restart(path):
    keys = ApiKeys(path)
    assert keys.fingerprint(NEW) is None
    path.write_bytes(OLD + b"\n" + NEW + b"\n")
    assert keys.fingerprint(OLD)
    assert keys.fingerprint(NEW)
    replacement = path.with_name("new")
    replacement.write_bytes(NEW)
    replacement.replace(path)
    assert keys.fingerprint(OLD) is None
    assert keys.fingerprint(NEW)


@pytest.mark.parametrize("content", [None, b"", b"# nothing\n", b"short\n", b"with a space in the key\n"])
def test_a_file_that_cannot_be_used_locks_nobody_out_and_lets_nobody_in(path, caplog, content):
    keys = ApiKeys(path)
    assert keys.fingerprint(OLD)
    path.unlink() if content is None else path.write_bytes(content)
    for _ in range(3):
        assert keys.fingerprint(OLD)
        assert keys.fingerprint(NEW) is None
    assert [record.levelname for record in caplog.records].count("ERROR") == 1
    assert OLD.decode() not in caplog.text
    path.write_bytes(NEW)
    assert keys.fingerprint(OLD) is None
    assert keys.fingerprint(NEW)


def test_before_the_file_was_ever_read_no_key_is_accepted(tmp_path):
    keys = ApiKeys(tmp_path / "absent")
    assert keys.fingerprint(OLD) is None
    assert keys.fingerprint(b"") is None


def test_the_file_is_looked_at_once_a_second_at_most(path, monkeypatch):
    monkeypatch.setattr(keys_module, "_LOOK_SECONDS", 3600.0)
    keys = ApiKeys(path)
    assert keys.fingerprint(OLD)
    path.write_bytes(NEW)
    assert keys.fingerprint(OLD)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot be read .*unset PRODCLF_SERVE_API_KEYS_FILE"),
        (b"\n#\n", "holds no key"),
        (OLD + b"\nshort", "line 2: a key is 16 or more"),
        ("ключ-ключ-ключ-ключ".encode(), "line 1"),
    ],
)
def test_a_bad_file_is_a_sentence(path, content, said):
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(ProdclfError, match=said) as raised:
        read_keys(path)
    assert str(path) in str(raised.value)
    assert OLD.decode() not in str(raised.value)


def test_a_service_whose_keys_cannot_be_used_does_not_start(tmp_path, monkeypatch):
    monkeypatch.setenv("PRODCLF_SERVE_API_KEYS_FILE", str(tmp_path / "absent"))
    get_serving_settings.cache_clear()
    with pytest.raises(ProdclfError, match="absent cannot be read"):
        main()
    get_serving_settings.cache_clear()
