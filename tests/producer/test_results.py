"""The results of a job, in order and as text."""

import csv
import io
import tracemalloc

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from engine import keys
from engine.errors import ServerError
from engine.grid import Grid
from engine.ids import by_block, format_ids, partition_of
from engine.job import Job
from producer import result_parquet
from producer.result_files import COLUMNS, VARYING, Csv, Format, Ndjson
from producer.result_parquet import Columns, Parquet
from producer.results import results
from producer.submit import submit
from tests.producer.grids import IDS, JOB, fetch, price, settle, shelve, take


async def test_records_are_in_order_of_id_however_they_settled(grid: Grid) -> None:
    await shelve(grid)
    job = (await submit(grid, JOB)).job
    for entry in reversed(await take(grid)):
        await settle(grid, [entry])
    records = await fetch(grid, job)
    assert [record["id"] for record in records] == IDS.tolist()
    assert records[0]["pv"] == IDS[0] / 7


async def test_trades_in_flight_are_absent(grid: Grid) -> None:
    await shelve(grid)
    job = (await submit(grid, JOB)).job
    await price(grid, 1)
    settled = (await grid.jobs.progress(job)).counts.priced
    assert len(await fetch(grid, job)) == settled < len(IDS)


@pytest.mark.parametrize("data", [b"\xff", b"[1]", b'{"id":"x"}', b"", b"{}", b"null"])
async def test_hostile_results_are_told(grid: Grid, data: bytes) -> None:
    await shelve(grid)
    job = (await submit(grid, JOB)).job
    await grid.redis.hset(keys.results(partition_of(3, grid.partitions), job.name), "3", data)
    if data:
        with pytest.raises(ServerError, match="results of job night, block 3, cannot be read"):
            await fetch(grid, job)
    else:
        assert await fetch(grid, job) == []


@pytest.mark.parametrize("data", [b"\xff", b"1-", b"0-99999999999", b"2,2"])
async def test_a_hostile_manifest_is_told(grid: Grid, data: bytes) -> None:
    await shelve(grid)
    job = (await submit(grid, JOB)).job
    await grid.redis.hset(keys.manifest(1, job.name), "1", data)
    with pytest.raises(ServerError, match="manifest of job night cannot be read"):
        await fetch(grid, job)


@pytest.mark.parametrize("field", ["submitted", "priced", "settled_at", "epoch"])
async def test_hostile_counts_are_told(grid: Grid, field: str) -> None:
    await shelve(grid)
    job = (await submit(grid, JOB)).job
    await grid.redis.hset(keys.counts(1, job.name), field, b"\xffmany")
    read = grid.jobs.standings if field == "epoch" else grid.jobs.progress
    with pytest.raises(ServerError, match="counts of job night cannot be read"):
        await read(job)


async def test_memory_does_not_grow_with_the_results(grid: Grid) -> None:
    ids = np.arange(200_000)
    pipe = grid.redis.pipeline(transaction=False)
    given = dict(by_block(ids))
    record = orjson.dumps({"id": 0, "pv": 1 / 3, "se": 1 / 7, "outcome": "priced"})
    for number, part in given.items():
        lines = b"\n".join(record.replace(b":0,", b":%d," % i, 1) for i in part.tolist())
        partition = partition_of(number, grid.partitions)
        pipe.hset(keys.results(partition, JOB.name), str(number), lines)
        pipe.hset(keys.manifest(partition, JOB.name), str(number), format_ids(part))
    await pipe.execute()
    seen = 0
    tracemalloc.start()
    try:
        async for records in results(grid, JOB, given, cancelled=False):
            seen += len(records)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert seen == len(ids)
    assert peak < 8_000_000


some_records = st.lists(
    st.fixed_dictionaries(
        {"id": st.integers(0, 2**53), "outcome": st.sampled_from(["priced", "rejected"])},
        optional={
            "pv": st.floats(allow_nan=False, allow_infinity=False),
            "attempts": st.integers(1, 5),
            "ms": st.floats(0, 1e6),
            "reason": st.text(st.characters(codec="utf-8", exclude_characters="\r\0")),
        },
    )
)


@settings(deadline=None)
@given(records=some_records)
def test_ndjson_loses_nothing(records: list[dict[str, object]]) -> None:
    form = Ndjson()
    text = form.begin() + form.lines(records) + form.end()
    assert [orjson.loads(line) for line in text.splitlines()] == records


