# make        an environment in .venv with everything installed
# make demo   build small made-up releases of all five benchmarks, offline, and ask them something
# make test   run the tests
# make cluster   run the build on a Slurm of its own on this host (root; slurm-wlm and munge installed)
# make check  lint, format and types
# make bench  measure how fast questions are answered, beside nats_bench and NNI
# make bench-dropins   measure the drop-ins, beside their originals
# make bench-full   whole made-up releases of all five benchmarks: time, memory and bytes of every rule
# make realdata REALDATA=folder   build real pieces of the releases and compare every number

PYTHON ?= python3
CORES ?= 2
PINS ?= envs/pins.txt
REALDATA ?= $(NASBASE_REALDATA)
BIN := .venv/bin
READY := .venv/ready

.PHONY: all demo test cluster bench bench-dropins bench-full realdata check format pins clean

all: $(READY)

$(READY): pyproject.toml $(PINS)
	$(PYTHON) -c 'import sys; sys.exit("nasbase needs Python 3.11 or newer" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(if $(PINS),--constraint $(PINS)) --editable '.[dev]'
	$(BIN)/python -m compileall -q src
	touch $(READY)

demo: $(READY)
	$(BIN)/nasbase sample --benchmark all --architectures 40 --seed 1 resources/samples > /dev/null
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/snakemake --cores $(CORES) --configfile config/sample.yaml --quiet host reason
	$(BIN)/python examples/three_questions.py

test: $(READY)
	$(BIN)/python -m pytest -n $(CORES) --dist loadfile --no-loadscope-reorder

cluster: $(READY)
	$(BIN)/python -m pytest tests/cluster

bench: $(READY)
	$(BIN)/python bench/query.py --out bench/results/query.md $(BENCH)

bench-dropins: $(READY)
	set -e; for name in compat_nats compat_nasbench compat_nni nni_fill; do \
	    $(BIN)/python bench/$$name.py | tee bench/results/$$name.txt; \
	done

bench-full: $(READY)
	$(BIN)/python bench/full.py $(BENCH)

realdata: $(READY)
	mkdir -p build
	NASBASE_REALDATA="$(abspath $(REALDATA))" $(BIN)/python -m pytest -m realdata --basetemp=build/realdata

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/snakemake --lint
	$(BIN)/mypy

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/snakefmt Snakefile workflow

pins: $(READY)
	(sed -n '/^#/p' envs/pins.txt; $(BIN)/python -m pip freeze --exclude-editable | sort -f) > envs/pins.new
	mv envs/pins.new envs/pins.txt

clean:
	rm -rf build logs results resources/raw resources/samples .snakemake
