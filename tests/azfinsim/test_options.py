"""Options that several commands have mean the same in each."""

import pytest

from tests.hostile.command_tree import leaves, run

ASKING = [
    name
    for name, command in leaves().items()
    if any("--accuracy" in option.opts for option in command.params)
]


@pytest.mark.parametrize("value", ["0", "-1", "1.5", "nan", "inf"])
@pytest.mark.parametrize("name", ASKING)
def test_an_accuracy_that_is_none_is_wrong_usage(
    name: str, value: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """At 0 no number of paths would be enough."""
    code, out, err = run(capfd, *name.split(), "--accuracy", value)
    assert (code, out) == (2, "")
    assert "--accuracy" in err


def test_there_are_such_commands() -> None:
    assert {"demo", "job submit", "price"} <= set(ASKING)
