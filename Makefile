# Every target installs its dependencies, with pinned versions, into one virtual environment per Python.
PYTHON ?= python3
VENV ?= .venv-$(notdir $(PYTHON))
RUN = $(VENV)/bin/
INSTALLED = $(VENV)/.installed

.PHONY: help demo train-quickstart test test-slow lint clean

help:
	@echo "make demo              reconstruct two photos into demo_output/"
	@echo "make train-quickstart  train a small network on rendered faces: three minutes on two cores"
	@echo "make test              run the tests: about eight minutes on two cores"
	@echo "make test-slow         run the slow tests: about ten minutes"
	@echo "make lint              check style and types"
	@echo "make clean             remove the environments and all generated files"
	@echo "PYTHON=python3.12 selects another Python (3.11 or 3.12)."

demo: $(INSTALLED)
	$(RUN)python experiments/demo.py --output_dir=demo_output

train-quickstart: $(INSTALLED)
	$(RUN)python experiments/prepare_data.py --dataset=synthetic_faces --count=2500 --data_dir=data/quickstart
	$(RUN)python experiments/train.py --config=configs/quickstart.py --workdir=runs/quickstart
	@echo "Predictions on held-out faces: runs/quickstart/validation/"

test: $(INSTALLED)
	$(RUN)python -m pytest -n 2 -q

test-slow: $(INSTALLED)
	$(RUN)python -m pytest -n 2 -q -m slow

lint: $(INSTALLED)
	$(RUN)ruff check .
	$(RUN)ruff format --check .
	$(RUN)mypy

$(INSTALLED): setup.cfg pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12) and \
	    "Python 3.11 or 3.12 is needed, this is " + sys.version.split()[0] + ": make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(RUN)pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[demo,export,test,video]'
	@touch $@

clean:
	rm -rf .venv-* demo_output data/quickstart runs/quickstart build *.egg-info .pytest_cache .mypy_cache .ruff_cache
