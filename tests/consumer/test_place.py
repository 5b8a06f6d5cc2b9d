"""Where a consumer runs, what it may use there, and what it is told of it."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.eviction import notice
from consumer.harvest import cores_in
from consumer.place import Place
from engine.machine import usable_cores

BATCH = {
    "AZ_BATCH_POOL_ID": "bulk",
    "AZ_BATCH_JOB_ID": "night",
    "AZ_BATCH_TASK_ID": "c-0007",
    "AZ_BATCH_NODE_ID": "tvmps_1",
    "AZ_BATCH_NODE_IS_DEDICATED": "false",
}


def test_a_task_of_batch_knows_where_it_is() -> None:
    place = Place.of(BATCH)
    assert place.path == "bulk/night/c-0007"
    assert place.labels == {
        "pool": "bulk",
        "batch_job": "night",
        "task": "c-0007",
        "node": "tvmps_1",
    }
    assert place.spot
    assert place.new_name().startswith("c-0007-")
    assert place.new_name() != place.new_name()


@pytest.mark.parametrize("told", ["true", "True", "", "what?"])
def test_only_a_node_that_says_so_is_spot(told: str) -> None:
    assert not Place.of({"AZ_BATCH_NODE_IS_DEDICATED": told}).spot


def test_elsewhere_it_is_known_by_its_host() -> None:
    place = Place.of({})
    assert not place.labels
    assert "/" not in place.path


def record(name: str, value: str) -> bytes:
    return name.encode().ljust(512, b"\0") + value.encode().ljust(2048, b"\0")


@pytest.mark.parametrize(("value", "cores"), [("12", 12), ("7.5", 7), ("1", 1), ("4096", 4096)])
def test_cores_of_a_harvest_machine(value: str, cores: int) -> None:
    pool = record("HostName", "99") + record("CurrentCoreCount", value) + record("Other", "3")
    assert cores_in(pool) == cores


@pytest.mark.parametrize("value", ["", "0", "-3", "many", "4097", "9" * 2000])
def test_what_is_no_number_of_cores_is_not_followed(value: str) -> None:
    assert cores_in(record("CurrentCoreCount", value)) is None


@given(st.binary(max_size=6000))
def test_any_file_may_be_found_there(data: bytes) -> None:
    cores_in(data)


def event(kind: str, *resources: str) -> bytes:
    return json.dumps(
        {
            "DocumentIncarnation": 2,
            "Events": [
                {"EventType": "Freeze", "Resources": ["vm_1"]},
                {"EventType": kind, "Resources": resources, "NotBefore": "Mon, 23 Nov 2026 02:00"},
            ],
        }
    ).encode()


@pytest.mark.parametrize("kind", ["Preempt", "Terminate", "Reboot", "Redeploy"])
def test_notice_to_this_machine_is_taken(kind: str) -> None:
    assert notice(event(kind, "vm_0", "VM_1"), "vm_1") == (
        f"{kind}, not before Mon, 23 Nov 2026 02:00"
    )


@pytest.mark.parametrize(
    "answer",
    [
        event("Preempt", "vm_2", "vm_11"),
        event("Freeze", "vm_1"),
        b'{"Events": []}',
        b"{}",
        b"[]",
        b"<html>",
        b"",
        b'{"Events": [7, {"EventType": "Preempt"}, {"EventType": "Preempt", "Resources": 1}]}',
    ],
)
def test_what_does_not_concern_this_machine_is_no_notice(answer: bytes) -> None:
    assert notice(answer, "vm_1") is None


def system(root: Path, group: str, **files: str) -> Path:
    """A system whose process is in a control group, and what the groups' files say."""
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(group)
    for name, text in files.items():
        path = root / "sys/fs/cgroup" / name.replace("__", "/").replace("_max", ".max")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_cores_are_those_of_the_narrowest_control_group(tmp_path: Path) -> None:
    everything = usable_cores(tmp_path)
    outer = system(tmp_path / "a", "0::/x/y\n", x__cpu_max="100000 100000", x__y__cpu_max="max 1")
    assert usable_cores(outer) == 1
    assert usable_cores(system(tmp_path / "b", "0::/\n", cpu_max="50000 100000")) == 1
    assert usable_cores(system(tmp_path / "c", "0::/\n", cpu_max="max 100000")) == everything
    # The host's path, seen from within a container.
    assert usable_cores(system(tmp_path / "d", "0::/../h/c\n", cpu_max="150000 100000")) == 1
    assert usable_cores(system(tmp_path / "e", "what?", cpu_max="what?")) == everything


def test_control_groups_of_the_first_version_count_too(tmp_path: Path) -> None:
    root = system(tmp_path, "4:memory:/m\n3:cpu,cpuacct:/x\n")
    group = root / "sys/fs/cgroup/cpu/x"
    group.mkdir(parents=True)
    (group / "cpu.cfs_quota_us").write_text("100000")
    (group / "cpu.cfs_period_us").write_text("100000")
    assert usable_cores(root) == 1
    (group / "cpu.cfs_quota_us").write_text("-1")
    assert usable_cores(root) == usable_cores(tmp_path / "nowhere")
