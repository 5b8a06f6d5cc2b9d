"""How the processes of a measurement are started."""

from pathlib import Path

import psutil

from loadtest.processes import consumer
from tests.waiting import eventually


def test_no_address_can_be_read_in_a_list_of_processes(redis_url: str, tmp_path: Path) -> None:
    with consumer(redis_url, tmp_path / "log", "--slots", "1") as process:
        # Once it is Python that runs there, and not a fork of us.
        eventually(lambda: "consumer" in psutil.Process(process.pid).cmdline(), 10, "its start")
        line = psutil.Process(process.pid).cmdline()
        assert not any(redis_url in word for word in line), line
        assert "-P" in line
        assert psutil.Process(process.pid).environ()["AZFINSIM_REDIS_URL"] == redis_url
