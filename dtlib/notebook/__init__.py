"""What a chapter needs of its notebook: a source, a moving picture, numbers to quote.

Every chapter uses it. Tests: tests/test_notebook.py.
"""

import ast
import inspect
import textwrap

from dtlib.notebook.animation import Animation, animate

__all__ = ["Animation", "animate", "glue", "rule_source", "show_source"]


def rule_source(function):
    """The source of `function` without its docstring: the formula as it runs.

    >>> from dtlib import losses
    >>> print(rule_source(losses.mean_absolute_error).splitlines()[0])
    def mean_absolute_error(y_true, y_pred):
    """
    source = textwrap.dedent(inspect.getsource(function))
    body = ast.parse(source).body[0].body
    if ast.get_docstring(ast.parse(source).body[0]) is None:
        return source.rstrip()
    lines = source.splitlines()
    return "\n".join(lines[: body[0].lineno - 1] + lines[body[0].end_lineno :])


def show_source(*functions):
    """Show the source of each function, read from its module, never pasted."""
    from IPython.display import Markdown, display

    code = "\n\n".join(map(rule_source, functions))
    display(Markdown(f"```python\n{code}\n```"))


def glue(name, value):
    """Store `value` in this cell's output, where the chapter's text quotes it.

    The book's builder reads the record; a text then says `` {glue:text}`name` ``, so
    that no number in prose is typed by hand.

    Args:
        name: Unique in the book; begin it with the chapter's stem.
        value: A string or a number; format it as the text should read.
    """
    from IPython.display import display

    prefix = "application/papermill.record/"
    display(
        {prefix + "text/plain": repr(value)},
        metadata={"scrapbook": {"name": name, "mime_prefix": prefix}},
        raw=True,
    )
