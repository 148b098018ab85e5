"""Writes the pages derived from the code: configuration, hyperparameters, metrics, commands, formats, API, job schema.

Run it with `make docs`; a test fails when a page is out of date.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import typer.main
from pydantic import AliasChoices

DOCS = Path(__file__).parent
_NOTE = "Generated from the code by `make docs`; do not edit.\n"


def hyperparameters_page() -> str:
    """Every hyperparameter, one table for each family of algorithms."""
    from automl_vision.core.tasks import TASKS
    from automl_vision.recipes.catalog import ANY, algorithms

    uses: dict[Any, list[str]] = {}
    for task in TASKS:
        for algorithm in algorithms(task):
            of = uses.setdefault(algorithm.family, [])
            of.append(f"`{task}`" + (f" with `{algorithm.name}`" if algorithm.name != ANY else ""))
    parts = [f"# Hyperparameters\n\n{_NOTE}"]
    for family, of in uses.items():
        name = family.__name__.removesuffix("Hyperparameters")
        parts.append(f"## {name}\n\n{family.__doc__}\n\nFor {', '.join(of)}.\n\n{_hyperparameter_table(family)}")
    return "\n".join(parts)


def _hyperparameter_table(family: Any) -> str:
    return _table(["name", "default", "values", "what it does", "old names"], _named_rows(family))


def _rows(model: Any) -> list[list[str]]:
    """Name, default, values and meaning of each field."""
    schema = model.model_json_schema(by_alias=False)["properties"]
    return [
        [f"`{name}`", _default(field), _range(schema[name]), field.description or ""]
        for name, field in model.model_fields.items()
    ]


def _named_rows(model: Any) -> list[list[str]]:
    """The same, with the other names of each field."""
    return [
        [*row, _old_names(name, field)]
        for row, (name, field) in zip(_rows(model), model.model_fields.items(), strict=True)
    ]


def configuration_page() -> str:
    """Every field of `AutoMLVisionConfig`."""
    from automl_vision.experiment.config import AutoMLVisionConfig

    columns = ["field", "default", "values", "meaning", "other names"]
    return f"# Configuration\n\n{_NOTE}\n{_table(columns, _named_rows(AutoMLVisionConfig))}"


def promotion_page() -> str:
    """Every setting of a rule of promotion."""
    from automl_vision.experiment.promotion import PromotionRule

    return (
        f"# Rules of promotion\n\n{_NOTE}\nThe settings of `automl-vision models promote --rule FILE` and of "
        "`PromotionRule`. What is set to null is not asked.\n\n"
        f"{_table(['setting', 'default', 'values', 'meaning'], _rows(PromotionRule))}"
    )


def metrics_page() -> str:
    """Every metric of every task."""
    from automl_vision.core.tasks import TASKS
    from automl_vision.evaluation.metric import metrics_of

    parts = [
        f"# Metrics\n\n{_NOTE}\n`AutoMLVisionConfig(primary_metric=...)` takes any metric of the task; it ranks epochs "
        "and trials. The first one of a table is the default. A metric that is undefined, such as the AUC where only "
        "one class occurs, is NaN in Python and null in JSON."
    ]
    for task in TASKS.values():
        rows = [
            [f"`{metric.name}`", "higher" if metric.higher_is_better else "lower", f"{metric.low:g} to {metric.high:g}",
             metric.meaning, metric.source]
            for metric in metrics_of(task.name).values()
        ]  # fmt: skip
        parts.append(f"## {task.name}\n\n{_table(['name', 'better', 'range', 'meaning', 'defined by'], rows)}")
    return "\n\n".join(parts)


def commands_page() -> str:
    """Every command with its arguments and options."""
    from automl_vision.cli.commands import add_train, app

    add_train(called=True)
    root: Any = typer.main.get_command(app)
    parts = [f"# Commands\n\n{_NOTE}"]
    for name, command in sorted(_commands(root, "automl-vision")):
        rows = [[f"`{_parameter(p)}`", (getattr(p, "help", None) or "").replace("\n", " ")] for p in command.params]
        parts.append(f"## {name}\n\n{command.help or ''}\n\n{_table(['argument or option', 'meaning'], rows)}")
    return "\n".join(parts)


def formats_page() -> str:
    """Every dataset format, read or written."""
    from automl_vision.formats.registry import list_export_formats, list_formats

    reads = [[f"`{format_.name}`", ", ".join(format_.kinds), format_.layout] for format_ in list_formats()]
    kinds = ("label", "labels", "boxes", "masks")
    writes = [
        [
            f"`{format_.name}`",
            ", ".join(kind for kind in kinds if kind in format_.kinds),
            ", ".join(sorted(format_.holds)) or "nothing",
        ]
        for format_ in sorted(list_export_formats(), key=lambda format_: format_.name)
    ]
    return (
        f"# Dataset formats\n\n{_NOTE}\n## Read\n\n"
        "`Dataset.open(path)` tries them in this order; `format=` names one.\n\n"
        f"{_table(['name', 'labels', 'what it looks like'], reads)}\n## Written\n\n"
        "`export_dataset(dataset, folder, format)`, or `automl-vision data convert PATH FOLDER --format NAME`. "
        "What a format cannot hold is reported.\n\n"
        f"{_table(['name', 'labels', 'also holds'], writes)}\n"
        "label: one per image; labels: any number per image. iscrowd: one region around many objects; difficult: not "
        "counted when missed; references: images may stay where they are.\n"
    )


def api_page() -> str:
    """Every public name; Sphinx fills the page from the docstrings."""
    import automl_vision

    described = [name for group in API.values() for name in group]
    missing = set(automl_vision.__all__) - {"__version__"} - set(described)
    parts = [f"# Python API\n\n{_NOTE}\nThe names that `automl_vision` exports. The site shows their docstrings.\n"]
    for title, names in {**API, "Other": sorted(missing)}.items():
        entries = [_api_entry(name, getattr(automl_vision, name)) for name in names]
        if entries:
            parts.append(f"## {title}\n\n" + "\n".join(entries))
    return "\n".join(parts)


def testing_page() -> str:
    """Every conformance class; Sphinx fills the page from the docstrings."""
    from automl_vision import testing

    parts = [
        f"# Conformance classes\n\n{_NOTE}\nThe tests that an extension inherits from `automl_vision.testing`; "
        "[Extending](../guides/extending.md) shows how.\n"
    ]
    for name in testing.__all__:
        directive = f".. autoclass:: automl_vision.testing.{name}\n   :members:"
        parts.append(f"## {name}\n\n```{{eval-rst}}\n{directive}\n```\n")
    return "\n".join(parts)


def _api_entry(name: str, value: Any) -> str:
    directive = (
        f".. autoclass:: automl_vision.{name}\n   :members:"
        if isinstance(value, type)
        else (f".. autofunction:: automl_vision.{name}")
    )
    return f"### {name}\n\n```{{eval-rst}}\n{directive}\n```\n"


def schema_text() -> str:
    """JSON Schema of job files."""
    from automl_vision.experiment.job_file import job_schema

    return json.dumps(job_schema(), indent=2) + "\n"


def pipeline_schema_text() -> str:
    """JSON Schema of pipeline files."""
    from automl_vision.pipelines.definition import pipeline_schema

    return json.dumps(pipeline_schema(), indent=2) + "\n"


def pipeline_page() -> str:
    """Every setting of `pipeline.yaml`."""
    from automl_vision.pipelines import definition as parts

    groups = {
        "": parts.PipelineDefinition, "gates": parts.Gates, "gates.data": parts.DataGate, "triggers": parts.Triggers,
        "triggers.labels": parts.LabelTrigger, "triggers.drift": parts.DriftTrigger,
    }  # fmt: skip
    found = [
        f"# Pipelines\n\n{_NOTE}\nThe settings of `pipeline.yaml`, which [its guide](../guides/pipelines.md) explains."
    ]
    for prefix, part in groups.items():
        title = f"## {prefix}" if prefix else "## Settings"
        found.append(f"{title}\n\n{_table(['setting', 'default', 'values', 'meaning'], _rows(part))}")
    return "\n\n".join(found)


API = {
    "Data": ["Dataset", "Columns", "export_dataset", "what_if"],
    "Runs": ["AutoMLVisionConfig", "Experiment", "Run", "Trial", "Workspace"],
    "Models and predictions": ["Predictor", "set_operating_point", "load_torch", "list_models"],
    "Labels": ["LabelingProject"],
    "Registered models": ["register", "compare_models", "promote", "PromotionRule"],
    "Sampling": ["RandomParameterSampling", "GridParameterSampling", "BayesianParameterSampling"],
    "Distributions": [
        "choice", "uniform", "quniform", "loguniform", "qloguniform", "normal", "qnormal", "lognormal", "qlognormal",
        "randint",
    ],
    "Early termination": [
        "BanditPolicy", "MedianStoppingPolicy", "TruncationSelectionPolicy", "SuccessiveHalvingPolicy",
        "NoTerminationPolicy",
    ],
}  # fmt: skip
"""The order in which the page shows the public names; a new one comes under "Other" until it has its place."""


def openapi_text() -> str:
    """The description of the studio's API, from which the types of the web app are made."""
    from automl_vision.studio.app import create_app

    return json.dumps(create_app([]).openapi(), indent=2) + "\n"


