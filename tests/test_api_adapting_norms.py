"""AdaBN through the verb: whose pictures its statistics are of, and that its features are not kept."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from neocog.api.adapting.norms import with_adapted_norms
from neocog.api.adapting.options import asked
from neocog.api.adapting.pair import paired
from neocog.api.adapting.places import Place
from neocog.api.embedding.features import embedded
from neocog.progress import Silent

Pictures = list[NDArray[np.uint8]]
Data = tuple[Pictures, list[str]]
NET, OPTIONS = "efficientnet_lite0", {"img_size": 32, "engine": "torch"}


def data(seed: int, names: str, low: int = 0) -> Data:
    """A picture of noise for each letter, its class; `low` is the darkest value."""
    rng = np.random.default_rng(seed)
    return [rng.integers(low, 256, (32, 32, 3)).astype(np.uint8) for _ in names], list(names)


def adapted(source: Data, target: Data) -> dict[str, NDArray[np.float32]]:
    places = Place(NET, source, dict(OPTIONS)), Place(NET, target, dict(OPTIONS))
    pair = paired(*(embedded(NET, place.data, Silent(), **place.options) for place in places))
    found = with_adapted_norms(pair, places, asked({"methods": ("adabn",)}), Silent())[1]
    assert found is not None
    return {"source": found.source.features["features"], "target": found.target.features["features"]}


def test_statistics_are_those_of_the_pairs_pictures_and_features_are_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a class that only one domain has nor a picture of the source that lies in the target plays a part."""
    monkeypatch.setenv("NEOCOG_CACHE", str(tmp_path))
    source, target = data(0, "ababab"), data(1, "abab")
    expected = adapted(source, target)
    foreign, copies = data(2, "zzzz", low=200), (target[0][:2], target[1][:2])
    found = adapted(
        (source[0] + copies[0], source[1] + copies[1]), (target[0] + foreign[0], target[1] + foreign[1])
    )
    for domain, rows in expected.items():
        assert found[domain] == pytest.approx(rows, abs=1e-4)
    assert len(list((tmp_path / "features").iterdir())) == 1  # those of the network itself
