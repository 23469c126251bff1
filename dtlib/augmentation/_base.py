"""What an augmenting layer shares: batches and single images, alone or with labels.

The chapter `augmentation` of the book explains it. Tests: tests/test_augmentation.py.
"""

import keras
from keras import layers, ops, random

from dtlib._check import checked_seed, one_of
from dtlib._register import arguments

_REFUSED = ("bounding_boxes", "segmentation_masks")


class Augmentation(layers.Layer):
    """A layer that changes images while training, and their labels where it must.

    Subclasses say in `augment` what happens to a batch, a dict of tensors.
    """

    def __init__(self, data_format=None, seed=None, **kwargs):
        super().__init__(**kwargs)
        if data_format is None:
            data_format = keras.config.image_data_format()
        allowed = ("channels_last", "channels_first")
        self.data_format = one_of("data_format", data_format, allowed)
        self.seed = checked_seed(seed)
        self.seed_generator = random.SeedGenerator(self.seed)

    def augment(self, batch):
        """Return a changed copy of `batch`; its images have 4 axes."""
        raise NotImplementedError

    def call(self, data, training=True):
        batch = dict(data) if isinstance(data, dict) else {"images": data}
        _check_keys(batch)
        batch["images"] = ops.cast(batch["images"], self.compute_dtype)
        rank = len(batch["images"].shape)
        if rank not in (3, 4):
            raise ValueError(
                "`images` must have 3 axes, one image, or 4, a batch. Received: "
                f"images.shape={tuple(batch['images'].shape)}."
            )
        if training:
            alone = [k for k in ("images", "labels") if k in batch and rank == 3]
            for key in alone:
                batch[key] = ops.expand_dims(batch[key], 0)
            batch = self.augment(batch)
            for key in alone:
                batch[key] = ops.squeeze(batch[key], 0)
        return batch if isinstance(data, dict) else batch["images"]

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), **arguments(self)}


def _check_keys(batch):
    if "images" not in batch:
        raise ValueError(
            "`data` must have the key 'images'. Received: data with keys "
            f"{list(batch)}."
        )
    for key in _REFUSED:
        if key in batch:
            raise ValueError(
                f"`data` must not have the key {key!r}: it would no longer fit the "
                f"images. Received: data with keys {list(batch)}. Keras' layer of the "
                "same name takes it."
            )
