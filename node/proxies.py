"""Proxies: which one a URL is asked through, how errors name it, and that nothing on this machine is asked through one.

The environment names them (`http_proxy`, `https_proxy`, `all_proxy`, `no_proxy`, in either case), as Docker puts them into every
container of a machine that has one. A proxy reaches neither what listens on this machine's loopback nor the containers beside it.
"""

from __future__ import annotations

import ipaddress
import os
import re
import urllib.request
from contextlib import suppress
from typing import Final
from urllib.parse import urlsplit

LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")

_USER: Final = re.compile(r"//[^/]*@")


def proxy_of(url: str) -> str | None:
    """The proxy through which `url` is asked; None if it is asked directly."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if is_near(host) or urllib.request.proxy_bypass(f"{host}:{parts.port}" if parts.port else host) or _in_a_network(host):
        return None
    proxies = urllib.request.getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    return proxy if not proxy or "://" in proxy else f"http://{proxy}"


def is_near(host: str) -> bool:
    """True for this machine itself and for the containers beside it, whose names have no dot: no proxy knows these."""
    if "." not in host.rstrip(".") and ":" not in host:
        return True
    if host.lower().endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def _in_a_network(host: str) -> bool:
    """Whether `no_proxy` names a network, such as 10.0.0.0/8, in which the address lies."""
    for network in os.environ.get("no_proxy", os.environ.get("NO_PROXY", "")).split(","):
        with suppress(ValueError):
            if "/" in network and ipaddress.ip_address(host) in ipaddress.ip_network(network.strip(), strict=False):
                return True
    return False


def named(proxy: str) -> str:
    """The proxy's address for an error or a log, without user and password."""
    return _USER.sub("//", proxy)


def keep_loopback_direct() -> None:
    """Tell every library that reads the environment that this machine is not to be asked through a proxy."""
    for name in ("no_proxy", "NO_PROXY"):
        listed = [host for host in os.environ.get(name, "").split(",") if host.strip()]
        if "*" not in listed:
            os.environ[name] = ",".join([*listed, *(host for host in LOOPBACK if host not in listed)])


def without_proxy() -> urllib.request.OpenerDirector:
    """Opens URLs of the node's own processes, which no proxy stands before."""
    return urllib.request.build_opener(urllib.request.ProxyHandler({}))
