"""A few mutated files through every reader; scripts/fuzz_readers.py does it ten thousand times."""

import importlib.util
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from neocog.data.source import open_dataset
from neocog.errors import Unreadable, UserError

SCRIPT = Path(__file__).parents[1] / "scripts" / "fuzz_readers.py"
SPEC = importlib.util.spec_from_file_location("fuzz_readers", SCRIPT)
assert SPEC
assert SPEC.loader
fuzz = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(fuzz)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NEOCOG_CACHE", str(tmp_path / "cache"))
    for member in fuzz.MEMBERS:
        (tmp_path / member).parent.mkdir(exist_ok=True)
        (tmp_path / member).write_bytes(fuzz.PNG)
    return tmp_path


@pytest.mark.parametrize("reader", fuzz.MAKERS)
@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(draw=st.randoms(use_true_random=False))
def test_a_mutated_file_is_read_or_refused_by_name(place: Path, reader: str, draw: Random) -> None:
    name, make = fuzz.MAKERS[reader]
    (place / name).write_bytes(fuzz.mutated(make(), draw))
    try:
        dataset = open_dataset(place / name)
    except UserError as error:
        assert name in str(error)
        return
    for i in range(len(dataset)):
        try:
            assert len(dataset.samples.read(i))  # type: ignore[arg-type]  # bytes or an array
        except Unreadable as reason:
            assert str(reason)
