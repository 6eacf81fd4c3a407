"""Fetching a file, from a server on this machine that behaves well or badly."""

import hashlib
import http.server
import io
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from neocog import download
from neocog.download import Remote, fetch
from neocog.errors import UserError
from neocog.models import build
from neocog.weights import published
from neocog.weights.published import PUBLISHED, published_tensors

DATA = np.random.default_rng(0).bytes(3_000_000)
SUM = hashlib.sha256(DATA).hexdigest()


class Shop(http.server.BaseHTTPRequestHandler):
    """Gives `DATA` at every address, spoiled as the address's first word says. Notes what was asked for."""

    asked: list[tuple[str, str]] = []
    cut = 1_000_000
    over = threading.Event()
    given_up: list[bool] = []

    def do_GET(self) -> None:
        place = self.headers.get("Range", "")
        Shop.asked.append((self.path, place))
        kind = self.path.split("/")[1]
        if hasattr(self, f"_{kind}"):
            getattr(self, f"_{kind}")(place)
        else:
            self._good(place)

    def _good(self, place: str) -> None:
        start = int(place.removeprefix("bytes=").removesuffix("-") or 0)
        if start >= len(DATA):
            return self.send_error(416)
        self._send(206 if place else 200, len(DATA) - start, DATA[start:])
        return None

    def _send(self, status: int, length: int | None, body: bytes) -> None:
        self.send_response(status)
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(body)

    def _whole(self, place: str) -> None:
        self._send(200, len(DATA), DATA)  # knows no ranges

    def _nolength(self, place: str) -> None:
        self._send(200, None, DATA)

    def _wrong(self, place: str) -> None:
        self._send(200, len(DATA), DATA[:-1] + bytes([DATA[-1] ^ 1]))

    def _gone(self, place: str) -> None:
        self.send_error(404)

    def _busy(self, place: str) -> None:
        self.send_error(503)

    def _once(self, place: str) -> None:
        """Breaks off the first time."""
        if place:
            self._good(place)
        else:
            self._send(200, len(DATA), DATA[: self.cut])

    def _short(self, place: str) -> None:
        """Breaks off a little later each time."""
        start = int(place.removeprefix("bytes=").removesuffix("-") or 0)
        self._send(206 if place else 200, len(DATA) - start, DATA[start : start + 100_000])

    def _moved(self, place: str) -> None:
        self.send_response(302)
        self.send_header("Location", self.path.replace("/moved/", "/good/"))
        self.end_headers()

    def _trap(self, place: str) -> None:
        self.send_response(302)
        self.send_header("Location", "ftp://127.0.0.1/file")
        self.end_headers()

    def _silent(self, place: str) -> None:
        self._send(200, len(DATA), DATA[:5])
        Shop.given_up.append(self.over.wait(5))  # false where nobody gave up waiting for it

    def log_message(self, *words: Any) -> None:
        pass


@pytest.fixture(scope="module")
def shop() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Shop)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NEOCOG_CACHE", str(tmp_path / "cache"))
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    Shop.asked.clear()
    return tmp_path / "cache" / "weights"


def remote(shop: str, kind: str, sha256: str = SUM) -> Remote:
    return Remote(f"{shop}/{kind}/net.pth", "net.pth", sha256)


class Told:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.steps: list[tuple[str, int]] = []
        self.done: list[int] = []

    def say(self, text: str) -> None: ...

    @contextmanager
    def step(self, name: str, total: int) -> Iterator[Any]:
        self.steps.append((name, total))
        yield self.done.append


@pytest.mark.parametrize("kind", ["good", "whole", "nolength", "moved"])
def test_the_file_is_fetched_once_and_is_alone_in_its_folder(shop: str, cache: Path, kind: str) -> None:
    for _ in range(2):
        assert fetch(remote(shop, kind)) == cache / "net.pth"
    assert [path.name for path in cache.iterdir()] == ["net.pth"]
    assert (cache / "net.pth").read_bytes() == DATA
    assert len(Shop.asked) == (2 if kind == "moved" else 1)


def test_whoever_waits_is_told_how_far_it_is(shop: str) -> None:
    told = Told()
    fetch(remote(shop, "good"), told)
    assert told.steps == [("fetching net.pth", len(DATA))]
    assert sum(told.done) == len(DATA)
    assert len(told.done) > 2


def test_the_first_digits_of_the_sum_are_enough_where_no_more_are_known(shop: str, cache: Path) -> None:
    assert fetch(remote(shop, "good", SUM[:8])).read_bytes() == DATA
    with pytest.raises(
        UserError, match="is not the published file: its SHA-256 does not begin with 00000000; it was"
    ):
        fetch(remote(shop, "good", "0" * 8))


@pytest.mark.parametrize("kind", ["wrong"])
def test_a_file_with_another_sum_is_not_kept(shop: str, cache: Path, kind: str) -> None:
    with pytest.raises(UserError, match=r"http://127.0.0.1:\d+/wrong/net.pth is not the published file"):
        fetch(remote(shop, kind))
    assert list(cache.iterdir()) == []


