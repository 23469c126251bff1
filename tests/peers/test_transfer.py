"""Foreign weights: PyTorch's networks and their copies in Keras say the same."""

import keras
import numpy as np
import pytest
import torch
from keras import layers
from torch import nn

from dtlib import transfer
from tests.engines import array

pytestmark = pytest.mark.filterwarnings("ignore:__array__ impl:DeprecationWarning")


def picture():
    """Convolutions of all kinds, norms, slopes, and a flattening with a norm after."""
    theirs = nn.Sequential(
        nn.Conv2d(2, 6, (3, 2)),
        nn.BatchNorm2d(6),
        nn.PReLU(6),
        nn.Conv2d(6, 12, 2, groups=6),
        nn.Conv2d(12, 8, 2, groups=2, bias=False),
        nn.GroupNorm(4, 8),
        nn.ConvTranspose2d(8, 5, 3, stride=2),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.BatchNorm1d(125),
        nn.Linear(125, 4),
        nn.LayerNorm(4),
    )
    ours = keras.Sequential(
        [
            keras.Input((9, 8, 2)),
            layers.Conv2D(6, (3, 2)),
            layers.BatchNormalization(epsilon=1e-5),
            layers.PReLU(shared_axes=[1, 2]),
            layers.DepthwiseConv2D(2, depth_multiplier=2),
            layers.Conv2D(8, 2, groups=2, use_bias=False),
            layers.GroupNormalization(4, epsilon=1e-5),
            layers.Conv2DTranspose(5, 3, strides=2),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.BatchNormalization(epsilon=1e-5),
            layers.Dense(4),
            layers.LayerNormalization(epsilon=1e-5),
        ]
    )
    return theirs, ours, (3, 2, 9, 8)


def signal():
    theirs = nn.Sequential(nn.Conv1d(2, 3, 4), nn.ReLU(), nn.Flatten(), nn.Linear(9, 2))
    ours = keras.Sequential(
        [
            keras.Input((6, 2)),
            layers.Conv1D(3, 4, activation="relu"),
            layers.Flatten(),
            layers.Dense(2),
        ]
    )
    return theirs, ours, (5, 2, 6)


def volume():
    theirs = nn.Sequential(nn.Conv3d(2, 3, (2, 1, 3)), nn.Flatten(), nn.Linear(36, 2))
    ours = keras.Sequential(
        [
            keras.Input((3, 2, 5, 2)),
            layers.Conv3D(3, (2, 1, 3)),
            layers.Flatten(),
            layers.Dense(2),
        ]
    )
    return theirs, ours, (5, 2, 3, 2, 5)


@pytest.mark.parametrize("build", [picture, signal, volume])
def test_a_network_of_pytorch_says_the_same_in_keras(build):
    torch.manual_seed(0)
    theirs, ours, shape = build()
    x = np.random.default_rng(0).normal(size=shape).astype("float32")
    with torch.no_grad():
        for _ in range(3):  # so that the running statistics are not 0 and 1
            theirs(torch.tensor(2 * x + 1))
        for weight in theirs.parameters():
            weight += 0.1 * torch.randn_like(weight)
        theirs.eval()
        expected = theirs(torch.tensor(x)).numpy()
    arrays = {name: value.numpy() for name, value in theirs.state_dict().items()}
    transfer.import_weights(ours, arrays)
    found = array(ours(np.moveaxis(x, 1, -1), training=False))
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)


def test_an_embedding_has_one_layout():
    theirs = nn.Embedding(5, 3)
    ours = keras.Sequential([keras.Input((2,), dtype="int32"), layers.Embedding(5, 3)])
    arrays = {"table.weight": theirs.weight.detach().numpy()}
    transfer.import_weights(ours, arrays)
    rows = np.array([[1, 4]])
    expected = theirs(torch.tensor(rows)).detach().numpy()
    np.testing.assert_array_equal(array(ours(rows)), expected)
