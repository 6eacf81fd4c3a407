"""Keras's "simple MNIST convnet" on Fashion-MNIST until it reaches an accuracy: mnist_keras.py ROOT SEED GOAL EPOCHS.

Network, optimizer and batches of keras.io's example, its backend TensorFlow. One thing is kinder: it learns from all
60,000 pictures, while the example holds a tenth back. Prints, per epoch, the accuracy and the seconds of training and
of all, as JSON. ROOT holds FashionMNIST/raw.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from time import perf_counter
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
from keras import layers


def numbers(path: Path, start: int) -> Any:
    return np.frombuffer(path.read_bytes(), np.uint8, offset=start)


def part(raw: Path, name: str) -> tuple[Any, Any]:
    pictures = numbers(raw / f"{name}-images-idx3-ubyte", 16).reshape(-1, 28, 28, 1).astype("float32") / 255
    return pictures, keras.utils.to_categorical(numbers(raw / f"{name}-labels-idx1-ubyte", 8), 10)


def network() -> Any:
    return keras.Sequential(
        [
            keras.Input(shape=(28, 28, 1)),
            layers.Conv2D(32, kernel_size=(3, 3), activation="relu"),
            layers.MaxPooling2D(pool_size=(2, 2)),
            layers.Conv2D(64, kernel_size=(3, 3), activation="relu"),
            layers.MaxPooling2D(pool_size=(2, 2)),
            layers.Flatten(),
            layers.Dropout(0.5),
            layers.Dense(10, activation="softmax"),
        ]
    )


def main(root: Path, seed: int, goal: float, epochs: int) -> None:
    keras.utils.set_random_seed(seed)
    raw = root / "FashionMNIST" / "raw"
    x_train, y_train = part(raw, "train")
    x_test, y_test = part(raw, "t10k")
    model = network()
    model.compile(loss="categorical_crossentropy", optimizer="adam", metrics=["accuracy"])
    begun, training, seen = perf_counter(), 0.0, []
    for _ in range(epochs):
        start = perf_counter()
        model.fit(x_train, y_train, batch_size=128, epochs=1, verbose=0)
        training += perf_counter() - start
        accuracy = float(model.evaluate(x_test, y_test, verbose=0)[1])
        seen.append({"accuracy": accuracy, "train_seconds": training, "seconds": perf_counter() - begun})
        if accuracy >= goal:
            break
    versions = {"keras": keras.__version__, "backend": keras.backend.backend()}
    print(json.dumps({"epochs": seen, "versions": versions}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4]))
