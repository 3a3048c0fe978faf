"""Write the first page of the report."""

from pathlib import Path
from typing import TYPE_CHECKING

from nasbase.joblog import job_log
from nasbase.report.index import write_index_page

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job_log(snakemake.log[0]):
    write_index_page(
        Path(snakemake.input.catalog).parent,
        Path(snakemake.output.index),
        costs=Path("logs/benchmarks"),
    )
