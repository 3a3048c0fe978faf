"""What the check of stored cells says of each."""

from __future__ import annotations

import pytest

from nasbase.benchmarks.nb101.checks import _wrong_cell
from nasbase.benchmarks.nb101.space import cell_of

PATH = ("010001000", "input,maxpool3x3,output")
BOTH = ("0110001100010000", "input,conv1x1-bn-relu,conv3x3-bn-relu,output")
OF_PATH = cell_of(PATH).hash


@pytest.mark.parametrize("cell", [PATH, BOTH, ("0100", "input,output")])
def test_a_cell_as_it_is_stored(cell):
    vertices, edges = cell[1].count(",") + 1, cell[0].count("1")
    assert _wrong_cell(cell_of(cell).hash, *cell, vertices, edges) is None


@pytest.mark.parametrize(
    ("stored", "wrong"),
    [
        ((OF_PATH[::-1], *PATH, 3, 2), f"the stored cell hashes to {OF_PATH}"),
        ((OF_PATH, *PATH, 4, 2), "the stored cell has not 4 vertices and 2 edges"),
        ((OF_PATH, *PATH, 3, 3), "the stored cell has not 3 vertices and 3 edges"),
        ((OF_PATH, PATH[0], "input,output", 3, 2), "has not 3 vertices"),
        ((OF_PATH, "001000000", PATH[1], 3, 1), "can be pruned"),
        ((OF_PATH, "000000000", PATH[1], 3, 0), "No path"),
        ((OF_PATH, "010011000", PATH[1], 3, 3), "upper triangular"),
        ((OF_PATH, "01000100", PATH[1], 3, 2), "not a square"),
        ((OF_PATH, "", "", 0, 0), "do not have the same size"),
        ((OF_PATH, PATH[0], "input,conv5x5,output", 3, 2), "no operation 'conv5x5'"),
        ((OF_PATH, PATH[0], "output,maxpool3x3,input", 3, 2), "first operation"),
    ],
)
def test_what_is_wrong_with_a_stored_cell(stored, wrong):
    assert wrong in str(_wrong_cell(*stored))
