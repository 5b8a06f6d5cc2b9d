"""JSON Schemas of what the service takes, out of the SDK's own models.

The SDK's models take anything: a missing field and a misspelt word of an enumeration show only when
the service refuses them. What may live here: those schemas, and holding a body to one.
"""

import datetime
import enum
import functools
import types
import typing
from typing import Any

import jsonschema
from azure.batch import models

_SIMPLE: dict[Any, dict[str, Any]] = {
    str: {"type": "string"},
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
    datetime.datetime: {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT"},
    datetime.timedelta: {"type": "string", "pattern": "^P"},
}


def complaint(model: str, body: object) -> str | None:
    """What the service would find wrong with a body; None if nothing."""
    errors = sorted(_validator(model).iter_errors(body), key=lambda error: list(error.path))
    return f"{errors[0].json_path}: {errors[0].message}"[:300] if errors else None


@functools.cache
def _validator(model: str) -> jsonschema.Draft202012Validator:
    definitions: dict[str, Any] = {}
    # Some that are taken are not public.
    found = getattr(models, model, None) or getattr(models._models, model)
    schema = _of(found, definitions)
    return jsonschema.Draft202012Validator({**schema, "$defs": definitions})


def _of(hint: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return _of_union([each for each in arguments if each is not type(None)], definitions)
    if origin is list:
        return {"type": "array", "items": _of(arguments[0], definitions)}
    if origin is dict:
        return {"type": "object", "additionalProperties": _of(arguments[1], definitions)}
    if hint in _SIMPLE:
        return _SIMPLE[hint]
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return {"enum": [each.value for each in hint]}
    if _fields(hint):
        if hint.__name__ not in definitions:
            definitions[hint.__name__] = {}  # A model may hold others of its kind.
            definitions[hint.__name__] = _of_model(hint, definitions)
        return {"$ref": f"#/$defs/{hint.__name__}"}
    return {}


def _of_union(options: list[Any], definitions: dict[str, Any]) -> dict[str, Any]:
    # The SDK lets a word of an enumeration be any text.
    enums = [each for each in options if isinstance(each, type) and issubclass(each, enum.Enum)]
    told = [_of(each, definitions) for each in enums or options]
    return told[0] if len(told) == 1 else {"anyOf": told}


def _of_model(model: type, definitions: dict[str, Any]) -> dict[str, Any]:
    properties, required = {}, []
    for attribute, (field, hint) in _fields(model).items():
        if field._visibility == ["read"]:
            continue
        name = field._rest_name_input or attribute
        properties[name] = _of(hint, definitions)
        if type(None) not in typing.get_args(hint):
            required.append(name)
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def _fields(model: Any) -> dict[str, tuple[Any, Any]]:
    """The fields of a model with their types; none if it is no model."""
    if not hasattr(model, "_attr_to_rest_field") and not hasattr(model, "__mapping__"):
        known = vars(model) if isinstance(model, type) else {}
        if not any(hasattr(each, "_rest_name_input") for each in known.values()):
            return {}
    hints = typing.get_type_hints(model, localns={"_models": models})
    found = {name: getattr(model, "__dict__", {}).get(name) for name in hints}
    return {
        name: (field, hints[name])
        for name, field in found.items()
        if hasattr(field, "_rest_name_input")
    }
