"""Bytes that look for their own way into each decoder (G10); run by ``make soak``.

FUZZ_SECONDS says how long in all, a tenth of SOAK_SECONDS if it does not.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.hostile.decoders import DECODERS

SECONDS = float(os.environ.get("FUZZ_SECONDS", float(os.environ.get("SOAK_SECONDS", "3600")) / 10))

STARTING = 60.0
"""Seconds that a fuzzer may take to start and to end, besides."""


@pytest.mark.soak
@pytest.mark.parametrize("name", DECODERS)
def test_nothing_is_found(name: str, tmp_path: Path) -> None:
    """In a process of its own: what crashes an extension module crashes that one alone."""
    pytest.importorskip("atheris", reason="atheris has no wheel for this Python or system")
    seconds = max(int(SECONDS / len(DECODERS)), 1)
    done = subprocess.run(
        [sys.executable, "-m", "tests.soak.fuzz", name, str(seconds), str(tmp_path)],
        stderr=subprocess.PIPE,
        timeout=seconds + STARTING,
        check=False,
    )
    found = [f"{path.name}: {path.read_bytes()!r}" for path in tmp_path.glob("found-*")]
    words = done.stderr[-4000:].decode(errors="replace")
    assert done.returncode == 0, "\n".join([*found, words])
    assert not found
