"""Finding a pricer by name: a clear error for whatever it is not."""

from pathlib import Path

import pytest

from engine.errors import UsageError
from engine.pricing import registry, synthetic
from engine.pricing.registry import find, names
from tests import pricers


def test_what_is_installed_is_found() -> None:
    assert find("synthetic") is synthetic.pricer
    assert {"synthetic", "pvonly", "deltavega"} <= set(names())
    for name in names():
        assert find(name).version


def test_a_pricer_of_the_users_own_is_found() -> None:
    assert find("tests.pricers:plain") is pricers.plain


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nosuch", "is not known: must be one of deltavega, pvonly, synthetic"),
        ("", "is not known"),
        (":", "cannot be imported: ValueError: Empty module name"),
        ("no.such.module:pricer", "cannot be imported: ModuleNotFoundError"),
        ("tests.pricers:nosuch", "cannot be imported: AttributeError"),
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
