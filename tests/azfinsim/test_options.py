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


GROUPS = sorted({"", *(name.rpartition(" ")[0] for name in leaves())})


@pytest.mark.parametrize("group", GROUPS)
def test_the_help_of_a_group_cuts_no_sentence_off(
    group: str, capfd: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = run(capfd, *group.split(), "--help")
    assert code == 0
    assert "Commands:" in out
    assert "..." not in out.replace("[ARGS]...", "")


@pytest.mark.parametrize("name", leaves())
def test_a_default_stands_in_one_pair_of_brackets(
    name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert "[default: (" not in run(capfd, *name.split(), "--help")[1]
