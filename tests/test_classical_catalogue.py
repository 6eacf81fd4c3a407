"""What holds for every system of the catalogue: a scikit-learn transformer of pictures of any sizes."""

import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline

from neocog.classical.catalogue import CLASSICAL
from neocog.data.builtin import HERE

SMALLER = {
    "words": 12,
    "gaussians": 3,
    "components": 5,
    "sample": 2000,
    "size": 64,
}
NAMES = sorted(CLASSICAL)


def built(name: str) -> object:
    """With dictionaries and sizes small enough for a few small pictures."""
    system = CLASSICAL[name].build()
    smaller = {key: SMALLER.get(key.rpartition("__")[2]) for key in system.get_params()}
    return system.set_params(**{key: value for key, value in smaller.items() if value is not None})


def pictures() -> list[np.ndarray]:
    """Small photographs: grey and in colour, of several sizes."""
    found = []
    for name, size in (("camera", (90, 70)), ("coffee", (64, 96)), ("coins", (80, 80)), ("rocket", (70, 60))):
        whole = Image.open(HERE / "whole" / f"{name}.jpg")
        found.append(np.asarray(whole.resize(size)))
    return found


@pytest.mark.parametrize("name", NAMES)
def test_a_system_is_a_transformer_that_can_be_cloned_pickled_and_repeated(name: str) -> None:
    system = built(name)
    found = system.fit(pictures()).transform(pictures())
    assert found.dtype == np.float32
    assert found.ndim == 2
    assert len(found) == 4
    assert np.isfinite(found).all()
    assert len(np.unique(found, axis=0)) == 4
    again = clone(system)
    assert repr(again) == repr(system)
    np.testing.assert_array_equal(again.fit_transform(pictures()), found)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(system)).transform(pictures()), found)
    alone = np.concatenate([system.transform([picture]) for picture in pictures()[:2]])
    np.testing.assert_allclose(alone, found[:2], atol=1e-5)


@pytest.mark.parametrize("name", [name for name in NAMES if CLASSICAL[name].grey])
def test_a_system_said_to_be_grey_does_not_see_colour(name: str) -> None:
    system = built(name).fit(pictures())
    greys = [p for p in pictures() if p.ndim == 2]
    np.testing.assert_allclose(
        system.transform([np.repeat(p[..., None], 3, axis=2) for p in greys]),
        system.transform(greys),
        atol=0.02,
    )


def test_dictionaries_are_learned_without_labels() -> None:
    labels = [0, 1] * 2
    for name in ("spatial-pyramid", "fisher"):
        one, other = (built(name).fit(pictures(), y) for y in (None, labels))
        np.testing.assert_array_equal(one.transform(pictures()), other.transform(pictures()))


def test_a_pipeline_and_a_search_through_an_extractors_settings() -> None:
    pipeline = make_pipeline(built("dense-sift-bow"), KNeighborsClassifier(n_neighbors=1))
    grid = {"bagofwords__words": [5, 8], "bagofwords__extractor__step": [8, 16]}
    search = GridSearchCV(pipeline, grid, cv=2, error_score="raise").fit(pictures(), [0, 1] * 2)
    assert search.best_params_.keys() == grid.keys()
    assert search.predict(pictures()[:3]).shape == (3,)


@pytest.mark.parametrize(("name", "numbers"), [("tiny", 3072), ("hog", 8100), ("lbp", 944), ("gist", 512)])
def test_a_whole_picture_becomes_as_many_numbers_as_the_page_says(name: str, numbers: int) -> None:
    assert CLASSICAL[name].build().fit_transform(pictures()[:1]).shape == (1, numbers)
    page = (Path(__file__).parents[1] / "docs" / "classical.md").read_text("utf-8")
    assert f"| `{name}` | {numbers:,} |" in page


@pytest.mark.parametrize(
    ("name", "numbers", "settings"),
    [
        ("surf-bow", 800, {"words": 800, "levels": 1}),
        ("sift-bow", 800, {"words": 800, "levels": 1}),
        ("dense-sift-bow", 400, {"words": 400, "levels": 1}),
        ("spatial-pyramid", 200 * (1 + 4 + 16), {"words": 200, "levels": 3}),
        ("fisher", 2 * 64 * 64, {"gaussians": 64, "components": 64, "regions": ((1, 1),)}),
    ],
)
def test_the_encodings_have_the_sizes_that_the_page_says(
    name: str, numbers: int, settings: dict[str, object]
) -> None:
    assert settings.items() <= CLASSICAL[name].build().get_params().items()
    page = (Path(__file__).parents[1] / "docs" / "classical.md").read_text("utf-8")
    assert f"| `{name}` | {numbers:,} |" in page


WITHOUT = """
import sys, neocog.classical.catalogue
print(sorted({"sklearn", "skimage", "scipy"} & sys.modules.keys()))
sys.modules["skimage"] = None
import numpy as np
from neocog.errors import UserError
for name in ("hog", "lbp", "sift-bow"):
    try:
        neocog.classical.catalogue.CLASSICAL[name].build().fit_transform([np.zeros((40, 40), np.uint8)])
    except UserError as error:
        print(error)
"""


def test_the_catalogue_is_light_and_names_the_extra_where_scikit_image_is_missing() -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True, check=True)
    first, *messages = done.stdout.splitlines()
    assert first == "[]"
    assert (
        messages
        == [
            'picture 0: this descriptor needs scikit-image, which is not installed; pip install "neocog[classical]"'
        ]
        * 3
    )


BROKEN = """
from neocog.classical.catalogue import CLASSICAL
import numpy as np
CLASSICAL["hog"].build().fit_transform([np.zeros((40, 40), np.uint8)])
"""


def test_a_scikit_image_that_lacks_something_is_not_said_to_be_missing(tmp_path: Path) -> None:
    package = tmp_path / "skimage"
    package.mkdir()
    (package / "__init__.py").write_text("import lazy_loader_of_old\n")
    environment = os.environ | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
    done = subprocess.run([sys.executable, "-c", BROKEN], capture_output=True, text=True, env=environment)
    assert done.stderr.splitlines()[-1] == "ModuleNotFoundError: No module named 'lazy_loader_of_old'"
