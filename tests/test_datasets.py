"""Loaders of data: what they hold, how they split it, and every way they can fail."""

import errno
import gzip
import hashlib
import importlib.util
import io
import os
import subprocess
import sys
import types
import urllib.error
import urllib.request
import zipfile
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier

from dtlib import datasets
from dtlib.datasets import _common, _fashion, _mnist1d, _thoracic

ROOT = Path(__file__).parents[1]
REAL_FOLDER = os.environ.get("DTLIB_DATA_DIR")
ORIGINALS = _fashion.SYSTEM_FOLDER
real_download = _fashion.download  # `alone` replaces it.

needs_originals = pytest.mark.skipif(
    not ORIGINALS.is_dir(), reason="needs Debian's package dataset-fashion-mnist"
)
needs_real_table = pytest.mark.skipif(
    not (REAL_FOLDER and (Path(REAL_FOLDER) / "thoracic_surgery.csv").is_file()),
    reason="needs thoracic_surgery.csv in the folder named by DTLIB_DATA_DIR",
)


@pytest.fixture(autouse=True)
def alone(tmp_path, monkeypatch):
    """An empty machine without a network; returns its user's data folder."""

    def offline(*args, **kwargs):
        raise urllib.error.URLError("no network")

    for name in ("data", "cache", "keras", "system"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("DTLIB_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setattr(_fashion, "SYSTEM_FOLDER", tmp_path / "system")
    monkeypatch.setattr(urllib.request, "urlopen", offline)
    monkeypatch.setattr(_fashion, "download", offline)
    return tmp_path / "data"


def files_in(folder):
    return [path for path in Path(folder).rglob("*") if path.is_file()]


# The split


def test_parts_are_disjoint_complete_and_in_order():
    y = np.arange(1000) % 7
    parts = _common.stratified_split(y, 3, validation_split=0.2, test_split=0.3)
    assert all((np.diff(part) > 0).all() for part in parts)
    np.testing.assert_array_equal(np.sort(np.concatenate(parts)), np.arange(1000))


def test_every_part_has_its_share_of_every_class():
    y = np.repeat([0, 1, 2], [10, 50, 200])
    parts = _common.stratified_split(y, 0, validation_split=0.2, test_split=0.3)
    counts = [np.bincount(y[part]).tolist() for part in parts]
    assert counts == [[5, 25, 100], [2, 10, 40], [3, 15, 60]]


def test_the_split_of_a_seed_never_changes():
    y = np.arange(30) % 3  # Pinned: stored results of the book rest on it.
    _, valid = _common.stratified_split(y, 0, validation_split=0.2)
    assert valid.tolist() == [7, 12, 14, 17, 18, 28]
    _, other = _common.stratified_split(y, 1, validation_split=0.2)
    assert valid.tolist() != other.tolist()


def test_a_split_that_empties_a_part_is_refused():
    y = np.repeat([0, 1], [100, 3])
    for fraction, members in ((0.001, 100), (0.1, 3), (0.9, 3)):
        message = f"every class at least one .* with {members} of class"
        with pytest.raises(ValueError, match=message):
            _common.stratified_split(y, 0, validation_split=fraction)
    with pytest.raises(ValueError, match="`validation_split` and `test_split` must"):
        _common.stratified_split(y, 0, validation_split=0.5, test_split=0.5)


def test_no_split_gives_an_empty_part():
    data = datasets.fashion_mnist(validation_split=0)
    assert data.x_train.shape == (10000, 28, 28)
    assert data.x_valid.shape == (0, 28, 28)


# Fashion-MNIST: the sample


def test_the_sample_is_the_file_that_was_cut():
    content = _fashion.SAMPLE.read_bytes()
    assert hashlib.sha256(content).hexdigest() == _fashion.SAMPLE_SHA256
    assert len(content) < 7e6
    notice = _fashion.SAMPLE.with_name("FASHION_MNIST_LICENSE").read_text("utf-8")
    assert "Zalando SE" in notice and "Permission is hereby granted" in notice


def test_the_sample_holds_1000_and_400_images_a_class_in_file_order():
    x, y, x_test, y_test = _fashion.read_sample()
    assert np.bincount(y).tolist() == [1000] * 10
    assert np.bincount(y_test).tolist() == [400] * 10
    assert x.shape == (10000, 28, 28) and x_test.shape == (4000, 28, 28)
    assert {a.dtype for a in (x, y, x_test, y_test)} == {np.dtype("uint8")}
    # The first labels of the original files.
    assert y[:10].tolist() == [9, 0, 0, 3, 0, 2, 7, 2, 5, 5]
    assert y_test[:10].tolist() == [9, 2, 1, 1, 6, 1, 4, 6, 5, 7]
    assert len(datasets.FASHION_CLASSES) == 10


@needs_originals
def test_the_sample_is_the_first_of_each_class_of_the_originals(monkeypatch):
    monkeypatch.setattr(_fashion, "SYSTEM_FOLDER", ORIGINALS)
    originals, sample = _fashion.read_full(), _fashion.read_sample()
    for i, count in ((0, 1000), (2, 400)):
        x, y = originals[i : i + 2]
        for label in range(10):
            np.testing.assert_array_equal(
                sample[i][sample[i + 1] == label], x[y == label][:count]
            )


def test_pixels_lie_between_0_and_1():
    data = datasets.fashion_mnist()
    for x in (data.x_train, data.x_valid, data.x_test):
        assert x.dtype == np.float32 and x.min() == 0 and x.max() == 1
    for y in (data.y_train, data.y_valid, data.y_test):
        assert y.dtype == np.int32 and set(y) == set(range(10))
    _, _, x_test, y_test = _fashion.read_sample()
    np.testing.assert_allclose(data.x_test * 255, x_test, atol=1e-4)
    np.testing.assert_array_equal(data.y_test, y_test)


def test_the_seed_moves_validation_images_and_leaves_the_test_alone():
    first, again = datasets.fashion_mnist(seed=1), datasets.fashion_mnist(seed=1)
    other = datasets.fashion_mnist(seed=2)
    np.testing.assert_array_equal(first.x_valid, again.x_valid)
    assert not np.array_equal(first.x_valid, other.x_valid)
    np.testing.assert_array_equal(first.x_test, other.x_test)


def test_standardized_images_use_one_mean_and_one_deviation_of_training():
    raw = datasets.fashion_mnist()
    data = datasets.fashion_mnist(standardize=True)
    # Statistics of training and validation together would shift the mean by 7e-4.
    assert abs(data.x_train.mean(dtype=float)) < 1e-5
    assert abs(data.x_train.std(dtype=float) - 1) < 1e-5
    mean, std = raw.x_train.mean(dtype=float), raw.x_train.std(dtype=float)
    for part in ("x_valid", "x_test"):
        expected = (getattr(raw, part) - mean) / std
        np.testing.assert_allclose(getattr(data, part), expected, atol=2e-6)
        assert getattr(data, part).dtype == np.float32
    np.testing.assert_array_equal(data.y_train, raw.y_train)


def test_a_damaged_or_missing_sample_says_to_install_again(tmp_path, monkeypatch):
    damaged = bytearray(_fashion.SAMPLE.read_bytes())
    damaged[1000] ^= 1
    monkeypatch.setattr(_fashion, "SAMPLE", tmp_path / "sample.npz")
    with pytest.raises(datasets.DataUnavailable, match="sample.npz is missing"):
        datasets.fashion_mnist()
    (tmp_path / "sample.npz").write_bytes(damaged)
    with pytest.raises(ValueError, match=r"sample\.npz has SHA-256 .* expected"):
        datasets.fashion_mnist()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"size": "big"}, r"`size` must be one of \['sample', 'full'\]. .*'big'"),
        ({"validation_split": 1}, r"`validation_split` must be a number in \[0, 1\)"),
        ({"validation_split": -0.1}, "Received: validation_split=-0.1"),
        ({"standardize": "yes"}, "`standardize` must be one of"),
        ({"seed": None}, r"`seed` must be an integer in \[0, inf\)"),
    ],
)
def test_fashion_mnist_names_the_bad_argument(arguments, message):
    with pytest.raises(ValueError, match=message):
        datasets.fashion_mnist(**arguments)


