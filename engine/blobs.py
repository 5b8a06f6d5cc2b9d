"""Blobs: what is written once and kept, in Azure's storage or in a folder, by the same interface.

The one module that speaks to Blob Storage. All of it blocks: who has an event loop calls it from a
thread. Azure's SDK is imported when a container is opened.
"""

import base64
import os
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

from engine.credentials import blocking_credential
from engine.errors import AzfinsimError, UsageError

if TYPE_CHECKING:
    from azure.storage.blob import BlobClient, ContainerClient

BLOCK = 4 << 20
"""Bytes of a block that is staged, and of the largest append that every version takes."""

MOST_BLOCKS = 50_000
"""That a blob may have, of either kind."""

ATTEMPT = 20.0
"""Seconds after which one request is given up."""

_CONTAINER = re.compile(r"[a-z0-9](?:-?[a-z0-9]){2,62}")


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
        if kind is None:
            self.commit()
        else:
            self.give_up()

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
    if "://" not in place:
        return Folder(Path(place))
    account, container, path = _parts(place)
    try:
        from azure.storage.blob import ContainerClient
    except ImportError:
        raise UsageError(
            f"{place}: Azure's SDK is not installed: pip install 'azfinsim[azure]'"
        ) from None
    client = ContainerClient(
        account,
        container,
        blocking_credential(environment),
        # Whoever appends asks again by himself, since he has to look first what came of it.
        retry_total=0,
        initial_backoff=1,
        increment_base=2,
        connection_timeout=ATTEMPT,
        read_timeout=ATTEMPT,
    )
    return Container(client, path)


def _parts(place: str) -> tuple[str, str, str]:
    """The account's URL, the container and the path in it."""
    url = urlsplit(place)
    parts = [part for part in url.path.split("/") if part]
    if url.username or url.password or url.query or url.fragment:
        raise UsageError(
            f"{url.scheme}://{url.hostname}/…: a place for blobs has no key and no signature: "
            "Entra ID says who may write"
        )
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


@dataclass(frozen=True, slots=True)
class Container(Blobs):
    """Blobs of a container of Azure's storage."""

    client: "ContainerClient"
    path: str

    def append(self, name: str, data: bytes, at: int) -> None:
        blob = self._blob(name)
        with _azure(blob):
            if not at:
                _create(blob)
            try:
                blob.append_block(data, length=len(data), appendpos_condition=at)
            except Exception as error:
                code = _code(error)
                if code == "AppendPositionConditionNotMet":
                    raise Moved(f"{blob.url} does not end at {at:,}") from error
                if code == "BlockCountExceedsLimit":
                    raise Full(f"{blob.url} has {MOST_BLOCKS:,} blocks") from error
                raise

    def length(self, name: str) -> int | None:
        from azure.core.exceptions import ResourceNotFoundError

        blob = self._blob(name)
        with _azure(blob):
            try:
                return int(blob.get_blob_properties().size)
            except ResourceNotFoundError:
                return None

    def writer(self, name: str) -> Writer:
        return _BlockWriter(self._blob(name))

    def close(self) -> None:
        self.client.close()

    def _blob(self, name: str) -> "BlobClient":
        return self.client.get_blob_client(f"{self.path}/{name}".strip("/"))


def _create(blob: "BlobClient") -> None:
    """Make an append blob, unless it is there: what was added to it before must stay."""
    from azure.core import MatchConditions
    from azure.core.exceptions import ResourceExistsError

    with suppress(ResourceExistsError):
        blob.create_append_blob(
            match_condition=MatchConditions.IfMissing, content_settings=_of_type(blob)
        )


def _of_type(blob: "BlobClient") -> Any:
    """The type by which a browser shows a blob instead of saving it."""
    from azure.storage.blob import ContentSettings

    known = {"log": "text/plain", "csv": "text/csv", "ndjson": "application/x-ndjson"}
    kind = known.get(str(blob.blob_name).rpartition(".")[2], "application/octet-stream")
    return ContentSettings(content_type=kind)


class _BlockWriter(Writer):
    """A block blob: blocks are staged, and make a blob when they are committed."""

    def __init__(self, blob: "BlobClient") -> None:
        self._blob = blob
        self._rest = bytearray()
        self._blocks: list[str] = []

    def write(self, data: bytes) -> None:
        self._rest += data
        while len(self._rest) >= BLOCK:
            self._stage(bytes(self._rest[:BLOCK]))
            del self._rest[:BLOCK]

    def commit(self) -> None:
        from azure.storage.blob import BlobBlock

        if self._rest:
            self._stage(bytes(self._rest))
        blocks = [BlobBlock(block) for block in self._blocks]
        with _azure(self._blob):
            self._blob.commit_block_list(
                blocks, content_settings=_of_type(self._blob), retry_total=TRIES
            )

    def give_up(self) -> None:
        # What was staged and never committed, the service forgets within a week.
        self._rest.clear()

    def _stage(self, data: bytes) -> None:
        block = base64.b64encode(b"%08d" % len(self._blocks)).decode()
        with _azure(self._blob):
            # The service checks what arrives; staged twice, a block is the same block.
            self._blob.stage_block(
                block, data, length=len(data), validate_content=True, retry_total=TRIES
            )
        self._blocks.append(block)


TRIES = 5
"""For what may be asked again without harm."""


def _code(error: Exception) -> str:
    """The service's own name of an error; empty if it has none."""
    code = getattr(error, "error_code", None)
    return str(getattr(code, "value", code) or "")


@contextmanager
def _azure(blob: "BlobClient") -> Iterator[None]:
    """Say in our words what the service or the way there has said."""
    from azure.core.exceptions import AzureError

    try:
        yield
    except AzureError as error:
        why = _code(error) or str(error.message).partition("\n")[0][:300]
        raise BlobError(f"{blob.url}: {why}") from error
