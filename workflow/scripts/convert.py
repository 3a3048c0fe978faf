"""Turn one shard of a release into sorted runs."""

from pathlib import Path
from typing import TYPE_CHECKING

from nasbase.joblog import job_log
from nasbase.steps import convert_step

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job_log(snakemake.log[0]):
    convert_step(
        Path(snakemake.input.raw),
        Path(snakemake.input.plan),
        Path(snakemake.output.shard),
        partial=snakemake.params.partial,
    )
