"""Merge the shards of one release into its Parquet tables."""

from pathlib import Path
from typing import TYPE_CHECKING

from nasbase.joblog import job_log
from nasbase.steps import assemble_step

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job_log(snakemake.log[0]):
    assemble_step(
        Path(snakemake.input.raw),
        Path(snakemake.input.plan),
        [Path(shard) for shard in snakemake.input.shards],
        Path(snakemake.output.parquet),
        partial=snakemake.params.partial,
        provenance=snakemake.params.provenance,
    )
