"""Where a server is: the text of `OLLAMA_HOST`, read exactly as Ollama reads it (CONTRACT §7)."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import quote

DEFAULT_PORT = 11434
_NUMBER = re.compile(r"[+-]?[0-9]+")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")
# What Go leaves unescaped in the host of a URL; a per cent sign is escaped, as Ollama never decodes one.
_HOST_SAFE = "!$&'()*+,;=:[]<>\""
_PATH_SAFE = "/$&+,:;=@!'()*"


@dataclass(frozen=True, slots=True)
class Address:
    """A server's address.

    Attributes:
        scheme: "http" or "https"; any other word is kept as Ollama keeps it, and cannot be connected to.
        host: name or IP address, IPv6 without brackets; may be empty (":8080").
        port: 0–65535.
        path: "" or a prefix that begins with a slash ("/ollama").
    """

    scheme: str
    host: str
    port: int
    path: str = ""

    @property
    def url(self) -> str:
        """As Ollama itself prints it; can name an address that only listens, such as 0.0.0.0."""
        return self._url(self.host)

    @property
    def base_url(self) -> str:
        """What to connect to: addresses that only listen, and an empty host, become loopback."""
        return self._url(self._reachable)

    @property
    def is_loopback(self) -> bool:
        """Whether the server is on this machine, going by the address alone."""
        host = self._reachable.rstrip(".").lower()
        if host == "localhost" or host.endswith(".localhost"):
            return True
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            return False

    @property
    def label(self) -> str:
        """For people: host and port, what is connected to ("127.0.0.1:11434")."""
        return _join(self._reachable, self.port)

    def endpoint(self, path: str) -> str:
        """The URL of an endpoint such as "/api/tags", behind the prefix if there is one."""
        return self.base_url.rstrip("/") + path

    @property
    def _reachable(self) -> str:
        if self.host in ("", "0.0.0.0"):
            return "127.0.0.1"
        return "::1" if self.host == "::" else self.host

    def _url(self, host: str) -> str:
        return f"{self.scheme}://{_join(quote(host, safe=_HOST_SAFE), self.port)}{quote(self.path, safe=_PATH_SAFE)}"


def parse_address(text: str) -> Address:
    """The address that `text` means, as a value of `OLLAMA_HOST`; empty text means the default.

    Raises:
        ValueError: one sentence, for what no server address can hold (control characters, user names, passwords).
    """
    if _CONTROL.search(text.strip()):
        raise ValueError("a server address cannot hold control characters")
    text = text.strip().strip("\"'")
    scheme, mark, rest = text.partition("://")
    default = DEFAULT_PORT
    if not mark:
        scheme, rest = "http", text
        if text == "ollama.com":
            scheme, rest = "https", "ollama.com:443"
    elif scheme == "http":
        default = 80
    elif scheme == "https":
        default = 443
    host_port, slash, path = rest.partition("/")
    if "@" in host_port:
        raise ValueError("a server address cannot hold a user name or password; set a header or a token instead")
    split = _split_host_port(host_port)
    host, port = (_bare_host(host_port), "") if split is None else split
    number = int(port) if _NUMBER.fullmatch(port) else -1
    if not 0 <= number <= 65535:
        number = default
    path = slash + path if path and not path.startswith("/") else path
    return Address(scheme, host, number, path)


def _bare_host(text: str) -> str:
    """The host of a text that has no port, or none that can be told from the host (IPv6 without brackets)."""
    if not text:
        return "127.0.0.1"
    try:
        address = ipaddress.ip_address(text.strip("[]"))
    except ValueError:
        return text
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)


def _split_host_port(text: str) -> tuple[str, str] | None:
    """Host and port as Go's `net.SplitHostPort` parts them; None where that reports an error."""
    head, colon, port = text.rpartition(":")
    if not colon:
        return None
    if text.startswith("["):
        end = text.find("]")
        if end < 0 or end + 1 != len(head):
            return None
        host, rest = text[1:end], text[1:end] + port
    elif ":" in head:
        return None
    else:
        host, rest = head, text
    return None if "[" in rest or "]" in rest else (host, port)


def _join(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
