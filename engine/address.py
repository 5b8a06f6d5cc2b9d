"""Where a server is, and how it is to be reached: what a Redis URL and its surroundings say.

What may live here: reading and checking that. Pure, but for the files that it names, which are
looked at; nothing is connected to.
"""

import re
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import SplitResult, parse_qsl, unquote, urlencode, urlsplit, urlunsplit

from engine.address_options import (
    NO_URL,
    OURS,
    TLS_FILES,
    TRUE,
    check_characters,
    check_options,
)
from engine.errors import UsageError
from engine.login import Login, login_of

URL = "AZFINSIM_REDIS_URL"

_FORM = "must be redis://HOST:PORT, rediss://HOST:PORT or unix:///PATH"


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server is. Shows no secret: ``str`` and ``repr`` leave the credentials out."""

    url: str
    login: Login | None = field(default=None)
    """Who we are to it; None if it asks nobody."""

    @classmethod
    def parse(cls, url: str, settings: Mapping[str, str] | None = None) -> "Address":
        """Read ``redis://``, ``rediss://`` or ``unix://``.

        ``?cluster=true`` says that it is a cluster, ``?sentinel=SERVICE`` that the hosts are
        sentinels which know where the service is; both take several hosts, separated by commas.
        ``settings`` may hold more, by the names of the environment's variables: what the URL says
        itself goes before it. Raises UsageError for what cannot be read or does not fit together.
        """
        settings = settings or {}
        try:
            parts = urlsplit(url)
            ports = [urlsplit(f"//{host}").port for host in _hosts(parts)]
        except ValueError:
            # Not in its words: they quote what may be a piece of the password.
            raise UsageError(NO_URL) from None
        _check_form(parts, ports)
        check_characters(parts)
        check_options(parts)
        address = cls(_with_files(parts, settings), _login(parts, settings))
        _check_topology(address, parts)
        _check_tls(address)
        _check_token(address)
        if address.login is not None:
            address.login.check()
        return address

    @property
    def _parts(self) -> SplitResult:
        return urlsplit(self.url)

    @property
    def options(self) -> dict[str, str]:
        """What stands behind the ``?``."""
        return dict(parse_qsl(self._parts.query))

    @property
    def scheme(self) -> str:
        return self._parts.scheme

    @property
    def tls(self) -> bool:
        return self.scheme == "rediss"

    @property
    def hosts(self) -> list[tuple[str, int]]:
        """Names and ports: of the server, of nodes of the cluster, or of the sentinels."""
        found = [urlsplit(f"//{host}") for host in _hosts(self._parts)]
        default = 26379 if self.sentinel else 6379
        return [(part.hostname or "localhost", part.port or default) for part in found]

    @property
    def local(self) -> bool:
        """Whether the way to the server does not leave this machine."""
        loopback = ("localhost", "127.0.0.1", "::1")
        return self.scheme == "unix" or all(host in loopback for host, _ in self.hosts)

    @property
    def cluster(self) -> bool:
        """Whether the server is a Redis Cluster."""
        return self.options.get("cluster", "").lower() in TRUE

    @property
    def sentinel(self) -> str | None:
        """The name of the service that the hosts, being sentinels, are asked for."""
        return self.options.get("sentinel")

    @property
    def partitions(self) -> int | None:
        """How many partitions the grid is to have, if that is said."""
        told = self.options.get("partitions")
        return int(told) if told is not None else None

    def with_partitions(self, count: int | None) -> "Address":
        """The address of a grid of so many partitions; None leaves it as it is."""
        if count is None:
            return self
        options = urlencode({**self.options, "partitions": count})
        return replace(self, url=_joined(self._parts, query=options))

    @property
    def client_url(self) -> str:
        """The URL as the client takes it: of the first host, and no credentials."""
        options = [(name, value) for name, value in self.options.items() if name not in OURS]
        first = _hosts(self._parts)[0]
        return _joined(self._parts, netloc=first, query=urlencode(options))

    @property
    def has_password(self) -> bool:
        """Whether the URL holds a password."""
        return self._parts.password is not None or "password" in self.options

    def environment(self) -> dict[str, str]:
        """The variables by which another process reaches this server, and empty ones for the
        others, lest it be told by those that this process has for another server."""
        login = Login() if self.has_password or self.login is None else self.login
        return {
            **dict.fromkeys(TLS_FILES, ""),
            URL: self.url,
            **login.environment(),
        }

    def __str__(self) -> str:
        where = self._parts.netloc.rpartition("@")[2]
        asked = f"?sentinel={self.sentinel}" if self.sentinel else ""
        return f"{self.scheme}://{where}{self._parts.path}{asked}"

    def __repr__(self) -> str:
        return f"Address({self})"


def _joined(parts: SplitResult, **changes: str) -> str:
    url = urlunsplit(parts._replace(**changes))
    # Without a host Python leaves the slashes out, where it does not know the scheme.
    return re.sub("^unix:(?!//)", "unix://", url)


def _hosts(parts: SplitResult) -> list[str]:
    return parts.netloc.rpartition("@")[2].split(",")


def _check_form(parts: SplitResult, ports: list[int | None]) -> None:
    if parts.scheme not in ("redis", "rediss", "unix"):
        raise UsageError(
            f"the Redis URL begins with {parts.scheme + '://' if parts.scheme else 'nothing'}: "
            f"{_FORM}"
        )
    if 0 in ports or (parts.scheme == "unix" and not parts.path):
        raise UsageError("the Redis URL names no port or path: must be redis://HOST:PORT …")
    if parts.scheme != "unix" and not re.fullmatch(r"/?[0-9]{0,9}", parts.path):
        raise UsageError(
            "the Redis URL has a path that is no number of a database: must be as in "
            "redis://HOST:PORT/0, a password percent-encoded (/ as %2F)"
        )


def _check_topology(address: Address, parts: SplitResult) -> None:
    """What cluster, sentinels and plain servers each can have."""
    if address.cluster and address.sentinel:
        raise UsageError("the Redis URL has cluster and sentinel: must be one of them")
    if (address.cluster or address.sentinel) and parts.scheme == "unix":
        what = "a cluster has" if address.cluster else "sentinels have"
        raise UsageError(f"{what} no unix socket: must be redis:// or rediss://")
    if len(address.hosts) > 1 and not (address.cluster or address.sentinel):
        raise UsageError(
            "the Redis URL names several hosts: must have ?cluster=true if they are nodes of a "
            "cluster, or ?sentinel=SERVICE if they are sentinels"
        )
    if address.cluster and parts.path.strip("/0"):
        raise UsageError(f"a cluster has only database 0: leave {parts.path} out of the Redis URL")


def _with_files(parts: SplitResult, settings: Mapping[str, str]) -> str:
    """The URL with the files that the settings name for TLS."""
    told = {option: settings[name] for name, option in TLS_FILES.items() if settings.get(name)}
    if parts.scheme == "unix":
        return _joined(parts)  # Nobody listens on the way, and nobody's name could be verified.
    options = {**told, **dict(parse_qsl(parts.query))}
    return _joined(parts, query=urlencode(options))


def _check_tls(address: Address) -> None:
    """Check that the files for TLS can be used, before a server is blamed."""
    files = {option: address.options.get(option) for option in TLS_FILES.values()}
    if not any(files.values()):
        return
    if not address.tls:
        names = ", ".join(name for name, option in TLS_FILES.items() if files[option])
        raise UsageError(
            f"{names} is for TLS and the Redis URL begins with {address.scheme}://, which would "
            "send all in clear: must be rediss://"
        )
    ca, cert, key = files.values()
    if key and not cert:
        raise UsageError("there is a file for the key and none for the certificate: set both")
    context = ssl.create_default_context()
    _load("the CA's certificates", ca, lambda: context.load_verify_locations(ca))
    _load(
        "the client's certificate and key", cert, lambda: context.load_cert_chain(cert or "", key)
    )


def _check_token(address: Address) -> None:
    """Whoever reads a token on its way is us for an hour or a day."""
    if address.login is not None and address.login.entra and not (address.tls or address.local):
        raise UsageError(
            f"auth=entra sends tokens and the Redis URL begins with {address.scheme}://, which "
            "would send them in clear: must be rediss://"
        )


def _load(what: str, path: str | None, load: Callable[[], None]) -> None:
    if path is None:
        return
    try:
        load()
    except (OSError, ValueError) as error:  # which ssl.SSLError is too, and of a null byte
        raise UsageError(
            f"cannot use {path} for {what}: {getattr(error, 'strerror', '') or error}: must be "
            "PEM files that can be read, the key without a passphrase"
        ) from None


def _login(parts: SplitResult, settings: Mapping[str, str]) -> Login | None:
    """Who we are by the URL and the settings; None if none of them says."""
    options = dict(parse_qsl(parts.query))
    own = unquote(parts.password) if parts.password is not None else options.get("password", "")
    user = unquote(parts.username or "") or options.get("username", "")
    return login_of(user, own, options.get("auth"), settings)
