"""Mixup and random erasing in float64 NumPy, one sample and one pixel at a time.

Nothing here may import dtlib: an oracle cannot share code with what it judges.
"""

import math

import numpy as np


def mixup(images, labels, permutation, weight):
    x, y = (np.asarray(a, "float64") for a in (images, labels))
    blended = []
    for i, (j, lam) in enumerate(zip(permutation, weight, strict=True)):
        j, lam = int(j), float(lam)
        blended.append((lam * x[i] + (1 - lam) * x[j], lam * y[i] + (1 - lam) * y[j]))
    return [np.array(part) for part in zip(*blended, strict=True)]


def erasing_box(side, place, height, width, scale):
    boxes = []
    for (u_w, u_h), (v_x, v_y) in zip(side, place, strict=True):
        w = width * math.sqrt(scale[0] + (scale[1] - scale[0]) * u_w)
        h = height * math.sqrt(scale[0] + (scale[1] - scale[0]) * u_h)
        left, top = v_x * (width - w), v_y * (height - h)
        boxes.append((top, left, top + h, left + w))
    return np.array(boxes)


def erase(images, box, fill):
    """Channels last."""
    erased = np.array(images, "float64")
    for n, (top, left, bottom, right) in enumerate(box):
        for i in range(erased.shape[1]):
            for j in range(erased.shape[2]):
                if top <= i + 0.5 < bottom and left <= j + 0.5 < right:
                    erased[n, i, j] = fill
    return erased


def mean_share(low, high):
    """Of the area, when each side is the root of a share of its own: E[√s]²."""
    return ((2 / 3) * (high**1.5 - low**1.5) / (high - low)) ** 2
