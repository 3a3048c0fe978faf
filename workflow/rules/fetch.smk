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
        disk_mb=needed("fetch", "disk_mb"),
        mem_mb=needed("fetch", "mem_mb"),
        runtime=needed("fetch", "runtime"),
    params:
        # Names and digests, never urls: a new mirror must not fetch anything again.
        files=files_of,
    message:
        "Fetching and verifying {wildcards.benchmark} {wildcards.release}."
    script:
        "../scripts/fetch.py"
