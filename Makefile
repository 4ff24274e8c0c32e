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
BUILD := builds/omni-audio-nano-2026-11-24
TOOLS := --tool set_timer --tool cancel_timer --tool check_timer --tool set_alarm
HUMAN ?= tests/data/allison-vm-msgsaved.flac

.PHONY: help setup lint format test test-all demo train bench clean

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

demo: $(STAMP) ## the shipped build answers; then it learns a voice that it never heard, and what got better is shown
	$(BIN)/omni-audio build-info $(BUILD)
	@mkdir -p runs/voice
	@echo; echo "A typed request, answered by a tool call, and by sound:"
	$(BIN)/omni-audio chat --text "set a timer for ten minutes" $(TOOLS) --build $(BUILD)
	$(BIN)/omni-audio chat --text "how many legs does a spider have" --build $(BUILD) --out runs/voice/reply-typed.wav
	@echo; echo "A recorded person ($(HUMAN)), outside what it learnt:"
	$(BIN)/omni-audio chat $(HUMAN) --build $(BUILD) --out runs/voice/reply-human.wav
	@echo; echo "Requests in a voice that it never heard, before it learns from that voice:"
	$(BIN)/omni-audio train experiment=voice base=$(BUILD) 'stages=[corpus]'
	$(BIN)/omni-audio eval experiment=voice build=$(BUILD) eval.weight_quant=nf4 eval.output=runs/voice/before
	$(BIN)/omni-audio train experiment=voice base=$(BUILD)
	$(BIN)/omni-audio eval experiment=voice eval.output=runs/voice/after
	@echo; echo "Before and after, on wordings that training never saw:"
	$(BIN)/omni-audio compare runs/voice/before runs/voice/after
	@held_out="$$($(BIN)/omni-audio data runs/voice --grep timer --num 1 --paths)"; cp "$$held_out" runs/voice/request.flac
	$(BIN)/omni-audio chat runs/voice/request.flac --build runs/voice $(TOOLS)
	$(BIN)/omni-audio chat runs/voice/request.flac --build runs/voice --out runs/voice/reply.wav
	@printf '%s\n' '' \
	  'Made: runs/voice/reply-typed.wav, reply-human.wav, request.flac, reply.wav, before/report.html, after/report.html' '' \
	  'What to try next:' \
	  '  open runs/voice/after/report.html             figures, loss curves, spectrograms and sound' \
	  '  .venv/bin/omni-audio chat YOUR.wav --build $(BUILD) --out reply.wav' \
	  '  .venv/bin/omni-audio serve build=$(BUILD)     then open http://127.0.0.1:8000 or use any OpenAI client' \
	  '  make train                                    a network from nothing, in about 20 minutes'

train: $(STAMP) ## train a small network from nothing, evaluate it and talk to it: about 20 minutes on two cores
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
