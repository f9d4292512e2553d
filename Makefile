# Each target sets up what it needs. `make` alone says what there is.
PYTHON := .venv/bin/python
PYTEST := $(PYTHON) -m pytest

.PHONY: help setup setup-test demo test lint check bench lock
help:
	@sed -n 's/^\([a-z-]*\):.*## /\1: /p' Makefile

setup: ## install servers (apt) and Python packages (.venv)
	@sh requirements/setup.sh

setup-test:
	@sh requirements/setup.sh test

demo: setup ## the main job on this machine, in a scratch clone, with a report
	@.venv/bin/liftlock demo

test: setup-test lint ## everything, as CI runs it
	$(PYTEST) -q -n 2 --dist loadfile -m "not alone"
	$(PYTEST) -q -m alone

lint: setup-test
	$(PYTHON) -m ruff check
	$(PYTHON) -m ruff format --check
	$(PYTHON) -m mypy
	.venv/bin/lint-imports

check: setup ## everything a pull request must satisfy
	@.venv/bin/liftlock check

bench: setup-test ## the numbers, each a ratio with its target
	@$(PYTHON) -m bench

lock: setup ## lock the Python packages anew
	@PATH="$(CURDIR)/.venv/bin:$$PATH" sh requirements/lock.sh
