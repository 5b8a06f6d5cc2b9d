"""``azfinsim price``: what somebody waits for, priced now.

What may live here: the command, its forms, and what it tells.
"""

import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from anyio import to_thread

from engine.connection import Address
from engine.edge import DONE, SHORT, json_option, note, print_json, redis_option, run_async
from engine.errors import NoConsumers, NotPriced, Refused, ServerError, UsageError
from engine.telling import telling
from producer import books
from producer.client import BATCH_DEADLINE, DEADLINE, connect
from producer.client_answers import Answers
from producer.client_result import Answer, Result
from producer.ndjson import Output
from producer.price_lines import Numbering, opened, record_of
from producer.price_options import Question, price_options
from producer.price_plot import check_plot, draw
from producer.price_terms import changed, model, rungs
from producer.price_views import Rung, ladder_report, price_report, show_ladder, show_price


@click.command
@click.argument(
    "path",
    metavar="[FILE]",
    type=click.Path(path_type=Path, allow_dash=True),
    required=False,
)
@price_options
@redis_option
@json_option
def price(path: Path | None, address: Address, as_json: bool, **options: Any) -> int:
    """Price a trade now, ahead of all jobs, on the consumers that serve the realtime lane.

    The trade is one in the middle of the generated book, with whatever terms you give it; or one of
    a book (--trade); or each one of FILE (NDJSON, `-` for standard input), answered on standard
    output a line each, by line number. Exit code 1 if a trade is not priced, 3 if nobody serves.
    """
    question = Question.of(path, options)
    if path is not None:
        if as_json:
            raise UsageError("--json: the answers to a FILE are JSON already, a line each")
        with telling("price"):
            return _price_lines(path, address, question)
    if question.plot is not None:
        check_plot(question.plot)
    trade = _trade(address, question)
    if trade is None:
        note(f"book {question.book} holds no trade {question.trade_id}")
        return SHORT
    trade = changed(trade, question.changes, question.algorithm)
    with telling("price"):
        if question.ladders:
            return _price_ladder(trade, address, question, as_json=as_json)
        return _price_one(trade, address, question, as_json=as_json)


def _trade(address: Address, question: Question) -> dict[str, Any] | None:
    """The trade of the book, or the model's."""
    if question.trade_id is None:
        return model(question.algorithm, question.model_id)
    found = run_async(books.trade, address, question.book, question.trade_id)
    return None if found is None else dict(found)


def _price_one(
    trade: dict[str, Any], address: Address, question: Question, *, as_json: bool
) -> int:
    answer = run_async(_one, address, trade, question)
    if not isinstance(answer, Result):
        if as_json:
            print_json({"id": trade["id"], **record_of(answer)})
        else:
            note(f"not priced, {type(answer).__name__}: {answer}")
        return SHORT
    if as_json:
        print_json(price_report(answer, question.asked))
    else:
        show_price(answer, question.asked)
    return DONE


async def _one(address: Address, trade: dict[str, Any], question: Question) -> Answer:
    async with connect(address) as client:
        try:
            return await client.price(
                trade, deadline=question.deadline or DEADLINE, **question.asked
            )
        except NotPriced as error:
            return _told(error)


def _price_ladder(
    trade: dict[str, Any], address: Address, question: Question, *, as_json: bool
) -> int:
    trades = rungs(trade, question.ladders, question.algorithm)
    began = time.monotonic()
    answers = run_async(_many, address, trades, question)
    seconds = time.monotonic() - began
    found: list[Rung] = list(zip(trades, answers, strict=True))
    if as_json:
        print_json(ladder_report(question.ladders, found, question.asked, seconds))
    else:
        show_ladder(question.ladders, found)
        note(_in_words(Counter(str(record_of(a)["outcome"]) for a in answers), seconds))
    if question.plot is not None:
        draw(question.plot, question.ladders, found, question.asked)
        note(f"drawn to {question.plot}")
    return DONE if all(isinstance(answer, Result) for answer in answers) else SHORT


async def _many(
    address: Address, trades: Sequence[dict[str, Any]], question: Question
) -> list[Answer]:
    async with (
        connect(address) as client,
        client.price_all(
            trades,
            deadline=question.deadline or BATCH_DEADLINE,
            in_order=True,
            **question.asked,
        ) as answers,
    ):
        return [_told(answer) async for _, answer in answers]


def _price_lines(path: Path, address: Address, question: Question) -> int:
    output = Output(sys.stdout.buffer, "the output")
    began = time.monotonic()
    try:
        outcomes = run_async(_lines, address, path, question, output)
    except BrokenPipeError:
        # Whoever reads has seen enough, as `| head` has; click would call that a failure.
        raise click.exceptions.Exit(DONE) from None
    note(_in_words(outcomes, time.monotonic() - began))
    return DONE if set(outcomes) <= {"priced"} else SHORT


async def _lines(address: Address, path: Path, question: Question, output: Output) -> Counter[str]:
    """Answer each line; returns how many ended in which way."""
    numbering = Numbering()
    with opened(path) as found:
        async with (
            connect(address) as client,
            client.price_all(
                numbering.trades(found),
                deadline=question.deadline or BATCH_DEADLINE,
                in_order=question.in_order,
                **question.asked,
            ) as answers,
        ):
            return await _write(answers, numbering, output)


async def _write(answers: Answers, numbering: Numbering, output: Output) -> Counter[str]:
    outcomes: Counter[str] = Counter()
    while some := await answers.some():
        for _, answer in some:
            # A busy moment passes while a file is read.
            if isinstance(answer, NoConsumers | Refused):
                raise answer
            outcomes[str(record_of(answer)["outcome"])] += 1
        data = b"".join(numbering.line(number, answer) for number, answer in some)
        # In a thread: whoever reads may be slow, and what is under way has its deadline.
        await to_thread.run_sync(_flush, output, data)
    return outcomes


def _flush(output: Output, data: bytes) -> None:
    output.write(data)
    output.flush()


def _told(answer: Answer) -> Answer:
    """The answer; raises what concerns the grid and not this trade."""
    if isinstance(answer, ServerError):
        raise answer
    return answer


def _in_words(outcomes: Counter[str], seconds: float) -> str:
    total = outcomes.total()
    ends = ", ".join(f"{count:,} {outcome}" for outcome, count in outcomes.most_common())
    rate = f", {total / seconds:,.0f}/s" if seconds > 0 else ""
    trades = "1 trade" if total == 1 else f"{total:,} trades"
    return f"{trades} in {seconds:.2f} s{rate}: {ends or 'nothing to price'}"
