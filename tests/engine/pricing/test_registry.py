"""Finding a pricer by name: a clear error for whatever it is not."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.errors import UsageError
from engine.pricing import registry, synthetic
from engine.pricing.registry import find, names
from tests import pricers


def test_what_is_installed_is_found() -> None:
    assert find("synthetic") is synthetic.pricer
    assert {"synthetic", "pvonly", "deltavega", "european"} <= set(names())
    for name in names():
        assert find(name).version


def test_a_pricer_of_the_users_own_is_found() -> None:
    assert find("tests.pricers:plain") is pricers.plain


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nosuch", "is not known: must be one of deltavega, european, pvonly, synthetic"),
        ("", "is not known"),
        (":", "cannot be imported: ValueError: Empty module name"),
        (
            "no.such.module:pricer",
            "ModuleNotFoundError: No module named 'no'; no must be installed",
        ),
        ("tests.nosuch:pricer", "ModuleNotFoundError: No module named 'tests.nosuch'"),
        ("tests.pricers:nosuch", "tests/pricers.py) has no 'nosuch'"),
        ("sys:nosuch", "sys (built into Python) has no 'nosuch'"),
        ("tests.pricers:Plain", "is a class: must be an object of it, such as `pricer = Plain()`"),
        ("tests.pricers:function", "is a plain function: `@per_trade(schema=..., version=...)`"),
        ("tests.pricers:coroutine", "its price is a coroutine function; `per_trade`"),
        ("tests.pricers:no_pricer", "is no pricer: it has no price as it should be"),
        ("tests.pricers:bad_schema", "is no pricer: it has no schema as it should be"),
        ("tests.pricers:" + "x" * 500, "cannot be imported"),
    ],
)
def test_what_is_no_pricer_is_told(name: str, words: str) -> None:
    """G10."""
    with pytest.raises(UsageError, match="algorithm") as raised:
        find(name)
    assert words in str(raised.value)


@pytest.mark.parametrize("vice", ["raise SystemExit(0)", "1 / 0", "import nosuch", "what?"])
def test_a_module_that_cannot_be_imported_is_told(
    vice: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """G5: importing it must not end the consumer."""
    (tmp_path / "vicious_module.py").write_text(vice)
    monkeypatch.syspath_prepend(tmp_path)
    registry.find.cache_clear()
    with pytest.raises(UsageError, match="cannot be imported"):
        find("vicious_module:pricer")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The working folder, which Python does not look into by itself, as with a console script."""
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path])
    monkeypatch.chdir(tmp_path)
    registry.find.cache_clear()
    yield tmp_path
    registry.find.cache_clear()
    for name in ("house_of_tests", "orjson_of_tests"):
        sys.modules.pop(name, None)


def test_a_module_in_the_working_folder_is_found(folder: Path) -> None:
    with pytest.raises(UsageError, match=r"house_of_tests must be installed, or lie in the work"):
        find("house_of_tests:plain")
    # Put there since, in the same tick of the file system's clock.
    seen = folder.stat()
    (folder / "house_of_tests.py").write_text("from tests.pricers import plain")
    os.utime(folder, ns=(seen.st_atime_ns, seen.st_mtime_ns))
    assert find("house_of_tests:plain") is pricers.plain


def test_a_module_in_the_working_folder_takes_the_place_of_none_that_is_installed(
    folder: Path,
) -> None:
    installed = folder / "installed"
    installed.mkdir()
    sys.path.insert(0, str(installed))
    (installed / "orjson_of_tests.py").write_text("from tests.pricers import plain as pricer")
    (folder / "orjson_of_tests.py").write_text("1 / 0")
    assert find("orjson_of_tests:pricer") is pricers.plain
    assert sys.path[-1] == str(folder)


def test_what_lacks_a_module_of_its_own_is_told_without_a_hint(folder: Path) -> None:
    (folder / "house_of_tests.py").write_text("import nosuch_of_tests")
    with pytest.raises(UsageError, match=r"No module named 'nosuch_of_tests'$"):
        find("house_of_tests:pricer")


def test_a_working_folder_that_is_gone_is_no_obstacle(folder: Path) -> None:
    gone = folder / "gone"
    gone.mkdir()
    os.chdir(gone)
    gone.rmdir()
    assert find("tests.pricers:plain") is pricers.plain
