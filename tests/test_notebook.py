from IPython.utils.capture import capture_output

from dtlib import notebook


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


def test_shown_source_is_a_python_block():
    with capture_output() as out:
        notebook.show_source(bare, bare)
    text = out.outputs[0].data["text/markdown"]
    assert text.startswith("```python\ndef bare") and text.count("return a") == 2


def test_glue_stores_a_record_the_builder_reads():
    with capture_output() as out:
        notebook.glue("losses-cap", "16.1")
    (record,) = out.outputs
    assert record.data == {"application/papermill.record/text/plain": "'16.1'"}
    assert record.metadata["scrapbook"]["name"] == "losses-cap"
