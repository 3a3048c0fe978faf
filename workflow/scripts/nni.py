"""Write NNI's database of one build."""

from pathlib import Path
from typing import TYPE_CHECKING

from nasbase.joblog import job_log
from nasbase.store.nni.writer import write_nni

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job_log(snakemake.log[0]):
    write_nni(Path(snakemake.input.parquet), Path(snakemake.output.form))