# Fashion-MNIST: the full set


@pytest.fixture
def idx(monkeypatch):
    """Four small idx files, as bytes by name, known to the loader by their sums."""
    rng = np.random.default_rng(0)
    files = {}
    for name, n in (("train", 100), ("t10k", 40)):
        images = rng.integers(0, 256, (n, 28, 28), np.uint8)
        labels = (np.arange(n) % 10).astype(np.uint8)
        for kind, array in (("images-idx3", images), ("labels-idx1", labels)):
            header = bytes([0, 0, 8, array.ndim])
            lengths = b"".join(n.to_bytes(4, "big") for n in array.shape)
            files[f"{name}-{kind}-ubyte"] = header + lengths + array.tobytes()
    sums = {name: hashlib.sha256(files[name]).hexdigest() for name in files}
    monkeypatch.setattr(_fashion, "IDX_SHA256", sums)
    return files


def put(files, folder, compress=False):
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        if compress:
            (folder / f"{name}.gz").write_bytes(gzip.compress(content))
        else:
            (folder / name).write_bytes(content)


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize(
    "place", ["data", "data/fashion-mnist", "keras/datasets/fashion-mnist", "system"]
)
def test_the_full_set_is_found_in_every_place(idx, tmp_path, place, compress):
    put(idx, tmp_path / place, compress)
    data = datasets.fashion_mnist("full", validation_split=0.3)
    assert data.x_train.shape == (70, 28, 28) and data.x_valid.shape == (30, 28, 28)
    content = np.frombuffer(idx["t10k-images-idx3-ubyte"][16:], np.uint8)
    np.testing.assert_allclose(data.x_test.ravel() * 255, content, atol=1e-4)
    assert data.y_test.tolist() == [i % 10 for i in range(40)]


