"""Figures: one style for the book, and small functions that draw the numbers they get.

Every chapter of the book draws with it. Tests: tests/test_plots.py.
"""

import sys

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import to_hex
from scipy import stats

from dtlib._check import one_of
from dtlib._style import COLORS, name_ends, readable, style


def use_style(theme="light"):
    """Draw every later figure in the book's style; in a notebook, at twice the pixels.

    Args:
        theme: "light" or "dark".
    """
    settings = style(theme)
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    if getattr(shell, "kernel", None) is not None:
        shell.run_line_magic("matplotlib", "inline")
        shell.run_line_magic("config", "InlineBackend.figure_format = 'retina'")
    plt.rcParams.update(settings)


def curves(x, ys, *, ax=None, log="", xlabel=None, ylabel=None, title=None, **line):
    """One line a name, named at its right end instead of in a legend.

    Args:
        x: Shape `(n,)`, shared by all lines.
        ys: `{name: values of shape (n,)}`. NaN leaves a gap.
        ax: Axes to draw on; by default, those of a new figure.
        log: The logarithmic axes: "", "x", "y" or "xy".
        xlabel, ylabel: Quantity and unit of each axis.
        title: What the figure shows.
        **line: Passed to `Axes.plot`, such as `marker="o"`.

    Returns:
        The Axes.
    """
    x, ys = np.asarray(x), {name: np.asarray(y) for name, y in ys.items()}
    for name, y in ys.items():
        _require(
            y.shape == x.shape and x.ndim == 1,
            f"`ys` must hold one value for each x. Received: {name!r} of shape "
            f"{y.shape}, x of shape {x.shape}.",
        )
    ax = _axes(ax, xlabel=xlabel, ylabel=ylabel, title=title)
    one_of("log", log, ("", "x", "y", "xy"))
    ax.set(**{f"{axis}scale": "log" for axis in log})
    lines = [ax.plot(x, y, label=name, **line)[0] for name, y in ys.items()]
    ax.margins(x=0.01)
    paper = to_hex(ax.get_facecolor())
    name_ends(ax, lines, [readable(to_hex(i.get_color()), paper) for i in lines])
    return ax


def layers(values, *, ax=None, log=False, ylabel=None, title=None, first=1):
    """One quantity against depth: a dot a layer, a line a network.

    Args:
        values: `{name: values of shape (layers,)}`; networks may differ in depth.
        ax, title: As in `curves`.
        log: True for a logarithmic vertical axis.
        ylabel: Quantity and unit.
        first: Number of the first layer.

    Returns:
        The Axes.
    """
    depth = max(len(y) for y in values.values())
    pad = {n: [*y] + [np.nan] * (depth - len(y)) for n, y in values.items()}
    look = {"marker": "o", "markersize": 5, "log": "y" if log else ""}
    look |= {"xlabel": "layer, from the input", "ylabel": ylabel, "title": title}
    ax = curves(np.arange(first, first + depth), pad, ax=ax, **look)
    ax.xaxis.get_major_locator().set_params(integer=True)
    return ax


def bands(x, runs, *, show="interval", **options):
    """The mean over seeds as a line, with a band that says how far to trust it.

        interval   mean ± t·s/√n, the 95 % confidence interval of the mean
        range      from the lowest to the highest seed

    Args:
        x: Shape `(n,)`.
        runs: `{name: values of shape (seeds, n)}`, at least 2 seeds.
        show: "interval" or "range".
        **options: As in `curves`.

    Returns:
        The Axes.
    """
    one_of("show", show, ("interval", "range"))
    x, runs = np.asarray(x), {name: np.asarray(y, float) for name, y in runs.items()}
    for name, y in runs.items():
        _require(
            y.ndim == 2 and len(y) > 1 and y.shape[1:] == x.shape,
            f"`runs` must hold arrays of shape (seeds, {x.size}) with at least 2 "
            f"seeds. Received: {name!r} of shape {y.shape}.",
        )
    ax = curves(x, {name: y.mean(0) for name, y in runs.items()}, **options)
    for line, y in zip(ax.lines[-len(runs) :], runs.values(), strict=True):
        half = stats.t.ppf(0.975, len(y) - 1) * stats.sem(y)
        ends = [y.mean(0) - half, y.mean(0) + half]
        low, high = ends if show == "interval" else (y.min(0), y.max(0))
        ax.fill_between(x, low, high, color=line.get_color(), alpha=0.2, linewidth=0)
    return ax


