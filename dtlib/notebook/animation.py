"""Points that walk over a landscape: a drawing that moves by itself, without a script.

The chapter `optimizers` uses it. Tests: tests/test_notebook.py.

The drawing is one SVG. Its motion is CSS, so it plays without a network or a kernel;
in print, and for readers who asked their system for less motion, the points stand at
the ends of their paths.
"""

import hashlib
from html import escape

import numpy as np

from dtlib._check import finite, integer_in, number_in
from dtlib._style import COLORS

SIZE = (360, 270)  # in units of the drawing; it is scaled to the page
DASHES = ("", "6 3", "2 3")  # the second and third round of the colors


class Animation:
    """A drawing that a notebook shows, made by `animate`."""

    def __init__(self, html, description):
        self.html, self.description = html, description

    def _repr_html_(self):
        return self.html

    def __repr__(self):
        return self.description


def animate(field, paths, *, x, y, alt, levels=12, seconds=8.0, best=None):
    """Draw the contours of `field`, and let a point walk along each path.

    Args:
        field: A function of two arrays of one shape, the landscape's height.
        paths: `{name: array (steps, 2)}`, where each method is after each step. All
            take a step in the same time. A path may leave the drawing.
        x, y: The ends of the axes, `(low, high)`.
        alt: What is to be seen, for those who cannot see it.
        levels: The number of contours, at equal shares of the drawn area.
        seconds: One round, a number > 0.
        best: The lowest point, `(x, y)`, marked by a cross; None marks none.

    Returns:
        An `Animation`.

    Example:

    >>> shown = animate(
    ...     lambda u, v: u**2 + v**2, {"a": [[1, 1], [0.5, 0.5]]},
    ...     x=(-2, 2), y=(-2, 2), alt="One point steps toward the middle of a bowl.",
    ... )
    >>> shown
    Animation of a: One point steps toward the middle of a bowl.
    """
    number_in("seconds", seconds, "(0, inf)")
    integer_in("levels", levels, "[1, 100]")
    paths = {name: _path(name, p) for name, p in paths.items()}
    place = _Place(x, y)
    text = "".join(_contours(field, x, y, levels, place))
    if best is not None:
        u, v = place(np.array([best], float))[0]
        text += f'<path class="best" d="M{u - 4:.1f},{v}h8M{u},{v - 4:.1f}v8"/>'
    steps = max(len(path) for path in paths.values())
    styles = dict(zip(paths, _styles(len(paths)), strict=True))
    key = hashlib.sha256(repr([alt, steps, *paths]).encode()).hexdigest()[:8]
    moves, names = [], []
    for i, (name, path) in enumerate(paths.items()):
        color, dash = styles[name]
        points = place(path)
        line = "M" + "L".join(f"{u:.1f},{v:.1f}" for u, v in points)
        text += f'<path d="{line}" stroke="{color}" stroke-dasharray="{dash}"/>'
        u, v = points[-1]
        text += f'<circle class="a{key}-{i}" r="5" fill="{color}" cx="0" cy="0" '
        text += f'style="transform:translate({u:.1f}px,{v:.1f}px)"/>'
        moves.append(_motion(f"a{key}-{i}", points, steps, seconds))
        names.append(
            f'<span style="white-space:nowrap"><svg width="26" height="10">'
            f'<path d="M1,5H25" stroke="{color}" stroke-width="3" '
            f'stroke-dasharray="{dash}"/></svg> {escape(name)}</span>'
        )
    width, height = SIZE
    html = (
        f"<style>{_RULES}{''.join(moves)}</style>"
        f'<figure class="walk" style="margin:0;max-width:36rem">'
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(alt)}" '
        f'style="width:100%;height:auto;overflow:hidden">{text}</svg>'
        f'<div style="display:flex;flex-wrap:wrap;gap:0.1rem 1rem">{"".join(names)}'
        "</div></figure>"
    )
    return Animation(html, f"Animation of {', '.join(paths)}: {alt}")


# `currentColor` is the page's own ink, so contours fit a light and a dark page.
_RULES = (
    ".walk path{fill:none;stroke-width:1.6}"
    ".walk .contour{stroke:currentColor;stroke-width:0.6;opacity:0.3}"
    ".walk .best{stroke:currentColor;stroke-width:1.5}"
    "@media print,(prefers-reduced-motion:reduce)"
    "{.walk circle{animation:none!important}}"
)


class _Place:
    """From the axes' units to those of the drawing, whose y points down."""

    def __init__(self, x, y):
        (self.x, self.y) = (tuple(map(float, ends)) for ends in (x, y))
        for name, (low, high) in {"x": self.x, "y": self.y}.items():
            if not low < high:
                raise ValueError(
                    f"`{name}` must be (low, high), low < high. "
                    f"Received: {name}={(low, high)}."
                )

    def __call__(self, points):
        width, height = SIZE
        u = (points[:, 0] - self.x[0]) / (self.x[1] - self.x[0]) * width
        v = (self.y[1] - points[:, 1]) / (self.y[1] - self.y[0]) * height
        # Far outside is all the same; a browser has no place for 1e30.
        return np.clip(np.stack([u, v], 1), -2000, 2000).round(1)


def _path(name, path):
    path = finite(f"paths[{name!r}]", path).astype(float)
    if path.ndim != 2 or path.shape[1] != 2 or len(path) < 2:
        raise ValueError(
            f"`paths[{name!r}]` must have shape (steps, 2), with at least 2 steps. "
            f"Received: shape {path.shape}."
        )
    return path


def _styles(n):
    colors = [color for name, color in COLORS.items() if name != "gray"]
    return [(colors[i % 6], DASHES[i // 6 % 3]) for i in range(n)]


def _contours(field, x, y, levels, place):
    import contourpy  # of matplotlib; only here: the site is built without

    u, v = np.meshgrid(np.linspace(*x, 73), np.linspace(*y, 55))
    z = np.asarray(field(u, v), float)
    lines = contourpy.contour_generator(u, v, z, line_type="Separate")
    for level in np.quantile(z, (np.arange(levels) + 0.5) / levels):
        for line in lines.lines(level):
            line = place(line[:: max(1, len(line) // 60)])
            d = "M" + "L".join(f"{a:g},{b:g}" for a, b in line)
            yield f'<path class="contour" d="{d}"/>'


def _motion(name, points, steps, seconds):
    """A walk over `points`, one a step, then a rest for a fifth of the time."""
    frames = [
        f"{80 * i / max(1, steps - 1):.4g}%{{transform:translate({u}px,{v}px)}}"
        for i, (u, v) in enumerate(points)
    ]
    u, v = points[-1]
    frames.append(f"100%{{transform:translate({u}px,{v}px)}}")
    return (
        f"@keyframes {name}{{{''.join(frames)}}}"
        f".{name}{{animation:{name} {seconds:g}s linear infinite}}"
    )
