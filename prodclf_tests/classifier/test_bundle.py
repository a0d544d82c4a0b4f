"""The folder that is the model: what is saved is what answers, and nothing altered is ever loaded."""

import hashlib
import io
import json
import re
import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prodclf_assets.catalog.category_sets import categories_of
from prodclf_assets.catalog.product import ProductBatch
from prodclf_assets.catalog.text.packed import PackedTexts
from prodclf_assets.classifier.bundle import FORMAT_VERSION, MANIFEST, Bundle, _has_letter, read_manifest
from prodclf_assets.classifier.calibration.thresholds import NEVER, Thresholds
from prodclf_assets.classifier.predictions import Predictions
from prodclf_assets.classifier.training.training import TrainingConfig, data_hash
from prodclf_assets.errors import BundleError
from prodclf_tests.classifier.shop import products
from prodclf_tests.trained import TrainedModel

ENCODER_ARRAYS = [
    "vocabulary_slots",
    "vocabulary_idf",
    "mass_bias",
    "prior",
    "svm_bias",
    "label_counts",
    "label_middle",
    "label_spread",
    "scorers_indptr",
    "scorers_labels",
    "scorers_weights",
    "branch_of",
    "branch_bias",
    "branches_indptr",
    "branches_labels",
    "branches_weights",
    "neighbours_indptr",
    "neighbours_products",
    "neighbours_values",
    "neighbours_label_indptr",
    "neighbours_labels",
]
AFFINITIES = [
    f"affinity_{key}_{part}"
    for key in ("brand", "seller", "first_word", "last_word", "hint", "brand_price")
    for part in ("ids", "indptr", "labels", "counts")
]
_HEADER = b"{'descr': '<f4', 'fortran_order': False, 'shape': (9999999999999,), }"
HUGE = b"\x93NUMPY\x01\x00" + len(_HEADER).to_bytes(2, "little") + _HEADER
"""An array of 36 TiB, by what it says."""
FILES = sorted(
    ["decision.json", "encoder.json", "labels.json", "learning_curve.json", "ranker.txt"]
    + [f"{name}.npy" for name in (*ENCODER_ARRAYS, *AFFINITIES)]
)


@pytest.fixture
def copy(trained_bundle_folder: Path, tmp_path: Path) -> Path:
    """A copy of the trained bundle's folder, to be damaged; files are linked, so replace them and never write into them."""
    shutil.copytree(
        trained_bundle_folder, tmp_path / "bundle", copy_function=lambda a, b: Path(b).hardlink_to(a)
    )
    return tmp_path / "bundle"


@pytest.fixture(scope="module")
def test_products(trained_model: TrainedModel) -> ProductBatch:
    return ProductBatch.from_frame(trained_model.test)


def rewrite(path: Path, content: bytes) -> None:
    """Give a file other content without touching what it was linked to."""
    path.unlink()
    path.write_bytes(content)


def rewrite_manifest(folder: Path, **changes: Any) -> None:
    content = json.loads((folder / MANIFEST).read_text("utf-8"))
    rewrite(folder / MANIFEST, json.dumps({**content, **changes}).encode())


def with_hash_of(folder: Path, name: str, content: bytes) -> None:
    """Put other content in a file and its right hash in the manifest, as someone might who means to mislead."""
    rewrite(folder / name, content)
    files = json.loads((folder / MANIFEST).read_text("utf-8"))["files"]
    rewrite_manifest(folder, files={**files, name: hashlib.sha256(content).hexdigest()})


def assert_equal(left: Predictions, right: Predictions) -> None:
    assert (left.category, left.decision, left.branch) == (right.category, right.decision, right.branch)
    for name in ("confidence", "top_labels", "top_probabilities"):
        np.testing.assert_array_equal(getattr(left, name), getattr(right, name))


