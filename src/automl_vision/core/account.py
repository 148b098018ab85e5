"""The account that this process runs for."""

from __future__ import annotations

import getpass


def account_name() -> str:
    """The name of the account; empty where it has none, as in a container without an entry for it."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""
