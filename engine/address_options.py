"""Which options a Redis URL may have, and which characters: nothing that is read so tells a
password. Pure."""

import re
from urllib.parse import SplitResult, parse_qsl, unquote

from engine.errors import UsageError

TLS_FILES = {
    "AZFINSIM_REDIS_CA_FILE": "ssl_ca_certs",
    "AZFINSIM_REDIS_CERT_FILE": "ssl_certfile",
    "AZFINSIM_REDIS_KEY_FILE": "ssl_keyfile",
}
"""Settings that name files, and the options of a URL that say the same."""

MOST_PARTITIONS = 4096
"""Beyond that a job costs more for its partitions than for its trades."""

OURS = frozenset({"auth", "cluster", "sentinel", "partitions", "username", "password"})
"""Options of a URL that are for us and not for the client."""

_OPTIONS = OURS | frozenset(
    {"db", "protocol", "client_name", "health_check_interval", "socket_timeout"}
    | {"socket_connect_timeout", *TLS_FILES.values()}
)
"""What a URL may ask for; nothing among it turns the verification of certificates off."""

_SECONDS = (r"0*[1-9][0-9]{0,5}(\.[0-9]{0,9})?|0*\.0*[1-9][0-9]{0,9}", "seconds above 0")

_FORMS = {
    "auth": ("password|entra", "password or entra"),
    "db": ("[0-9]{1,9}", "the number of a database"),
    "health_check_interval": ("[0-9]{1,9}", "a whole number of seconds"),
    "protocol": ("[23]", "2 or 3"),
    "socket_timeout": _SECONDS,
    "socket_connect_timeout": _SECONDS,
}
"""Options of a URL that are numbers or words: how they are written, and that in words."""

NO_URL = (
    "the Redis URL is not a URL: must be redis://USER:PASSWORD@HOST:PORT/NUMBER, a password "
    "percent-encoded (/ as %2F, # as %23, ? as %3F)"
)

TRUE, FALSE = ("true", "1", "yes"), ("false", "0", "no", "")


def check_characters(parts: SplitResult) -> None:
    """Raise UsageError for characters that a URL has only by mistake."""
    if parts.fragment or "@" in parts.query:
        # The password has a # or ? in it. What is behind that would be shown, and the rest be
        # taken for a host.
        raise UsageError(NO_URL)
    where = parts.netloc.rpartition("@")[2]
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    seen = [where, unquote(parts.path), *(v for k, v in options.items() if k != "password")]
    if not all(text.isprintable() for text in seen) or not _is_text(parts.geturl()):
        raise UsageError(
            "the Redis URL has characters that cannot be printed: must be percent-encoded in a "
            "password, and cannot be anywhere else"
        )


def _is_text(text: str) -> bool:
    """Whether it can be sent; the environment passes bytes that are not UTF-8 as surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def check_options(parts: SplitResult) -> None:
    """Raise UsageError for an option that is unknown, or is no value of its kind."""
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    options = dict(pairs)
    if len(pairs) > len(options):
        raise UsageError("the Redis URL has an option twice: must be once, with one value")
    if unknown := options.keys() - _OPTIONS:
        raise UsageError(
            f"the Redis URL has the option {min(unknown)[:40]!r}: must be of "
            f"{', '.join(sorted(_OPTIONS))}"
        )
    if (told := options.get("cluster", "")).lower() not in TRUE + FALSE:
        raise UsageError(f"the Redis URL has cluster={told[:40]!r}: must be true or false")
    if (told := options.get("partitions", "1")) and not (
        re.fullmatch("[0-9]{1,4}", told) and 0 < int(told) <= MOST_PARTITIONS
    ):
        raise UsageError(
            f"the Redis URL has partitions={told[:40]!r}: must be a whole number from 1 to "
            f"{MOST_PARTITIONS}"
        )
    for name, (form, words) in _FORMS.items():
        if name in options and not re.fullmatch(form, options[name]):
            raise UsageError(f"the Redis URL has {name}={options[name][:40]!r}: must be {words}")
