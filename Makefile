# The two commands of this book: `make book` builds the site, `make test` proves it.
# Only Python >= 3.11 and make are needed; both install what they use into .venv.

VENV ?= .venv
JOBS ?= 2
SCALE ?= quick
NB ?=
URL ?=
PYTHON ?= python3.13 python3.12 python3.11 python3 python
PY := $(VENV)/bin/python
SITE := _build/html/index.html
INSTALL := $(PY) tools/requirements.py --install
# The tests that need no compiled epoch, so that they run on every backend of Keras.
FAMILIES := losses initializers activations normalization clipping optimizers* schedules \
  regularizers constraints callbacks dropout* augmentation
TECHNIQUES := $(wildcard $(FAMILIES:%=tests/test_%.py)) tests/test_contracts.py \
  tests/test_layers.py tests/test_drop_in.py

export PYTHONPATH := $(CURDIR)
export PYTHONDONTWRITEBYTECODE := 1
export TF_CPP_MIN_LOG_LEVEL := 3

.DEFAULT_GOAL := help
.PHONY: help book test check oracles backends mutants run exercises claims bench address
.PHONY: clean

help:  ## list the commands
	@echo "make book    builds the site;  make test    proves it.  All commands:"
	@echo
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' Makefile

book: $(VENV)/.book  ## build the site from the stored outputs (no TensorFlow)
	@echo "Building the site, with every warning an error ..."
	@rm -rf _build
	@KERAS_BACKEND=numpy $(VENV)/bin/jupyter-book build . -W -n --keep-going
	@test -f _build/html/.nojekyll || touch _build/html/.nojekyll
	@echo
	@echo "The book is at $(CURDIR)/$(SITE)"
	@echo "Open that file, or serve it, so that search works in every browser:"
	@echo "  python3 -m http.server --bind 127.0.0.1 --directory _build/html 8000"
	@echo "and go to http://127.0.0.1:8000/"

test: check  ## lint, run all tests, and re-run and compare every notebook
	@echo "Running the tests and every notebook, $(JOBS) at a time ..."
	@$(PY) -m pytest dtlib tests book --ignore tests/peers -n $(JOBS) --dist loadfile --nbval \
		--nbval-current-env --nbval-sanitize-with tests/nbval_sanitize.cfg \
		--nbval-cell-timeout 300 $(ARGS)

check: $(VENV)/.test  ## lint only
	@echo "Checking the style of code and notebooks ..."
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .

oracles: $(VENV)/.oracles  ## compare every rule with PyTorch, JAX and Optax
	@echo "Comparing the rules with PyTorch, JAX and Optax ..."
	@$(PY) -m pytest tests/peers -n $(JOBS) --dist loadfile $(ARGS)

backends: $(VENV)/.oracles  ## run the tests of the techniques on Keras' other backends
	@for backend in jax torch; do \
	  echo "Running the tests of the techniques on $$backend ..."; \
	  KERAS_BACKEND=$$backend $(PY) -m pytest $(TECHNIQUES) -m "not tensorflow" \
	    -n $(JOBS) --dist loadfile $(ARGS) || exit 1; \
	done

mutants: $(VENV)/.test  ## break each rule on purpose, count what the tests notice; NB=<stem>
	@$(PY) tools/mutants.py --limit 3 -n $(JOBS) --json bench/mutants.json $(NB)

run: $(VENV)/.test  ## execute notebooks and store their outputs; NB=book/01_losses.ipynb for one
	@$(PY) tools/run_notebooks.py -n $(JOBS) $(NB)

exercises: $(VENV)/.test  ## make the exercise notebooks from the solution notebooks
	@$(PY) tools/make_exercises.py

claims: $(VENV)/.test  ## gather the evidence for the claims of the book; SCALE=quick|standard|full
	@$(PY) -m dtlib claims run --scale $(SCALE)

bench: $(VENV)/.bench  ## measure the training loop and the optimizers against Keras' own
	@$(PY) bench/fit.py
	@$(PY) bench/optimizers.py

address: $(VENV)/.made  ## print the repository's address; URL=https://github.com/OWNER/NAME changes it everywhere
	@$(PY) tools/address.py $(URL)

clean:  ## remove the site and the environment
	rm -rf _build $(VENV)

# The environment. A stamp says what is installed; a change of pyproject.toml undoes it.

$(VENV)/.made:
	@if $(PY) -c 'import sys, pip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; \
	then touch $@; exit 0; fi; \
	for candidate in $(PYTHON); do \
	  if "$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	    >/dev/null 2>&1; then found=$$candidate; break; fi; \
	done; \
	if [ -z "$$found" ]; then \
	  echo "Python 3.11 or later is needed; none among: $(PYTHON)." >&2; \
	  echo "Install one, or name it: make PYTHON=/path/to/python3 ..." >&2; \
	  exit 1; \
	fi; \
	echo "Making the environment $(VENV) with $$found ..."; \
	rm -rf $(VENV) && "$$found" -m venv $(VENV) && touch $@

$(VENV)/.book: pyproject.toml tools/requirements.py | $(VENV)/.made
	@echo "Installing what builds the site (no TensorFlow; about a minute) ..."
	@$(INSTALL) book
	@touch $@

$(VENV)/.test: pyproject.toml tools/requirements.py | $(VENV)/.made
	@echo "Installing what runs the code and its tests (TensorFlow; a minute or two) ..."
	@$(INSTALL) base book test
	@touch $@ $(VENV)/.book

$(VENV)/.oracles: $(VENV)/.test
	@echo "Installing the second opinions: PyTorch, JAX, Optax (hundreds of MB) ..."
	@$(INSTALL) test-oracles
	@touch $@

$(VENV)/.bench: pyproject.toml tools/requirements.py | $(VENV)/.made
	@echo "Installing what runs the benchmarks ..."
	@$(INSTALL) base test bench
	@touch $@
