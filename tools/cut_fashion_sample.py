"""Cut the sample of Fashion-MNIST that dtlib carries: the first images of each class.

    apt-get install dataset-fashion-mnist        (Debian, Ubuntu)
    python -m tools.cut_fashion_sample [FOLDER of the four idx files]

writes dtlib/data/fashion_mnist_sample.npz and its license notice. The four files are
checked by SHA-256 first. The images stay in file order, and the archive carries a fixed
date, so cutting again with the same zlib gives the same bytes.
"""

import argparse
import hashlib
import io
import os
import zipfile
from pathlib import Path

import numpy as np

from dtlib.datasets import _fashion

TRAIN_PER_CLASS, TEST_PER_CLASS = 1000, 400

LICENSE = """\
fashion_mnist_sample.npz holds 14,000 of the 70,000 images of Fashion-MNIST,
https://github.com/zalandoresearch/fashion-mnist, under this license:

The MIT License (MIT) Copyright © 2017 Zalando SE, https://tech.zalando.com

Permission is hereby granted, free of charge, to any person obtaining a copy of this
software and associated documentation files (the "Software"), to deal in the Software
without restriction, including without limitation the rights to use, copy, modify,
merge, publish, distribute, sublicense, and/or sell copies of the Software, and to
permit persons to whom the Software is furnished to do so, subject to the following
conditions:

The above copyright notice and this permission notice shall be included in all copies
or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED,
INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY, FITNESS FOR A
PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT
HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF
CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR
THE USE OR OTHER DEALINGS IN THE SOFTWARE.
"""


def first_of_each_class(y, count):
    """Positions in `y` of the first `count` examples of each class, in file order.

    >>> first_of_each_class(np.array([1, 0, 1, 1, 0, 0]), 2)
    array([0, 1, 2, 4])
    """
    places = [np.flatnonzero(y == label)[:count] for label in np.unique(y)]
    return np.sort(np.concatenate(places))


def archive(arrays):
    """The bytes of a compressed .npz of `arrays`, without the time of day in them."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name, array in arrays.items():
            content = io.BytesIO()
            np.lib.format.write_array(content, array, (1, 0), allow_pickle=False)
            entry = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            entry.create_system = 3  # The same on Windows.
            file.writestr(entry, content.getvalue(), zipfile.ZIP_DEFLATED, 9)
    return buffer.getvalue()


def cut(source, *, train_per_class, test_per_class):
    """The arrays of the sample, cut from the four idx files in the folder `source`."""
    arrays = []
    for name, expected in _fashion.IDX_SHA256.items():
        paths = [source / name, source / f"{name}.gz"]
        path = next((path for path in paths if path.is_file()), None)
        if path is None:
            raise SystemExit(f"{source} holds neither {name} nor {name}.gz.")
        arrays.append(_fashion.read_idx(path, expected))
    x, y, x_test, y_test = arrays
    train = first_of_each_class(y, train_per_class)
    test = first_of_each_class(y_test, test_per_class)
    return {
        "x_train": x[train],
        "y_train": y[train],
        "x_test": x_test[test],
        "y_test": y_test[test],
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "source", nargs="?", type=Path, default=_fashion.SYSTEM_FOLDER, metavar="FOLDER"
    )
    source = parser.parse_args().source
    sample = archive(
        cut(source, train_per_class=TRAIN_PER_CLASS, test_per_class=TEST_PER_CLASS)
    )
    target = _fashion.SAMPLE
    target.parent.mkdir(exist_ok=True)
    target.with_name("FASHION_MNIST_LICENSE").write_text(LICENSE, "utf-8")
    draft = target.with_suffix(".part")
    draft.write_bytes(sample)
    os.replace(draft, target)
    print(f"{target}: {len(sample) / 1e6:.2f} MB")
    print(f"SAMPLE_SHA256 = {hashlib.sha256(sample).hexdigest()!r}")


if __name__ == "__main__":
    main()
