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
    resources:
        mem_mb=growing(1500),
        runtime=growing(60),
    params:
        forms=built_forms,
        partial=partial_of,
        reread=BUILD.reread,
    message:
        "Validating {wildcards.benchmark} {wildcards.release}."
    script:
        "../scripts/validate.py"
