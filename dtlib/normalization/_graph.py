"""Which layer feeds which in a model, as far as folding must know it.

The chapter `normalization` of the book explains it. Tests: tests/test_normalization.py.
"""

import keras


class Chains:
    """The calls of the layers of one model, and the plain chains among them.

    A call is plain when its layer is called once in the model, with one tensor and
    nothing else that could change what it does. `skip` is a set of layers to look
    through, as if each were the identity.
    """

    def __init__(self, model):
        # Private: Keras has no public list of a model's calls.
        if isinstance(model, keras.Sequential):
            model = model._functional
        by_depth = sorted(model._nodes_by_depth.items(), reverse=True)
        nodes = [node for _, found in by_depth for node in found if not node.is_input]
        self.calls, self.made_by, self.used_by = {}, {}, {}
        for node in nodes:
            self.calls.setdefault(node.operation, []).append(node)
            self.made_by.update({id(tensor): node for tensor in node.outputs})
            for tensor in node.input_tensors:
                self.used_by.setdefault(id(tensor), []).append(node)
        for tensor in model.outputs:
            self.used_by.setdefault(id(tensor), []).append(None)

    def call(self, layer):
        """The one plain call of `layer`, or None."""
        nodes = self.calls.get(layer, [])
        return nodes[0] if len(nodes) == 1 and _is_plain(nodes[0]) else None

    def before(self, layer, skip):
        """The layer whose output only `layer` takes, in plain calls; or None."""
        node = self.call(layer)
        while node and len(self.used_by[id(node.input_tensors[0])]) == 1:
            node = self.made_by.get(id(node.input_tensors[0]))
            if node is None or node.operation not in skip:
                return node and self.call(node.operation) and node.operation
        return None

    def after(self, layer, skip):
        """The only layer that takes the output of `layer`, in plain calls; or None."""
        node = self.call(layer)
        while node and len(self.used_by[id(node.outputs[0])]) == 1:
            node = self.used_by[id(node.outputs[0])][0]
            if node is None or node.operation not in skip:
                return node and self.call(node.operation) and node.operation
        return None


def _is_plain(node):
    first, *rest = (*node.arguments.args, *node.arguments.kwargs.values(), None)
    return isinstance(first, keras.KerasTensor) and not any(
        value is not None and value is not False for value in rest
    )
