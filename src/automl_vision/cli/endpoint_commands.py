"""The commands that deploy models to endpoints, change these, and serve them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from automl_vision.cli.model_commands import ListByDefault
from automl_vision.cli.options import JsonOption, RuntimeOption, WorkspaceOption, open_workspace
from automl_vision.cli.tables import moment, print_table

if TYPE_CHECKING:
    from automl_vision.deployment.drift import DriftReport
    from automl_vision.deployment.online.definition import EndpointDefinition
    from automl_vision.deployment.online.endpoint_folder import Endpoints

DRIFTED = 3
"""Exit code of `drift` where something has changed."""

EndpointArgument = Annotated[str, typer.Argument(metavar="ENDPOINT", help="Name of an endpoint.")]
KeyArgument = Annotated[str, typer.Argument(metavar="KEY", help="primary or secondary.")]


def deploy(
    model: Annotated[str, typer.Argument(help="NAME:VERSION, NAME@ALIAS, or the path of a model folder.")],
    endpoint: Annotated[str, typer.Option("--endpoint", "-e", help="Its name; it is made if there is none.")],
    name: Annotated[str | None, typer.Option(help="Of the deployment; by default made from the model's.")] = None,
    traffic: Annotated[
        int | None, typer.Option(min=0, max=100, help="Percent of requests; the others keep their proportions.")
    ] = None,
    mirror: Annotated[
        int | None, typer.Option(min=0, max=100, help="Percent of requests that it answers for the record only.")
    ] = None,
    runtime: RuntimeOption = None,
    backend: Annotated[
        str | None, typer.Option(help="triton://host:port/MODEL of a server that runs the network.")
    ] = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Serve a model from an endpoint; a server that runs takes it up without failing a request."""
    from automl_vision.deployment.online.deploying import deploy as deploy_model

    done = deploy_model(
        model,
        endpoint,
        name=name,
        traffic=traffic,
        mirror=mirror,
        runtime=runtime,
        backend=backend,
        workspace=open_workspace(workspace),
    )
    typer.echo(f"{endpoint}: {done.name} takes {done.share} % of the traffic")
    for key_name, key in done.keys.items():
        typer.echo(f"{key_name} key  {key}")
    if done.keys:
        typer.echo(f"The keys are not shown again. Serve the endpoint with: automl-vision serve {endpoint}")
    elif done.share == 0:
        typer.echo(f"Give it traffic with: automl-vision endpoints traffic {endpoint} {done.name}=10 ...")


def serve(  # noqa: PLR0913, PLR0917 - each is an option
    endpoint: Annotated[str, typer.Argument(help="Name of an endpoint, or path of its folder with a /.")],
    host: Annotated[
        str, typer.Option(help="Address to listen on; other than loopback, keys and TLS are needed.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")] = 8080,
    certificate: Annotated[
        Path | None, typer.Option(exists=True, help="PEM file of the certificate, for HTTPS.")
    ] = None,
    key: Annotated[Path | None, typer.Option(exists=True, help="PEM file of the certificate's key.")] = None,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Let other machines in without keys or TLS, as behind a proxy.")
    ] = False,
    workers: Annotated[int, typer.Option(min=0, help="Processes; 0 takes one for every four cores.")] = 0,
    threads: Annotated[int, typer.Option(min=0, help="Cores to use; 0 uses all.")] = 0,
    workspace: WorkspaceOption = None,
) -> None:
    """Serve an endpoint over HTTP until Ctrl-C or SIGTERM; what was accepted is answered first."""
    from automl_vision.deployment.online.endpoint_folder import EndpointFolder
    from automl_vision.deployment.online.server import ServerSettings
    from automl_vision.deployment.online.server import serve as serve_endpoint

    is_path = any(mark in endpoint for mark in ("/", os.sep))  # a copy of an endpoint's folder needs no workspace
    folder = EndpointFolder(Path(endpoint).resolve()) if is_path else _endpoints(workspace).get(endpoint)
    settings = ServerSettings(host, port, certificate, key, insecure, workers, threads)
    serve_endpoint(folder, settings, announce=typer.echo)


