rule validate:
    input:
        unpack(artifacts_of),
        unpack(counterpart_of),
        raw=ancient(FETCHED),
        code=checking_code,
    output:
        report=f"{WORK}/validation.json",
    log:
        "logs/validate/{benchmark}-{release}-{pin}.log",
    benchmark:
        "logs/benchmarks/validate/{benchmark}-{release}-{pin}.tsv"
    conda:
        "../../envs/build.yaml"
    threads: 2
    resources:
        disk_mb=needed("validate", "disk_mb"),
        mem_mb=needed("validate", "mem_mb"),
        runtime=needed("validate", "runtime"),
    params:
        forms=built_forms,
        partial=partial_of,
        reread=BUILD.reread,
    message:
        "Validating {wildcards.benchmark} {wildcards.release}."
    script:
        "../scripts/validate.py"
