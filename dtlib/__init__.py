"""dtlib: the techniques of *Training Deep Networks, Verified*, as tested Keras code.

Every module loads when it is first used, so that `import dtlib` costs nothing:

>>> import dtlib
>>> dtlib.losses.__name__
'dtlib.losses'
"""

from importlib import import_module

__version__ = "0.1.0"
# The repository, as owner/name: how a notebook knows that it has the right dtlib.
BOOK = "deep-training-book/deep-training-book"

_MODULES = (
    "activations",
    "augmentation",
    "callbacks",
    "claims",
    "clipping",
    "constraints",
    "datasets",
    "diagnostics",
    "doctor",
    "dropout",
    "exercises",
    "experiments",
    "initializers",
    "layers",
    "losses",
    "normalization",
    "notebook",
    "optimizers",
    "plots",
    "pretraining",
    "recipes",
    "regularizers",
    "scaling",
    "schedules",
    "training",
    "transfer",
)
__all__ = ["BOOK", "__version__", *_MODULES]


def __getattr__(name):
    if name in _MODULES:
        return import_module(f"dtlib.{name}")
    raise AttributeError(f"module 'dtlib' has no attribute {name!r}")


def __dir__():
    return sorted(__all__)
