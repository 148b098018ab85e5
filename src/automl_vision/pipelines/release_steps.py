"""The steps that change what is served: promotion, deployment, and the way back."""

from __future__ import annotations

from automl_vision.core.errors import PipelineError
from automl_vision.deployment.online.deploying import deploy
from automl_vision.deployment.online.endpoint_folder import EndpointFolder, Endpoints
from automl_vision.experiment.gate import promote_judged
from automl_vision.pipelines.context import PipelineContext
from automl_vision.pipelines.results import Candidate, Challenged, Deployed, Promoted, Results
from automl_vision.workspace.model_version import CHAMPION, AliasChange

_REASON = 900  # characters


def promotion_key(context: PipelineContext, results: Results) -> list[object]:  # noqa: ARG001 - a key takes both
    """What the result depends on."""
    return [results.of(Candidate).version, results.of(Challenged).champion]


def promote_candidate(context: PipelineContext, results: Results) -> Promoted:
    """Make the candidate the champion, unless a person took that back before."""
    candidate, champion = results.of(Candidate).version, context.champion()
    if champion is not None and champion.id == candidate:
        change = _last_change(context, candidate)
        return Promoted(
            sentence=f"{candidate} is the champion already",
            version=candidate,
            previous=""
            if change is None or change.previous is None
            else f"{context.definition.name}:{change.previous}",
            changed=_changed(context, candidate),
        )
    undone = _taken_back(context, candidate)
    if undone is not None:
        reason = f": {undone.why}" if undone.why else ""
        return Promoted(
            passed=False,
            sentence=f"{candidate} was the champion, and {undone.user} took that back{reason}; "
            f"promote it by hand with: automl-vision models promote {candidate}",
            version=candidate,
        )
    why = context.why or f"pipeline: {results.of(Challenged).sentence}"
    moved = promote_judged(context.workspace, candidate, why=why[:_REASON])
    return Promoted(
        sentence=f"{candidate} is the champion now" + ("" if champion is None else f", it was {champion.id}"),
        version=candidate,
        previous="" if champion is None else champion.id,
        changed=0.0 if moved is None else moved.time,
    )


def still_champion(context: PipelineContext, promoted: Promoted) -> bool:
    """Whether the version is the champion by the promotion that the result tells of, and not by a later one."""
    champion = context.champion()
    if not promoted.passed or champion is None or champion.id != promoted.version:
        return False
    return promoted.changed == _changed(context, promoted.version)


def champion_changes(context: PipelineContext) -> list[AliasChange]:
    """Who made which version the champion, when and why, oldest first."""
    models, name = context.workspace.models, context.definition.name
    log = models.log(name) if name in models.names() else []
    return [change for change in log if change.alias == CHAMPION]


def _changed(context: PipelineContext, version: str) -> float:
    """When a version became the champion last, in seconds since 1970; 0 if nobody knows."""
    change = _last_change(context, version)
    return 0.0 if change is None else change.time


def _last_change(context: PipelineContext, version: str) -> AliasChange | None:
    number = int(version.rpartition(":")[2])
    return next((change for change in reversed(champion_changes(context)) if change.version == number), None)


def _taken_back(context: PipelineContext, version: str) -> AliasChange | None:
    """The change that took the alias from a version by a rollback, if that is the last that it knew of it."""
    number = int(version.rpartition(":")[2])
    concerned = [change for change in champion_changes(context) if number in (change.version, change.previous)]
    last = concerned[-1] if concerned else None
    return last if last is not None and last.action == "rolled back" and last.previous == number else None


def deployment_key(context: PipelineContext, results: Results) -> list[object]:
    """What the result depends on: another promotion of the same version is deployed again."""
    promoted = results.of(Promoted)
    return [promoted.version, promoted.changed, context.definition.endpoint]


def deploy_champion(context: PipelineContext, results: Results) -> Deployed:
    """Serve the champion from the pipeline's endpoint with all traffic; a running server takes it up by itself."""
    return serve(context, results.of(Promoted).version, results.of(Promoted).previous)


def serve(context: PipelineContext, version: str, previous: str) -> Deployed:
    """Give a version all traffic of the endpoint.

    The deployment of the version before it stays, without traffic, for the way back; older ones are removed.
    """
    name = context.definition.endpoint
    if name is None:
        return Deployed(sentence="the pipeline names no endpoint, so nothing is served", version=version)
    done = deploy(version, name, traffic=100, workspace=context.workspace)
    for key, text in done.keys.items():
        context.reporter.confide(f"{key} key", name, text)
    endpoint = Endpoints(context.workspace.path).get(name)
    _remove_old(endpoint, context.definition.name, {version, previous})
    return Deployed(
        sentence=f"{name} serves {version} as {done.name}", version=version, endpoint=name, deployment=done.name
    )


def _remove_old(endpoint: EndpointFolder, model: str, kept: set[str]) -> None:
    """Remove the deployments of a model's other versions that take no traffic."""
    definition = endpoint.definition()
    for name, each in definition.deployments.items():
        idle = not definition.traffic.get(name) and not definition.mirror_traffic.get(name)
        if idle and each.model.startswith(f"{model}:") and each.model not in kept:
            endpoint.remove_deployment(name)


def roll_back(context: PipelineContext, why: str = "") -> tuple[AliasChange, Deployed]:
    """Make the champion before this one the champion again, and serve it.

    Returns:
        The change of the alias, and what is served.

    Raises:
        PipelineError: there is no champion.
        ModelNotFoundError: there was none before it.
    """
    name = context.definition.name
    if context.champion() is None:
        raise PipelineError(f"no version of {name} is the champion, so there is nothing to go back from")
    with context.store.held(context.patience):
        change = context.workspace.models.rollback(name, why=why)
        return change, serve(context, f"{name}:{change.version}", f"{name}:{change.previous}")
