"""Whether two drawings of a figure are the same picture.

A notebook stores PNG files. Drawn again by the same Matplotlib they are the same byte
for byte on one machine, and differ by a fraction of a pixel on another processor. So
the means of small blocks are compared, channel by channel. At the book's resolution
another letter in an axis label changes some block by 0.45 or more, a curve raised by
0.3 % of the axis by 0.27. Another release of Matplotlib may set the text elsewhere;
then only coarse pictures of 16 x 16 blocks can be compared, which still tell another
curve but not another letter.
Tests: tests/test_notebooks.py.
"""

import base64
import io

import numpy as np
from PIL import Image, PngImagePlugin

BLOCK, FINE = 4, 0.30  # pixels; difference of means, where black to white is 1
GRID, COARSE = 16, 0.05


def decode(png):
    """Pixels in [0, 1], shaped (height, width, 4), and the program that drew them."""
    with Image.open(io.BytesIO(base64.b64decode(png))) as image:
        return np.asarray(image.convert("RGBA")) / 255, image.info.get("Software")


def packed(png):
    """The picture in 256 colors, a third of the size; one that has a palette as it is.

    No pixel of the book's figures moves by more than 0.06, and white stays white.
    """
    with Image.open(io.BytesIO(base64.b64decode(png))) as image:
        if image.mode == "P":
            return png
        note = PngImagePlugin.PngInfo()
        if by := image.info.get("Software"):
            note.add_text("Software", by)
        most = Image.Quantize.MAXCOVERAGE
        few = image.convert("RGB").quantize(256, most, kmeans=2, dither=0)
    out = io.BytesIO()
    few.save(out, "PNG", optimize=True, pnginfo=note)
    return base64.b64encode(out.getvalue()).decode()


def is_blank(png):
    """Whether the picture is of one colour all over."""
    pixels, _ = decode(png)
    return bool((pixels == pixels[0, 0]).all())


def _means(pixels, rows, columns):
    rows = np.linspace(0, pixels.shape[0], rows + 1).astype(int)
    columns = np.linspace(0, pixels.shape[1], columns + 1).astype(int)
    sums = np.add.reduceat(pixels, rows[:-1], axis=0)
    sums = np.add.reduceat(sums, columns[:-1], axis=1)
    area = np.diff(rows)[:, None, None] * np.diff(columns)[None, :, None]
    return sums / area


def difference(stored, drawn):
    """The largest difference of block means, and how much of it is tolerated.

    Returns `(inf, 0)` when the same Matplotlib drew another size.
    """
    if stored == drawn:
        return 0.0, FINE
    (old, by), (new, now_by) = decode(stored), decode(drawn)
    if by == now_by and old.shape != new.shape:
        return float("inf"), 0.0
    fine = by == now_by
    grid = [max(1, n // BLOCK) if fine else min(GRID, n) for n in old.shape[:2]]
    distance = np.abs(_means(old, *grid) - _means(new, *grid)).max()
    return float(distance), FINE if fine else COARSE


def same(stored, drawn):
    """Whether a reader would take the two for the same figure."""
    distance, allowed = difference(stored, drawn)
    return distance <= allowed
