"""What ``loadtest run`` leaves behind: a whole record or none, and a word before it begins."""

from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from engine.errors import UsageError
from loadtest.record import Record, Verdict
from loadtest.run.command import _end, _make, _write
from tests.loadtest.records import sample


def test_a_folder_that_cannot_be_written_to_is_told_before_the_test(tmp_path: Path) -> None:
    # Which not even root may write to.
    for out in (Path("/proc/self"), tmp_path / "file" / "below"):
        (tmp_path / "file").touch()
        with pytest.raises(UsageError, match=r"--out .* cannot be written to"):
            _make(out)
    _make(tmp_path / "new" / "one")
    assert list((tmp_path / "new" / "one").iterdir()) == []


def test_a_record_is_written_whole_or_told_that_it_is_not(tmp_path: Path) -> None:
    told = sample(seconds=2)
    [path, *_] = _write(told, tmp_path)
    assert Record.load(path) == told
    assert not list(tmp_path.glob("*.part"))
    path.unlink()
    path.mkdir()
    with pytest.raises(UsageError, match="cannot be written"):
        _write(told, tmp_path)
    assert not list(tmp_path.glob("*.part"))


def test_a_record_that_cannot_be_written_is_shown_all_the_same(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UsageError, match="cannot be written"):
        _end(sample(seconds=2), tmp_path / "gone", as_json=True)
    out, err = capfd.readouterr()
    assert orjson.loads(out)["files"] == []
    assert "calls planned" in err


def test_a_third_verdict_is_named(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    whole, why = sample(seconds=2), "the machine was busy: nothing is said"
    verdict = replace(whole.verdict, invalid=why)
    _end(replace(whole, verdict=verdict, capacity=None), tmp_path, as_json=True)
    out, err = capfd.readouterr()
    assert orjson.loads(out)["verdict"]["invalid"] == why
    assert err.splitlines()[0].split() == ["INVALID", "mixed"]
    assert why in err
    [page] = tmp_path.glob("*.html")
    assert f"Invalid: {why}" in page.read_text()


def test_a_test_that_was_asked_for_nothing_has_met_nothing(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    _end(sample(seconds=2, verdict=Verdict(met=True), capacity=None), tmp_path, as_json=False)
    said = capfd.readouterr().err
    assert "NO OBJECTIVES" in said
    assert "nothing was asked for" in said
    assert "MET" not in said