def test_a_sound_file_stays_when_a_wrong_one_would_replace_it(shop: str, cache: Path) -> None:
    fetch(remote(shop, "good"))
    (cache / "net.pth").write_bytes(b"damaged")
    with pytest.raises(UserError, match="is not the published file"):
        fetch(remote(shop, "wrong"))
    assert fetch(remote(shop, "good")).read_bytes() == DATA


def test_a_broken_connection_is_continued_where_it_broke(shop: str, cache: Path) -> None:
    assert fetch(remote(shop, "once")).read_bytes() == DATA
    assert [place for _, place in Shop.asked] == ["", f"bytes={Shop.cut}-"]


def test_one_that_breaks_again_and_again_is_told_and_goes_on_next_time(shop: str, cache: Path) -> None:
    with pytest.raises(
        UserError, match=r"ended early \(300,000 of 3,000,000 bytes\); run the command again, it goes"
    ):
        fetch(remote(shop, "short"))
    assert [path.suffix for path in cache.iterdir()] == [".part"]
    assert fetch(remote(shop, "good")).read_bytes() == DATA
    assert Shop.asked[-1][1] == "bytes=300000-"
    assert [path.name for path in cache.iterdir()] == ["net.pth"]


def left_behind(cache: Path, data: bytes, age: float) -> None:
    """A part of another process, which wrote to it `age` seconds ago."""
    cache.mkdir(parents=True, exist_ok=True)
    part = cache / ".net.pth.99999-1.part"
    part.write_bytes(data)
    os.utime(part, (time.time() - age,) * 2)


@pytest.mark.parametrize("left", [DATA[:7], DATA, DATA + b"more", b"something else entirely"])
def test_what_a_killed_process_left_is_used_or_thrown_away(shop: str, cache: Path, left: bytes) -> None:
    left_behind(cache, left, age=100)
    assert fetch(remote(shop, "good")).read_bytes() == DATA
    assert [path.name for path in cache.iterdir()] == ["net.pth"]
    assert len(Shop.asked) == {7: 1, len(DATA): 0}.get(len(left), 2)


def test_a_part_that_still_grows_belongs_to_another_process(shop: str, cache: Path) -> None:
    left_behind(cache, DATA[:7], age=1)
    assert fetch(remote(shop, "good")).read_bytes() == DATA
    assert (cache / ".net.pth.99999-1.part").read_bytes() == DATA[:7]
    assert Shop.asked == [("/good/net.pth", "")]


def test_two_at_once_do_not_disturb_each_other(shop: str, cache: Path) -> None:
    threads = [threading.Thread(target=fetch, args=(remote(shop, "good"),)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [path.name for path in cache.iterdir()] == ["net.pth"]
    assert (cache / "net.pth").read_bytes() == DATA


def test_a_silent_server_is_not_waited_for_for_ever(
    shop: str, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "TIMEOUT", 0.5)
    with pytest.raises(UserError, match=r"ended early \(5 of 3,000,000 bytes\)"):
        fetch(remote(shop, "silent"))
    Shop.over.set()
    deadline = time.monotonic() + 10
    while len(Shop.given_up) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert Shop.given_up == [True, True, True]


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("gone", "answers 404 Not Found; try again later, or give a file with --weights"),
        ("busy", "answers 503 Service Unavailable"),
        ("trap", "leads to ftp://127.0.0.1/file, which is not followed"),
    ],
)
def test_what_the_server_refuses_is_told(shop: str, cache: Path, kind: str, words: str) -> None:
    with pytest.raises(UserError, match=words) as caught:
        fetch(remote(shop, kind))
    assert f"{shop}/{kind}/net.pth" in str(caught.value)
    assert not [path for path in cache.iterdir() if path.suffix != ".part" or path.stat().st_size]


def test_an_encrypted_address_leads_to_no_plain_one() -> None:
    handler, request = download.OnlyWeb(), download.urllib.request.Request("https://example.org/net.pth")
    with pytest.raises(UserError, match="https://example.org/net.pth leads to http://example.org/net.pth"):
        handler.redirect_request(request, io.BytesIO(), 302, "Found", {}, "http://example.org/net.pth")
    other = handler.redirect_request(request, io.BytesIO(), 302, "Found", {}, "https://example.org/b.pth")
    assert other.full_url == "https://example.org/b.pth"


@pytest.mark.parametrize("address", ["file:///etc/hostname", "ftp://127.0.0.1/net.pth", "/etc/hostname", ""])
def test_only_web_addresses_are_fetched(cache: Path, address: str) -> None:
    with pytest.raises(UserError, match="fetched from http and https addresses only, got"):
        fetch(Remote(address, "net.pth", SUM))
    assert not cache.exists()