def test_saved_and_loaded_it_answers_bit_for_bit_the_same(
    trained_bundle: Bundle, test_products: ProductBatch, tmp_path: Path
) -> None:
    manifest = trained_bundle.save(tmp_path / "a" / "b")
    loaded = Bundle.load(tmp_path / "a" / "b", threads=1)
    assert_equal(loaded.predict(test_products), trained_bundle.predict(test_products))
    assert loaded.manifest == manifest == read_manifest(tmp_path / "a" / "b")
    assert loaded.thresholds == trained_bundle.thresholds
    assert loaded.calibrator == trained_bundle.calibrator
    assert loaded.labels == trained_bundle.labels


def test_saved_twice_it_has_one_version(trained_bundle: Bundle, tmp_path: Path) -> None:
    versions = set()
    for folder in (tmp_path / "one", tmp_path / "two", tmp_path / "two"):
        trained_bundle.save(folder)
        versions.add(Bundle.load(folder, threads=1).version)
    assert versions == {trained_bundle.version}
    assert len(trained_bundle.version) == 12
    assert int(trained_bundle.version, 16) >= 0


def test_a_model_that_decides_otherwise_is_another_version(trained_bundle: Bundle, tmp_path: Path) -> None:
    other = replace(trained_bundle, thresholds=Thresholds(common=0.123))
    other.save(tmp_path)
    assert other.version != trained_bundle.version


def test_in_memory_it_has_no_version_yet(trained_bundle: Bundle) -> None:
    fresh = replace(trained_bundle)
    for name in ("manifest", "version"):
        with pytest.raises(BundleError, match=r"call Bundle\.save first"):
            getattr(fresh, name)


def test_the_manifest_says_what_the_model_is(trained_model: TrainedModel) -> None:
    bundle, manifest = trained_model.bundle, trained_model.bundle.manifest
    assert manifest.format_version == FORMAT_VERSION
    assert sorted(manifest.files) == FILES
    for name, expected in manifest.files.items():
        assert hashlib.sha256((trained_model.folder / name).read_bytes()).hexdigest() == expected
    assert sorted(path.name for path in trained_model.folder.iterdir()) == sorted([*FILES, MANIFEST])
    learnt = pd.concat([trained_model.train, trained_model.validation])
    assert manifest.labels == len(bundle.labels)
    assert bundle.labels == sorted(set(categories_of(learnt)))
    assert manifest.data_hash == data_hash(trained_model.train, trained_model.validation)
    assert datetime.fromisoformat(manifest.created_at).utcoffset() is not None
    assert manifest.metrics["out_of_fold_rows"] == len(learnt)
    assert manifest.measured is None
    assert manifest.thresholds["common"] == bundle.thresholds.common
    assert manifest.thresholds["own"] == {bundle.labels[i]: t for i, t in bundle.thresholds.own.items()}
    assert manifest.training == json.loads(json.dumps(TrainingConfig().to_dict()))
    assert manifest.profile["rows"] == len(learnt)
    assert set(manifest.library_versions) == {"prodclf", "lightgbm", "numpy", "numba", "scipy"}


def test_which_model_was_measured_in_its_place_is_kept_and_makes_it_no_other(
    trained_bundle: Bundle, tmp_path: Path
) -> None:
    origin = replace(trained_bundle.provenance, measured="0123456789ab")
    manifest = replace(trained_bundle, provenance=origin).save(tmp_path)
    assert manifest.measured == Bundle.load(tmp_path).provenance.measured == "0123456789ab"
    assert Bundle.load(tmp_path).version == trained_bundle.version


def test_thresholds_of_single_categories_are_kept(trained_bundle: Bundle, tmp_path: Path) -> None:
    thresholds = Thresholds(0.9, {3: 0.1 + 0.2, 0: NEVER}, 0.8, 0.05)
    manifest = replace(trained_bundle, thresholds=thresholds).save(tmp_path)
    assert Bundle.load(tmp_path).thresholds == thresholds
    assert manifest.thresholds["own"] == {
        trained_bundle.labels[0]: NEVER,
        trained_bundle.labels[3]: 0.1 + 0.2,
    }


def test_no_file_is_a_pickle_or_an_archive(trained_bundle_folder: Path) -> None:
    for path in trained_bundle_folder.iterdir():
        assert path.suffix in {".npy", ".json", ".txt"}, path.name
        assert not zipfile.is_zipfile(path)
        content = path.read_bytes()
        if path.suffix == ".npy":
            np.load(path, allow_pickle=False)
        else:
            assert not content.startswith(b"\x80")
            content.decode("utf-8")


