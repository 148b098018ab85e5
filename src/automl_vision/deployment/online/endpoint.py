"""An endpoint at work: its deployments, which of them answers a request, and the files that it follows."""

from __future__ import annotations

import asyncio
import logging
import os
import random
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from automl_vision.core.errors import AutoMLVisionError
from automl_vision.core.text import did_you_mean
from automl_vision.deployment.monitoring.monitor import Monitor, Sampling
from automl_vision.deployment.online.definition import (
    DeploymentDefinition,
    EndpointDefinition,
    EndpointError,
    MonitoringSettings,
)
from automl_vision.deployment.online.endpoint_folder import EndpointFolder
from automl_vision.deployment.online.keys import Keys
from automl_vision.deployment.online.live import LiveDeployment

_EVERY = 0.5  # seconds between two looks at the files
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Serving:
    """What an endpoint serves at one moment; a request is answered by what was served when it came.

    Attributes:
        definition: as the file says it.
        deployments: those that are open, by name.
        keys: that callers may present.
    """

    definition: EndpointDefinition
    deployments: Mapping[str, LiveDeployment]
    keys: Keys

    def pick(self, chance: Callable[[], float] = random.random) -> LiveDeployment:
        """The deployment that answers a request, by the shares of traffic.

        Args:
            chance: returns numbers from 0 up to 1.

        Raises:
            EndpointError: no deployment takes traffic.
        """
        point = 100 * chance()
        for name, share in self.definition.traffic.items():
            point -= share
            if point < 0:
                return self.deployments[name]
        raise EndpointError("no deployment takes traffic; set it with: automl-vision endpoints traffic")

    def named(self, name: str) -> LiveDeployment:
        """A deployment by its name, whether it takes traffic or not.

        Raises:
            EndpointError: there is none of this name.
        """
        if name not in self.deployments:
            hint = did_you_mean(name, self.deployments)
            raise EndpointError(f'no deployment is named "{name}".{hint} Deployments: {", ".join(self.deployments)}')
        return self.deployments[name]

    def mirrors(self, answered_by: str, chance: Callable[[], float] = random.random) -> list[LiveDeployment]:
        """The other deployments that also get a request, for the record."""
        shares = self.definition.mirror_traffic
        return [self.deployments[name] for name in shares if name != answered_by and 100 * chance() < shares[name]]


class LiveEndpoint:
    """Keeps an endpoint's deployments open as its files say, and changes them while requests are answered.

    Its life: `open`, then `follow` beside the server, then `close`. A new definition is taken up as a whole once all
    its models are open; those that are gone finish what they accepted. One that cannot be used changes nothing.

    Args:
        folder: of the endpoint.
        threads: cores to use; 0 uses all that this process may use.
    """

    def __init__(self, folder: EndpointFolder, *, threads: int = 0) -> None:
        self.folder = folder
        self.problem: str | None = None
        self._threads = threads
        self._serving: Serving | None = None
        self._seen: tuple[object, ...] = ()
        self._ending: list[threading.Thread] = []

    @property
    def serving(self) -> Serving:
        """What is served now."""
        assert self._serving is not None, "the endpoint is opened before it is asked"
        return self._serving

    def open(self) -> None:
        """Open all deployments of the definition.

        Raises:
            EndpointError: the definition cannot be used.
            ModelFolderError: a model cannot be opened.
        """
        self._seen = self._signature()
        self._serving = self._made()

    async def follow(self) -> None:
        """Take up changes of the files until it is canceled."""
        while True:
            await asyncio.sleep(_EVERY)
            seen = self._signature()
            if seen != self._seen:
                self._seen = seen
                await asyncio.to_thread(self.refresh)

    def refresh(self) -> None:
        """Take up the files as they are now; what is wrong with them is in `problem`."""
        try:
            new = self._made()
        except AutoMLVisionError as error:
            self.problem = str(error)
            _log.error("the endpoint stays as it is: %s", error)
            return
        old, self._serving, self.problem = self.serving, new, None
        kept = set(map(id, new.deployments.values()))
        for deployment in old.deployments.values():
            if id(deployment) not in kept:
                thread = threading.Thread(target=deployment.close, name=f"end-{deployment.name}", daemon=True)
                thread.start()
                self._ending = [each for each in self._ending if each.is_alive()] + [thread]

    def close(self) -> None:
        """Finish what was accepted, and end all threads."""
        for deployment in self.serving.deployments.values():
            deployment.close()
        for thread in self._ending:
            thread.join()

    def _made(self) -> Serving:
        definition, keys = self.folder.definition(), self.folder.keys()
        if definition.auth_mode == "key" and not keys.keys:
            raise EndpointError(f"{self.folder.name} has no keys; make one with: automl-vision endpoints renew-key")
        known = dict(self._serving.deployments) if self._serving is not None else {}
        is_kept = self._serving is not None and _manner(self._serving.definition) == _manner(definition)
        found = {}
        for name, deployment in definition.deployments.items():
            same = known.get(name)
            if same is not None and same.definition == deployment and is_kept:
                found[name] = same
                continue
            folder = self.folder.model_folder(deployment)
            monitor = self._monitor(name, deployment, definition.monitoring)
            found[name] = LiveDeployment(
                name, deployment, folder, definition.limits, monitor=monitor, threads=self._threads
            )
            _log.info("%s serves %s with %s", name, deployment.model, found[name].plan.sentence)
        return Serving(definition, found, keys)

    def _monitor(self, name: str, deployment: DeploymentDefinition, settings: MonitoringSettings) -> Monitor | None:
        if not settings.samples_per_minute:
            return None
        sampling = Sampling(settings.samples_per_minute, settings.image_side)
        store = self.folder.samples(name, settings)
        return Monitor(self.folder.model_folder(deployment), deployment.folder, sampling, store)

    def _signature(self) -> tuple[object, ...]:
        """What changes when the files change."""
        found: list[object] = []
        for file in (self.folder.definition_file, self.folder.keys_file):
            try:
                status = os.stat(file)  # noqa: PTH116 - twice a second
                found.append((status.st_mtime_ns, status.st_ino, status.st_size))
            except OSError:
                found.append(None)
        return tuple(found)


def _manner(definition: EndpointDefinition) -> tuple[object, ...]:
    """What all deployments share; where it changes, they are opened anew."""
    return definition.limits, definition.monitoring
