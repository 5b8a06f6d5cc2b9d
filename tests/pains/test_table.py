"""docs/pains.md and the tests that it names say the same."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
TABLE = ROOT / "docs" / "pains.md"

Pair = tuple[str, str, str]
"""A pain, the file and the name of a test."""


def in_table() -> Iterator[Pair]:
    rows = [line for line in TABLE.read_text().splitlines() if line.startswith("| ")][1:]
    for row in rows:
        pains, _, _, tests = (cell.strip() for cell in row.strip("|").split(" | "))
        links = re.findall(r"\[(\w+)\]\(\.\./([\w/.]+)\)", tests)
        assert links, f"no test: {row}"
        for pain in pains.split(", "):
            yield from ((pain, file, name) for name, file in links)


def in_tests() -> Iterator[Pair]:
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        text = path.read_text()
        if "mark.pain(" in text:
            for node in ast.walk(ast.parse(text)):
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                    file = str(path.relative_to(ROOT))
                    yield from ((pain, file, node.name) for pain in _pains(node))


def _pains(node: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[str]:
    for mark in node.decorator_list:
        if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.pain":
            yield from (ast.literal_eval(argument) for argument in mark.args)


def test_every_pain_has_its_test_and_every_test_its_row() -> None:
    table, tests = list(in_table()), list(in_tests())
    assert set(table) == set(tests)
    assert len(table) == len(set(table))
    assert len({pain for pain, _, _ in table}) > 40