def test_places_are_tried_in_order(idx, tmp_path):
    put(idx, tmp_path / "system")
    for place in ("keras/datasets/fashion-mnist", "data"):
        put({name: b"bad" for name in idx}, tmp_path / place)
        with pytest.raises(ValueError) as error:
            datasets.fashion_mnist("full")
        assert str(tmp_path / place) in str(error.value)


def test_statistics_do_not_see_the_test_images(idx, alone, monkeypatch):
    put(idx, alone)
    before = datasets.fashion_mnist("full", standardize=True)
    name = "t10k-images-idx3-ubyte"
    black = idx[name][:16] + bytes(len(idx[name]) - 16)
    monkeypatch.setitem(_fashion.IDX_SHA256, name, hashlib.sha256(black).hexdigest())
    (alone / name).write_bytes(black)
    after = datasets.fashion_mnist("full", standardize=True)
    assert not np.array_equal(before.x_test, after.x_test)
    np.testing.assert_array_equal(before.x_train, after.x_train)
    np.testing.assert_array_equal(before.x_valid, after.x_valid)


def test_a_wrong_file_is_named_with_both_sums_and_the_remedy(idx, alone):
    put(idx, alone)
    path = alone / "train-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError) as error:
        datasets.fashion_mnist("full")
    got = hashlib.sha256(path.read_bytes()).hexdigest()
    for part in (str(path), _fashion.IDX_SHA256[path.name], got, "delete it"):
        assert part in str(error.value)


