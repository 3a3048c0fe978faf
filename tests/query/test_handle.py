"""The handle: what it is, and what it holds."""

from __future__ import annotations

import pytest

from nasbase.benchmarks import NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_handle_says_what_it_is(bench, manifest_of, name):
    handle = bench(name)
    assert handle.version == manifest_of(name)["version"]
    assert len(list(handle)) == len(handle) == manifest_of(name)["tables"]["architectures"]["rows"]
    assert "SYNTHETIC" in repr(handle)
    assert "SYNTHETIC" in repr(handle.trials(0))
