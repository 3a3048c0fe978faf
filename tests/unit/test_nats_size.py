"""The size space against the release and recorded sizes."""

from __future__ import annotations

import hashlib
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nasbase.benchmarks.nats_sss import ROOM, space
from nasbase.containers.pickles import decompress
from nasbase.errors import SpaceError


def test_the_enumeration_is_upstreams():
    strings = space.enumeration()
    assert len(strings) == space.SIZE == 32_768
    digest = hashlib.sha256(("\n".join(strings) + "\n").encode()).hexdigest()
    assert digest == "5f44ac682201a4932904284a4b8e05a2e6f884481c009e1aa655ae7bd378b1df"
    assert [strings[i] for i in (1, 11, 284)] == ["8:8:8:8:16", "8:8:8:16:32", "8:8:40:32:40"]


def test_the_enumeration_is_that_of_the_release(realdata):
    folder = realdata / "nats" / "NATS-sss-v1_0-50262-simple"
    raw = decompress((folder / "meta.pickle.pbz2").read_bytes(), limit=1 << 26, where="meta")
    assert tuple(pickle.loads(raw)["meta_archs"]) == space.enumeration()


@pytest.mark.parametrize(
    ("index", "dataset", "params", "macs"),
    [
        (0, "cifar10", 11_714, 4_481_114),
        (0, "cifar100", 12_524, 4_481_924),
        (0, "ImageNet16-120", 12_704, 1_121_336),
        (11, "cifar10-valid", 49_202, 6_840_650),
        (11, "ImageNet16-120", 52_832, 1_714_040),
        (284, "cifar10", 144_834, 21_827_994),
    ],
)
def test_costs_are_those_recorded(index, dataset, params, macs):
    assert space.costs(space.enumeration()[index], dataset) == (params, macs)


@settings(deadline=None)
@given(st.integers(0, space.SIZE - 1))
def test_every_encoding_leads_back_to_the_string(index):
    text = space.enumeration()[index]
    channels = space.parse(text)
    encodings = [text, index, np.int32(index), channels, list(channels), np.array(channels)]
    assert {ROOM.encode(encoding) for encoding in encodings} == {text}
    columns = ROOM.decode_architecture(text)
    assert tuple(columns[f"c{i}"] for i in range(5)) == channels


@pytest.mark.parametrize(
    "architecture",
    [
        "8:8:8:8",
        "8:8:8:8:9",
        "08:8:8:8:8",
        "8:8:8:8:8:8",
        "",
        32_768,
        -1,
        True,
        None,
        1.5,
        (8, 8, 8, 8),
        (8, 8, 8, 8, 8.0),
        ("8",) * 5,
        (0, 1, 2, 3, 4),
    ],
)
def test_what_is_no_architecture_is_refused(architecture):
    with pytest.raises(SpaceError) as caught:
        ROOM.encode(architecture)
    assert "expected: " in str(caught.value)
