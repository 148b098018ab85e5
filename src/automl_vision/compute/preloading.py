"""The first module that a fork server imports: until it has imported the others, nothing is searched for garbage.

The search visits all that has been imported so far, again and again: importing what a trial needs took 3.9 s of the
processor without it and 5.0 s with it. A job's process turns it on again.

A fork server notices only between jobs that its owner is gone. One whose owner was killed right after its start
imported for 5 seconds more, so it looks at each import.
"""

from __future__ import annotations

import gc
import os
import sys

gc.disable()


class _EndsWithItsOwner:
    """Finds no module, and ends the fork server when another process has become its parent."""

    def __init__(self) -> None:
        self._server, self._owner = os.getpid(), os.getppid()

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:  # noqa: ARG002 - as Python calls it
        """Leave the module to the finders after this one."""
        if os.getppid() != self._owner and os.getpid() == self._server:
            os._exit(0)


sys.meta_path.insert(0, _EndsWithItsOwner())
