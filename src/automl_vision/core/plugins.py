"""Packages of others that add tasks, algorithms, formats, policies, samplings, compute targets or exporters.

Such a package names a module in the entry point group `automl_vision.plugins`; importing the module registers what it
adds. Every process of a run imports them, so that what is registered is known where trials run.
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import entry_points

from automl_vision.core.errors import PluginError

GROUP = "automl_vision.plugins"


@cache
def load_plugins() -> None:
    """Import the modules that installed packages name as plugins; once in a process.

    Raises:
        PluginError: one of them cannot be imported.
    """
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name):
        try:
            entry.load()
        except Exception as error:
            raise PluginError(f'the plugin "{entry.name}" ({entry.value}) of another package fails: {error}') from error