def intervals(rows, *, ax=None, min_effect=None, fmt=".3f", xlabel=None, title=None):
    """A forest plot: one estimate with its interval a row, the first on top.

    Args:
        rows: Sequence of `(name, estimate, low, high)`.
        ax, xlabel, title: As in `curves`.
        min_effect: The smallest effect of interest, a dashed line beside the line at 0.
            An interval wholly above it is blue with a disc, one wholly below vermilion
            with a cross, one that straddles it gray with an open circle.
        fmt: Format of the numbers written at the right.

    Returns:
        The Axes.
    """
    ax = _axes(ax, xlabel=xlabel, title=title)
    ax.axvline(0, color=plt.rcParams["text.color"], linewidth=0.8)
    if min_effect is not None:
        ax.axvline(min_effect, color=COLORS["gray"], linestyle="--", linewidth=1.5)
    names = []
    for i, (name, estimate, low, high) in enumerate(rows):
        _require(
            low <= estimate <= high,
            f"`rows` must hold (name, estimate, low, high) with low ≤ estimate ≤ high. "
            f"Received: {(name, estimate, low, high)}.",
        )
        color, marker, fill = COLORS["blue"], "o", "full"
        if min_effect is not None and high < min_effect:
            color, marker = COLORS["vermilion"], "X"
        elif min_effect is not None and low <= min_effect:
            color, fill = COLORS["gray"], "none"
        ax.plot([low, high], [i, i], color=color)
        ax.plot([estimate], [i], marker, color=color, fillstyle=fill, ms=9, mew=2)
        numbers = _number(estimate, fmt), _number(low, fmt), _number(high, fmt)
        at_right = {"transform": ax.get_yaxis_transform(), "va": "center"}
        ax.text(1.02, i, "{}\n[{}, {}]".format(*numbers), fontsize=11, **at_right)
        names.append(str(name))
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.grid(False, axis="y")
    return ax


def strips(values, *, ax=None, paired=True, ylabel=None, title=None):
    """One dot a seed and one column an arm, with the mean as a bar.

    Args:
        values: `{arm: values of shape (seeds,)}`.
        ax, ylabel, title: As in `curves`.
        paired: True joins the dots of one seed across the arms, which must then have
            the same seeds in the same order.

    Returns:
        The Axes.
    """
    values = {name: np.asarray(v, float) for name, v in values.items()}
    sizes = {name: v.size for name, v in values.items()}
    _require(
        not paired or len(set(sizes.values())) < 2,
        f"`values` must have the same seeds in each arm. Received: {sizes} seeds; "
        f"pass `paired=False` if they differ.",
    )
    ax = _axes(ax, ylabel=ylabel, title=title)
    if paired:
        gray = plt.rcParams["grid.color"]
        ax.plot(range(len(values)), np.array([*values.values()]), color=gray, lw=1)
    for i, v in enumerate(values.values()):
        ax.plot(np.full(v.size, i), v, f"C{i}o", alpha=0.75, markersize=6)
        ax.plot([i - 0.22, i + 0.22], [v.mean()] * 2, f"C{i}", linewidth=3)
    ax.set_xticks(range(len(values)), list(values))
    ax.set_xlim(-0.6, len(values) - 0.4)
    ax.grid(False, axis="x")
    return ax


