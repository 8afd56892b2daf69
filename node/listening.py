"""Where a process listens: an address that this machine has and a port that is free, or one message that says what to write."""

from __future__ import annotations

import errno
import socket
from typing import Any, Final

from node.errors import ConfigError

_SAID: Final = {
    errno.EADDRINUSE: "Is the node running already? {port} chooses another port.",
    errno.EACCES: "Ports below 1024 are not for everybody; {port} chooses another one.",
}


def listening_address(host: str, port: int, *, host_variable: str, port_variable: str) -> tuple[socket.AddressFamily, Any]:
    """Family and address to bind; the variables are what to name in the ConfigError if nothing can listen there."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    except (OSError, UnicodeError):
        raise _no_address(host, host_variable) from None
    try:
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        hint = _SAID.get(error.errno or 0)
        if hint is None:
            raise _no_address(host, host_variable, f": {error.strerror}") from None
        raise ConfigError(f"cannot listen on {host}:{port}: {error.strerror}", hint=hint.format(port=port_variable)) from None
    return family, address


def _no_address(host: str, variable: str, why: str = "") -> ConfigError:
    hint = "Write 127.0.0.1 for this machine alone, 0.0.0.0 for all of its addresses, or :: for those of IPv6 too."
    return ConfigError(f"{variable}: {host!r} is not an address of this machine{why}", hint=hint)