@pytest.mark.parametrize("name", FILES)
def test_each_altered_file_is_refused_by_name(copy: Path, name: str) -> None:
    content = bytearray((copy / name).read_bytes())
    content[len(content) // 2] ^= 1
    rewrite(copy / name, bytes(content))
    with pytest.raises(BundleError, match=f"{name} differs from its SHA-256"):
        Bundle.load(copy)


@pytest.mark.parametrize("name", FILES)
def test_each_missing_file_is_refused_by_name(copy: Path, name: str) -> None:
    (copy / name).unlink()
    with pytest.raises(BundleError, match=f"{name} is missing; fetch or train"):
        Bundle.load(copy)


@pytest.mark.parametrize("name", ["labels.json", "scorers_weights.npy", "ranker.txt"])
def test_a_file_without_a_hash_is_never_read(copy: Path, name: str) -> None:
    files = json.loads((copy / MANIFEST).read_text("utf-8"))["files"]
    rewrite_manifest(copy, files={other: digest for other, digest in files.items() if other != name})
    with pytest.raises(BundleError, match=f"{name} has no SHA-256 in manifest"):
        Bundle.load(copy)


def test_what_is_no_part_of_a_bundle_may_lie_beside_it(copy: Path) -> None:
    (copy / ".DS_Store").write_bytes(b"x")
    (copy / "notes").mkdir()
    assert Bundle.load(copy).labels


@pytest.mark.parametrize(
    "where", ["../secret.npy", "{absolute}", "{long}", "\0", "..", ".", "", "a/../labels.json", "notes/x.npy"]
)
def test_a_file_name_that_leads_out_of_the_folder_is_refused(copy: Path, where: str) -> None:
    secret = copy.parent / "secret.npy"
    secret.write_bytes(b"secret")
    (copy / "notes").mkdir()
    (copy / "notes" / "x.npy").write_bytes(b"secret")
    name = where.format(absolute=secret, long="x" * 300)
    files = json.loads((copy / MANIFEST).read_text("utf-8"))["files"]
    rewrite_manifest(copy, files={**files, name: hashlib.sha256(b"secret").hexdigest()})
    with pytest.raises(BundleError, match="is missing"):
        Bundle.load(copy)


@pytest.mark.parametrize("version", [0, 1, 3, 6, "4", None])
def test_another_format_is_refused_with_what_to_do(copy: Path, version: object) -> None:
    rewrite_manifest(copy, format_version=version)
    with pytest.raises(
        BundleError, match=r"format version .* reads versions 4 to 5; train the model again or install"
    ):
        Bundle.load(copy)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "cannot be read"),
        (b"{", "cannot be read"),
        (b"\xff", "cannot be read"),
        (b"[1]", "format version None"),
        (b"[" * 100_000, "cannot be read"),
    ],
)
def test_an_unreadable_manifest_is_refused(copy: Path, content: bytes, message: str) -> None:
    rewrite(copy / MANIFEST, content)
    with pytest.raises(BundleError, match=message):
        Bundle.load(copy)


@pytest.mark.parametrize("change", [{"files": None}, {"labels": "many"}, {"metrics": {"a": "b"}}])
def test_a_malformed_field_is_named(copy: Path, change: dict[str, Any]) -> None:
    rewrite_manifest(copy, **change)
    with pytest.raises(BundleError, match=f"field {next(iter(change))}.* is malformed"):
        read_manifest(copy)


