rule page:
    input:
        installed=INSTALLED,
        # Pages wait until everything is installed: a page that cannot be drawn blocks nothing.
        catalog=ancient("results/catalog.json"),
        code=page_code(),
    output:
        page=report(
            f"{REPORT}/{{benchmark}}-{{release}}.html",
            category="Builds",
            caption="../report/page.rst",
            labels={"benchmark": "{benchmark}", "release": "{release}"},
        ),
    log:
        "logs/page/{benchmark}-{release}.log",
    benchmark:
        "logs/benchmarks/page/{benchmark}-{release}.tsv"
    conda:
        "../../envs/report.yaml"
    resources:
        disk_mb=needed("page", "disk_mb"),
        mem_mb=needed("page", "mem_mb"),
        runtime=needed("page", "runtime"),
    message:
        "Drawing {wildcards.benchmark} {wildcards.release}."
    script:
        "../scripts/page.py"


rule report:
    input:
        catalog="results/catalog.json",
        pages=pages(),
        code=[*page_code(), *code("diff/*.py")],
    output:
        index=report(
            f"{REPORT}/index.html",
            category="Overview",
            caption="../report/index.rst",
            labels={"page": "everything that is installed"},
        ),
    log:
        "logs/report.log",
    benchmark:
        "logs/benchmarks/report.tsv"
    conda:
        "../../envs/report.yaml"
    resources:
        disk_mb=needed("report", "disk_mb"),
        mem_mb=needed("report", "mem_mb"),
        runtime=needed("report", "runtime"),
    message:
        "Writing {output.index}."
    script:
        "../scripts/report.py"
