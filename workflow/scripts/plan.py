"""Cut one release into shards."""

from pathlib import Path
from typing import TYPE_CHECKING

from nasbase.joblog import job_log
from nasbase.steps import plan_step

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job_log(snakemake.log[0]):
    plan_step(
        Path(snakemake.input.raw),
        Path(snakemake.output.plan),
        shards=snakemake.params.shards,
        partial=snakemake.params.partial,
    )