@settings(deadline=None)
@given(records=some_records)
def test_csv_loses_no_digit(records: list[dict[str, object]]) -> None:
    form = Csv()
    text = (form.begin() + form.lines(records) + form.end()).decode()
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert text.startswith(",".join(COLUMNS) + "\n")
    assert len(rows) == len(records)
    for row, record in zip(rows, records, strict=True):
        assert int(row["id"]) == record["id"]
        assert row["reason"] == record.get("reason", "")
        if "pv" in record:
            assert float(row["pv"]) == record["pv"]
        else:
            assert row["pv"] == ""


def test_csv_holds_what_it_has_no_form_for_as_json() -> None:
    form = Csv(own=["legs", "hedged"])
    told = form.begin() + form.lines([{"id": 1, "legs": {"a": None}, "hedged": True}])
    [row] = csv.DictReader(io.StringIO(told.decode()))
    assert (row["legs"], row["hedged"]) == ('{"a":null}', "true")


def test_figures_that_no_column_was_made_for_are_told() -> None:
    with pytest.raises(ServerError, match=r"\(pnl\) came while they were written"):
        Csv(own=["legs"]).lines([{"id": 1, "legs": 2}, {"id": 2, "pnl": 3.5}])


@pytest.mark.parametrize("form", [Ndjson(reproducible=True), Csv(reproducible=True)])
def test_reproducible_leaves_out_what_differs_from_run_to_run(form: Format) -> None:
    texts = set()
    for attempts, ms in ((1, 0.5), (3, 7.25)):
        record = {"id": 1, "pv": 0.1, "attempts": attempts, "ms": ms, "outcome": "priced"}
        texts.add(form.begin() + form.lines([record]) + form.end())
    [text] = texts
    assert b"attempts" not in text
    assert b"0.1" in text


@settings(deadline=None)
@given(records=some_records, reproducible=st.booleans())
def test_parquet_loses_nothing(records: list[dict[str, object]], reproducible: bool) -> None:
    columns = Columns()
    columns.see([{"own": 0.5}], ["own"])
    form = Parquet(JOB, columns, reproducible=reproducible)
    data = form.begin()
    for record in records:
        data += form.lines([{**record, "own": 0.5}])
    data += form.end()
    with parquet.ParquetFile(io.BytesIO(data)) as file:
        assert Job.from_json(file.schema_arrow.metadata[b"azfinsim.job"]) == JOB
        table = file.read()
    names = [name for name in COLUMNS if not (reproducible and name in VARYING)]
    assert table.column_names == [*names, "own"]
    expected = [{**{name: record.get(name) for name in names}, "own": 0.5} for record in records]
    assert table.to_pylist() == expected


def test_parquet_holds_no_more_than_a_row_group(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(result_parquet, "GROUP", 100)
    form = Parquet(JOB, Columns(), reproducible=False)
    data = form.begin()
    for first in range(0, 1000, 30):
        data += form.lines([{"id": n, "outcome": "priced"} for n in range(first, first + 30)])
    data += form.end()
    with parquet.ParquetFile(io.BytesIO(data)) as file:
        assert file.num_row_groups > 5
        assert file.read().column("id").to_pylist() == list(range(1020))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1, 0.5, None], [1.0, 0.5, None]),
        ([2**53 + 1, 0.5], [f"{2**53 + 1}", "0.5"]),
        (["up", None, "down"], ["up", None, "down"]),
        ([True, False], [True, False]),
        ([1, "x"], ["1", '"x"']),
        ([1, True], ["1", "true"]),
        ([[1, {"a": "b"}], 2.5], ['[1,{"a":"b"}]', "2.5"]),
        ([None, None], [None, None]),
    ],
)
def test_a_column_of_an_own_pricer_holds_whatever_is_stored(
    values: list[object], expected: list[object]
) -> None:
    records = [{"id": n, "outcome": "priced", "own": value} for n, value in enumerate(values)]
    columns = Columns()
    for record in records:
        columns.see([record], ["own"])
    form = Parquet(JOB, columns, reproducible=False)
    data = form.begin() + form.lines(records) + form.end()
    with parquet.ParquetFile(io.BytesIO(data)) as file:
        assert file.read().column("own").to_pylist() == expected


@pytest.mark.parametrize(
    ("name", "value"),
    [("pv", "dear"), ("pv", [1.0]), ("paths", 0.5), ("attempts", 2**63), ("reason", 7)],
)
def test_a_known_column_that_holds_something_else_is_told(name: str, value: object) -> None:
    """Somebody has written to the server; no traceback of Arrow's."""
    form = Parquet(JOB, Columns(), reproducible=False)
    form.lines([{"id": 6, "outcome": "priced"}, {"id": 7, "outcome": "priced", name: value}])
    with pytest.raises(ServerError, match=f"{name} of trade 7 is .*: must be .*--format ndjson"):
        form.end()
