import re

import numpy as np
import pytest

from dtlib import notebook


@pytest.fixture
def shown(monkeypatch):
    """What a kernel would be sent: a list of (arguments, keywords) of `display`."""
    calls = []
    monkeypatch.setattr(
        "IPython.display.display", lambda *a, **kw: calls.append((a, kw))
    )
    return calls


def formula(a, b):
    """Adds.

    More words.
    """
    # why
    return a + b


def bare(a):
    return a


def test_a_rules_source_is_shown_without_its_docstring():
    assert notebook.rule_source(formula).splitlines() == [
        "def formula(a, b):",
        "    # why",
        "    return a + b",
    ]
    assert notebook.rule_source(bare) == "def bare(a):\n    return a"


def test_shown_source_is_a_python_block(shown):
    notebook.show_source(bare, bare)
    (((markdown,), _),) = shown
    assert markdown.data.startswith("```python\ndef bare")
    assert markdown.data.count("return a") == 2


def test_glue_stores_a_record_the_builder_reads(shown):
    notebook.glue("losses-cap", "16.1")
    (((data,), options),) = shown
    assert data == {"application/papermill.record/text/plain": "'16.1'"}
    assert options["metadata"]["scrapbook"]["name"] == "losses-cap"
    assert options["raw"]


def bowl(u, v):
    return u**2 + 3 * v**2


def walk(paths, **more):
    given = dict(x=(-2, 2), y=(-1, 1), alt="Points walk down a bowl.") | more
    return notebook.animate(bowl, paths, **given)


def test_an_animation_moves_each_point_along_its_path_and_rests_at_its_end():
    html = walk({"a": [[-2, 1], [0, 0]], "b": [[2, 1], [1, 1], [0, -1]]}).html
    assert html.count("@keyframes") == html.count("<circle") == 2
    # From the upper left corner to the middle, in half the time that b needs.
    assert "0%{transform:translate(0.0px,0.0px)}40%{transform:translate(180.0px" in html
    assert 'style="transform:translate(180.0px,270.0px)"' in html  # b, standing still
    assert "prefers-reduced-motion" in html and "@media print" in html


def test_an_animation_needs_no_script_and_no_network_and_reads_as_text():
    shown = walk({"a<b": [[0, 0], [1, 1]]})
    assert "<script" not in shown.html and "http" not in shown.html
    assert "a&lt;b" in shown.html and 'aria-label="Points walk' in shown.html
    assert shown._repr_html_() == shown.html
    assert repr(shown) == "Animation of a<b: Points walk down a bowl."


def test_contours_lie_where_the_landscape_is_that_high():
    html = walk({"a": [[0, 0], [1, 1]]}, levels=1, best=(0, 0)).html
    (d,) = re.findall(r'class="contour" d="M([^"]+)"', html)
    points = np.array([list(map(float, p.split(","))) for p in d.split("L")])
    u, v = points[:, 0] / 90 - 2, 1 - points[:, 1] / 135
    height = bowl(u, v)
    # Between the points of the grid the line is straight.
    assert height.std() < 0.02 * height.mean()


@pytest.mark.parametrize(
    ("paths", "more", "match"),
    [
        ({"a": [[0, 0]]}, {}, r"`paths\['a'\]` must have shape \(steps, 2\)"),
        ({"a": [[0, np.nan], [1, 1]]}, {}, r"`paths\['a'\]` must be finite"),
        ({"a": [[0, 0], [1, 1]]}, {"x": (1, 1)}, r"`x` must be \(low, high\)"),
        ({"a": [[0, 0], [1, 1]]}, {"seconds": 0}, r"`seconds` must be"),
    ],
)
def test_an_animation_names_what_it_cannot_draw(paths, more, match):
    with pytest.raises(ValueError, match=match):
        walk(paths, **more)
