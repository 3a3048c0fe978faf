rule fetch:
    output:
        fetched=FETCHED,
    log:
        "logs/fetch/{benchmark}-{release}-{pin}.log",
    benchmark:
        "logs/benchmarks/fetch/{benchmark}-{release}-{pin}.tsv"
    conda:
        "../../envs/build.yaml"
    resources:
        downloads=1,
        mem_mb=300,
        runtime=600,
    params:
        # Names and digests, never urls: a new mirror must not fetch anything again.
        files=files_of,
    message:
        "Fetching and verifying {wildcards.benchmark} {wildcards.release}."
    script:
        "../scripts/fetch.py"
