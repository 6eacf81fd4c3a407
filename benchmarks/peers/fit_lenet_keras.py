"""LeNet-5 by Keras's `fit` on pictures in memory: python fit_lenet_keras.py BATCH STEPS. Prints pictures per second."""

from __future__ import annotations

import json
import os
import sys
from time import perf_counter
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
from keras import layers


def lenet() -> Any:
    """The layers of neocog's `lenet5_modern`."""
    return keras.Sequential(
        [
            keras.Input((32, 32, 1)),
            layers.Conv2D(6, 5, activation="tanh"),
            layers.AveragePooling2D(2),
            layers.Conv2D(16, 5, activation="tanh"),
            layers.AveragePooling2D(2),
            layers.Conv2D(120, 5, activation="tanh"),
            layers.Flatten(),
            layers.Dense(84, activation="tanh"),
            layers.Dense(10),
        ]
    )


def main(batch: int, steps: int) -> None:
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    x = rng.standard_normal((batch * steps, 32, 32, 1), np.float32)
    y = rng.integers(0, 10, batch * steps)
    net = lenet()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    net.compile(optimizer=keras.optimizers.SGD(0.01, momentum=0.9), loss=loss, metrics=["accuracy"])
    net.fit(x, y, batch_size=batch, epochs=1, verbose=0)  # traces the graph
    start = perf_counter()
    net.fit(x, y, batch_size=batch, epochs=1, verbose=0)
    speed = len(x) / (perf_counter() - start)
    versions = {"keras": keras.__version__, "backend": keras.backend.backend()}
    print(json.dumps({"img_per_s": speed, **versions}))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
