"""What ``infra deploy`` has put where: the file that all other commands on Azure go by.

It holds names and addresses, and no secret: whoever has it still needs an identity with rights.
"""

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import orjson

from engine.address import Address
from engine.codec import loads
from engine.errors import UsageError

FORMAT = 1

VARIABLE = "AZFINSIM_CONFIG"
DEFAULT = Path("azfinsim.json")

WAY_OUT = (
    "make one with `azfinsim infra deploy`, or of what is deployed with `azfinsim infra config`"
)


@dataclass(frozen=True, slots=True)
class Deployment:
    """One deployment on Azure."""

    subscription: str
    resource_group: str
    location: str
    batch_endpoint: str
    """``https://ACCOUNT.REGION.batch.azure.com``"""
    bulk_pool: str
    realtime_pool: str
    bulk_slots: int
    """Consumer tasks that a node of the bulk pool runs at once."""
    realtime_slots: int
    """Likewise of the realtime pool."""
    image: str
    """``REGISTRY/azfinsim:TAG``, as `infra build` last pushed it."""
    registry: str
    """Name of the container registry, as `az acr` takes it."""
    registry_server: str
    """Its host."""
    registry_identity: str
    """Resource ID of the managed identity that pulls from it."""
    consumer_identity: str
    """Resource ID of the managed identity that consumers act as."""
    consumer_client_id: str
    """Its client ID, by which a process on a node chooses it."""
    redis_url: str
    """``rediss://HOST:10000?cluster=true``; no password, since Entra ID lets one in."""
    storage_url: str
    """``https://ACCOUNT.blob.core.windows.net``"""
    logs_container: str
    results_container: str
    key_vault_url: str
    telemetry: str
    """Connection string of Application Insights. It says where and whose, and is no secret: the
    resource takes telemetry by Entra ID alone."""
    version: str
    """Of azfinsim, by which it was deployed."""
    format: int = FORMAT

    def to_json(self) -> bytes:
        """For people to read too."""
        told = {"format": self.format, **asdict(self)}
        return orjson.dumps(told, option=orjson.OPT_INDENT_2) + b"\n"

    def environment(self) -> dict[str, str]:
        """The variables by which commands on this machine reach the grid, as who is logged in."""
        # Tokens go over TLS alone; elsewhere the server asks nobody, as in a trial.
        by_token = Address.parse(self.redis_url).tls
        return {
            "AZFINSIM_REDIS_URL": self.redis_url,
            **({"AZFINSIM_REDIS_AUTH": "entra"} if by_token else {}),
            "AZFINSIM_IDENTITY": "default",
            "APPLICATIONINSIGHTS_CONNECTION_STRING": self.telemetry,
        }

    @classmethod
    def from_json(cls, told: bytes | str, where: str = "the configuration") -> "Deployment":
        """Read what ``to_json`` wrote; ``where`` names it in messages.

        Raises UsageError, naming the field, for what is missing, unknown or of the wrong type.
        """
        try:
            values = loads(told.encode() if isinstance(told, str) else told)
        except ValueError as error:
            raise UsageError(f"{where} is not JSON: {error}") from None
        if not isinstance(values, dict):
            raise UsageError(f"{where} is not a JSON object: {WAY_OUT}")
        return cls.from_values(values, where)

    @classmethod
    def from_values(cls, values: Mapping[str, Any], where: str) -> "Deployment":
        """The same of values that were read already."""
        # First: a later format may have other fields.
        if values.get("format", FORMAT) != FORMAT:
            raise UsageError(
                f"{where} has format {values['format']!r}, and this version of azfinsim reads "
                f"{FORMAT}: {WAY_OUT}"
            )
        known = {field.name: field.type for field in fields(cls)}
        if unknown := values.keys() - known.keys():
            raise UsageError(f"{where} has the unknown field {min(unknown)!r}: {WAY_OUT}")
        for name, kind in known.items():
            _check(where, name, kind, values.get(name, FORMAT if name == "format" else None))
        Address.parse(values["redis_url"])
        return cls(**values)


def _check(where: str, name: str, kind: Any, value: object) -> None:
    if value is None:
        raise UsageError(f"{where} lacks the field {name!r}: {WAY_OUT}")
    # Not isinstance: True is an int.
    if type(value) is not kind:
        raise UsageError(f"{where} has {name} = {value!r}: must be of type {kind.__name__}")
    if value in ("", 0):
        raise UsageError(f"{where} has an empty {name}: {WAY_OUT}")
    if name == "redis_url" and Address.parse(str(value)).has_password:
        raise UsageError(f"{where} has a password in redis_url: it may hold no secret")


def place(environment: Mapping[str, str], told: Path | None = None) -> Path:
    """Where the file is: as told, or as the environment says, or in the working folder."""
    return told or Path(environment.get(VARIABLE) or DEFAULT)


def load(path: Path) -> Deployment:
    """Read the file. Raises UsageError if there is none, or it cannot be read."""
    try:
        told = path.read_bytes()
    except FileNotFoundError:
        raise UsageError(
            f"there is no {path}, which says where the grid on Azure is: {WAY_OUT}, or name "
            f"another with {VARIABLE}"
        ) from None
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None
    return Deployment.from_json(told, str(path))


def save(path: Path, deployment: Deployment) -> None:
    """Write the file, in one step. Raises UsageError if that cannot be done."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.write_bytes(deployment.to_json())
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise UsageError(f"cannot write {path}: {error.strerror}") from None