PAGES = {
    "reference/api.md": api_page,
    "reference/hyperparameters.md": hyperparameters_page,
    "reference/configuration.md": configuration_page,
    "reference/metrics.md": metrics_page,
    "reference/promotion.md": promotion_page,
    "reference/pipeline.md": pipeline_page,
    "reference/commands.md": commands_page,
    "reference/formats.md": formats_page,
    "reference/testing.md": testing_page,
    "job.schema.json": schema_text,
    "pipeline.schema.json": pipeline_schema_text,
    "openapi.json": openapi_text,
}


def _commands(group: Any, prefix: str) -> list[tuple[str, Any]]:
    found = []
    for name, command in group.commands.items():
        path = f"{prefix} {name}"
        found += _commands(command, path) if hasattr(command, "commands") else [(path, command)]
    return found


def _parameter(parameter: Any) -> str:
    options = [option for option in parameter.opts if option.startswith("-")]
    return ", ".join(options) if options else str(parameter.name).upper()


def _default(field: Any) -> str:
    """The default of a field; a group of fields has those of a table of its own."""
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if hasattr(value, "model_fields_set"):
        return "below"
    return "none" if value in (None, {}, ()) else f"`{value}`"


def _range(schema: dict[str, Any]) -> str:
    options = schema.get("anyOf", [schema])
    return " or ".join(dict.fromkeys(text for text in map(_one_range, options) if text))


def _one_range(schema: dict[str, Any]) -> str:
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if "pattern" in schema:
        return "text"
    kind = {"integer": "int", "number": "float", "boolean": "0, 1", "string": "text", "object": "mapping"}
    signs = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}
    bounds = [f"{sign} {schema[name]:g}" for name, sign in signs.items() if name in schema]
    return " ".join([kind.get(schema.get("type", ""), ""), ", ".join(bounds)]).strip()


def _old_names(name: str, field: Any) -> str:
    alias = field.validation_alias
    return ", ".join(f"`{c}`" for c in alias.choices if c != name) if isinstance(alias, AliasChoices) else ""


def _table(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines) + "\n"


def main() -> None:
    """Write all pages."""
    for name, page in PAGES.items():
        (DOCS / name).parent.mkdir(parents=True, exist_ok=True)
        (DOCS / name).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
