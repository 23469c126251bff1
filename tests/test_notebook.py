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
