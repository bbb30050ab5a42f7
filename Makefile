# On a machine with Python 3.11 or newer and pip:  make quantize   make test   make docs   make emulator
# torch is installed first and alone. TORCH_INDEX_URL=... picks its build where the default index would bring CUDA packages.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
TORCH_INDEX_URL ?=

.DELETE_ON_ERROR:
.PHONY: quantize test lint docs build emulator clean

quantize: $(VENV)/.installed
	$(BIN)/gdfq-export quantize --onnx-out model.onnx

test: lint
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 -m 'not slow'

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python scripts/check_architecture.py

docs: $(VENV)/.installed-dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

build: $(VENV)/.installed-dev
	$(BIN)/python -m hatchling build

# ONNX Runtime on ARM64 and on x86-64 without VNNI, under QEMU; fetches 120 MB where it is not there yet
emulator: $(VENV)/.installed-dev
	$(BIN)/gdfq-export emulator install --if-needed

clean:
	rm -rf $(VENV) build dist site *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(VENV)/.torch: constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) $$(grep '^torch==' constraints.txt) $(if $(TORCH_INDEX_URL),--index-url $(TORCH_INDEX_URL))
	touch $@

$(VENV)/.installed: $(VENV)/.torch pyproject.toml
	$(PIP) --constraint constraints.txt --editable '.[demo]'
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(PIP) --constraint constraints.txt --editable '.[demo,dev,docs]'
	touch $@
