"""Blobs: what is written once and kept, in Azure's storage or in a folder, by the same interface.

All of it blocks: who has an event loop calls it from a thread. Azure's SDK is imported when a
container is opened.
"""

import os
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from engine.errors import AzfinsimError, UsageError

BLOCK = 4 << 20
"""Bytes of a block that is staged, and of the largest append that every version takes."""

MOST_BLOCKS = 50_000
"""That a blob may have, of either kind."""

_CONTAINER = re.compile(r"[a-z0-9](?:-?[a-z0-9]){2,62}")

_SECRET = re.compile(r"(?i)(sig|signature|accountkey|password)=|^[^/]*://([^/]*@|[^?#]*[?#])")
"""A key or a signature; and parts of a URL where one may be, and nothing else."""


class BlobError(AzfinsimError):
    """Nothing can be written there, or not now; the message says why."""


class Moved(BlobError):
    """A blob does not end where it was to be gone on with."""


class Full(BlobError):
    """A blob takes no more blocks: go on with another."""


class Blobs(ABC):
    """A place for blobs. Names are paths with slashes; every method raises BlobError."""

    @abstractmethod
    def append(self, name: str, data: bytes, at: int) -> None:
        """Add to the end of a blob, which is made if there is none and ``at`` is 0.

        Raises Moved, and adds nothing, if it does not end at ``at``; Full if it takes no more.
        """

    @abstractmethod
    def length(self, name: str) -> int | None:
        """How many bytes a blob has; None if there is none."""

    @abstractmethod
    def writer(self, name: str) -> "Writer":
        """A blob that appears when all of it was written, in place of what was there."""

    def close(self) -> None:  # noqa: B027 - a folder has nothing to let go of
        """Let go of connections."""


class Writer(ABC):
    """Writes one blob; leaving its block by an error leaves what was there before."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _error: object, _trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self.give_up()
            return
        try:
            self.commit()
        except BaseException:
            self.give_up()
            raise

    @abstractmethod
    def write(self, data: bytes) -> None:
        """Add to it."""

    @abstractmethod
    def commit(self) -> None:
        """Have it appear."""

    @abstractmethod
    def give_up(self) -> None:
        """Have nothing appear."""


def open_blobs(place: str, environment: Mapping[str, str]) -> Blobs:
    """The place at ``az://ACCOUNT/CONTAINER/PATH``, at such a URL over https, or in a folder.

    Whoever we are to Azure (``engine.credentials``) needs the role Storage Blob Data Contributor.
    Raises UsageError for a place that is none, and if the SDK is not installed.
    """
    if _SECRET.search(place):
        # Also where it is no URL: a folder of that name would show it to all.
        raise UsageError(
            f"{_shown(place)}: a place for blobs has no key and no signature: "
            "Entra ID says who may write"
        )
    if "://" not in place:
        return Folder(Path(place))
    from engine.blobs_azure import open_container

    return open_container(*_parts(place), environment)


def _shown(place: str) -> str:
    """What may be shown of a place that may hold a secret."""
    host = re.match(r"([a-z]+://)(?:[^/?#]*@)?([\w.:-]+)(?=[/?#]|$)", place)
    return f"{host[1]}{host[2]}/…" if host else "what was named"


def _parts(place: str) -> tuple[str, str, str]:
    """The account's URL, the container and the path in it."""
    try:
        url = urlsplit(place)
    except ValueError:
        raise UsageError(
            f"{_shown(place)}: must be az://ACCOUNT/CONTAINER/PATH, https:// or a folder"
        ) from None
    parts = [part for part in url.path.split("/") if part]
    if url.scheme == "az":
        account = f"https://{url.netloc}.blob.core.windows.net"
    elif url.scheme == "https":
        account = f"https://{url.netloc}"
        if re.fullmatch(r"[\d.]+|localhost", url.hostname or "") and parts:
            # An emulator has its accounts in the path.
            account += f"/{parts.pop(0)}"
    else:
        raise UsageError(f"{place}: must be az://ACCOUNT/CONTAINER/PATH, https:// or a folder")
    if not url.netloc or not parts or not _CONTAINER.fullmatch(parts[0]):
        raise UsageError(f"{place}: names no container: az://ACCOUNT/CONTAINER/PATH")
    return account, parts[0], "/".join(parts[1:])


@dataclass(frozen=True, slots=True)
class Folder(Blobs):
    """Blobs as files of a folder."""

    root: Path

    def append(self, name: str, data: bytes, at: int) -> None:
        with _files():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("ab") as file:
                if file.tell() != at:
                    raise Moved(f"{path} ends at {file.tell():,}, not at {at:,}")
                file.write(data)

    def length(self, name: str) -> int | None:
        with _files():
            path = self.root / name
            return path.stat().st_size if path.exists() else None

    def writer(self, name: str) -> Writer:
        with _files():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            return _FileWriter(path)


class _FileWriter(Writer):
    def __init__(self, path: Path) -> None:
        self._path = path
        self._part = path.with_name(f".{path.name}.{os.getpid()}.part")
        self._file = self._part.open("wb")

    def write(self, data: bytes) -> None:
        with _files():
            self._file.write(data)

    def commit(self) -> None:
        with _files():
            self._file.close()
            self._part.replace(self._path)

    def give_up(self) -> None:
        with _files():
            self._file.close()
            self._part.unlink(missing_ok=True)


@contextmanager
def _files() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise BlobError(f"{error.filename}: {error.strerror}") from error
