"""The configuration file: read as it was written, and clear about all that is wrong with it."""

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from engine.errors import UsageError
from infra.config import DEFAULT, Deployment, load, place, save
from tests.infra.fake_tools import OUTPUTS

VALUES: dict[str, Any] = {**OUTPUTS, "image": "r.azurecr.io/azfinsim:1", "version": "1"}


def made() -> Deployment:
    return Deployment.from_values(VALUES, "this")


def test_it_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "azfinsim.json"
    save(path, made())
    assert load(path) == made()
    assert list(tmp_path.iterdir()) == [path]
    assert next(iter(json.loads(path.read_bytes()))) == "format"


@pytest.mark.parametrize("name", [f.name for f in fields(Deployment) if f.name != "format"])
@pytest.mark.parametrize("value", [None, "", [], True])
def test_each_field_is_needed_and_of_its_type(name: str, value: object) -> None:
    with pytest.raises(UsageError, match=f"^this .*{name}"):
        Deployment.from_values({**VALUES, name: value}, "this")


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ("", "this is not JSON"),
        ("[]", "this is not a JSON object"),
        (json.dumps({**VALUES, "shoe_size": 43}), "unknown field 'shoe_size'"),
        (json.dumps({**VALUES, "format": 2, "more": 1}), "has format 2, and this version"),
        (json.dumps({**VALUES, "format": True}), "format"),
        (
            json.dumps({**VALUES, "redis_url": "rediss://u:hunter2@h:1"}),
            "has a password in redis_url",
        ),
        (json.dumps({**VALUES, "redis_url": "http://h"}), "Redis URL begins with http"),
    ],
)
def test_what_it_may_not_hold(told: str, words: str) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        Deployment.from_json(told, "this")
    assert "hunter2" not in str(caught.value)


def test_where_it_is(tmp_path: Path) -> None:
    assert place({}) == DEFAULT
    assert place({"AZFINSIM_CONFIG": ""}) == DEFAULT
    assert place({"AZFINSIM_CONFIG": "there.json"}) == Path("there.json")
    assert place({"AZFINSIM_CONFIG": "there.json"}, tmp_path) == tmp_path


def test_there_is_none(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"there is no .*azfinsim infra deploy"):
        load(tmp_path / "azfinsim.json")
    with pytest.raises(UsageError, match="cannot read"):
        load(tmp_path)
    with pytest.raises(UsageError, match="cannot write"):
        save(tmp_path / "no" / "folder", made())


def test_a_write_that_fails_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "azfinsim.json"
    path.mkdir()
    with pytest.raises(UsageError, match="cannot write"):
        save(path, made())
    assert list(tmp_path.iterdir()) == [path]
