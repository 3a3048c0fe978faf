"""The files of an NDS release: their names, what the names say, and how they are shared out."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nasbase.benchmarks.room import Plan, RawRelease
from nasbase.containers.zip_members import ZipMember, read_index
from nasbase.errors import IncompleteReleaseError, RawDataError

COUNTS: dict[str, int | None] = {
    "Amoeba": 4983,
    "Amoeba_in": 124,
    "DARTS": 5000,
    "DARTS_fix-w-d": 5000,
    "DARTS_in": 121,
    "DARTS_lr-wd": 5000,
    "DARTS_lr-wd_in": 515,
    "ENAS": 4999,
    "ENAS_fix-w-d": 5000,
    "ENAS_in": 117,
    "NASNet": 4846,
    "NASNet_in": 122,
    "PNAS": 4999,
    "PNAS_fix-w-d": 4559,
    "PNAS_in": 119,
    "ResNeXt-A": 24999,
    "ResNeXt-A_in": None,
    "ResNeXt-B": 25508,
    "ResNeXt-B_in": None,
    "ResNet-B": None,
    "ResNet": 25000,
    "ResNet_lr-wd": 5000,
    "ResNet_lr-wd_in": 494,
    "ResNet_reruns": 200,
    "ResNet_rng1": 5000,
    "ResNet_rng2": 5000,
    "ResNet_rng3": 5000,
    "Vanilla": None,
    "Vanilla_lr-wd": None,
    "Vanilla_lr-wd_in": None,
    "Vanilla_reruns": None,
    "Vanilla_rng1": None,
    "Vanilla_rng2": None,
    "Vanilla_rng3": None,
}
"""The files in the order in which NNI's converter reads them, which defines its row ids, and the
trainings in each as far as they are known: no upstream document states them, they follow from
NNI's published row ids and from memory. So they are compared, never enforced."""

STEMS = tuple(COUNTS)

PUBLISHED_SUMS = {
    "every Amoeba file": (("Amoeba", "Amoeba_in"), 5107),
    "before ResNeXt-A.json": (STEMS[: STEMS.index("ResNeXt-A")], 45_504),
    "before ResNet.json": (STEMS[: STEMS.index("ResNet")], 108_997),
    "before Vanilla.json": (STEMS[: STEMS.index("Vanilla")], 154_691),
}
"""Numbers of trainings that NNI's documentation shows, as a count or through row ids."""

FORM = "the released zip archive"

GROUPS = ("top", "mid")
"""Lists of a reruns file, in the order in which NNI's converter reads them."""

_json_name = re.compile(r"(?:.*/)?[^/]*\.json", re.IGNORECASE)


def dataset_of(stem: str) -> str:
    """Data set of a file, by NNI's rule."""
    return "imagenet" if "_in" in stem else "cifar10"


def proposer_of(stem: str) -> str:
    """Search space that a file samples, by NNI's rule: the name up to the first underscore."""
    return stem.partition("_")[0].lower()


def generator_of(stem: str) -> str:
    """How a file's networks were drawn, by NNI's rule."""
    if "fix-w-d" in stem:
        return "fix_w_d"
    return "tune_lr_wd" if "lr-wd" in stem else "random"


def members_of(path: Path) -> dict[str, ZipMember]:
    """The JSON files of an archive by stem, in NNI's order.

    They stand under ``nds_data/``, other folders are accepted; files that are no JSON (a licence)
    are left alone.

    Raises
    ------
    RawDataError
        If the archive is refused, or holds a JSON file that is unknown or there twice.
    """
    found: dict[str, ZipMember] = {}
    for member in read_index(path, _json_name).matching:
        stem = member.name.rsplit("/", 1)[-1][: -len(".json")]
        if stem not in COUNTS or stem in found:
            raise RawDataError(
                "The archive holds a JSON file that NDS does not have, or has once.",
                where=path,
                expected="each of the 34 NDS files at most once, such as nds_data/Amoeba.json",
                found=f"{member.name!r}"
                + (f" beside {found[stem].name!r}" if stem in found else ""),
                todo="Obtain the released archive again, or remove the foreign file from it.",
            )
        found[stem] = member
    return {stem: found[stem] for stem in STEMS if stem in found}


def plan(raw: RawRelease, shards: int) -> Plan:
    """Share out whole files over the shards, the largest first, each to the least loaded shard."""
    archive = raw.only_file(FORM)
    members = members_of(archive.path)
    missing = [f"{stem}.json" for stem in STEMS if stem not in members]
    if not members or (missing and not raw.partial):
        raise IncompleteReleaseError(
            "Files of the release are missing from the archive.",
            where=archive.path,
            expected=f"{len(STEMS)} JSON files" if not raw.partial else "at least one of them",
            found=f"{len(members)}; missing: {', '.join(missing)}",
            todo="Obtain the whole archive again, or accept a partial release: `partial: true` in "
            "the sources table, or `snakemake --config partial=true`.",
        )
    return Plan([{"files": stems} if stems else {} for stems in _share(members, shards)])


def _share(members: Mapping[str, ZipMember], shards: int) -> Sequence[list[str]]:
    loads: list[tuple[int, int, list[str]]] = [(0, i, []) for i in range(shards)]
    for stem in sorted(members, key=lambda stem: (-members[stem].bytes, STEMS.index(stem))):
        size, index, stems = min(loads)
        stems.append(stem)
        loads[index] = (size + members[stem].bytes, index, stems)
    return [sorted(stems, key=STEMS.index) for _, _, stems in loads]


def members_of_shard(path: Path, shard: Mapping[str, Any]) -> dict[str, ZipMember]:
    """The members that one shard of `plan` names."""
    members = members_of(path)
    return {stem: members[stem] for stem in shard.get("files", ())}
