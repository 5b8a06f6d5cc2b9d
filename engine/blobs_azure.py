"""Blobs of a container of Azure's storage. The one module that speaks to it."""

import base64
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from engine.blobs import BLOCK, MOST_BLOCKS, BlobError, Blobs, Full, Moved, Writer
from engine.credentials import blocking_credential
from engine.errors import UsageError

if TYPE_CHECKING:
    from azure.storage.blob import BlobClient, ContainerClient

ATTEMPT = 20.0
"""Seconds after which one request is given up."""

TRIES = 5
"""For what may be asked again without harm."""


def open_container(
    account: str, container: str, path: str, environment: Mapping[str, str]
) -> Blobs:
    """What lies under a path of a container; ``account`` is a URL.

    Raises UsageError if the SDK is not installed.
    """
    try:
        from azure.storage.blob import ContainerClient
    except ImportError:
        raise UsageError(
            f"{account}: Azure's SDK is not installed: pip install 'azfinsim[azure]'"
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
                # One that was deleted meanwhile ends nowhere.
                if code == "AppendPositionConditionNotMet" or (code == "BlobNotFound" and at):
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
        # Of this writer alone: another one's blocks of the same blob are not to pass for ours.
        self._mark = secrets.token_bytes(8)

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
        block = base64.b64encode(self._mark + b"%08d" % len(self._blocks)).decode()
        with _azure(self._blob):
            # The service checks what arrives; staged twice, a block is the same block.
            self._blob.stage_block(
                block, data, length=len(data), validate_content=True, retry_total=TRIES
            )
        self._blocks.append(block)


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
