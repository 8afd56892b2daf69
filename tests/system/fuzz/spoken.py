"""What somebody may say to an HTTP port: requests as they should be, as they should not be, and bytes that are none at all."""

from __future__ import annotations

from random import Random
from urllib.parse import quote

METHODS = ("GET",) * 12 + ("HEAD", "OPTIONS", "POST", "PUT", "DELETE", "PATCH", "TRACE", "CONNECT", "get", "G\x00T", "", "X" * 40)
VERSIONS = ("HTTP/1.1",) * 12 + ("HTTP/1.0", "HTTP/2.0", "HTTP/9.9", "HTTP/1.1.1", "http/1.1", "", "HTTP/1.1 HTTP/1.1")
PATHS = (
    "/", "/topics", "/models", "/scores", "/updater", "/health/live", "/health/ready", "/metrics", "/openapi.json",
    "/inference/{}", "/forecast/{}", "/candles/{}", "/dashboard/{}/main.js", "/dashboard/x/{}", "/{}", "//{}", "/inference/{}/{}",
    "*", "http://elsewhere/inference/{}", "/inference/../{}", "/./{}/..", "?{}", "#{}", "{}",
)  # fmt: skip
PARTS = (
    "BTC", "btc", "ETH", "SOL", "", " ", ".", "..", "%", "%00", "%zz", "%2e%2e%2f", "%ff%fe", "é", "\x00", "\t", "\\", "'", "<b>",
    "{}",
)  # fmt: skip
QUERIES = (
    "topic=3", "topic=", "topic=%", "topic=99999999999999999999", "topic=-1", "topic=3&topic=4", "steps=12", "steps=0", "steps=1e3",
    "bars=20", "bars=2000000000", "bars=٣", "&&&", "=", "topic[]=3", ";", "+", "%00=%00",
)  # fmt: skip
MILD = (
    "Accept: text/html", "Accept: */*;q=", "Accept: " + "a/b," * 500, "Accept-Encoding: gzip", "Accept-Encoding: gzip;q=x, *;q=0",
    "If-None-Match: *", 'If-None-Match: W/"', "If-Modified-Since: yesterday", "Range: bytes=0-", "Range: bytes=5-2,-9999999999",
    "User-Agent: allora-worker", "Cookie: a=b; =; ;;", "Authorization: Basic !", "Expect: 100-continue", "Connection: close",
    "Connection: keep-alive", "Content-Length: 0", "X-Forwarded-For: 1.2.3.4", "X-Forwarded-Proto: https", 'Forwarded: for="',
    "Content-Type: multipart/form-data; boundary=", "Content-Type: application/json", "TE: trailers", "Script-Name: /elsewhere",
)  # fmt: skip
WILD = (
    "User-Agent: \x7f", "Connection: Upgrade", "Upgrade: websocket", "Content-Length: 5", "Content-Length: -1", "Content-Length: ٣",
    "Content-Length: 99999999999999999999", "Content-Length: 5\r\nContent-Length: 6", "Transfer-Encoding: chunked",
    "Transfer-Encoding: gzip, chunked", "Transfer-Encoding: chunked\r\nContent-Length: 3", "Transfer-Encoding: identity",
    "Host: a\r\nHost: b", "Host:", "SCRIPT_NAME: /x", "no colon", ": empty", " folded: line", "X-Long: " + "x" * 9_000, "X\x00Y: z",
)  # fmt: skip
BODIES = (
    b"", b"{}", b"0\r\n\r\n", b"5\r\nhello\r\n0\r\n\r\n", b"ffffffffffffffffffff\r\n", b"-1\r\n", b"5\r\nhel", b"zz\r\n\r\n",
    b"--\r\n",
)  # fmt: skip


def said(random: Random) -> bytes:
    """One connection's words."""
    kind = random.random()
    if kind < 0.05:
        return random.randbytes(random.randrange(200))
    if kind < 0.1:
        return b"".join(_request(random, keeps=True) for _ in range(random.randrange(2, 5)))
    request = _request(random, keeps=False)
    if kind < 0.3:
        request = _damaged(request, random)
    return request[: random.randrange(len(request) + 1)] if kind > 0.95 else request


def _request(random: Random, *, keeps: bool) -> bytes:
    usual = random.random() < 0.6
    method, version = ("GET", "HTTP/1.1") if usual else (random.choice(METHODS), random.choice(VERSIONS))
    lines = [f"{method} {_target(random)} {version}"]
    if random.random() < 0.95:
        lines.append("Host: localhost")
    lines += random.sample(MILD, random.choice((0, 0, 1, 1, 2, 3, 6)))
    if not usual:
        lines += random.sample(WILD, random.choice((0, 1, 1, 2)))
    if random.random() < 0.01:
        lines += [f"X-Header-{number}: {number}" for number in range(random.choice((90, 101, 400)))]
    if not keeps and random.random() < 0.7:
        lines.append("Connection: close")
    end = "\r\n" if random.random() < 0.97 else random.choice(("\n", "\r", "\r\r\n"))
    return (end.join(lines) + end * 2).encode("utf-8", "surrogateescape") + (b"" if usual else random.choice(BODIES))


def _target(random: Random) -> str:
    path = random.choice(PATHS)
    while "{}" in path:
        part = random.choice(PARTS) if random.random() < 0.9 else quote(random.randbytes(random.randrange(30)))
        path = path.replace("{}", part if part != "{}" else "{ }", 1)
    if random.random() < 0.4:
        path += "?" + "&".join(random.choices(QUERIES, k=random.randrange(1, 4)))
    return path + "a" * random.choice((1_000, 8_000, 70_000)) if random.random() < 0.01 else path


def _damaged(request: bytes, random: Random) -> bytes:
    """With a few bytes more, less or other."""
    for _ in range(random.randrange(1, 4)):
        place = random.randrange(len(request) + 1)
        request = request[:place] + random.randbytes(random.randrange(4)) + request[place + random.randrange(4) :]
    return request