def test_what_is_no_bundle_is_refused_with_a_question(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for folder in (tmp_path / "absent", tmp_path, tmp_path / "file"):
        with pytest.raises(BundleError, match=r"manifest\.json cannot be read .* is this a model folder\?"):
            Bundle.load(folder)


def test_pickled_arrays_are_refused_even_when_their_hash_is_right(copy: Path) -> None:
    pickled = io.BytesIO()
    np.save(pickled, np.array([{"any": "object"}], dtype=object), allow_pickle=True)
    with_hash_of(copy, "svm_bias.npy", pickled.getvalue())
    with pytest.raises(BundleError, match="do not fit together"):
        Bundle.load(copy)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("decision.json", b"{}"),
        ("decision.json", b"[]"),
        ("decision.json", b'{"calibrator": {"slope": 1, "more": 2}, "thresholds": {"own": []}}'),
        ("encoder.json", b'{"text": {}}'),
        ("encoder.json", b"not JSON"),
        ("labels.json", b"5"),
        ("labels.json", b"[" * 100_000),
        ("labels.json", b'["B", "A"]'),
        ("labels.json", b"[1, 2]"),
        ("encoder.json", b'{"text": {"low": 2, "high": 9999}, "retriever": {}}'),
        ("svm_bias.npy", b"PK\x03\x04"),
        ("svm_bias.npy", HUGE),
        ("label_counts.npy", HUGE[:60]),
        ("svm_bias.npy", b"not an array"),
        ("ranker.txt", b"not a tree"),
    ],
)
def test_files_that_do_not_fit_together_are_refused(copy: Path, name: str, content: bytes) -> None:
    with_hash_of(copy, name, content)
    with pytest.raises(BundleError, match=r"do not fit together \(.*train the model again"):
        Bundle.load(copy)


