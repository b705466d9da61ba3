# make smoke   the default workflow, from nothing to its page        make test   the tests
# make lint    formatting, types, floors, workflow                   make lock   new pins
# make dist    the wheel and the source archive, tried out           make container   one image
# make docs    the manual as a site, in build/docs
# make test-slurm   the workflow through `snakemake --profile slurm` on a private Slurm (Debian)
# On a machine with only Python (3.11 or newer) each of these first makes .venv and installs.

PYTHON ?= python3
VENV ?= .venv
JOBS ?= 2
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
RESULTS := results/smoke
PRESET := smoke
SHIPPED = docs/results/$(PRESET)

export PATH := $(abspath $(BIN)):$(PATH)
export PYTHONNOUSERSITE := 1

.PHONY: install smoke tables test test-all test-slurm lint format docs dist container lock clean

install: $(INSTALLED)

$(VENV)/.lock: requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "smoothcert needs Python 3.11 or newer, found " + sys.version.split()[0] + "; name one with make PYTHON=...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements.lock
	@touch $@

$(INSTALLED): $(VENV)/.lock pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

smoke: $(INSTALLED)
	@$(BIN)/snakemake --cores $(JOBS) --rerun-incomplete
	@$(BIN)/smoothcert overview summary $(RESULTS)

tables: $(INSTALLED)
	@$(BIN)/smoothcert unpack $(SHIPPED)/votes.tar.xz --out results/$(PRESET)-shipped
	@$(BIN)/snakemake --cores $(JOBS) --config preset=$(PRESET) name=$(PRESET)-shipped
	@for table in $(SHIPPED)/tables/*; do \
		cmp $$table results/$(PRESET)-shipped/tables/$${table##*/} || exit 1; done
	@echo "The tables of results/$(PRESET)-shipped are those of $(SHIPPED), to the bit."

# One thread a process, one process a core.
test: smoke
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses $(JOBS) --dist loadgroup
	@echo "Tests passed. Results: $(abspath $(RESULTS))"

test-all: $(INSTALLED)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses $(JOBS) --dist loadgroup -m ""

# Installs Slurm's Debian packages where that is possible; else the tests are skipped.
test-slurm: $(INSTALLED)
	@tests/slurm/install.sh
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests/slurm -m "" -rs --capture=no

lint: $(INSTALLED)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/snakefmt --check Snakefile rules
	$(BIN)/snakemake --lint
	$(BIN)/lint-imports

format: $(INSTALLED)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(BIN)/snakefmt Snakefile rules

docs: $(INSTALLED)
	OMP_NUM_THREADS=1 $(BIN)/sphinx-build --quiet --fresh-env --fail-on-warning docs build/docs
	@echo "The manual: $(abspath build/docs/index.html)"

# The wheel is installed in an environment of its own and tried from an empty folder.
CLEAN := build/clean
dist:
	rm -rf dist build/tools $(CLEAN)
	$(PYTHON) -m venv build/tools
	build/tools/bin/python -m pip install --quiet build twine
	build/tools/bin/python -m build
	build/tools/bin/twine check --strict dist/*
	$(PYTHON) -m venv $(CLEAN)
	$(CLEAN)/bin/python -m pip install --quiet --constraint requirements.lock dist/*.whl
	$(CLEAN)/bin/python -m pip check
	mkdir $(CLEAN)/empty
	cd $(CLEAN)/empty && unset PYTHONPATH && \
		OMP_NUM_THREADS=1 ../bin/python -I $(CURDIR)/tests/wheel.py $(CURDIR)/README.md
	rm -rf build/tools $(CLEAN)

# With docker, or make container BUILDER=podman: an image of what is committed (envs/Containerfile).
BUILDER ?= docker
IMAGE ?= smoothcert
CUDA ?= 13
container:
	git archive HEAD | $(BUILDER) build --file envs/Containerfile --tag $(IMAGE) \
		--build-arg CUDA=$(CUDA) --build-arg PIP_EXTRA_INDEX_URL -
	$(BUILDER) run --rm $(IMAGE) --dry-run --quiet all -- cohen_table

# Run it with the oldest Python that is supported, so that the pins install on every newer one.
# torch's local version (+cpu, +cu126) depends on where it came from: the pin leaves it out.
lock:
	$(PYTHON) -m venv $(VENV)-lock
	$(VENV)-lock/bin/python -m pip install --quiet pip-tools
	$(VENV)-lock/bin/pip-compile --quiet --extra onnx --extra openvino --extra crate --extra workflow \
		--extra docs --extra dev --strip-extras \
		--no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-annotate --no-header \
		--output-file $(VENV)-lock/lock pyproject.toml
	{ grep '^#' requirements.lock; grep -v -e '^#' -e '^nvidia-' -e '^cuda-' -e '^triton=' \
		$(VENV)-lock/lock | sed 's/^\(torch==[^+]*\)+.*/\1/' | grep .; } > $(VENV)-lock/new
	mv $(VENV)-lock/new requirements.lock
	{ sed -n '1,/- pip:/p' envs/smoothcert.yaml; sed -n 's/^[^#].*/      - &/p' requirements.lock; } \
		> $(VENV)-lock/env
	mv $(VENV)-lock/env envs/smoothcert.yaml
	rm -rf $(VENV)-lock

clean:
	rm -rf $(RESULTS)
