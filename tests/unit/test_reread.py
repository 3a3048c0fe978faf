"""The second reading of raw releases shares no code with the first."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

import nasbase.benchmarks

ROOMS = Path(nasbase.benchmarks.__file__).parent
MODULES = sorted(ROOMS.glob("*/reread.py"))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.parent.name)
def test_a_plain_reader_needs_nothing_but_the_standard_library(path):
    imported = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add(node.module)
    own = {name for name in imported if name.split(".")[0] not in sys.stdlib_module_names}
    assert own == {"nasbase.benchmarks.reread"}


def test_every_room_has_one():
    assert [path.parent.name for path in MODULES] == ["nats_common", "nb101", "nds"]
