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
        mem_mb=growing(800),
        runtime=growing(30),
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
        mem_mb=growing(1000),
        runtime=growing(120),
    params:
        schema=SCHEMA_VERSION,
        partial=partial_of,
    message:
        "Converting shard {wildcards.shard} of {wildcards.benchmark} {wildcards.release}."
    script:
        "../scripts/convert.py"
