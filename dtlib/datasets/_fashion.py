"""Ten kinds of clothing in 28 × 28 gray pixels: as small as digits, but not as easy.

The chapter `losses` of the book explains it. Tests: tests/test_datasets.py.
"""

import gzip
import hashlib
import io
import os
import zlib
from pathlib import Path

import numpy as np

from dtlib._check import integer_in, number_in, one_of
from dtlib.datasets._common import (
    Data,
    DataUnavailable,
    boolean,
    data_folder,
    scale_by_training,
    stratified_split,
)

FASHION_CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)

# tools/cut_fashion_sample.py cuts the sample and prints this sum.
SAMPLE = Path(__file__).parents[1] / "data" / "fashion_mnist_sample.npz"
SAMPLE_SHA256 = "ae64fb75308aa123833aa138ebcf991d60c6c7fe12778b4df68c52455dfc5abd"

# Of the uncompressed files, since every distributor compresses them anew.
IDX_SHA256 = {
    "train-images-idx3-ubyte": (
        "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888"
    ),
    "train-labels-idx1-ubyte": (
        "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9"
    ),
    "t10k-images-idx3-ubyte": (
        "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b"
    ),
    "t10k-labels-idx1-ubyte": (
        "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34"
    ),
}
SYSTEM_FOLDER = Path("/usr/share/datasets/fashion-mnist")
KERAS_URL = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"


def fashion_mnist(size="sample", *, validation_split=0.2, standardize=False, seed=0):
    """Load Fashion-MNIST: images of clothing in ten classes (`FASHION_CLASSES`).

    Args:
        size: "sample" (the default) is part of this package and needs no network:
            10,000 training images, 1,000 a class, and 4,000 test images, 400 a
            class, the first of each class in the order of the original files. "full"
            is all 60,000 + 10,000, from the first place that has them: the folder
            `$DTLIB_DATA_DIR`, the Keras cache, `/usr/share/datasets/fashion-mnist`
            (Debian's package `dataset-fashion-mnist`), the download of Keras.
        validation_split: Number in [0, 1): the share of the training images, of
            every class alike, that becomes the validation part. Default 0.2.
        standardize: False leaves pixels in [0, 1]. True subtracts one mean and divides
            by one standard deviation, both of the training part.
        seed: Int ≥ 0: which images become the validation part. The test part is
            always the same.

    Returns:
        `Data` with images float32 (n, 28, 28) and labels int32 (n,) in 0..9.

    Raises:
        ValueError: A file is damaged, or an argument is outside its range.
        DataUnavailable: "full" was found nowhere and could not be downloaded.

    Example: every class weighs the same, so guessing scores 10 %.

    >>> data = fashion_mnist(validation_split=0.1)
    >>> np.bincount(data.y_train)
    array([900, 900, 900, 900, 900, 900, 900, 900, 900, 900])

    Differs from Keras: `keras.datasets.fashion_mnist.load_data` gives uint8 pixels in
    0..255, no validation part, and does not check what it downloaded.

    Reference: Xiao, Rasul, Vollgraf (2017), "Fashion-MNIST: a Novel Image Dataset for
    Benchmarking Machine Learning Algorithms", arXiv:1708.07747. MIT license, © 2017
    Zalando SE; the notice lies beside the sample.
    """
    one_of("size", size, ("sample", "full"))
    number_in("validation_split", validation_split, "[0, 1)")
    boolean("standardize", standardize)
    integer_in("seed", seed, "[0, inf)")
    x, y, x_test, y_test = read_sample() if size == "sample" else read_full()
    train, valid = stratified_split(y, seed, validation_split=validation_split)
    data = Data(
        x_train=x[train].astype(np.float32) / 255,
        y_train=y[train].astype(np.int32),
        x_valid=x[valid].astype(np.float32) / 255,
        y_valid=y[valid].astype(np.int32),
        x_test=x_test.astype(np.float32) / 255,
        y_test=y_test.astype(np.int32),
    )
    return scale_by_training(data, axis=None) if standardize else data


def read_sample():
    """x_train, y_train, x_test, y_test (uint8) of the sample inside the package."""
    try:
        content = SAMPLE.read_bytes()
    except FileNotFoundError as error:
        raise DataUnavailable(
            f"The sample of Fashion-MNIST is part of this package, but {SAMPLE} is "
            "missing. Install the package again."
        ) from error
    verify(content, SAMPLE_SHA256, SAMPLE, "Install the package again.")
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        return [arrays[name] for name in ("x_train", "y_train", "x_test", "y_test")]


def read_full():
    """x_train, y_train, x_test, y_test (uint8) of the four original files."""
    return [read_idx(find_idx(name), expected) for name, expected in IDX_SHA256.items()]


def folders():
    """Where the four files may lie, in the order in which they are looked for."""
    home = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras")
    named = data_folder()
    mine = [named, named / "fashion-mnist"] if named else []
    return [*mine, home / "datasets" / "fashion-mnist", SYSTEM_FOLDER]


def find_idx(name):
    """The path of an original file, compressed or not; downloaded where missing."""
    for folder in folders():
        for path in (folder / name, folder / f"{name}.gz"):
            if path.is_file():
                return path
    try:
        return Path(download(name))
    except Exception as error:  # Keras raises a bare Exception where it is offline.
        looked = ", ".join(map(str, folders()))
        raise DataUnavailable(
            f"Fashion-MNIST's file {name} is in none of {looked}, and the download "
            f"failed ({error}). Connect to the network once, or put the four files of "
            "https://github.com/zalandoresearch/fashion-mnist into a folder and set "
            "the environment variable DTLIB_DATA_DIR to it, or stay with "
            'size="sample", which needs no network.'
        ) from error


def download(name):
    """Download an original file into the Keras cache, and return its path."""
    import keras  # Takes seconds, and the sample does not need it.

    return keras.utils.get_file(
        f"{name}.gz", KERAS_URL + f"{name}.gz", cache_subdir="datasets/fashion-mnist"
    )


def read_idx(path, expected):
    """Read an idx file, compressed or not, once its SHA-256 is right.

    An idx file is four bytes (0, 0, type, number of axes), one big-endian 32-bit
    length for each axis, and the elements. Here the type is always 8, for uint8.
    """
    path = Path(path)
    mend = "The file is damaged: delete it (or replace it) and call again."
    content = path.read_bytes()
    if content[:2] == b"\x1f\x8b":  # gzip
        try:
            content = gzip.decompress(content)
        except (EOFError, OSError, zlib.error) as error:
            raise ValueError(
                f"{path} cannot be decompressed ({error}). Expected content with "
                f"SHA-256 {expected}, got {len(content)} bytes that end too soon or "
                f"are wrong. {mend}"
            ) from error
    verify(content, expected, path, mend)
    axes = content[3]
    shape = np.frombuffer(content, ">u4", axes, offset=4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * axes).reshape(shape)


def verify(content, expected, path, mend):
    """Raise `ValueError` unless the SHA-256 of `content` is `expected`."""
    got = hashlib.sha256(content).hexdigest()
    if got != expected:
        raise ValueError(f"{path} has SHA-256 {got}, expected {expected}. {mend}")
