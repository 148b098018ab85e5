"""The socket that a server listens on, and which addresses only this machine can reach."""

from __future__ import annotations

import ipaddress
import socket

from automl_vision.core.errors import AutoMLVisionError

_LOOPBACK_NAMES = ("localhost",)


class AddressTakenError(AutoMLVisionError):
    """Another program listens on a server's port, or this machine has no such address."""


def is_loopback(host: str) -> bool:
    """Whether a name or address is of this machine alone."""
    if host.lower() in _LOOPBACK_NAMES:
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def listening_socket(host: str, port: int) -> socket.socket:
    """A socket that accepts connections already: who reads the address may ask at once, and waits for the server.

    Args:
        host: address to listen on.
        port: to listen on; 0 takes a free one.

    Raises:
        AddressTakenError: it cannot listen there.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(2048)
    except OSError as error:
        listener.close()
        raise AddressTakenError(
            f"the server cannot listen on {host}:{port} ({error.strerror}); choose another port with --port"
        ) from error
    return listener


def address_of(listener: socket.socket, host: str, *, is_encrypted: bool) -> str:
    """The URL of a socket, without a slash at its end."""
    shown = f"[{host}]" if ":" in host else host
    return f"{'https' if is_encrypted else 'http'}://{shown}:{listener.getsockname()[1]}"
