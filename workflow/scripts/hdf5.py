"""Write the HDF5 form of one build."""

from pathlib import Path
from typing import TYPE_CHECKING

from nasbase.joblog import job_log
from nasbase.store.hdf5 import write_hdf5

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job_log(snakemake.log[0]):
    write_hdf5(Path(snakemake.input.parquet), Path(snakemake.output.form))
