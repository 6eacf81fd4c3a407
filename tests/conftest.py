"""What all tests share: a cache of their own instead of the user's, and no more threads than two cores have."""

import os
import sys
from collections.abc import Iterator

import pytest
from hypothesis import settings

# other work on the machine is no failure; the same examples in every run, new ones with --hypothesis-profile=explore
settings.register_profile("neocog", deadline=None, derandomize=True)
settings.register_profile("explore", deadline=None, max_examples=1000)
settings.load_profile("neocog")


@pytest.fixture(scope="session", autouse=True)
def cache_of_the_tests(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NEOCOG_CACHE", str(tmp_path_factory.mktemp("neocog-cache")))
        yield


@pytest.fixture(autouse=True)
def two_threads() -> None:
    if "torch" in sys.modules:
        # two processes of the runner share the cores
        sys.modules["torch"].set_num_threads(1 if "PYTEST_XDIST_WORKER" in os.environ else 2)
