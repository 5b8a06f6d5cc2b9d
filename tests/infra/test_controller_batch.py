"""``azfinsim pool control`` on a counterpart of Batch, by a timer's way: ``--once``."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.grid import Grid
from engine.job import Lane
from infra.controller.lead import Lead
from tests.infra.batch_double.server import BatchDouble, batch_double
from tests.infra.batch_double.users import azfinsim
from tests.processes import Field, field_at, synthetic
from tests.producer.commands import Run
from tests.waiting import eventually


@pytest.fixture
def double(tmp_path: Path) -> Iterator[BatchDouble]:
    with batch_double(tmp_path) as made:
        made.pool("bulk", slots=2, spot=1)
        made.pool("realtime", dedicated=1)
        yield made


@pytest.fixture
def field(redis_url: str, tmp_path: Path) -> Iterator[Field]:
    with field_at(redis_url, tmp_path) as made:
        yield made


def control(double: BatchDouble, field: Field, *words: str) -> Run:
    told = ("--once", "--json", "--slots-per-consumer", "1", "--startup", "0.5", "--price", "2")
    return azfinsim(double, field.folder, field.url, "pool", "control", *told, *words)


def test_tasks_come_for_a_job_and_go_after_it(double: BatchDouble, field: Field) -> None:
    # Ten minutes for one: it is there however late consumers come, and enough for two of them.
    field.fill(3_000)
    job = field.submit(synthetic("night", 200.0, chunk=5, by=2e9))
    first = control(double, field)
    assert first.code == 0, first.err
    assert first.json["consumers"] == 2
    assert first.json["probing"]
    assert len(double.account.jobs["bulk-1"].tasks) == 2
    eventually(lambda: len(field.living()) == 2, 30, "two consumers that serve")
    again = control(double, field).json
    # They are known as ours by the name of their Batch job.
    assert (again["living"], again["starting"], again["consumers"]) == (2, 0, 2)
    field.cancel(job)

    def over() -> Any:
        return control(double, field).json["consumers"] == 0

    eventually(over, 30, "nothing more to be needed")
    tasks = double.account.jobs["bulk-1"].tasks.values()
    eventually(
        lambda: {task.exit_code for task in tasks} == {0}, 30, "all to have left by themselves"
    )
    assert not field.living()


def test_while_another_leads_nothing_is_done(double: BatchDouble, field: Field) -> None:
    field.fill(100)
    field.submit(synthetic("night"))

    async def lead(grid: Grid) -> bool:
        return await Lead(grid.redis, str(Lane.BULK), 600.0).take()

    assert field.run(lead)
    run = control(double, field)
    assert (run.code, run.json) == (1, {"leads": False})
    assert "standing by" in run.err
    assert not double.account.jobs


def test_a_pool_that_is_not_there_is_told_at_once(double: BatchDouble, field: Field) -> None:
    del double.account.pools["bulk"]
    run = control(double, field)
    assert run.code in (2, 3)
    assert "bulk" in run.err
    assert not run.out
