"""``azfinsim job`` as its users call it."""

import gzip
import io
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import orjson
import pytest
import redis
from pyarrow import parquet

from engine import keys
from engine.blobs_azure import ATTEMPT
from engine.codec import encode_records
from engine.entry import Settlement
from engine.grid import Grid
from engine.ids import by_block, parse_ids
from tests.blob_servers import identity
from tests.producer.commands import REPORT, Command
from tests.producer.grids import IDS, on_grid, price, settle, take
from tests.waiting import eventually


def submitted(job: Command, *arguments: str) -> None:
    assert job("submit", "--name", "night", "--algorithm", "synthetic", *arguments).code == 0


def test_submit_tells_what_is_queued(job: Command) -> None:
    run = job("submit", "--algorithm", "synthetic", "--trades", "420:20", "--chunk", "3", "--json")
    assert run.code == 0
    assert list(run.json) == [*REPORT, "missing"]
    assert run.json["submitted"] == run.json["in_flight"] == 20
    assert run.json["missing"] == 7
    assert "book default does not hold 7 of these trades" in run.err


def test_that_nobody_serves_is_told_wherever_one_looks(job: Command, redis_url: str) -> None:
    told = "no consumer is running: start one with `azfinsim consume`"
    assert told in job("submit", "--name", "night", "--algorithm", "synthetic", "--by", "+2h").err
    on_grid(redis_url, lambda grid: price(grid, 1))
    for command in (["status", "night"], ["list"], ["resume", "night"]):
        assert told in job(*command).err
        assert told in job(*command, "--json").err or command == ["list"]
    run = job("status", "night", "--json")
    assert run.json["consumers"] == 0
    assert "expected" not in run.json
    assert "done at" not in job("status", "night").err
    on_grid(redis_url, price)
    for command in (["status", "night"], ["list"]):
        assert "no consumer" not in job(*command).err


def test_submit_tells_a_person_on_standard_error(job: Command) -> None:
    run = job("submit", "--algorithm", "synthetic", "--name", "night")
    assert (run.code, run.out) == (0, "")
    assert "`azfinsim job wait night`" in run.err
    assert f"{len(IDS)}" in run.err


def test_all_that_was_asked_is_stored_with_the_job(job: Command, redis_url: str) -> None:
    options = {"--seed": str(2**63 - 1), "--paths": "500", "--lane": "high", "--failure": "0.25"}
    options |= {"--task-duration": "1.5", "--mem-usage": "2", "--chunk": "10"}
    options |= {"--trade-timeout": "2.5"}
    submitted(job, *(part for pair in options.items() for part in pair), "--keep-days", "1")
    with redis.Redis.from_url(redis_url) as client:
        spec = orjson.loads(client.hget(keys.job("night"), "spec") or b"")
    assert spec["seed"] == 2**63 - 1
    assert (spec["paths"], spec["lane"], spec["chunk"], spec["failure"]) == (500, "high", 10, 0.25)
    assert spec["options"] == {"task_duration": 1.5, "mem_usage": 2.0}
    assert spec["trade_timeout"] == 2.5
    assert spec["pricer_version"]
    assert spec["azfinsim_version"]
    assert spec["expires_at"] == int(spec["submitted_at"] + 86_400)


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (["--accuracy", "0.0025"], {"accuracy": "0.0025"}),
        (["--paths", "5000"], {"paths": "5,000"}),
        (
            ["--accuracy", "1e-300", "--paths", "5000"],
            {"accuracy": "1e-300", "paths": "at most 5,000"},
        ),
        (["--greeks-per", "basis-point"], {"greeks per": "basis point"}),
        (["--greeks-per", "unit"], {"greeks per": "unit"}),
    ],
)
def test_how_exact_it_is_to_be_is_stored_and_shown(
    job: Command, redis_url: str, asked: list[str], told: dict[str, str]
) -> None:
    assert job("submit", "--name", "night", "--algorithm", "deltavega", *asked).code == 0
    rows = (line.split("│")[1:3] for line in job("status", "night").err.splitlines())
    shown = {row[0].strip(): row[1].strip() for row in rows if len(row) == 2}
    known = ("algorithm", "accuracy", "paths", "greeks per")
    assert {name: shown[name] for name in known if name in shown} == {
        "algorithm": "deltavega",
        **told,
    }
    with redis.Redis.from_url(redis_url) as client:
        spec = orjson.loads(client.hget(keys.job("night"), "spec") or b"")
    options = dict(zip(asked[::2], asked[1::2], strict=True))
    assert spec["accuracy"] == (float(options["--accuracy"]) if "--accuracy" in options else None)
    per = options.get("--greeks-per")
    assert spec["options"] == ({"greeks_per": per.replace("-", "_")} if per else {})


