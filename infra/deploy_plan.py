"""What Terraform would do, as it prints it. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

HOLDS_DATA = frozenset(
    {"azurerm_key_vault", "azurerm_managed_redis", "azurerm_storage_account"}
    | {"azurerm_storage_container"}
)
"""Kinds of resources with which data would go."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What would be done."""

    changes: Mapping[str, int]
    """How many resources are to be created, updated, replaced and deleted."""
    losing: tuple[str, ...]
    """Resources that hold data and would be replaced or deleted."""
    outputs: Mapping[str, Any]
    """As far as they are known before."""

    @property
    def empty(self) -> bool:
        return not any(self.changes.values())

    @classmethod
    def read(cls, told: Mapping[str, Any]) -> "Plan":
        """Of what ``terraform show -json`` prints of a plan."""
        changes = dict.fromkeys(("create", "update", "replace", "delete"), 0)
        losing = []
        for resource in told.get("resource_changes", []):
            kinds = set(resource["change"]["actions"])
            kind = "replace" if kinds == {"create", "delete"} else next(iter(kinds))
            if kind in changes:
                changes[kind] += 1
            if "delete" in kinds and resource["type"] in HOLDS_DATA:
                losing.append(resource["address"])
        outputs = told.get("planned_values", {}).get("outputs", {})
        return cls(
            changes,
            tuple(losing),
            {name: output["value"] for name, output in outputs.items() if "value" in output},
        )