def test_a_server_that_is_not_there_is_told(shop: str) -> None:
    with pytest.raises(
        UserError, match="cannot reach http://127.0.0.1:9/net.pth .*refused.*; look at the network"
    ):
        fetch(Remote("http://127.0.0.1:9/net.pth", "net.pth", SUM))


FETCH = """
import resource, signal, sys
from neocog.download import Remote, fetch
{before}
try:
    fetch(Remote({address!r}, "net.pth", {sha!r}))
except ValueError as error:
    sys.exit(str(error))
"""


def in_another_process(shop: str, kind: str, before: str) -> subprocess.CompletedProcess[str]:
    code = FETCH.format(before=before, address=f"{shop}/{kind}/net.pth", sha=SUM)
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX limits")
def test_a_full_disk_is_told_and_its_room_given_back(shop: str, cache: Path) -> None:
    done = in_another_process(
        shop, "good", "resource.setrlimit(resource.RLIMIT_FSIZE, (1_500_000, 1_500_000))"
    )
    assert (
        f"cannot write {cache / 'net.pth'}: File too large; free some space or set NEOCOG_CACHE"
        in done.stderr
    )
    assert list(cache.iterdir()) == []


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")
def test_an_interrupted_fetch_is_continued(shop: str, cache: Path) -> None:
    code = """
import neocog.download as download
def copy(answer, file, advance):
    file.write(answer.read(1_000_000))
    raise KeyboardInterrupt
download._copy = copy
"""
    done = in_another_process(shop, "good", code)
    assert done.returncode == -signal.SIGINT, done.stderr
    assert fetch(remote(shop, "good")).read_bytes() == DATA
    assert Shop.asked[-1][1] == "bytes=1000000-"


def test_a_killed_fetch_leaves_no_file_under_the_final_name(shop: str, cache: Path) -> None:
    code = (
        "import os\nimport neocog.download as d\nd.os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = in_another_process(shop, "good", code)
    assert done.returncode == -signal.SIGKILL
    assert [path.suffix for path in cache.iterdir()] == [".part"]


# Through the door that the rest of neocog uses


@pytest.fixture
def of_the_shop(shop: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """resnet18's published weights, as if torchvision's address were the shop's, with weights drawn here."""
    torch.manual_seed(3)
    net = build("resnet18")
    torch.save(
        {k: v for k, v in net.state_dict().items() if "num_batches" not in k}, tmp_path / "resnet18.pth"
    )
    data = (tmp_path / "resnet18.pth").read_bytes()
    monkeypatch.setattr(sys.modules[__name__], "DATA", data)
    entry = PUBLISHED["resnet18"]
    sha = hashlib.sha256(data).hexdigest()[:8]
    mine = {"v1": replace(entry, address=f"{shop}/good/r.pth", file="r.pth", sha256=sha)}
    monkeypatch.setitem(published.WEIGHTS, "resnet18", mine)
    monkeypatch.setitem(PUBLISHED, "resnet18", mine["v1"])
    return {name: tensor.numpy().copy() for name, tensor in net.state_dict().items()}


def test_without_the_users_word_nothing_is_asked_for(shop: str, of_the_shop: Any) -> None:
    with pytest.raises(
        UserError,
        match=f"resnet18: these weights are not on this machine; --download fetches them from {shop}/good/r.pth",
    ):
        published_tensors("resnet18")
    assert not PUBLISHED["resnet18"].installed()
    assert Shop.asked == []


def test_with_it_they_are_fetched_and_at_hand_from_then_on(of_the_shop: Any, cache: Path) -> None:
    told = Told()
    fetched = published_tensors("resnet18", download=True, progress=told)
    assert told.steps[0][0] == "fetching r.pth"
    assert set(fetched) == set(of_the_shop)
    for name, array in of_the_shop.items():
        np.testing.assert_array_equal(fetched[name], array, err_msg=name)
    assert PUBLISHED["resnet18"].installed()
    published_tensors("resnet18")
    published_tensors("resnet18", tag="v1", download=True)
    assert len(Shop.asked) == 1


def test_a_file_damaged_since_is_fetched_again_only_with_the_users_word(
    of_the_shop: Any, cache: Path
) -> None:
    published_tensors("resnet18", download=True)
    (cache / "r.pth").write_bytes(DATA[:-1])
    with pytest.raises(
        UserError, match="weights of resnet18 are damaged .*r.pth.; --download fetches them again"
    ):
        published_tensors("resnet18")
    assert len(Shop.asked) == 1
    assert set(published_tensors("resnet18", download=True)) == set(of_the_shop)
    assert len(Shop.asked) == 2


def test_the_published_file_of_another_network_is_refused(
    of_the_shop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(published.WEIGHTS, "resnet34", {"v1": PUBLISHED["resnet18"]})
    monkeypatch.setitem(PUBLISHED, "resnet34", PUBLISHED["resnet18"])
    with pytest.raises(
        UserError, match="r.pth does not have the tensors of resnet34: .* tensors are missing"
    ):
        published_tensors("resnet34", download=True)
