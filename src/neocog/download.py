"""Files from an address into the cache: whole, checked and only when asked for."""

from __future__ import annotations

import os
import threading
import time
import urllib.error
import urllib.request
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import IO, Any

from neocog import files
from neocog.errors import UserError
from neocog.progress import Advance, Progress, Silent
from neocog.runtime import cache_folder

PIECE = 1 << 20
TIMEOUT = 30.0  # seconds of silence
WEB = ("https://", "http://")
TRIES = 3  # connections that may end early
QUIET = 60.0  # seconds after which a part that grows no more belongs to nobody


@dataclass(frozen=True)
class Remote:
    """A file at an address."""

    address: str
    name: str
    """of the file in the cache"""
    sha256: str
    """in hexadecimal digits: all 64, or as many of the first as its publisher tells"""
    folder: str = "weights"
    """of the cache, in which the file is kept"""
    otherwise: str = "give a file with --weights"
    """what the user may do without this address, as an error's last words"""

    def path(self) -> Path:
        return cache_folder() / self.folder / self.name

    def sound(self, path: Path) -> bool:
        """Whether the file at `path` is the published one."""
        return files.sha256(path).startswith(self.sha256)


class Cut(Exception):
    """The connection ended too early."""


def fetch(remote: Remote, progress: Progress | None = None) -> Path:
    """The file, fetched unless it is in the cache already; it appears there whole and checked, or not at all.

    What an interrupted fetch left is continued. UserError for an address that cannot be reached or does not give the
    published file, and for a full disk.
    """
    path = remote.path()
    if path.exists() and remote.sound(path):
        return path
    if not remote.address.startswith(WEB):
        raise UserError(f"files are fetched from http and https addresses only, got {remote.address}")
    files.make_folder(path.parent)
    part = _part(path)
    try:
        part.touch()
        try:
            _fill(remote, part, progress or Silent())
            part.replace(path)
        finally:
            with suppress(OSError):
                os.utime(part, (0, 0))  # whoever comes next may go on with it at once
    except OSError as error:
        part.unlink(missing_ok=True)
        raise UserError(
            f"cannot write {path}: {error.strerror}; free some space or set NEOCOG_CACHE"
        ) from error
    return path


def _part(path: Path) -> Path:
    """Where the bytes go until they are whole: a part that somebody left behind, or a new one."""
    mine = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.part")
    for left in path.parent.glob(f".{path.name}.*.part"):
        with suppress(OSError):  # another process was faster
            if time.time() - left.stat().st_mtime > QUIET:
                left.rename(mine)
                break
    return mine


def _fill(remote: Remote, part: Path, progress: Progress) -> None:
    """Fetch into `part` until it has every byte and the right sum."""
    cut = 0
    while not (part.stat().st_size and remote.sound(part)):
        begun = part.stat().st_size > 0
        try:
            _append(remote, part, progress)
        except Cut as error:
            cut += 1
            if cut == TRIES:
                raise UserError(
                    f"{remote.address} ended early ({error}); run the command again, it goes on from there"
                ) from error
            continue
        if not remote.sound(part):
            os.truncate(part, 0)
            if not begun:  # fetched in one go and wrong all the same
                part.unlink()
                raise UserError(
                    f"{remote.address} is not the published file: its SHA-256 does not begin with "
                    f"{remote.sha256}; it was not kept; {remote.otherwise}"
                )


def _append(remote: Remote, part: Path, progress: Progress) -> None:
    """Ask for what `part` lacks and write it behind, or all of it where the server gives no less."""
    there = part.stat().st_size
    with _answer(remote, part) as answer:
        there = there if answer.status == 206 else 0
        os.truncate(part, there)
        rest = answer.headers.get("Content-Length", "")
        total = there + int(rest) if rest.isdecimal() else 0
        with progress.step(f"fetching {remote.name}", total) as advance, part.open("ab") as file:
            advance(there)
            there += _copy(answer, file, advance)
            file.flush()
            os.fsync(file.fileno())
    if there < total:
        raise Cut(f"{there:,} of {total:,} bytes")


def _copy(answer: HTTPResponse, file: IO[bytes], advance: Advance) -> int:
    """Bytes written; fewer than announced where the connection breaks."""
    written = 0
    while True:
        try:
            piece = answer.read1(PIECE)  # what is there: a silent server loses nothing
        except (OSError, HTTPException):  # a silent or broken connection
            return written
        if not piece:
            return written
        file.write(piece)
        written += len(piece)
        advance(len(piece))


def _answer(remote: Remote, part: Path) -> HTTPResponse:
    """The server's answer to a request for the bytes behind those in `part`."""
    address = remote.address
    there = part.stat().st_size
    headers = {"User-Agent": "neocog", "Accept-Encoding": "identity"}
    request = urllib.request.Request(
        address, headers=headers | ({"Range": f"bytes={there}-"} if there else {})
    )
    try:
        answer: HTTPResponse = urllib.request.build_opener(OnlyWeb).open(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416 and there:  # nothing lies behind them: they are not the beginning of this file
            os.truncate(part, 0)
            raise Cut("what was there already is no part of it") from error
        raise UserError(
            f"{address} answers {error.code} {error.reason}; try again later, or {remote.otherwise}"
        ) from error
    except (OSError, HTTPException) as error:
        reason = getattr(error, "reason", error)
        raise UserError(
            f"cannot reach {address} ({reason}); look at the network, or {remote.otherwise}"
        ) from error
    return answer


class OnlyWeb(urllib.request.HTTPRedirectHandler):
    """Follows redirections from web address to web address, and never from an encrypted one to a plain one."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        if not newurl.startswith(WEB if req.full_url.startswith("http://") else "https://"):
            fp.close()
            raise UserError(
                f"{req.full_url} leads to {newurl}, which is not followed; fetch the file in another way"
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)