@pytest.mark.parametrize("damage", ["truncated", "flipped", "no block", "header only"])
def test_a_damaged_gz_is_named_with_the_remedy(idx, alone, damage):
    put(idx, alone, compress=True)
    path = alone / "train-images-idx3-ubyte.gz"
    content = bytearray(path.read_bytes())
    if damage == "flipped":
        content[len(content) // 2] ^= 0xFF
    if damage == "no block":
        content[10] = 0xFF  # Deflate knows no block of type 3.
    path.write_bytes(content[: {"truncated": 5000, "header only": 2}.get(damage)])
    with pytest.raises(ValueError) as error:
        datasets.fashion_mnist("full")
    expected = _fashion.IDX_SHA256["train-images-idx3-ubyte"]
    for part in (str(path), expected, "delete it"):
        assert part in str(error.value)


def test_offline_says_where_it_looked_and_what_to_do(tmp_path):
    with pytest.raises(datasets.DataUnavailable) as error:
        datasets.fashion_mnist("full")
    assert isinstance(error.value, OSError)
    places = [tmp_path / "data", tmp_path / "keras", tmp_path / "system"]
    for part in (*map(str, places), "no network", "DTLIB_DATA_DIR", 'size="sample"'):
        assert part in str(error.value)


def test_the_download_is_checked_and_goes_to_the_keras_cache(
    idx, tmp_path, monkeypatch
):
    cache = tmp_path / "keras"

    def get_file(name, origin, cache_subdir):
        assert origin.startswith("https://") and origin.endswith(name)
        path = cache / cache_subdir / name
        path.parent.mkdir(parents=True, exist_ok=True)
        content = gzip.compress(idx[name.removesuffix(".gz")])
        path.write_bytes(content[:5000] if truncate else content)
        return str(path)

    utils = types.SimpleNamespace(get_file=get_file)
    monkeypatch.setitem(sys.modules, "keras", types.SimpleNamespace(utils=utils))
    monkeypatch.setattr(_fashion, "download", real_download)
    truncate = True
    with pytest.raises(ValueError, match="train-images-idx3-ubyte.gz cannot be"):
        datasets.fashion_mnist("full")
    for path in files_in(cache):
        path.unlink()
    truncate = False
    data = datasets.fashion_mnist("full")
    assert len(files_in(cache)) == 4
    monkeypatch.setitem(sys.modules, "keras", None)  # The cache is enough now.
    again = datasets.fashion_mnist("full")
    np.testing.assert_array_equal(data.x_train, again.x_train)


@needs_originals
def test_the_originals_have_the_sums_that_the_loader_asks_for(monkeypatch):
    monkeypatch.setattr(_fashion, "SYSTEM_FOLDER", ORIGINALS)
    x, y, x_test, y_test = _fashion.read_full()
    assert x.shape == (60000, 28, 28) and np.bincount(y).tolist() == [6000] * 10
    assert x_test.shape == (10000, 28, 28)
    assert np.bincount(y_test).tolist() == [1000] * 10


# The script that cuts the sample


@pytest.fixture
def cutter():
    path = ROOT / "tools" / "cut_fashion_sample.py"
    spec = importlib.util.spec_from_file_location("cut_fashion_sample", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_cutter_takes_the_first_of_each_class_and_repeats_its_bytes(
    cutter, idx, alone, monkeypatch
):
    put(idx, alone)
    arrays = cutter.cut(alone, train_per_class=3, test_per_class=2)
    assert arrays["y_train"].tolist() == [*range(10)] * 3
    assert arrays["y_test"].tolist() == [*range(10)] * 2
    original = np.frombuffer(idx["train-images-idx3-ubyte"][16:], np.uint8)
    np.testing.assert_array_equal(arrays["x_train"], original.reshape(-1, 28, 28)[:30])
    first = cutter.archive(arrays)
    monkeypatch.setattr("time.time", lambda: 2e9)
    assert first == cutter.archive(arrays)
    with np.load(io.BytesIO(first), allow_pickle=False) as loaded:
        for name, array in arrays.items():
            np.testing.assert_array_equal(loaded[name], array)


def test_the_cutter_refuses_wrong_and_missing_files(cutter, idx, alone):
    with pytest.raises(SystemExit, match="holds neither train-images"):
        cutter.cut(alone, train_per_class=3, test_per_class=2)
    put(idx, alone)
    (alone / "t10k-labels-idx1-ubyte").write_bytes(b"bad")
    with pytest.raises(ValueError, match="t10k-labels-idx1-ubyte has SHA-256"):
        cutter.cut(alone, train_per_class=3, test_per_class=2)


# The thoracic-surgery table


@pytest.fixture
def patients(monkeypatch):
    """An invented table, (470, 18), that the loader takes for the known one."""
    rng = np.random.default_rng(0)
    table = rng.integers(0, 2, (470, 18)).astype(float)
    table[:, 0] = np.arange(1, 471)
    table[:, 1] = rng.integers(1, 9, 470)
    table[:, 2:4] = rng.integers(100, 600, (470, 2)) / 100
    table[:, 10] = rng.integers(11, 15, 470)
    table[13, 10] = 14
    table[:, 16] = rng.integers(20, 90, 470)
    table[:, 17] = rng.permutation(470) < 70
    cents = np.array([[round(100 * v) for v in row] for row in table], "<i4")
    known = hashlib.sha256(cents.tobytes()).hexdigest()
    monkeypatch.setattr(_thoracic, "TABLE_SHA256", known)
    return table


def as_csv(table):
    return "\n".join(",".join(f"{v:g}" for v in row) for row in table)


def as_arff(table):
    prefixes = {1: "DGN", 4: "PRZ", 10: "OC"}
    truths = {5, 6, 7, 8, 9, 11, 12, 13, 14, 15, 17}
    lines = ["@relation 'Thoracic_Surgery_Data'", "", "@attribute DGN {DGN3}", "@data"]
    for row in table:
        cells = [
            "FT"[int(v)] if j in truths else f"{prefixes.get(j, '')}{v:g}"
            for j, v in enumerate(row)
        ]
        lines.append(",".join(cells[1:]))  # ARFF has no patient number.
    return "\r\n".join(lines) + "\r\n"


def zipped(text, name="ThoraricSurgery.arff"):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(name, text)
    return buffer.getvalue()


@pytest.fixture
def uci(monkeypatch):
    """Let `urlopen` answer with `uci.content`, and count how often it is asked."""
    server = types.SimpleNamespace(content=b"", asked=0)

    def urlopen(url, timeout):
        assert url == _thoracic.URL and 0 < timeout <= 60
        server.asked += 1
        return io.BytesIO(server.content)

    monkeypatch.setattr(urllib.request, "urlopen", urlopen)
    return server


@pytest.mark.parametrize(
    ("name", "write"),
    [("thoracic_surgery.csv", as_csv), ("ThoraricSurgery.arff", as_arff)],
)
def test_csv_and_arff_give_the_same_table(patients, alone, name, write):
    (alone / name).write_text(write(patients), "utf-8")
    np.testing.assert_array_equal(_thoracic.load_table(), patients)


def test_rows_in_any_order_give_the_same_split(patients, alone):
    path = alone / "thoracic_surgery.csv"
    path.write_text(as_csv(patients), "utf-8")
    first = datasets.thoracic_surgery()
    path.write_text(as_csv(patients[::-1]), "utf-8")
    for a, b in zip(first, datasets.thoracic_surgery(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_slip_in_copies_of_the_table_is_undone(patients, alone):
    copy = patients.copy()
    copy[13, 10] = 11.444
    text = as_csv(copy)
    assert "11.444" in text
    (alone / "thoracic_surgery.csv").write_text(text, "utf-8")
    np.testing.assert_array_equal(_thoracic.load_table(), patients)


def test_patients_are_split_once_and_by_outcome(patients, alone):
    (alone / "thoracic_surgery.csv").write_text(as_csv(patients), "utf-8")
    data = datasets.thoracic_surgery(patient_number=True)
    parts = (data.x_train, data.x_valid, data.x_test)
    assert [len(x) for x in parts] == [282, 94, 94]
    assert [y.sum() for y in (data.y_train, data.y_valid, data.y_test)] == [42, 14, 14]
    numbers = np.concatenate([x[:, 0] for x in parts])
    np.testing.assert_array_equal(np.sort(numbers), np.arange(1, 471))
    for x, y in zip(parts, (data.y_train, data.y_valid, data.y_test), strict=True):
        rows = patients[x[:, 0].astype(int) - 1]
        np.testing.assert_array_equal(x, rows[:, :-1].astype(np.float32))
        np.testing.assert_array_equal(y, rows[:, -1])
        assert x.dtype == np.float32 and y.dtype == np.int32
    other = datasets.thoracic_surgery(patient_number=True, seed=1)
    assert not np.array_equal(data.x_test, other.x_test)


def test_the_patient_number_is_left_out_unless_asked_for(patients, alone):
    (alone / "thoracic_surgery.csv").write_text(as_csv(patients), "utf-8")
    without = datasets.thoracic_surgery()
    with_number = datasets.thoracic_surgery(patient_number=True)
    assert without.x_train.shape[1] == len(datasets.THORACIC_FEATURES) == 16
    np.testing.assert_array_equal(without.x_train, with_number.x_train[:, 1:])


def test_standardized_features_use_training_patients_only(patients, alone):
    (alone / "thoracic_surgery.csv").write_text(as_csv(patients), "utf-8")
    raw = datasets.thoracic_surgery()
    data = datasets.thoracic_surgery(standardize=True)
    # One patient of 282 more or less would show in the third digit.
    np.testing.assert_allclose(data.x_train.mean(0, dtype=float), 0, atol=1e-5)
    np.testing.assert_allclose(data.x_train.std(0, dtype=float), 1, atol=1e-5)
    mean, std = raw.x_train.mean(0, dtype=float), raw.x_train.std(0, dtype=float)
    np.testing.assert_allclose(data.x_test, (raw.x_test - mean) / std, atol=1e-5)
    np.testing.assert_allclose(data.x_valid, (raw.x_valid - mean) / std, atol=1e-5)


def test_a_constant_feature_is_only_shifted():
    x, y = np.full((4, 1), 3, np.float32), np.zeros(4)
    data = _common.scale_by_training(datasets.Data(x, y, x + 1, y, x, y), axis=0)
    assert (data.x_train == 0).all() and (data.x_valid == 1).all()


def test_a_download_is_converted_and_kept_for_the_next_call(patients, uci, tmp_path):
    assert not datasets.thoracic_available()
    uci.content = zipped(as_arff(patients))
    first = datasets.thoracic_surgery()
    assert [p.name for p in files_in(tmp_path / "cache")] == ["thoracic_surgery.csv"]
    assert datasets.thoracic_available()
    again = datasets.thoracic_surgery()
    assert uci.asked == 1
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_named_folder_comes_before_the_cache(patients, alone, uci):
    uci.content = zipped(as_arff(patients))
    datasets.thoracic_surgery()
    (alone / "thoracic_surgery.csv").write_text("bad", "utf-8")
    with pytest.raises(ValueError, match="data.thoracic_surgery.csv must have"):
        datasets.thoracic_surgery()


def test_a_missing_table_offline_says_where_it_looked_and_what_to_do(tmp_path):
    assert not datasets.thoracic_available()
    with pytest.raises(datasets.DataUnavailable) as error:
        datasets.thoracic_surgery()
    files = [
        tmp_path / "data" / "thoracic_surgery.csv",
        tmp_path / "data" / "ThoraricSurgery.arff",
        tmp_path / "cache" / "deep-training-book" / "thoracic_surgery.csv",
    ]
    for part in (*map(str, files), "no network", _thoracic.URL, "DTLIB_DATA_DIR"):
        assert part in str(error.value)


def test_without_the_variable_only_the_cache_is_searched(monkeypatch, tmp_path):
    monkeypatch.delenv("DTLIB_DATA_DIR")
    assert len(_thoracic.paths()) == 1 and len(_fashion.folders()) == 2
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.delenv("KERAS_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert _thoracic.cache_path().parent == tmp_path / ".cache" / "deep-training-book"
    assert _fashion.folders()[0] == tmp_path / ".keras" / "datasets" / "fashion-mnist"


@pytest.mark.parametrize(
    "content", [b"<html>log in first</html>", zipped("hello", "readme.txt")]
)
def test_a_download_that_is_not_the_archive_counts_as_unavailable(
    uci, tmp_path, content
):
    uci.content = content
    with pytest.raises(datasets.DataUnavailable, match="the download failed"):
        datasets.thoracic_surgery()
    assert files_in(tmp_path / "cache") == []


def test_a_download_of_another_content_is_refused_and_not_kept(patients, uci, tmp_path):
    patients[7, 16] += 1
    uci.content = zipped(as_arff(patients))
    with pytest.raises(ValueError, match="at https://.* must have content of SHA-256"):
        datasets.thoracic_surgery()
    assert files_in(tmp_path / "cache") == []


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda text: text[: len(text) // 2], "must have"),
        (lambda text: "\n".join(text.splitlines()[:-1]), r"shape \(470, 18\)"),
        (lambda text: text.replace("1,", "x,", 1), "must have a table of numbers"),
        (lambda text: text.replace("1,", "nan,", 1), "must have finite numbers"),
        (lambda text: text[:-1] + "10"[int(text[-1])], "must have 70 deaths"),
        (lambda text: "", "must have"),
    ],
)
def test_a_damaged_cache_is_named_with_the_remedy(patients, uci, damage, message):
    path = _thoracic.cache_path()
    path.parent.mkdir(parents=True)
    path.write_text(damage(as_csv(patients)), "utf-8")
    with pytest.raises(ValueError, match=message) as error:
        datasets.thoracic_surgery()
    assert str(path) in str(error.value) and "Delete the file" in str(error.value)
    assert uci.asked == 0


def test_a_full_disk_costs_a_warning_not_the_data(patients, uci, tmp_path, monkeypatch):
    def full(*args):
        raise OSError(errno.ENOSPC, "No space left on device")

    uci.content = zipped(as_arff(patients))
    monkeypatch.setattr(os, "replace", full)
    with pytest.warns(UserWarning, match="could not be kept .*No space left") as caught:
        data = datasets.thoracic_surgery()
    assert caught[0].filename == __file__
    assert data.x_train.shape == (282, 16)
    assert files_in(tmp_path / "cache") == []


def test_a_cache_that_cannot_be_made_costs_a_warning(
    patients, uci, tmp_path, monkeypatch
):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    uci.content = zipped(as_arff(patients))
    with pytest.warns(UserWarning, match="could not be kept"):
        assert datasets.thoracic_surgery().x_train.shape == (282, 16)


def test_an_interrupted_write_leaves_no_half_file(tmp_path, monkeypatch):
    def interrupt(*args):
        raise KeyboardInterrupt

    path = tmp_path / "cache" / "table.csv"
    path.write_text("old")
    monkeypatch.setattr(os, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        _common.keep(path, "new")
    assert files_in(tmp_path / "cache") == [path] and path.read_text() == "old"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"validation_split": 1.0}, r"`validation_split` must be a number in \[0, 1\)"),
        ({"test_split": "a"}, "`test_split` must be a number"),
        ({"standardize": None}, "`standardize` must be one of"),
        ({"patient_number": 2}, "`patient_number` must be one of"),
        ({"seed": -1}, "`seed` must be an integer"),
        ({"validation_split": 0.5, "test_split": 0.5}, "Received: validation_split=0."),
    ],
)
def test_thoracic_surgery_names_the_bad_argument(patients, alone, arguments, message):
    (alone / "thoracic_surgery.csv").write_text(as_csv(patients), "utf-8")
    with pytest.raises(ValueError, match=message):
        datasets.thoracic_surgery(**arguments)


@needs_real_table
def test_the_real_table_is_as_published(monkeypatch):
    monkeypatch.setenv("DTLIB_DATA_DIR", REAL_FOLDER)
    data = datasets.thoracic_surgery()
    x = np.concatenate([data.x_train, data.x_valid, data.x_test])
    y = np.concatenate([data.y_train, data.y_valid, data.y_test])
    column = dict(zip(datasets.THORACIC_FEATURES, x.T.astype(float), strict=True))
    assert len(x) == 470 and y.sum() == 70
    # The counts that the repository publishes.
    published = {
        "DGN": {1: 1, 2: 52, 3: 349, 4: 47, 5: 15, 6: 4, 8: 2},
        "PRE6": {0: 130, 1: 313, 2: 27},
        "PRE14": {11: 177, 12: 257, 13: 19, 14: 17},
    }
    ones = {"PRE7": 31, "PRE8": 68, "PRE9": 31, "PRE10": 323, "PRE11": 78, "PRE17": 35}
    ones |= {"PRE19": 2, "PRE25": 8, "PRE30": 386, "PRE32": 2}
    published |= {name: {0: 470 - n, 1: n} for name, n in ones.items()}
    for name, counts in published.items():
        values, found = np.unique(column[name], return_counts=True)
        assert dict(zip(values, found, strict=True)) == counts, name
    assert column["AGE"].sum() == 29391
    assert (column["AGE"].min(), column["AGE"].max()) == (21, 87)
    # The quirk: 15 values of PRE5 in another unit.
    odd = column["PRE5"] > 6
    assert odd.sum() == 15
    assert 8 < column["PRE5"][odd].min() and column["PRE5"][odd].max() < 87
    assert 0.9 < column["PRE5"][~odd].min() and column["PRE5"][~odd].max() < 5.5


# MNIST-1D


def slow_mnist1d(n, rng):
    """The published procedure, one curve at a time, with the draws of `draw`."""
    y = rng.permutation(np.arange(n) % 10)
    padding = rng.integers(36, 61, (n, 1))
    shift = rng.integers(48, size=(n, 1))
    scale = rng.uniform(-0.5, 0.5, (n, 1))
    shear = rng.uniform(-0.5, 0.5, (n, 1))
    correlated = rng.standard_normal((n, 72))
    white = rng.standard_normal((n, 72))

    def interpolate(x, length):
        return np.interp(np.linspace(0, 1, length), np.linspace(0, 1, len(x)), x)

    curves = []
    for i in range(n):
        x = np.array(_mnist1d.TEMPLATES[y[i]], float)
        x = (x - x.mean()) / x.std()
        x = (x - x[0]) / 6 + 1e-8  # so that the digit's own zeros are not padding
        x = interpolate(np.concatenate([x, np.zeros(padding[i, 0])]), 72)
        x = np.roll(x * (1 + 0.4 * scale[i]), shift[i, 0])
        x = np.where(x != 0, x, gaussian_filter(0.25 * correlated[i], 2))
        x = x + 0.02 * white[i] - 0.75 * shear[i] * np.linspace(-0.5, 0.5, 72)
        curves.append(interpolate(x, 40))
    return np.array(curves), y


def test_mnist1d_follows_the_published_procedure():
    x, y = _mnist1d.draw(300, np.random.default_rng(5))
    expected, labels = slow_mnist1d(300, np.random.default_rng(5))
    np.testing.assert_array_equal(y, labels)
    # float32 rounds at 1e-7; the smallest ingredient, the white noise, is 2e-2.
    np.testing.assert_allclose(x, expected, atol=1e-6)
    assert x.dtype == np.float32 and y.dtype == np.int32


def test_mnist1d_is_seeded_balanced_and_scaled_by_training():
    data, again = datasets.mnist1d(), datasets.mnist1d()
    for a, b in zip(data, again, strict=True):
        np.testing.assert_array_equal(a, b)
    # Without a validation part, so that no split hides whether the draw moved.
    whole = [datasets.mnist1d(validation_split=0, seed=seed) for seed in (42, 1)]
    assert not np.array_equal(whole[0].y_train, whole[1].y_train)
    assert not np.array_equal(whole[0].y_test, whole[1].y_test)
    assert np.bincount(data.y_train).tolist() == [320] * 10
    assert np.bincount(data.y_valid).tolist() == [80] * 10
    assert np.bincount(data.y_test).tolist() == [100] * 10
    assert abs(data.x_train.mean(dtype=float)) < 1e-5
    assert abs(data.x_train.std(dtype=float) - 1) < 1e-5
    assert abs(data.x_valid.mean(dtype=float)) > 1e-4
    assert len(np.unique(np.concatenate(data[::2]), axis=0)) == 5000


def test_mnist1d_needs_more_than_a_linear_model():
    data = datasets.mnist1d()
    linear = LogisticRegression(max_iter=300).fit(data.x_train, data.y_train)
    # One standard error of an accuracy from 1,000 curves is 0.016; the paper: 0.32.
    assert 0.25 < linear.score(data.x_test, data.y_test) < 0.40
    network = MLPClassifier((100,), early_stopping=True, random_state=0, tol=1e-3)
    network.fit(data.x_train, data.y_train)
    assert network.score(data.x_test, data.y_test) > 0.45


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_train": 9}, r"`n_train` must be an integer in \[10, inf\)"),
        ({"n_test": 10.0}, "`n_test` must be an integer"),
        ({"validation_split": 1}, "`validation_split` must be a number"),
        ({"n_train": 20}, "`validation_split` must leave every class"),
        ({"seed": None}, "`seed` must be an integer"),
    ],
)
def test_mnist1d_names_the_bad_argument(arguments, message):
    with pytest.raises(ValueError, match=message):
        datasets.mnist1d(**arguments)


# The module


def test_importing_datasets_starts_no_framework():
    code = (
        "import sys, dtlib.datasets as d; d.fashion_mnist(); d.mnist1d(); "
        "print({'keras', 'tensorflow', 'matplotlib'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True
    )
    assert done.stdout.strip() == "set()", done.stderr


def test_data_prints_shapes_not_numbers():
    text = repr(datasets.mnist1d(100, 10))
    assert "x_train: float32 (80, 40), y_train: int32 (80,)," in text
    assert len(text.splitlines()) == 5
