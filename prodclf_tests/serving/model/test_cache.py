import os
import time

import pytest

from prodclf_serving.model.cache import CachedModel, ModelCache


@pytest.fixture
def cache(tmp_path):
    cache = ModelCache(tmp_path, "shop/classifier")
    cache.folder.mkdir()
    return cache


def _bundle(cache, name):
    folder = cache.folder / name
    folder.mkdir()
    (folder / "manifest.json").write_text("{}")
    return folder


def test_the_last_good_bundle_is_found_again_by_another_process(cache, tmp_path):
    kept = CachedModel("7", _bundle(cache, "abc"))
    cache.remember(kept)
    assert ModelCache(tmp_path, "shop/classifier").last_good() == kept


def test_models_of_other_names_are_apart(cache, tmp_path):
    cache.remember(CachedModel("7", _bundle(cache, "abc")))
    assert ModelCache(tmp_path, "other").last_good() is None


@pytest.mark.parametrize("note", ["", "{", "[]", "{}", '{"version": "7", "folder": 3}'])
def test_a_broken_note_is_no_note(cache, note):
    (cache.folder / "last-good.json").write_text(note)
    assert cache.last_good() is None


def test_a_note_cannot_lead_out_of_the_cache(cache, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (cache.folder / "last-good.json").write_text('{"version": "7", "folder": "../elsewhere"}')
    assert cache.last_good() is None


def test_a_bundle_that_has_gone_is_not_offered(cache):
    folder = _bundle(cache, "abc")
    cache.remember(CachedModel("7", folder))
    cache.discard(folder)
    assert not folder.exists()
    assert cache.last_good() is None


def test_pruning_keeps_what_it_is_told_and_what_is_being_fetched(cache):
    kept, old = _bundle(cache, "kept"), _bundle(cache, "old")
    fetching, abandoned = _bundle(cache, ".fetching"), _bundle(cache, ".abandoned")
    long_ago = time.time() - 2 * 3600
    os.utime(abandoned, (long_ago, long_ago))
    cache.remember(CachedModel("7", kept))
    cache.prune({kept})
    assert kept.is_dir()
    assert fetching.is_dir()
    assert not old.exists()
    assert not abandoned.exists()
    assert cache.last_good() is not None
