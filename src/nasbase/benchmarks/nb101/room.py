"""The room of NAS-Bench-101; heavy libraries are loaded behind its doors only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nasbase.benchmarks.nb101 import space
from nasbase.benchmarks.room import Batch, Facts, Plan, Progress, RawRelease, Room

if TYPE_CHECKING:
    import pyarrow as pa

    from nasbase.benchmarks.reread import Place, Reread
    from nasbase.checks.check import Check


class NB101(Room):
    """423,624 cells, each trained three times on CIFAR-10 with up to four schedules."""

    name = "nb101"
    title = "NAS-Bench-101"
    datasets = ("cifar10",)
    space_size = space.SPACE_SIZE
    disk_factor = 3.5  # with NNI's database; 2.7 measured on a sample
    run_order = ("source_pos",)  # no seeds are recorded

    def plan(self, raw: RawRelease, shards: int) -> Plan:
        """Byte ranges of the file, cut at records; counts from the beginnings of the rows."""
        from nasbase.benchmarks.nb101 import convert

        return convert.plan(raw, shards)

    def decode(self, raw: RawRelease, shard: Mapping[str, Any]) -> Iterator[Batch]:
        """One batch per block of some megabytes."""
        from nasbase.benchmarks.nb101 import convert

        return convert.decode(raw, shard)

    def reread(self, raw: RawRelease, places: Iterable[Place]) -> Iterator[Reread]:
        """Records one after the other, by the standard library alone."""
        from nasbase.benchmarks.nb101 import reread

        (file,) = raw.files
        return reread.reread(file.path, file.name, places)

    def costs(self, architectures: pa.Table) -> pa.Table:
        """Parameters by the network's formula; no multiply-accumulates."""
        from nasbase.benchmarks.nb101 import computed

        return computed.costs(architectures)

    def annotate(self, costs: pa.Table, trials: pa.Table) -> Iterable[Mapping[str, Any]]:
        """Wrong recorded parameters; trainings that learnt nothing."""
        from nasbase.benchmarks.nb101 import computed

        return computed.annotate(costs, trials)

    def facts(self, release: str) -> Facts:
        """What the paper and upstream's code say."""
        from nasbase.benchmarks.nb101 import facts

        return facts.facts(release)

    def checks(self) -> Sequence[Check]:
        """The checks of `nasbase.benchmarks.nb101.checks`."""
        from nasbase.benchmarks.nb101 import checks

        return checks.checks()

    def encode(self, architecture: Any) -> str:
        """Hash of a cell in any encoding that `nasbase.benchmarks.nb101.space` knows."""
        return space.encode(architecture)

    def decode_architecture(self, text: str) -> Mapping[str, Any]:
        """The hash: it cannot be turned back into a cell, the table holds the released one."""
        return {"hash": space.encode(text)}

    def write_sample(
        self,
        out: Path,
        *,
        architectures: int,
        seed: int,
        options: Mapping[str, Any],
        progress: Progress,
    ) -> Sequence[Mapping[str, Any]]:
        """A made-up release; see `nasbase.benchmarks.nb101.sample`."""
        from nasbase.benchmarks.nb101 import sample

        return sample.write_sample(
            out, architectures=architectures, seed=seed, options=options, progress=progress
        )