def test_arrays_made_to_mislead_are_refused_by_name_or_do_no_harm(
    trained_bundle_folder: Path, tmp_path: Path
) -> None:
    """With right hashes; see `damaged`."""
    command = [sys.executable, "-m", "prodclf_tests.classifier.damaged", trained_bundle_folder, tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    said: dict[str, str | None] = json.loads(done.stdout)
    assert {damage.partition(":")[0] for damage in said} == {*ENCODER_ARRAYS, *AFFINITIES[:4]}
    for damage, message in said.items():
        name, _, kind = damage.partition(": ")
        if message is not None:
            # Of two that do not fit each other, either may be the one that is named.
            assert re.search(r"do not fit together \(\w+\.npy .*train the model again", message), damage
        elif name not in {"branch_bias", "neighbours_label_indptr"}:  # a branch or product may have no label
            assert kind not in {"empty", "cut short", "too long", "another dtype", "other bytes first"}, (
                damage
            )
        assert message or "nan" not in kind or name in {"label_middle", "label_spread"}, damage


def test_offsets_of_other_labels_are_refused_and_a_bundle_without_any_is_read(copy: Path) -> None:
    decision = json.loads((copy / "decision.json").read_text("utf-8"))
    decision["calibrator"]["by_label"] = decision["calibrator"]["by_label"][:-1]
    with_hash_of(copy, "decision.json", json.dumps(decision).encode())
    with pytest.raises(
        BundleError, match=r"do not fit together \(.*offsets of \d+ labels.*train the model again"
    ):
        Bundle.load(copy)
    del decision["calibrator"]["by_label"]
    with_hash_of(copy, "decision.json", json.dumps(decision).encode())
    assert Bundle.load(copy).calibrator.by_label == ()


def test_files_are_utf_8_wherever_they_are_written(
    trained_bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def explicit(encoding: str | None, *_: object) -> str:
        assert encoding, "an encoding is left to the locale"
        return encoding

    monkeypatch.setattr(io, "text_encoding", explicit)
    trained_bundle.save(tmp_path)
    assert Bundle.load(tmp_path, threads=1).version == trained_bundle.version


def test_threads_are_all_cores_unless_given(copy: Path) -> None:
    assert Bundle.load(copy).threads >= 1
    assert Bundle.load(copy, threads=3).threads == 3


def test_a_product_is_answered_the_same_alone_in_any_company_and_on_any_threads(
    trained_bundle: Bundle, test_products: ProductBatch
) -> None:
    rows = np.arange(3000) % len(test_products)
    many = replace(trained_bundle, threads=3).predict(test_products.take(rows))
    once = trained_bundle.predict(test_products)
    np.testing.assert_array_equal(many.confidence, once.confidence[rows])
    np.testing.assert_array_equal(many.top_labels, once.top_labels[rows])
    for row in (0, 77):
        alone = trained_bundle.predict(test_products.take([row]))
        assert alone.category == [once.category[row]]
        np.testing.assert_array_equal(alone.top_probabilities[0], once.top_probabilities[row])


def test_answers_hang_together(trained_bundle: Bundle, test_products: ProductBatch) -> None:
    found = trained_bundle.predict(test_products, top_k=7)
    assert found.top_labels.shape == found.top_probabilities.shape == (len(test_products), 7)
    assert (np.diff(found.top_probabilities, axis=1) <= 0).all()
    assert (found.top_probabilities.sum(axis=1) <= 1 + 1e-9).all()
    np.testing.assert_array_equal(found.confidence, found.top_probabilities[:, 0])
    assert found.category == [trained_bundle.labels[code] for code in found.top_labels[:, 0]]
    assert all(len(set(row)) == 7 for row in found.top_labels.tolist())
    everything = trained_bundle.predict(test_products, top_k=1000)
    assert everything.top_labels.shape[1] == 10
    assert trained_bundle.predict(test_products, top_k=0).top_labels.shape[1] == 0


def test_the_branch_is_the_category_or_above_it_as_the_decision_says(
    trained_bundle: Bundle, test_products: ProductBatch
) -> None:
    bold = replace(trained_bundle, thresholds=Thresholds(common=0.9, branch=0.6, abstain_below=0.5))
    found = bold.predict(test_products)
    labels, probabilities = bold.rank(test_products)
    assert set(found.decision) == {"auto", "review", "abstain"}
    parents = 0
    for row, (path, branch, decision) in enumerate(
        zip(found.category, found.branch, found.decision, strict=True)
    ):
        if decision == "auto":
            assert branch == path
        elif decision == "abstain":
            assert branch == ""
        else:
            above = path.rpartition(" > ")[0]
            sure = sum(
                p
                for code, p in zip(labels[row], probabilities[row], strict=True)
                if bold.labels[code] == above or bold.labels[code].startswith(f"{above} > ")
            )
            assert branch == (above if sure >= 0.6 else "")
            parents += branch != ""
    assert parents


def test_without_a_title_nothing_is_answered(trained_bundle: Bundle) -> None:
    found = trained_bundle.predict(
        products(["", "frying pan", ""], brand=["Acme", "", ""], description=["a frying pan", "", ""])
    )
    assert [found.category[0], found.category[2]] == ["", ""]
    assert [found.decision[0], found.decision[2]] == ["abstain", "abstain"]
    assert found.confidence[[0, 2]].tolist() == [0, 0]
    assert (found.top_labels[[0, 2]] == -1).all()
    assert (found.top_probabilities[[0, 2]] == 0).all()
    assert found.branch[0] == ""
    assert found.category[1] in trained_bundle.labels


def test_no_products_no_answers(trained_bundle: Bundle) -> None:
    found = trained_bundle.predict(products([]))
    assert found.category == found.decision == found.branch == []
    assert found.confidence.shape == (0,)
    assert found.top_labels.shape == (0, 5)


@given(st.lists(st.text(st.characters() | st.sampled_from("12 _-½Ⅳ٣aZ"), max_size=4)))
def test_a_letter_is_what_python_takes_for_one(titles: list[str]) -> None:
    letters = [any(c.isalnum() and not c.isdecimal() for c in title) for title in titles]
    assert _has_letter(PackedTexts.of(titles)).tolist() == letters


def test_it_answers_where_pandas_is_not(trained_bundle: Bundle, trained_bundle_folder: Path) -> None:
    """In serving it is not loaded: it would cost every process a second and forty megabytes."""
    code = """
import sys
from pathlib import Path
sys.modules["pandas"] = None
from prodclf_assets.classifier.bundle import Bundle
from prodclf_assets.catalog.product import ProductBatch
batch, _ = ProductBatch.from_records([{"title": "frying pan"}])
print(Bundle.load(Path(sys.argv[1]), threads=1).predict(batch).category[0])
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(trained_bundle_folder)],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == trained_bundle.predict(products(["frying pan"])).category[0]