def test_by_when_it_is_to_be_done_is_stored_and_shown(job: Command) -> None:
    submitted(job, "--by", "2033-05-18T03:33:20Z")
    assert job("status", "night", "--json").json["by"] == "2033-05-18T03:33:20Z"
    assert "due at 2033-05-18" in job("status", "night").err
    late = job("submit", "--algorithm", "synthetic", "--by", "2001-01-01T00:00Z")
    assert late.code == 2
    assert "--by 2001-01-01T00:00Z: has passed" in late.err


def test_names_are_made_up_and_sort_by_time(job: Command) -> None:
    names = [job("submit", "--algorithm", "synthetic", "--json").json["job"] for _ in range(2)]
    assert names[0] != names[1]
    assert names[0][:13] <= names[1][:13]
    listed = [found["job"] for found in job("list", "--json").json["jobs"]]
    assert listed == names[::-1]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--seed", "-1"], "--seed"),
        (["--seed", str(2**63)], "--seed"),
        (["--chunk", "0"], "--chunk"),
        (["--chunk", "10001"], "--chunk"),
        (["--failure", "1.5"], "--failure"),
        (["--failure", "nan"], "no finite number"),
        (["--trade-timeout", "0"], "--trade-timeout"),
        (["--lane", "realtime"], "--lane"),
        (["--trades", "5"], "must be FIRST:COUNT"),
        (["--trades", "90000:5"], "holds 546 trades between 40 and 898, none of these"),
        (["--book", "other"], "no book 'other', there are default"),
        (["--book", "a/b"], "must be 1 to 64"),
        (["--name", "a b"], "must be 1 to 64"),
        (["--algorithm", "magic"], "must be one of deltavega, european, pvonly, synthetic"),
        (["--task-duration", "5"], "--task-duration: only for --algorithm synthetic"),
        (["--mem-usage", "inf", "--algorithm", "synthetic"], "no finite number"),
        (["--keep-days", "0"], "--keep-days"),
        *((["--accuracy", value], "0<x<=1") for value in ("0", "-0.1", "inf", "5", "-inf")),
        (["--accuracy", "nan"], "no finite number"),
        (["--accuracy", "0.1%"], "not a valid number"),
        (
            ["--accuracy", "0.1", "--algorithm", "synthetic"],
            "--accuracy: only for an algorithm that simulates paths, not synthetic",
        ),
        (["--greeks-per", "percent", "--algorithm", "deltavega"], "'unit', 'basis-point'"),
        (["--greeks-per", "unit"], "--greeks-per: only for --algorithm deltavega, not pvonly"),
    ],
)
def test_what_cannot_be_asked_is_wrong_usage(
    job: Command, arguments: list[str], words: str
) -> None:
    run = job("submit", *arguments)
    assert (run.code, run.out) == (2, "")
    assert words in run.err
    assert "Traceback" not in run.err
    assert job("list", "--json").json == {"jobs": []}


def test_a_name_twice_is_wrong_usage(job: Command) -> None:
    submitted(job)
    run = job("submit", "--name", "night", "--algorithm", "synthetic")
    assert run.code == 2
    assert "a job named night exists already" in run.err


