"""Figures hold the numbers they were given, and can be read."""

import sys
from itertools import combinations

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
from numpy.testing import assert_allclose

from dtlib import _style, plots

DARK_PAGE = "#14181E"  # the site's own dark background


@pytest.fixture(autouse=True)
def no_figure_is_left():
    with matplotlib.rc_context(_style.style()):
        yield
    plt.close("all")


def in_the_dark(color):
    """`invert(1) hue-rotate(180deg)`, which the site's style sheet does to a figure."""
    turn = np.array(  # the matrix of CSS Filter Effects at 180 degrees
        [[-0.574, 1.430, 0.144], [0.426, 0.430, 0.144], [0.426, 1.430, -0.856]]
    )
    rgb = 1 - np.array([int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return "#" + "".join(f"{round(255 * c):02X}" for c in np.clip(turn @ rgb, 0, 1))


@pytest.mark.parametrize("name", plots.COLORS)
def test_a_line_stands_out_from_every_paper(name):
    color = plots.COLORS[name]
    assert _style.contrast(color, "#FFFFFF") >= 3
    assert _style.contrast(color, DARK_PAGE) >= 3
    assert _style.contrast(in_the_dark(color), in_the_dark("#FFFFFF")) >= 3
    for paper in ("#FFFFFF", DARK_PAGE):
        assert _style.contrast(_style.readable(color, paper), paper) >= 4.5
    text = in_the_dark(_style.readable(color))
    assert _style.contrast(text, in_the_dark("#FFFFFF")) >= 4.5


@pytest.mark.parametrize("theme", _style.THEMES)
def test_words_can_be_read(theme):
    style = _style.style(theme)
    for key in ("text.color", "axes.labelcolor", "xtick.color", "ytick.color"):
        assert _style.contrast(style[key], style["axes.facecolor"]) >= 7
    sizes = [style[key] for key in style if key.endswith("size") and "fig" not in key]
    assert min(sizes) >= 11


def test_the_contrast_of_wcags_own_example():
    assert_allclose(_style.contrast("#777777", "#FFFFFF"), 4.478, atol=5e-4)


def test_the_gray_a_color_blind_reader_sees_differs_between_any_two_neighbours():
    """Neighbors in the cycle differ in hue for a protanope, or in lightness."""
    # Viénot, Brettel and Mollon (1999): what linear red and green become.
    see = np.array([[0.11238, 0.88762, 0], [0.11238, 0.88762, 0], [0.004, -0.004, 1]])
    rgb = np.array(
        [
            [int(c[i : i + 2], 16) / 255 for i in (1, 3, 5)]
            for c in plots.COLORS.values()
        ]
    )
    seen = np.clip(rgb**2.2 @ see.T, 0, 1) ** (1 / 2.2)
    assert min(np.linalg.norm(a - b) for a, b in combinations(seen, 2)) > 0.1


def test_curves_draw_the_numbers_and_name_them():
    x = np.arange(5)
    ax = plots.curves(x, {"A": x**2, "B": -x}, xlabel="epoch", ylabel="loss (nats)")
    assert_allclose(ax.lines[0].get_ydata(), x**2)
    assert_allclose(ax.lines[1].get_ydata(), -x)
    assert [text.get_text() for text in ax.texts] == ["A", "B"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("epoch", "loss (nats)")
    assert ax.get_legend() is None


def heights(ax):
    return np.array([text.get_position()[1] for text in ax.texts])


def test_a_name_stands_at_its_lines_end_and_follows_it():
    ax = plots.curves([0, 1], {"low": [0, 0], "high": [1, 9]})
    ends = (ax.transLimits.transform((1, y))[1] for y in (0, 9))
    assert_allclose(heights(ax), [*ends])
    ax.set_ylim(0, 90)
    assert_allclose(heights(ax)[1], 0.1)
    ax.set_yscale("log")
    ax.set_ylim(0.1, 1000)
    assert_allclose(heights(ax)[1], np.log(9 / 0.1) / np.log(1000 / 0.1))


def test_names_of_lines_that_meet_do_not_overlap():
    ax = plots.curves([0, 1], {str(i): [i, 0.001 * i] for i in range(6)})
    ax.figure.draw_without_rendering()
    boxes = sorted((t.get_window_extent() for t in ax.texts), key=lambda box: box.y0)
    for below, above in zip(boxes, boxes[1:], strict=False):
        assert above.y0 > below.y0 + 0.8 * below.height


def test_spread_moves_as_little_as_it_can():
    assert_allclose(_style.spread([0.9, 0.1], 0.2), [0.9, 0.1])
    assert_allclose(_style.spread([0.5, 0.5, 0.5], 0.2), [0.3, 0.5, 0.7])
    assert_allclose(_style.spread([0.0, 1.0, 0.05], 0.1), [-0.025, 1.0, 0.075])


def test_a_diverged_run_is_named_where_it_was_last_seen():
    ax = plots.curves([0, 1, 2], {"ok": [1, 1, 1], "lost": [0, 2, np.nan]})
    where = ax.transLimits.transform((1, 2))
    assert_allclose(ax.texts[1].get_position(), where + [0.015, 0])
    plots.curves([0, 1], {"never": [np.nan, np.inf]})  # no crash


def test_bands_are_students_interval_of_the_mean():
    runs = np.array([[0.0, 2.0], [1.0, 2.0], [2.0, 5.0]])
    ax = plots.bands([1, 2], {"A": runs})
    assert_allclose(ax.lines[0].get_ydata(), [1, 3])
    half = 4.302653 / np.sqrt(3) * np.array([1, np.sqrt(3)])  # t table, 2 degrees
    box = ax.collections[0].get_paths()[0].vertices
    for i, mean in enumerate([1, 3]):
        ys = box[box[:, 0] == i + 1, 1]
        assert_allclose(
            [ys.min(), ys.max()], [mean - half[i], mean + half[i]], rtol=1e-6
        )
    ax = plots.bands([1, 2], {"A": runs}, show="range")
    ys = ax.collections[0].get_paths()[0].vertices[:, 1]
    assert_allclose([ys.min(), ys.max()], [0, 5])


def test_intervals_show_outcome_by_color_and_by_marker():
    rows = [("up", 3, 2, 4), ("down", -1, -2, 0.5), ("wide", 1, 0, 2)]
    ax = plots.intervals(rows, min_effect=1, fmt=".1f")
    spans, marks = ax.lines[2::2], ax.lines[3::2]
    assert [tuple(line.get_xdata()) for line in spans] == [(2, 4), (-2, 0.5), (0, 2)]
    assert [line.get_xdata()[0] for line in marks] == [3, -1, 1]
    assert [line.get_marker() for line in marks] == ["o", "X", "o"]
    assert [line.get_fillstyle() for line in marks] == ["full", "full", "none"]
    colors = [plots.COLORS[name] for name in ("blue", "vermilion", "gray")]
    assert [line.get_color() for line in marks] == colors
    assert [line.get_xdata()[0] for line in ax.lines[:2]] == [0, 1]
    assert ax.texts[1].get_text() == "−1.0\n[−2.0, 0.5]"
    assert [label.get_text() for label in ax.get_yticklabels()] == [
        "up",
        "down",
        "wide",
    ]
    assert ax.yaxis_inverted()


def test_strips_join_the_dots_of_one_seed():
    ax = plots.strips({"A": [1, 2], "B": [3, 5]}, ylabel="accuracy")
    assert [list(line.get_ydata()) for line in ax.lines] == [
        [1, 3],
        [2, 5],
        [1, 2],
        [1.5, 1.5],
        [3, 5],
        [4, 4],
    ]
    assert len(plots.strips({"A": [1, 2], "B": [3]}, paired=False).lines) == 4


def test_layers_of_networks_of_different_depth():
    ax = plots.layers({"deep": [1, 0.1, 0.01], "flat": [2]}, log=True, ylabel="rms")
    assert_allclose(ax.lines[0].get_xdata(), [1, 2, 3])
    assert_allclose(ax.lines[1].get_ydata(), [2, np.nan, np.nan])
    assert ax.get_yscale() == "log" and ax.get_xlabel() == "layer, from the input"


def test_histograms_hold_the_shares():
    ax = plots.histograms({"1": [0, 0, 0, 1], "2": [[1, 1], [1, 1]]}, bins=2)
    top = [patch.get_data().values for patch in ax.patches[::2]]
    assert_allclose(top[0], [0 - 0.9, 0 - 0.3])  # 3 to 1, upward on an inverted axis
    assert_allclose(top[1], [1, 1 - 0.9])


@pytest.mark.parametrize("center", [None, 0.0])
def test_heatmap_writes_each_number_where_it_can_be_read(center):
    values = np.linspace(-1, 3, 12).reshape(3, 4)
    ax = plots.heatmap(values, list("abc"), list("wxyz"), center=center, xlabel="width")
    picture = ax.images[0]
    assert_allclose(picture.get_array(), values)
    assert [t.get_text() for t in ax.texts][:2] == ["−1.00", "−0.64"]
    for text, value in zip(ax.texts, values.flat, strict=True):
        back = matplotlib.colors.to_hex(picture.to_rgba(value))
        assert _style.contrast(text.get_color(), back) >= 4.5
    if center is not None:
        assert picture.norm(center) == 0.5


def test_images_share_one_scale_and_carry_their_names():
    pictures = np.arange(3 * 4 * 4).reshape(3, 4, 4)
    ax = plots.images(pictures, ["a", "b", "c"], columns=2)
    assert len(ax.images) == 3
    assert {(im.norm.vmin, im.norm.vmax) for im in ax.images} == {(0, 47)}
    assert_allclose(ax.images[2].get_array(), pictures[2])
    assert [text.get_text() for text in ax.texts] == ["a", "b", "c"]
    lefts = [im.get_extent()[0] for im in ax.images]
    assert lefts[0] == lefts[2] < lefts[1]


DRAWINGS = {
    "curves": lambda ax: plots.curves([0, 1], {"A": [0, 1]}, ax=ax),
    "bands": lambda ax: plots.bands([0, 1], {"A": [[0, 1], [1, 2]]}, ax=ax),
    "layers": lambda ax: plots.layers({"A": [0, 1]}, ax=ax),
    "intervals": lambda ax: plots.intervals([("A", 0, -1, 1)], ax=ax),
    "strips": lambda ax: plots.strips({"A": [0, 1]}, ax=ax),
    "histograms": lambda ax: plots.histograms({"A": [0, 1]}, ax=ax),
    "heatmap": lambda ax: plots.heatmap([[0, 1]], ["A"], ["B", "C"], ax=ax),
    "images": lambda ax: plots.images(np.zeros((1, 2, 2)), ax=ax),
}


@pytest.mark.parametrize("name", DRAWINGS)
def test_a_drawing_uses_the_axes_it_gets_and_changes_no_global(name, monkeypatch):
    monkeypatch.setattr(plt, "show", lambda: pytest.fail("a drawing must not show()"))
    before = dict(plt.rcParams)
    ax = plt.figure().add_subplot()
    assert DRAWINGS[name](ax) is ax
    assert len(plt.get_fignums()) == 1
    assert DRAWINGS[name](None) is not ax
    assert len(plt.get_fignums()) == 2
    assert dict(plt.rcParams) == before


@pytest.mark.parametrize(
    "draw, message",
    [
        (
            lambda: plots.curves([1, 2], {"A": [1]}),
            r"`ys` must hold.*'A' of shape \(1,\)",
        ),
        (lambda: plots.curves([1], {"A": [1]}, log="z"), "`log` must be one of"),
        (lambda: plots.bands([1, 2], {"A": [[1, 2]]}), "`runs` must hold.*2 seeds"),
        (lambda: plots.bands([1], {}, show="all"), "`show` must be one of"),
        (lambda: plots.intervals([("A", 3, 0, 1)]), "`rows` must hold.*'A', 3, 0, 1"),
        (lambda: plots.strips({"A": [1], "B": [1, 2]}), "`values` must.*paired=False"),
        (lambda: plots.heatmap([[1]], ["a"], ["b", "c"]), r"`values` must.*\(1, 2\)"),
        (lambda: plots.images(np.zeros((2, 3))), "`pictures` must have shape"),
        (lambda: plots.use_style("sepia"), "`theme` must be one of"),
    ],
)
def test_a_wrong_argument_is_named(draw, message):
    with pytest.raises(ValueError, match=message):
        draw()


def test_use_style_is_the_style_and_asks_a_notebook_for_sharp_pictures(monkeypatch):
    magics = []

    class Shell:
        kernel = object()

        def run_line_magic(self, *magic):
            magics.append(magic)

    class IPython:
        get_ipython = staticmethod(Shell)

    monkeypatch.setitem(sys.modules, "IPython", IPython)
    plots.use_style("dark")
    assert plt.rcParams["axes.facecolor"] == _style.THEMES["dark"]["paper"]
    assert [magic[0] for magic in magics] == ["matplotlib", "config"]
    magics.clear()
    Shell.kernel = None
    plots.use_style()
    assert not magics and plt.rcParams["axes.facecolor"] == "#FFFFFF"
