"""What Azure has to say before anything is deployed: who we are there, and what we may have."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.errors import ServerError, UsageError
from infra.tools import LOGIN, Tool, ToolFailed


@dataclass(frozen=True, slots=True)
class Account:
    """Who is logged in, and where."""

    subscription: str
    name: str
    user: str


@dataclass(frozen=True, slots=True)
class Cores:
    """Cores that pools may come to use, or that an account may have."""

    dedicated: int
    spot: int


def account(az: Tool, subscription: str | None) -> Account:
    """The subscription that ``az`` is logged in to, or another by its ID or name.

    Raises ServerError if nobody is logged in, or the subscription cannot be used.
    """
    asked = ["--subscription", subscription] if subscription else []
    try:
        state, found = az.ask_json(_account, "account", "show", "--output", "json", *asked)
    except ToolFailed as error:
        if subscription and not any(word in error.said for word in LOGIN):
            raise ServerError(
                f"cannot use the subscription {subscription}: {error.said}: `az account list` "
                "shows those that you may use"
            ) from None
        raise
    if state != "Enabled":
        raise ServerError(
            f"the subscription {found.name} is {state}: choose another with "
            "--subscription; `az account list` shows those that you may use"
        )
    return found


def _account(told: Any) -> tuple[str, Account]:
    return told["state"], Account(told["id"], told["name"], told["user"]["name"])


def _names(told: Any) -> list[str]:
    return [str(name) for name in iter(told)]


def check_location(az: Tool, location: str) -> None:
    """Raises UsageError if there is no such region."""
    known = az.ask_json(
        _names, "account", "list-locations", "--query", "[].name", "--output", "json"
    )
    if location not in known:
        alike = [name for name in known if location[:4] in name or name[:4] in location]
        raise UsageError(
            f"--location is {location!r}: must be a region's short name"
            + (f", as in {', '.join(sorted(alike)[:5])}" if alike else "")
            + "; `az account list-locations` shows all"
        )


def check_room_for_account(az: Tool, subscription: str, location: str) -> None:
    """Raises ServerError if the subscription may have no further Batch account in a region."""
    of = ["--subscription", subscription, "--output", "json"]
    try:
        asked = ("batch", "location", "quotas", "show", "--location", location)
        quota = az.ask_json(lambda told: int(told["accountQuota"]), *asked, *of)
    except ToolFailed as error:
        if "MissingSubscriptionRegistration" in error.said:
            return  # Nobody has used Batch there yet; Terraform registers it.
        raise
    there = az.ask_json(
        _names, "batch", "account", "list", "--query", f"[?location=='{location}'].name", *of
    )
    if len(there) >= quota:
        raise ServerError(
            f"{location} has {len(there)} Batch accounts of this subscription ({', '.join(there)}),"
            f" and its quota is {quota}: delete one, ask for more (Azure portal, Quotas, Batch), "
            "or choose another --location"
        )


def cores_allowed(az: Tool, subscription: str, group: str, name: str) -> Cores:
    """What a Batch account may use: known only once it is there."""
    return az.ask_json(
        lambda told: Cores(int(told["dedicatedCoreQuota"]), int(told["lowPriorityCoreQuota"])),
        *("batch", "account", "show", "--resource-group", group, "--name", name),
        *("--subscription", subscription, "--output", "json"),
    )


def cores_of(size: str) -> int:
    """How many cores a size of machine has: by its name, as in ``Standard_D8s_v5``."""
    found = re.match(r"Standard_[A-Z]+(\d+)", size)
    if found is None:
        raise UsageError(f"cannot tell the cores of {size!r}: must be as in Standard_D8s_v5")
    return int(found[1])


def cores_wanted(pools: Mapping[str, Mapping[str, Any]]) -> Cores:
    """Of the output ``cores``: what the pools take when they are as large as they may get."""
    each = {kind: pool["nodes"] * cores_of(pool["size"]) for kind, pool in pools.items()}
    return Cores(int(each["dedicated"] + each["fallback"]), int(each["spot"]))


def shortages(wanted: Cores, allowed: Cores) -> Iterator[str]:
    """What to say where an account may have less than its pools may come to want."""
    kinds: Sequence[tuple[str, int, int, str]] = (
        ("dedicated", wanted.dedicated, allowed.dedicated, "realtime_nodes and bulk_dedicated"),
        ("Spot", wanted.spot, allowed.spot, "bulk_nodes"),
    )
    for kind, want, allow, variables in kinds:
        if want > allow:
            yield (
                f"the pools may grow to {want} {kind} cores, and the Batch account's quota is "
                f"{allow}: ask for more (Azure portal, Batch account, Quotas), or lower "
                f"{variables} in a --var-file"
            )


KNOWN_FAULTS = {
    **dict.fromkeys(LOGIN, "nobody is logged in to Azure, or not any more: `az login`, then again"),
    "AccountCoreQuotaReached": "the Batch account's quota of cores is too small for the realtime "
    "pool: ask for more (Azure portal, Batch account, Quotas), or deploy with realtime_nodes = 0",
    "AuthorizationFailed": "you lack rights there: deploying takes Contributor and Role Based "
    "Access Control Administrator (or Owner) on the subscription",
    "MissingSubscriptionRegistration": "the subscription does not know a service yet: "
    "`az provider register --namespace` with the name above",
    "SkuNotAvailable": "the region has no machines or servers of this size for you: choose another "
    "size in a --var-file, or another --location",
    "VaultAlreadyExists": "a Key Vault of that name was destroyed and is still kept: "
    "`az keyvault purge`, or deploy with another --name",
    "RequestDisallowedByPolicy": "a policy of your organisation forbids it",
    "SubscriptionQuotaExceeded": "a quota of the subscription is used up: Azure portal, Quotas",
    "state lock": "another deploy is at work on the same folder, or one was killed: wait for it, "
    "or `terraform force-unlock`",
}
"""Codes that Azure and Terraform give, and the way out."""


def way_out(said: str) -> str:
    """What can be done about an error, empty if we do not know it."""
    return next((advice for code, advice in KNOWN_FAULTS.items() if code in said), "")
