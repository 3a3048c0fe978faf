rule plan:
    input:
        raw=ancient(FETCHED),
        code=decoding_code,
    output:
        plan=f"{WORK}/plan.json",
    log:
        "logs/plan/{benchmark}-{release}-{pin}.log",
    benchmark:
        "logs/benchmarks/plan/{benchmark}-{release}-{pin}.tsv"
    conda:
        "../../envs/build.yaml"
    resources:
        disk_mb=needed("plan", "disk_mb"),
        mem_mb=needed("plan", "mem_mb"),
        runtime=needed("plan", "runtime"),
    params:
        shards=shard_count,
        partial=partial_of,
    message:
        "Planning {params.shards} shards of {wildcards.benchmark} {wildcards.release}."
    script:
        "../scripts/plan.py"


rule convert:
    input:
        raw=ancient(FETCHED),
        plan=f"{WORK}/plan.json",
        code=decoding_code,
    output:
        shard=temp(directory(f"{WORK}/shards/{{shard}}")),
    log:
        "logs/convert/{benchmark}-{release}-{pin}-{shard}.log",
    benchmark:
        "logs/benchmarks/convert/{benchmark}-{release}-{pin}-{shard}.tsv"
    conda:
        "../../envs/build.yaml"
    resources:
        disk_mb=needed("convert", "disk_mb"),
        mem_mb=needed("convert", "mem_mb"),
        runtime=needed("convert", "runtime"),
    params:
        schema=SCHEMA_VERSION,
        partial=partial_of,
    message:
        "Converting shard {wildcards.shard} of {wildcards.benchmark} {wildcards.release}."
    script:
        "../scripts/convert.py"
