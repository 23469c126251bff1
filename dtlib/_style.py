"""The book's colors and figure style as plain numbers; nothing here draws.

`dtlib.plots` uses it. Tests: tests/test_plots.py.
"""

import numpy as np
from cycler import cycler

from dtlib._check import number_in, one_of

# The hues of Okabe and Ito (2008), which remain apart for color-blind readers, without
# the yellow. Purple, orange and sky are darkened, so that every line has a contrast of
# at least 3 on white and on the dark page; tests compute both.
COLORS = {
    "blue": "#0072B2",
    "vermilion": "#D55E00",
    "green": "#009E73",
    "purple": "#C46D9E",
    "orange": "#BC7F00",
    "sky": "#3399D4",
    "gray": "#767676",
}
THEMES = {
    "light": {"paper": "#FFFFFF", "ink": "#262626", "grid": "#DDDDDD"},
    "dark": {"paper": "#14181E", "ink": "#E6E6E6", "grid": "#3A3F46"},
}


def style(theme="light"):
    """The book's figure style, as a dictionary for `matplotlib.rc_context`.

    Args:
        theme: "light" or "dark".

    Returns:
        A dictionary of matplotlib's settings.

    Example:

    >>> style()["font.size"], style("dark")["axes.facecolor"]
    (12, '#14181E')
    """
    paper, ink, grid = THEMES[one_of("theme", theme, tuple(THEMES))].values()
    return {
        "axes.axisbelow": True,
        "axes.edgecolor": ink,
        "axes.facecolor": paper,
        "axes.grid": True,
        "axes.labelcolor": ink,
        "axes.labelsize": 12,
        "axes.linewidth": 0.8,
        "axes.prop_cycle": cycler(color=COLORS.values()),
        "axes.spines.right": False,
        "axes.spines.top": False,
        "axes.titlelocation": "left",
        "axes.titlesize": 12,
        "figure.constrained_layout.use": True,
        "figure.dpi": 100,
        "figure.facecolor": paper,
        "figure.figsize": (6.0, 3.6),
        "font.size": 12,
        "grid.color": grid,
        "grid.linewidth": 0.8,
        "image.cmap": "cividis",
        "legend.frameon": False,
        "lines.linewidth": 2.0,
        "savefig.facecolor": paper,
        "text.color": ink,
        "xtick.color": ink,
        "xtick.labelsize": 11,
        "ytick.color": ink,
        "ytick.labelsize": 11,
    }


def _rgb(color):
    return np.array([int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)])


def contrast(color, background):
    """The contrast ratio of two colors "#RRGGBB", from 1 to 21, as WCAG 2 defines it.

    >>> round(contrast("#000000", "#FFFFFF"), 6)
    21.0
    """

    def luminance(color):
        c = _rgb(color)
        linear = np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
        return linear @ [0.2126, 0.7152, 0.0722]

    dark, light = sorted((luminance(color), luminance(background)))
    return float((light + 0.05) / (dark + 0.05))


def readable(color, background="#FFFFFF", ratio=4.5):
    """`color`, moved toward black or white until text in it can be read.

    >>> contrast(COLORS["orange"], "#FFFFFF") < 4.5
    True
    >>> contrast(readable(COLORS["orange"]), "#FFFFFF") >= 4.5
    True
    """
    number_in("ratio", ratio, "[1, 21]")
    end = max(("#000000", "#FFFFFF"), key=lambda ink: contrast(ink, background))
    for share in np.linspace(0, 1, 51):
        levels = np.rint(255 * ((1 - share) * _rgb(color) + share * _rgb(end)))
        mixed = "#" + "".join(f"{int(level):02X}" for level in levels)
        if contrast(mixed, background) >= ratio:
            break
    return mixed


def spread(heights, gap):
    """The heights nearest to `heights`, in their order, no two closer than `gap`.

    >>> spread([0.5, 0.5, 0.9], 0.1).round(2).tolist()
    [0.45, 0.55, 0.9]
    """
    order = np.argsort(heights, kind="stable")
    steps = gap * np.arange(len(heights))
    blocks = []  # [mean, count] of what is left to move; merged until they increase
    for height in np.asarray(heights, float)[order] - steps:
        blocks.append([height, 1])
        while len(blocks) > 1 and blocks[-2][0] >= blocks[-1][0]:
            (a, m), (b, n) = blocks[-2:]
            blocks[-2:] = [[(a * m + b * n) / (m + n), m + n]]
    moved = np.empty(len(heights))
    moved[order] = np.concatenate([np.full(n, mean) for mean, n in blocks]) + steps
    return moved


def name_ends(ax, lines, inks):
    """Write each line's name beside its end, and again when the limits change."""
    texts = [
        ax.text(0, 0, line.get_label(), color=ink, va="center", transform=ax.transAxes)
        for line, ink in zip(lines, inks, strict=True)
    ]

    def place(ax):
        to_axes = ax.transScale + ax.transLimits
        ends = []
        for line in lines:
            points = to_axes.transform(np.asarray(line.get_xydata(), float))
            points = points[np.isfinite(points).all(1)]
            ends.append(np.clip(points[-1], 0, 1) if len(points) else (1.0, 0.0))
        points_high = ax.get_position().height * ax.figure.get_figheight() * 72
        gap = 1.15 * texts[0].get_fontsize() / points_high
        heights = spread([y for _, y in ends], gap)
        for text, (x, _), y in zip(texts, ends, heights, strict=True):
            text.set_position((x + 0.015, y))

    if texts:
        ax.callbacks.connect("xlim_changed", place)
        ax.callbacks.connect("ylim_changed", place)
        ax.autoscale_view()  # the limits follow the data before the names do
        place(ax)
