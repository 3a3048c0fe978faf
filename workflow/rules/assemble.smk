rule assemble:
    input:
        raw=ancient(FETCHED),
        plan=f"{WORK}/plan.json",
        shards=shards_of,
        code=assembling_code,
    output:
        parquet=directory(f"{WORK}/parquet"),
    log:
        "logs/assemble/{benchmark}-{release}-{pin}.log",
    benchmark:
        "logs/benchmarks/assemble/{benchmark}-{release}-{pin}.tsv"
    conda:
        "../../envs/build.yaml"
    resources:
        disk_mb=needed("assemble", "disk_mb"),
        mem_mb=needed("assemble", "mem_mb"),
        runtime=needed("assemble", "runtime"),
    params:
        schema=SCHEMA_VERSION,
        partial=partial_of,
        provenance=provenance_of,
    message:
        "Assembling the tables of {wildcards.benchmark} {wildcards.release}."
    script:
        "../scripts/assemble.py"


rule sqlite:
    input:
        parquet=f"{WORK}/parquet",
        code=code(
            "store/build.py",
            "store/curves.py",
            "store/database.py",
            "store/series_blob.py",
            "store/sqlite.py",
            "tables/models.py",
        ),
    output:
        form=f"{WORK}/{{benchmark}}.sqlite",
    log:
        "logs/sqlite/{benchmark}-{release}-{pin}.log",
    benchmark:
        "logs/benchmarks/sqlite/{benchmark}-{release}-{pin}.tsv"
    conda:
        "../../envs/build.yaml"
    resources:
        disk_mb=needed("sqlite", "disk_mb"),
        mem_mb=needed("sqlite", "mem_mb"),
        runtime=needed("sqlite", "runtime"),
    params:
        schema=SCHEMA_VERSION,
    message:
        "Writing SQLite of {wildcards.benchmark} {wildcards.release}."
    script:
        "../scripts/sqlite.py"


rule hdf5:
    input:
        parquet=f"{WORK}/parquet",
        code=code("store/build.py", "store/curves.py", "store/hdf5.py"),
    output:
        form=f"{WORK}/curves.h5",
    log:
        "logs/hdf5/{benchmark}-{release}-{pin}.log",
    benchmark:
        "logs/benchmarks/hdf5/{benchmark}-{release}-{pin}.tsv"
    conda:
        "../../envs/build.yaml"
    resources:
        disk_mb=needed("hdf5", "disk_mb"),
        mem_mb=needed("hdf5", "mem_mb"),
        runtime=needed("hdf5", "runtime"),
    params:
        schema=SCHEMA_VERSION,
    message:
        "Writing HDF5 of {wildcards.benchmark} {wildcards.release}."
    script:
        "../scripts/hdf5.py"


rule nni:
    input:
        parquet=f"{WORK}/parquet",
        code=nni_code,
    output:
        form=f"{WORK}/nni/{{database}}.db",
    log:
        "logs/nni/{benchmark}-{release}-{pin}-{database}.log",
    benchmark:
        "logs/benchmarks/nni/{benchmark}-{release}-{pin}-{database}.tsv"
    conda:
        "../../envs/build.yaml"
    resources:
        disk_mb=needed("nni", "disk_mb"),
        mem_mb=needed("nni", "mem_mb"),
        runtime=needed("nni", "runtime"),
    params:
        schema=SCHEMA_VERSION,
    message:
        "Writing NNI's database of {wildcards.benchmark} {wildcards.release}."
    script:
        "../scripts/nni.py"