def histograms(values, *, ax=None, bins=60, span=None, xlabel=None, title=None):
    """A ridge line a name, the first on top: how a distribution changes with depth.

    Args:
        values: `{name: array of any shape}`.
        ax, xlabel, title: As in `curves`.
        bins: Number of bins, the same for all names.
        span: `(low, high)`; by default, the range of all values.

    Returns:
        The Axes.
    """
    values = {name: np.ravel(v) for name, v in values.items()}
    edges = np.histogram_bin_edges(np.concatenate([*values.values()]), bins, span)
    ax = _axes(ax, xlabel=xlabel, title=title)
    for i, v in enumerate(values.values()):
        share = np.histogram(v, edges)[0] / v.size
        top = i - 0.9 * share / (share.max() or 1)
        ax.stairs(top, edges, baseline=i, fill=True, color="C0", alpha=0.35)
        ax.stairs(top, edges, baseline=None, color="C0", linewidth=1.2)
    ax.set_yticks(range(len(values)), list(values))
    ax.set_ylim(len(values) - 0.8, -1.05)
    ax.grid(False, axis="y")
    return ax


def heatmap(values, rows, columns, *, ax=None, fmt=".2f", center=None, **labels):
    """A table whose cells are colored by the number written in them.

    Args:
        values: Shape `(len(rows), len(columns))`.
        rows, columns: The names of each.
        ax: As in `curves`, as are `xlabel`, `ylabel` and `title`.
        fmt: Format of the numbers.
        center: A value to be white, with two hues for below and above; by default, one
            hue from the lowest value to the highest.

    Returns:
        The Axes.
    """
    values = np.asarray(values, float)
    _require(
        values.shape == (len(rows), len(columns)),
        f"`values` must have shape (len(rows), len(columns)) = "
        f"{(len(rows), len(columns))}. Received: shape {values.shape}.",
    )
    ax = _axes(ax, **labels)
    low, high, colors = np.nanmin(values), np.nanmax(values), "Blues"
    if center is not None:
        half = max(high - center, center - low)
        low, high, colors = center - half, center + half, "PuOr"
    picture = ax.imshow(values, vmin=low, vmax=high, cmap=colors, aspect="auto")
    for (i, j), value in np.ndenumerate(values):
        ink = readable("#000000", to_hex(picture.to_rgba(value)), ratio=21)
        ax.text(j, i, _number(value, fmt), color=ink, ha="center", va="center")
    ax.set_xticks(range(len(columns)), columns)
    ax.set_yticks(range(len(rows)), rows)
    ax.grid(False)
    return ax


def images(pictures, names=None, *, ax=None, columns=5, title=None, cmap="gray_r"):
    """Small pictures in a grid, each under its name, on one scale of gray.

    Args:
        pictures: Shape `(n, height, width)`.
        names: n texts, or None.
        ax, title: As in `curves`.
        columns: How many pictures a row.
        cmap: Colormap; by default 0 is white and the highest value black.

    Returns:
        The Axes.
    """
    pictures = np.asarray(pictures)
    _require(
        pictures.ndim == 3 and (names is None or len(names) == len(pictures)),
        f"`pictures` must have shape (n, height, width), with n names. Received: shape "
        f"{pictures.shape}, {'no' if names is None else len(names)} names.",
    )
    (n, height, width), low, high = pictures.shape, pictures.min(), pictures.max()
    rows, gap = -(-n // columns), 0.0 if names is None else 0.3 * height
    names = [""] * n if names is None else names
    ax = _axes(ax, title=title)
    for i, picture in enumerate(pictures):
        left, top = i % columns * 1.1 * width, i // columns * (1.1 * height + gap) + gap
        place = (left, left + width, top + height, top)
        ax.imshow(picture, cmap=cmap, extent=place, vmin=low, vmax=high)
        ax.text(left + width / 2, top - 1, names[i], ha="center", fontsize=11)
    ax.set_xlim(-0.1 * width, columns * 1.1 * width)
    ax.set_ylim(rows * (1.1 * height + gap), 0)
    ax.set_axis_off()
    return ax


def _require(condition, message):
    if not condition:
        raise ValueError(message)


def _number(value, fmt):
    return f"{value:{fmt}}".replace("-", "−")


def _axes(ax, xlabel=None, ylabel=None, title=None):
    ax = plt.subplots()[1] if ax is None else ax
    texts = {"xlabel": xlabel, "ylabel": ylabel, "title": title}
    ax.set(**{name: text for name, text in texts.items() if text is not None})
    return ax
