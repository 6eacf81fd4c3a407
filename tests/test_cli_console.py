"""What a step says when it has ended."""

from __future__ import annotations

import pytest

from neocog.cli.console import Console


@pytest.mark.parametrize(
    ("took", "said"), [(25.0, "2 in 25.0 s, 12.5 s each"), (0.001, "2 in 0.0 s, 2,000/s")]
)
def test_a_rate_below_one_a_second_is_told_as_a_time(
    took: float, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = iter([0.0, took])
    monkeypatch.setattr("neocog.cli.console.perf_counter", lambda: next(clock))
    with Console().step("classifiers", 2) as advance:
        advance(2)
    assert capsys.readouterr().err == f"classifiers: {said}\n"
