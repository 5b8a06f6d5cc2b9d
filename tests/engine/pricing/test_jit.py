"""Under which name compiled kernels are kept: one for all that decides about their machine code."""

import pytest
from numba.core import config

from engine.pricing import jit


@pytest.mark.parametrize(("option", "value"), [("CPU_NAME", "haswell"), ("CPU_FEATURES", "+sse2")])
def test_another_processor_has_a_name_of_its_own(
    option: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a cache directory that two kinds share, one must not run the other's code."""
    here = jit._origin()
    assert jit._origin() == here
    monkeypatch.setattr(config, option, value)
    assert jit._origin() != here


def test_a_host_that_is_another_has_one_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nobody has told Numba what to compile for."""
    monkeypatch.setattr(config, "CPU_NAME", None)
    monkeypatch.setattr(config, "CPU_FEATURES", None)
    names = set()
    for name in ("znver3", "skylake"):
        monkeypatch.setattr("llvmlite.binding.get_host_cpu_name", lambda name=name: name)
        names.add(jit._origin())
    assert len(names) == 2
