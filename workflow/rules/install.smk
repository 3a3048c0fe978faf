rule install:
    input:
        unpack(validated_of),
        code=code("store/build.py", "store/install.py", "store/nni/__init__.py"),
    output:
        # update(): the installed folder stays until the job exchanges it for the new one.
        installed=update(directory(INSTALLED)),
    log:
        "logs/install/{benchmark}-{release}.log",
    benchmark:
        "logs/benchmarks/install/{benchmark}-{release}.tsv"
    conda:
        "../../envs/build.yaml"
    resources:
        disk_mb=needed("install", "disk_mb"),
        mem_mb=needed("install", "mem_mb"),
        runtime=needed("install", "runtime"),
    params:
        description=description_of,
        forms=built_forms,
    message:
        "Installing {wildcards.benchmark} {wildcards.release}."
    script:
        "../scripts/install.py"


rule catalog:
    input:
        installed=installed(),
        code=code("store/install.py"),
    output:
        catalog="results/catalog.json",
    log:
        "logs/catalog.log",
    benchmark:
        "logs/benchmarks/catalog.tsv"
    conda:
        "../../envs/build.yaml"
    resources:
        disk_mb=needed("catalog", "disk_mb"),
        mem_mb=needed("catalog", "mem_mb"),
        runtime=needed("catalog", "runtime"),
    message:
        "Listing what is installed."
    script:
        "../scripts/catalog.py"
