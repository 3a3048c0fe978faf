"""The room of NDS (Network Design Spaces)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nasbase.benchmarks.room import Batch, Facts, Plan, Progress, RawRelease, Room

if TYPE_CHECKING:
    import pyarrow as pa

    from nasbase.benchmarks.reread import Place, Reread
    from nasbase.checks.check import Check


class NdsRoom(Room):
    """NDS: trainings of networks sampled from ten design spaces, on CIFAR-10 and ImageNet."""

    name = "nds"
    title = "NDS"
    datasets = ("cifar10", "imagenet")
    space_size = None  # only a sample of each space was trained
    max_shards = 34  # whole files
    disk_factor = 30.0  # of the compressed archive; 23 measured on a sample
    run_order = ("source_file", "source_group", "source_pos")

    def plan(self, raw: RawRelease, shards: int) -> Plan:
        """Share out the 34 files over the shards."""
        from nasbase.benchmarks.nds.files import plan

        return plan(raw, shards)

    def decode(self, raw: RawRelease, shard: Mapping[str, Any]) -> Iterator[Batch]:
        """Stream the jobs of a shard's files into batches."""
        from nasbase.benchmarks.nds.records import decode

        return decode(raw, shard)

    def reread(self, raw: RawRelease, places: Iterable[Place]) -> Iterator[Reread]:
        """Jobs one after the other, by the standard library alone."""
        from nasbase.benchmarks.nds import reread

        (file,) = raw.files
        return reread.reread(file.path, places)

    def unread(self, raw: RawRelease, files: Mapping[str, int]) -> Iterable[str]:
        """Files of jobs beside those named."""
        from nasbase.benchmarks.nds import reread

        (file,) = raw.files
        return reread.unread(file.path, files)

    def costs(self, architectures: pa.Table) -> pa.Table:
        """Parameters and operations by formula, where there is one."""
        from nasbase.benchmarks.nds.costs import cost_table

        return cost_table(architectures)

    def annotate(self, costs: pa.Table, trials: pa.Table) -> Iterable[Mapping[str, Any]]:
        """Recorded costs that differ from the formula, and runs that diverged."""
        from nasbase.benchmarks.nds.notes import annotate

        return annotate(costs, trials)

    def facts(self, release: str) -> Facts:  # noqa: ARG002  (there is one release)
        """How NDS trained, its splits, and what holds for whole columns."""
        from nasbase.benchmarks.nds.notes import FACTS

        return FACTS

    def checks(self) -> Sequence[Check]:
        """Claims about the numbers that hold in every release of NDS."""
        from nasbase.benchmarks.nds.checks import CHECKS

        return CHECKS

    def rank_runs(self, order: pa.Table) -> pa.Table:
        """Files and groups in the order in which NNI's converter reads them."""
        from nasbase.benchmarks.nds.checks import rank_runs

        return rank_runs(order)

    def encode(self, architecture: Any) -> str:
        """Canonical JSON of a net, a job, NNI's specification or their text."""
        from nasbase.benchmarks.nds.space import network_of

        return network_of(architecture).text

    def decode_architecture(self, text: str) -> Mapping[str, Any]:
        """Columns of ``architectures`` that follow from the canonical text."""
        from nasbase.benchmarks.nds.space import network_of

        return network_of(text)._asdict()

    def write_sample(
        self,
        out: Path,
        *,
        architectures: int,
        seed: int,
        options: Mapping[str, Any],
        progress: Progress,
    ) -> Sequence[Mapping[str, Any]]:
        """Write ``nds-sample.zip`` with made-up trainings in all 34 files."""
        from nasbase.benchmarks.nds.sample import write_sample

        return write_sample(
            out, trainings=architectures, seed=seed, options=options, progress=progress
        )


ROOM = NdsRoom()
