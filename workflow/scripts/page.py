"""Write the page of one installed build."""

from pathlib import Path
from typing import TYPE_CHECKING

from nasbase.joblog import job_log
from nasbase.report.build_page import write_build_page

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job_log(snakemake.log[0]):
    write_build_page(Path(snakemake.input.installed), Path(snakemake.output.page))
