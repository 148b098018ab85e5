"""The notebooks of `examples/`: their code runs, and their stored outputs are small, complete, and of that code."""

from __future__ import annotations

import ast
import importlib
import re
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "examples"))

from execute import DIGEST, code_digest, executed, notebooks  # noqa: E402 - a script beside the notebooks

TASKS = {"image_classification", "multi_label_classification", "object_detection", "instance_segmentation"}
LIMIT_KB = 300
ABSOLUTE = re.compile(r"(?<![\w./:-])/(work|root|home|tmp|Users|usr|opt)/")


def test_each_task_has_a_notebook():
    assert {file.stem for file in notebooks()} == TASKS


@pytest.mark.parametrize("file", notebooks(), ids=lambda file: file.stem)
def test_stored_outputs_are_those_of_the_code(file: Path):
    notebook = nbformat.read(file, as_version=4)
    nbformat.validate(notebook)
    assert notebook.metadata[DIGEST] == code_digest(notebook), "run: make notebooks"
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert file.stat().st_size < LIMIT_KB * 1000
    kinds = {kind for output in _outputs(notebook) for kind in output.get("data", {})}
    assert {"image/jpeg", "text/html", "image/svg+xml"} <= kinds
    assert not [output for output in _outputs(notebook) if output.output_type == "error"]
    assert not ABSOLUTE.search(file.read_text(encoding="utf-8"))


@pytest.mark.parametrize("file", notebooks(), ids=lambda file: file.stem)
def test_names_and_links_exist(file: Path):
    notebook = nbformat.read(file, as_version=4)
    code = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    ours = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.ImportFrom) and node.module]
    for node in ours:
        if node.module.startswith("automl_vision"):
            module = importlib.import_module(node.module)
            assert all(hasattr(module, each.name) for each in node.names)
    assert code.count("AUTOML_VISION_TEST_DATA") == 1  # one line says where the data are
    texts = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    links = re.findall(r"\]\((\.\.[^)#]+)", texts)
    assert links and all((file.parent / link).is_file() for link in links)


@pytest.mark.slow
@pytest.mark.parametrize("file", notebooks(), ids=lambda file: file.stem)
def test_a_notebook_runs_from_its_data_to_an_answer_over_http(file: Path, real_data: Path):
    cells = [cell for cell in executed(file, real_data).cells if cell.cell_type == "code"]
    answered = [output for output in cells[-1].outputs if output.output_type == "execute_result"]
    assert answered


def _outputs(notebook: NotebookNode) -> list[NotebookNode]:
    return [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