@pytest.mark.parametrize("command", ["status", "wait", "results", "cancel", "resume"])
def test_a_job_that_is_unknown_is_wrong_usage(job: Command, command: str) -> None:
    run = job(command, "nobody")
    assert (run.code, run.out) == (2, "")
    assert "there is no job nobody: `azfinsim job list`" in run.err


@pytest.mark.parametrize(
    "arguments", [["submit"], ["status", "a"], ["list"], ["wait", "a"], ["resume", "a"]]
)
def test_no_server_is_told(
    job: Command, arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = job(*arguments, "--redis-url", "redis://127.0.0.1:1")
    assert run.code == 3
    assert "no Redis server answers at redis://127.0.0.1:1" in run.err
    assert "azfinsim serve" in run.err
    monkeypatch.delenv("AZFINSIM_REDIS_URL")
    assert job(*arguments).code == 3


def test_status_list_and_wait_follow_a_job(job: Command, redis_url: str) -> None:
    assert "no job yet" in job("list").err
    submitted(job)
    assert job("status", "night", "--json").json["state"] == "running"
    late = job("wait", "night", "--timeout", "0", "--json")
    assert (late.code, late.json["state"]) == (1, "running")
    assert "has not ended after 0 s" in late.err
    on_grid(redis_url, price)
    ended = job("wait", "night", "--json")
    assert (ended.code, list(ended.json)) == (0, REPORT)
    assert ended.json["priced"] == ended.json["submitted"] == len(IDS)
    assert "done" in job("status", "night").err
    table = job("list").err
    assert "night" in table
    assert "synthetic" in table


def test_the_list_of_jobs_fits_into_a_terminal(job: Command, redis_url: str) -> None:
    for _ in range(2):
        job("submit", "--algorithm", "synthetic")
    on_grid(redis_url, price)
    lines = job("list").err.splitlines()
    assert len(lines) == 3
    # Room for a longer state, and for millions of trades.
    more = len("cancelled") - len("state") + len("10,000,000") - len("trades")
    assert max(map(len, lines)) <= 80 - more
    job("submit", "--algorithm", "synthetic", "--name", "n" * 64)
    assert "n" * 64 in job("list").err


def test_a_damaged_job_does_not_hide_the_others(job: Command, redis_url: str) -> None:
    submitted(job)
    with redis.Redis.from_url(redis_url) as client:
        client.zadd(keys.jobs(), {"bad": 1.0, "../x": 2.0})
        client.hset(keys.job("bad"), "spec", "[]")
        client.hset(keys.job("../x"), "spec", "[]")
    run = job("list", "--json")
    assert [found["job"] for found in run.json["jobs"]] == ["night"]
    assert "job bad cannot be read" in run.err


def test_cancel_and_resume(job: Command, redis_url: str) -> None:
    submitted(job)
    run = job("cancel", "night", "--json")
    assert (run.code, run.json["state"], run.json["cancelled"]) == (0, "cancelled", len(IDS))
    assert job("wait", "night").code == 1
    again = job("resume", "night", "--json")
    assert (again.code, again.json["state"]) == (0, "running")
    assert (again.json["queued_again"], again.json["queued_first"]) == (len(IDS), 0)
    on_grid(redis_url, price)
    for command, words in (("resume", "nothing is missing"), ("cancel", "nothing to cancel")):
        run = job(command, "night", "--json")
        assert (run.code, run.json["state"]) == (0, "done")
        assert words in run.err


def test_results_to_standard_output_and_to_files(
    job: Command, redis_url: str, tmp_path: Path
) -> None:
    submitted(job)
    on_grid(redis_url, price)
    run = job("results", "night")
    records = [orjson.loads(line) for line in run.out.splitlines()]
    assert run.code == 0
    assert [record["id"] for record in records] == IDS.tolist()
    assert "ms" in records[0]
    zipped = tmp_path / "night.csv.gz"
    assert job("results", "night", str(zipped), "--format", "csv", "--reproducible").code == 0
    lines = gzip.decompress(zipped.read_bytes()).decode().splitlines()
    assert lines[0] == "id,outcome,pv,se,delta,delta_se,vega,vega_se,paths,reason"
    assert len(lines) == 1 + len(IDS)


@pytest.mark.parametrize(
    ("to", "options", "written"),
    [
        ("books", (), "books/night.ndjson"),
        ("books/", ("--format", "parquet"), "books/night.parquet"),
        ("books/2026-11-22.csv", (), "books/2026-11-22.csv"),
    ],
)
def test_results_to_a_place(
    job: Command, redis_url: str, tmp_path: Path, to: str, options: tuple[str, ...], written: str
) -> None:
    submitted(job)
    on_grid(redis_url, price)
    run = job("results", "night", "--to", str(tmp_path / to), *options)
    assert run.code == 0, run.err
    assert written in run.err
    data = (tmp_path / written).read_bytes()
    if written.endswith("parquet"):
        with parquet.ParquetFile(io.BytesIO(data)) as file:
            assert file.read().column("id").to_pylist() == IDS.tolist()
    else:
        assert len(data.splitlines()) == len(IDS) + written.endswith("csv")


@pytest.mark.parametrize(
    ("told", "why"),
    [
        (("file", "--to", "place"), "name one of them"),
        (("--format", "parquet"), "--to"),
        (("--to", "az://"), "names no container"),
    ],
)
def test_results_to_nowhere(job: Command, redis_url: str, told: tuple[str, ...], why: str) -> None:
    submitted(job)
    on_grid(redis_url, price)
    run = job("results", "night", *told)
    assert run.code == 2
    assert why in run.err


@pytest.mark.parametrize("name", ["night.xlsx", "night.xlsx.gz", "night.json"])
def test_results_are_not_written_as_what_they_are_not(
    job: Command, tmp_path: Path, name: str
) -> None:
    submitted(job)
    run = job("results", "night", str(tmp_path / name))
    assert run.code == 2
    assert ".ndjson, .jsonl, .csv, .parquet" in run.err
    assert not list(tmp_path.iterdir())
    assert job("results", "night", str(tmp_path / name), "--format", "csv").code == 1


def test_results_into_a_folder_tell_how(job: Command, tmp_path: Path) -> None:
    submitted(job)
    run = job("results", "night", str(tmp_path))
    assert run.code == 2
    assert f"--to {tmp_path}" in run.err


def test_results_of_a_job_that_fell_short_count_what_was_not_priced(
    job: Command, redis_url: str, tmp_path: Path
) -> None:
    submitted(job)

    async def reject(grid: Grid) -> None:
        first, *others = await take(grid)
        ids = parse_ids(first.ids)
        records = {
            number: encode_records([{"id": i, "outcome": "rejected"} for i in part.tolist()])
            for number, part in by_block(ids)
        }
        await grid.streams.settle([Settlement(first, 2**33, records, rejected=len(ids))])
        await settle(grid, others)

    on_grid(redis_url, reject)
    path = tmp_path / "night.csv"
    run = job("results", "night", str(path))
    rejected = path.read_text().count("rejected")
    assert run.code == 1
    assert rejected
    told = f"{len(IDS) - rejected} priced, {rejected} rejected of {len(IDS)}"
    assert run.err == f"job night: {told}\n"


WITH_BLOCKS = """
import sys
from engine import blobs_azure
blobs_azure.BLOCK = int(sys.argv.pop(1))
sys.argv[0] = "azfinsim"
import runpy
runpy.run_module("azfinsim", run_name="__main__")
"""


@pytest.mark.parametrize("block", [1000, 4 << 20], ids=["while writing", "at the end"])
def test_ctrl_c_ends_results_to_a_place_that_hangs(
    job: Command, redis_url: str, block: int
) -> None:
    submitted(job)
    on_grid(redis_url, price)
    words = ["job", "results", "night", "--to"]
    with identity() as authority, socket.create_server(("127.0.0.1", 0)) as deaf:
        place = f"https://127.0.0.1:{deaf.getsockname()[1]}/account/results/night.ndjson"
        process = subprocess.Popen(
            [sys.executable, "-c", WITH_BLOCKS, str(block), *words, place],
            env={
                **os.environ,
                "AZFINSIM_REDIS_URL": redis_url,
                "AZFINSIM_IDENTITY": "22222222-2222-2222-2222-222222222222",
                "AZURE_POD_IDENTITY_AUTHORITY_HOST": authority,
            },
            stderr=subprocess.PIPE,
            text=True,
        )
        deaf.settimeout(60)
        connection, _ = deaf.accept()
        with connection:
            process.send_signal(signal.SIGINT)
            # Less than a request may take, and it is asked again.
            try:
                _, err = process.communicate(timeout=ATTEMPT / 2)
            finally:
                process.kill()
    assert process.returncode == 130
    assert err.strip() == "interrupted"


def test_results_of_a_job_that_is_not_done_tell_what_is_missing(
    job: Command, redis_url: str
) -> None:
    submitted(job)

    async def some(grid: Grid) -> None:
        await price(grid, 1)

    on_grid(redis_url, some)
    run = job("results", "night")
    there = len(run.out.splitlines())
    assert run.code == 1
    assert there == 100
    assert f"job night is running: {len(IDS) - there} of its trades have no result" in run.err
    job("cancel", "night")
    run = job("results", "night")
    assert run.code == 1
    assert len(run.out.splitlines()) == len(IDS)
    assert f"job night is cancelled: {len(IDS) - there} of its trades" in run.err


def test_two_runs_compare_byte_for_byte(job: Command, redis_url: str, tmp_path: Path) -> None:
    texts = set()
    for name, chunk in (("a", "7"), ("b", "250")):
        job("submit", "--name", name, "--chunk", chunk, "--algorithm", "synthetic")
        on_grid(redis_url, price)
        job("results", name, str(tmp_path / name), "--reproducible")
        texts.add((tmp_path / name).read_bytes())
    assert len(texts) == 1


def test_results_into_a_pipe_that_closes_early(job: Command, redis_url: str) -> None:
    submitted(job)
    on_grid(redis_url, price)
    run = subprocess.run(
        f"{sys.executable} -m azfinsim job results night | head -n 1; exit ${{PIPESTATUS[0]}}",
        shell=True,
        executable="/bin/bash",
        capture_output=True,
        check=True,
    )
    assert run.stderr == b""
    assert orjson.loads(run.stdout)["id"] == IDS[0]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["wait", "night"], "job night goes on; `azfinsim job wait night` watches it again"),
        (["submit", "--algorithm", "synthetic", "--name", "day", "--wait"], "job day goes on"),
    ],
)
def test_ctrl_c_tells_how_to_go_on(
    job: Command, redis_url: str, arguments: list[str], words: str
) -> None:
    submitted(job)
    name = "day" if "day" in arguments else "night"
    with (
        redis.Redis.from_url(redis_url) as client,
        subprocess.Popen(
            [sys.executable, "-m", "azfinsim", "job", *arguments],
            env={**os.environ, "AZFINSIM_REDIS_URL": redis_url},
            stderr=subprocess.PIPE,
        ) as process,
    ):
        # It waits once it looks for consumers again and again; submitting lists the books, once.
        client.config_resetstat()
        eventually(lambda: client.hexists(keys.job(name), "sealed"), 30)
        eventually(
            lambda: client.info("commandstats").get("cmdstat_smembers", {}).get("calls", 0) > 2, 30
        )
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert words in err.decode()
    assert "Traceback" not in err.decode()
