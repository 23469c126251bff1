"""Train a model again from new weights, with the program compiled for the old ones."""

import keras

from dtlib.training import _keras


def restart(model, fresh):
    """Make `model` start again as `fresh`, without compiling it again.

    Compiling takes seconds, training a small network often less. So a second seed is
    trained in the same model: it gets the weights of `fresh`, its running averages,
    the state of its random generators, and its optimizer's state: the slots, the
    number of iterations, the learning rate. `fresh` itself is not changed, but that
    its optimizer is built.

    Args:
        model: a compiled Keras model, trained or not.
        fresh: a newly built model of the same architecture, compiled with the same
            arguments; only initial weights, seeds and the learning rate may differ.

    Raises:
        ValueError: if `fresh` is not such a model. A loop compiled for one momentum,
            one activation or one dropout rate would go on with it silently.

    Example: the second seed starts where a new model of that seed would.

    >>> import keras, numpy as np
    >>> def build(seed):
    ...     keras.utils.set_random_seed(seed)
    ...     model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    ...     model.compile("sgd", "mse")
    ...     return model
    >>> model, fresh = build(0), build(1)
    >>> restart(model, fresh)
    >>> x = np.eye(2)
    >>> bool((model(x) == fresh(x)).numpy().all())
    True
    """
    _check_same(model, fresh)
    for optimizer, variables in (
        (model.optimizer, model.trainable_variables),
        (fresh.optimizer, fresh.trainable_variables),
    ):
        if not optimizer.built:
            optimizer.build(variables)
    _copy("weights", fresh.variables, model.variables)
    _copy("optimizer", fresh.optimizer.variables, model.optimizer.variables)
    model.reset_metrics()
    model.stop_training = False
    _keras.forget_initial_epoch(model)


def _copy(what, sources, targets):
    shapes = [[tuple(v.shape) for v in variables] for variables in (sources, targets)]
    if shapes[0] != shapes[1]:
        raise ValueError(
            f"`fresh` must have the {what} of `model`, shapes {shapes[1]}. "
            f"Received: {shapes[0]}."
        )
    for source, target in zip(sources, targets, strict=True):
        target.assign(source)


def _check_same(model, fresh):
    for name, value in (("model", model), ("fresh", fresh)):
        if not isinstance(value, keras.Model) or not value.compiled:
            raise ValueError(f"`{name}` must be a compiled Keras model.")
        if not value.built:
            raise ValueError(
                f"`{name}` must be built: give it a `keras.Input`, or call it on data."
            )
    for what, describe in (("layers", _layers), ("compile arguments", _compile)):
        ours, theirs = describe(model), describe(fresh)
        if ours != theirs:
            raise ValueError(
                f"`fresh` must have the {what} of `model`, but for seeds and the "
                f"learning rate. {_first_difference(ours, theirs)}"
            )


def _layers(model):
    """Return what the layers of `model` are, but for names, seeds and initial draws."""
    described = []
    for layer in _keras.all_layers(model):
        if _keras.is_leaf(layer):
            config = _config_or_nothing(layer.get_config)
            described.append({"class": type(layer).__name__, **config})
    return _essential(described)


def _compile(model):
    """Return the arguments of `model.compile`, but for names and the learning rate."""
    return _essential(_config_or_nothing(model.get_compile_config))


def _config_or_nothing(get):
    """Return a config, empty for objects of the user's own that cannot make one."""
    try:
        return get() or {}
    except (NotImplementedError, TypeError, ValueError):
        return {}


def _essential(config):
    if isinstance(config, dict):
        return {
            key: _essential(value)
            for key, value in config.items()
            if key not in ("name", "seed", "build_config")
            and not key.endswith("initializer")
            and not (key == "learning_rate" and isinstance(value, float))
        }
    if isinstance(config, (list, tuple)):
        return [_essential(value) for value in config]
    return config


def _first_difference(ours, theirs, path=""):
    """Say in words where two configs differ first."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        keys = [key for key in (ours | theirs) if ours.get(key) != theirs.get(key)]
        return _first_difference(
            ours.get(keys[0]), theirs.get(keys[0]), f"{path}.{keys[0]}"
        )
    if isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        index = next(i for i in range(len(ours)) if ours[i] != theirs[i])
        return _first_difference(ours[index], theirs[index], f"{path}[{index}]")
    return f"Received: {path.lstrip('.')} is {theirs!r}, not {ours!r}."