def drift(
    endpoint: EndpointArgument,
    deployment: Annotated[str | None, typer.Option(help="Of the endpoint; by default that with most traffic.")] = None,
    newest: Annotated[int, typer.Option(min=20, help="How many of the newest samples to compare.")] = 200,
    level: Annotated[
        float, typer.Option(help="Share of checks that may raise an alarm though nothing changed.")
    ] = 0.01,
    batch: Annotated[
        Path | None, typer.Option(help="New folder for the images most worth labelling, with predictions.")
    ] = None,
    count: Annotated[int, typer.Option(min=1, help="Images in that folder, at most.")] = 50,
    as_json: JsonOption = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Test whether what an endpoint sees has changed since its model was validated; exit code 3 if it has."""
    from automl_vision.deployment.drift import check_drift, labelling_batch

    folder = _endpoints(workspace).get(endpoint)
    report = check_drift(folder, deployment, newest=newest, level=level)
    written = None if batch is None else labelling_batch(folder, batch, deployment, count=count, newest=newest)
    if as_json:
        typer.echo(json.dumps({**report.to_json(), "batch": written}, indent=2))
    else:
        _print_drift(report)
        if written is not None:
            typer.echo(f"{written} images to label are in {batch}")
    if report.is_alarm:
        raise typer.Exit(DRIFTED)


def _print_drift(report: DriftReport) -> None:
    typer.echo(f"{report.endpoint}  {report.deployment}  {report.model}")
    typer.echo(report.sentence)
    found = report.comparison
    if found is None:
        return
    typer.echo(f"{report.samples} samples from {report.since} to {report.until}")
    rows = [
        [each.words, f"{each.p_value:.3f}", _figure(each.before), _figure(each.now), "changed" if each.sentence else ""]
        for each in found.changes
    ]
    rows += [[f"share of {label}", "", f"{a:.2f}", f"{b:.2f}", ""] for label, (a, b) in found.class_shares.items()]
    print_table(["what", "p", "validation", "now", ""], rows)
    typer.echo(found.estimate_sentence)


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def list_(as_json: JsonOption = False, workspace: WorkspaceOption = None) -> None:
    """List endpoints with what they serve; `list` may be left out."""
    endpoints = _endpoints(workspace)
    found = {name: endpoints.get(name).definition() for name in endpoints.names()}
    if as_json:
        typer.echo(json.dumps({name: each.model_dump() for name, each in found.items()}, indent=2))
        return
    if not found:
        typer.echo("There are no endpoints. Make one with: automl-vision deploy MODEL --endpoint NAME")
        return
    rows = [[name, *row] for name, each in found.items() for row in _rows(each)]
    print_table(["endpoint", "deployment", "model", "traffic", "mirror"], rows)


def show(endpoint: EndpointArgument, as_json: JsonOption = False, workspace: WorkspaceOption = None) -> None:
    """Show an endpoint's deployments, keys without their text, and last changes."""
    folder = _endpoints(workspace).get(endpoint)
    definition, keys = folder.definition(), folder.keys().keys
    if as_json:
        shown = [{"name": key.name, "created": key.created, **_limits(key)} for key in keys]
        typer.echo(json.dumps({**definition.model_dump(), "keys": shown, "changes": folder.changes()}, indent=2))
        return
    typer.echo(f"{endpoint}  {folder.definition_file}")
    print_table(["deployment", "model", "traffic", "mirror"], _rows(definition))
    for key in keys:
        limits = ", ".join(f"{value:g} {name.replace('_', ' ')}" for name, value in _limits(key).items() if value)
        typer.echo(f"{key.name} key of {moment(key.created)}{', at most ' + limits if limits else ''}")
    for change in folder.changes(10):
        typer.echo(f"{moment(change['time'])}  {change['user']}  {change['what']}")


def traffic(
    endpoint: EndpointArgument,
    shares: Annotated[
        list[str], typer.Argument(metavar="DEPLOYMENT=PERCENT...", help="Sum to 100; deployments left out get 0.")
    ],
    mirror: Annotated[
        list[str] | None, typer.Option(help="DEPLOYMENT=PERCENT of mirrored requests; may be given several times.")
    ] = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Divide an endpoint's traffic; a server that runs follows without failing a request."""
    folder = _endpoints(workspace).get(endpoint)
    changes: dict[str, Any] = {"traffic": _shares(shares)}
    if mirror is not None:
        changes["mirror_traffic"] = _shares(mirror)
    definition = folder.definition().changed(**changes)
    folder.change(definition, "changed the traffic")
    typer.echo(", ".join(f"{name} {share} %" for name, share in definition.traffic.items()))


def remove(
    endpoint: EndpointArgument,
    deployment: Annotated[str, typer.Argument(help="Of the endpoint; it must not take traffic.")],
    workspace: WorkspaceOption = None,
) -> None:
    """End a deployment that takes no traffic."""
    _endpoints(workspace).get(endpoint).remove_deployment(deployment)
    typer.echo(f"{deployment} is no longer served by {endpoint}")


def renew_key(endpoint: EndpointArgument, key: KeyArgument, workspace: WorkspaceOption = None) -> None:
    """Replace a key and print the new one, which is not shown again; the other key stays as it is."""
    from automl_vision.deployment.online.keys import key_name

    typer.echo(_endpoints(workspace).get(endpoint).renew_key(key_name(key)))


def limit_key(
    endpoint: EndpointArgument,
    key: KeyArgument,
    per_second: Annotated[float | None, typer.Option(help="Requests per second; without it any number.")] = None,
    per_day: Annotated[int | None, typer.Option(help="Requests per day; without it any number.")] = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Set how many requests a key allows."""
    from automl_vision.deployment.online.keys import key_name

    folder = _endpoints(workspace).get(endpoint)
    folder.limit_key(key_name(key), per_second=per_second, per_day=per_day)
    typer.echo(f"the {key} key allows {per_second or 'any number'} requests per second, {per_day or 'any'} per day")


def _endpoints(workspace: Path | None) -> Endpoints:
    from automl_vision.deployment.online.endpoint_folder import Endpoints

    return Endpoints(open_workspace(workspace).path)


def _shares(texts: list[str]) -> dict[str, int]:
    from automl_vision.deployment.online.definition import EndpointError

    found = {}
    for text in texts:
        name, _, percent = text.partition("=")
        if not percent.isdigit():
            raise EndpointError(f'"{text}" is not of the form DEPLOYMENT=PERCENT, such as blue=90')
        found[name] = int(percent)
    return found


def _rows(definition: EndpointDefinition) -> list[list[str]]:
    return [
        [name, each.model, f"{definition.traffic.get(name, 0)} %", f"{definition.mirror_traffic.get(name, 0)} %"]
        for name, each in definition.deployments.items()
    ]


def _limits(key: Any) -> dict[str, float | None]:
    return {"per_second": key.per_second, "per_day": key.per_day}


def add_endpoints(app: typer.Typer) -> None:
    """Add `deploy`, `serve`, `drift` and the commands under `endpoints`."""
    app.command()(deploy)
    app.command()(serve)
    app.command()(drift)
    group = typer.Typer(
        cls=ListByDefault, help="List endpoints, divide their traffic, renew their keys.", no_args_is_help=False
    )
    for command in (list_, show, traffic, remove, renew_key, limit_key):
        group.command(command.__name__.rstrip("_").replace("_", "-"))(command)
    app.add_typer(group, name="endpoints")
