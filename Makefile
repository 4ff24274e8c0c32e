# Every target sets up what it needs: a virtual environment in .venv, filled by pip.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON ?=
PIP_ARGS ?=
BIN := .venv/bin
SUM := $(shell cat pyproject.toml | cksum | tr -s ' ' '-')
STAMP := .venv/.setup-$(SUM)
BENCH_STAMP := .venv/.bench-$(SUM)
RUN := runs/demo
HUMAN ?= tests/data/allison-vm-msgsaved.flac

.PHONY: help setup lint format test test-all demo bench clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /|/' | awk -F'|' '{printf "  make %-10s %s\n", $$1, $$2}'

setup: $(STAMP) ## create .venv and install omni-audio with its extras (again only if pyproject.toml changed)

$(STAMP): pyproject.toml
	@bash .ci/setup "$(PYTHON)" $(PIP_ARGS)
	@rm -f .venv/.setup-*; touch $@

$(BENCH_STAMP): $(STAMP)
	@echo "make bench: installing the extra bench into .venv"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[bench]" $(PIP_ARGS)
	@rm -f .venv/.bench-*; touch $@

lint: $(STAMP) ## ruff check, ruff format, pyright
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

format: $(STAMP) ## let ruff fix what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

test: $(STAMP) ## the tests that need no GPU, no network and no long wait
	$(BIN)/python -m pytest -q -n auto --maxprocesses 4 --dist loadfile -m "not slow and not gpu and not network"

test-all: $(STAMP) ## every test that this machine can run
	$(BIN)/python -m pytest -q

demo: $(STAMP) ## train, evaluate and talk to a small model: about 20 minutes on two cores; again: reuses what is done
	$(BIN)/omni-audio train experiment=demo
	$(BIN)/omni-audio eval experiment=demo eval.human_folder=tests/data
	@echo; echo "A recorded person ($(HUMAN)):"
	$(BIN)/omni-audio chat $(HUMAN) --build $(RUN) --out $(RUN)/reply-human.wav
	@echo; echo "A voice and a wording that training never saw:"
	@held_out="$$($(BIN)/omni-audio data $(RUN) --grep timer --num 1 --paths)"; cp "$$held_out" $(RUN)/request-held-out.flac
	$(BIN)/omni-audio chat $(RUN)/request-held-out.flac --build $(RUN) --tools
	$(BIN)/omni-audio chat $(RUN)/request-held-out.flac --build $(RUN) --out $(RUN)/reply-held-out.wav
	@printf '%s\n' '' \
	  'Made: $(RUN)/reply-human.wav, $(RUN)/reply-held-out.wav, $(RUN)/eval/report.html' '' \
	  'What to try next:' \
	  '  open $(RUN)/eval/report.html                  figures, loss curves, spectrograms and sound' \
	  '  .venv/bin/omni-audio chat YOUR.wav --out reply.wav    your own voice' \
	  '  .venv/bin/omni-audio serve                    then use any OpenAI client' \
	  '  .venv/bin/omni-audio train experiment=nano    the same road with about two hours'

bench: $(BENCH_STAMP) ## every benchmark, quick form, but semantic_report.py, which needs a build and a corpus
	@for file in $(filter-out benchmarks/semantic_report.py,$(wildcard benchmarks/*.py)); do echo "== $$file"; $(BIN)/python $$file --quick; done

clean: ## remove caches; .venv and runs stay
	rm -rf .pytest_cache .ruff_cache .hypothesis dist build
	find omni_audio tests benchmarks -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true
