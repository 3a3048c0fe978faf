"""Run every check on the artifacts of one build."""

from pathlib import Path
from typing import TYPE_CHECKING

from nasbase.joblog import job_log
from nasbase.steps import validate_step

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

counterpart = snakemake.input.get("counterpart")

with job_log(snakemake.log[0]):
    validate_step(
        Path(snakemake.input.raw),
        Path(snakemake.input.parquet),
        Path(snakemake.output.report),
        forms=snakemake.params.forms,
        partial=snakemake.params.partial,
        reread=snakemake.params.reread,
        counterpart=Path(counterpart) if counterpart else None,
        processes=snakemake.threads,
    )
