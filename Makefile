# Every target is one or two commands that a person could type. `make help` lists them.
PYTHON ?= python3.11
VENV ?= .venv
RUN = $(VENV)/bin/python
READY = $(VENV)/.ready
TEST_WORKERS ?= 2
# One thread a process: fastest for the small tensors here, and two processes then share two cores well.
export OMP_NUM_THREADS ?= 1
export MKL_NUM_THREADS ?= 1

.PHONY: help course test test-fast test-bridges setup system release verify site copies serve grade-demo verify-seeds bench lint clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 22

course: release site grade-demo ## set up, release the exercises, build the site, grade a demo class
	@echo
	@echo "read   _build/html/index.html      (make serve shows it on localhost)"
	@echo "do     book/exercises/             (a notebook and a zip per assignment)"
	@echo "teach  $(RUN) -m autograder --help   (guide: _build/html/guide/instructor.html)"

test: system release site ## every test that needs no special hardware
	$(RUN) -m pytest -n $(TEST_WORKERS) --dist loadfile

test-fast: setup ## the tests of rlkit and of the book's equations: about a minute
	$(RUN) -m pytest tests/rlkit tests/book/test_equations.py

setup: $(READY) ## create .venv with the pinned versions (again when they change)

$(READY): pyproject.toml constraints.txt
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 was not found as '$(PYTHON)'. Install it (Debian: apt-get install python3.11 python3.11-venv) or name it: make PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11) and f"{sys.executable} is Python {sys.version.split()[0]}, expected 3.11; name one: make PYTHON=/path/to/python3.11")'
	@$(PYTHON) -c 'import venv, ensurepip' || { echo "Python has no venv module. Debian: apt-get install python3.11-venv"; exit 1; }
	test -x $(RUN) || $(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --disable-pip-version-check $$(grep '^torch==' constraints.txt)
	$(RUN) -m pip install --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

system: setup ## install what the tests need of Debian (chromium, bubblewrap, postgresql), where that is possible
	@$(RUN) -m tests.debian_packages

release: setup ## exercises to book/exercises/, with a zip per assignment
	$(RUN) -m autograder release

test-bridges: setup ## the bridges' tests, each with its real framework in an environment of its own (made on the first run)
	$(RUN) -m tests.bridges.run

verify: setup ## solutions full, blanks zero, misconceptions caught and named, alternatives accepted
	$(RUN) -m autograder verify

site: setup ## build the website into _build/html (SOLUTIONS=no leaves the solutions out)
	$(RUN) book/build.py $(if $(filter no,$(SOLUTIONS)),--without-solutions)

copies: setup ## the book as a PDF (printed by Chromium) and the site as a zip, into _build/html
	$(RUN) book/build.py --pdf --zip

serve: setup ## serve the website on localhost
	$(RUN) book/build.py --serve $(if $(filter no,$(SOLUTIONS)),--without-solutions)

grade-demo: setup ## grade a demo class: a right, a half-right and a hostile submission
	$(RUN) -m autograder demo

verify-seeds: setup ## every statistical check over 100 seeds, written as an evidence record
	$(RUN) benchmarks/verify_seeds.py --seeds 100

bench: setup ## the benchmarks that this machine can run; JSON into benchmarks/results
	$(RUN) benchmarks/dynamic_programming.py
	$(RUN) benchmarks/control.py
	$(RUN) benchmarks/ppo_learning_rates.py
	$(RUN) benchmarks/language_models.py
	$(RUN) benchmarks/agents.py
	$(RUN) benchmarks/agent_differences.py
	$(RUN) benchmarks/agent_credit.py
	$(RUN) benchmarks/agent_prices.py
	$(RUN) benchmarks/agent_hacking.py
	$(RUN) benchmarks/agent_flywheel.py
	$(RUN) benchmarks/grading.py

lint: setup ## ruff and mypy
	$(VENV)/bin/ruff check . && $(VENV)/bin/ruff format --check . && $(VENV)/bin/mypy

clean: ## remove what was built (the virtual environment and the gradebook stay)
	rm -rf _build book/_build book/exercises build
