"""Who we are to a Redis server: a user and a password that never shows, or Entra ID.

What may live here: where that comes from, and reading a password's file. No Redis client, no Azure.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from engine.credentials import IDENTITY
from engine.errors import UsageError

USERNAME, PASSWORD = "AZFINSIM_REDIS_USERNAME", "AZFINSIM_REDIS_PASSWORD"
PASSWORD_FILE = "AZFINSIM_REDIS_PASSWORD_FILE"
PASSWORD_VAULT = "AZFINSIM_REDIS_PASSWORD_VAULT"
AUTH = "AZFINSIM_REDIS_AUTH"

_AUTHS = ("password", "entra")

_SECRET = re.compile(
    r"(?P<vault>https://[\w.-]+(:[0-9]{1,5})?)/secrets/(?P<name>[0-9A-Za-z-]{1,127})"
    r"(/(?P<version>[0-9A-Za-z]{1,64}))?",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Secret:
    """Which secret of which Key Vault."""

    vault: str
    """``https://NAME.vault.azure.net``"""
    name: str
    version: str = ""
    """Empty for the newest."""

    @classmethod
    def parse(cls, url: str, source: str) -> "Secret":
        """Read the URL of a secret. Raises UsageError, naming ``source``, if it is none."""
        found = _SECRET.fullmatch(url)
        if found is None:
            # Not what it holds, which may be the password itself, put there by mistake.
            raise UsageError(
                f"{source} names no secret of a Key Vault: must be "
                "https://NAME.vault.azure.net/secrets/SECRET"
            )
        return cls(found["vault"], found["name"], found["version"] or "")

    def __str__(self) -> str:
        return "/".join(filter(None, (self.vault, "secrets", self.name, self.version)))


@dataclass(frozen=True, slots=True)
class Login:
    """A user and where the password is, or Entra ID. ``repr`` shows no password."""

    username: str = ""
    """Empty for the server's default user; with Entra ID the token names the user."""
    password: str = field(default="", repr=False)
    password_file: Path | None = None
    password_vault: Secret | None = None
    entra: bool = False
    """Whether a token of Entra ID takes the place of user and password."""
    identity: str = ""
    """Who we are to Azure, as ``engine.credentials`` takes it; empty where it is not asked."""

    def check(self) -> None:
        """Raise UsageError for a file that cannot be used, before a server is blamed."""
        if self.password_file is not None:
            self.read()

    def read(self) -> str:
        """The password as it is now: a file is read each time, since passwords are rotated.

        Raises UsageError if the file cannot be read or is empty.
        """
        if self.password_file is None:
            return self.password
        try:
            # Editors and `echo` end a line; a password with a line end in it cannot be told.
            password = self.password_file.read_text("utf-8").rstrip("\r\n")
        except (OSError, ValueError) as error:
            # A name with a null byte in it is a ValueError of its own.
            text = "it is not UTF-8 text" if isinstance(error, UnicodeDecodeError) else str(error)
            why = error.strerror if isinstance(error, OSError) else text
            raise UsageError(f"cannot read the password in {self.password_file}: {why}") from None
        if not password:
            raise UsageError(f"{self.password_file} is empty: must hold the password")
        return password

    def environment(self) -> dict[str, str]:
        """The variables that tell another process the same; those that do not apply are empty."""
        told = {
            USERNAME: self.username,
            PASSWORD: self.password,
            PASSWORD_FILE: str(self.password_file or ""),
            PASSWORD_VAULT: str(self.password_vault or ""),
            AUTH: "entra" if self.entra else "",
        }
        # It is for more than Redis: left alone where Redis does not need it.
        return told | ({IDENTITY: self.identity} if self.identity else {})


def login_of(
    user: str, password: str, auth: str | None, settings: Mapping[str, str]
) -> Login | None:
    """Who we are by a URL's ``user``, ``password`` and ``?auth=``, and by the settings.

    None if nobody says. Raises UsageError for what does not fit together.
    """
    if not password:
        user = user or settings.get(USERNAME, "")
    told, path, vault = (settings.get(n, "") for n in (PASSWORD, PASSWORD_FILE, PASSWORD_VAULT))
    sources = {
        "the Redis URL": password,
        PASSWORD: told,
        PASSWORD_FILE: path,
        PASSWORD_VAULT: vault,
    }
    given = [name for name, value in sources.items() if value]
    if _by_token(auth, settings):
        _check_alone(user, given)
        return Login(entra=True, identity=settings.get(IDENTITY, ""))
    if len(given) > 1:
        raise UsageError(f"{' and '.join(given)} both give a password: must be one of them")
    if not given and user:
        raise UsageError(
            # Not its name, which may be the password in the wrong place.
            f"there is a Redis user and no password: set {PASSWORD_FILE} or {PASSWORD}, or "
            "put a colon before what is the password in the URL"
        )
    if not given:
        return None
    if vault:
        secret = Secret.parse(vault, PASSWORD_VAULT)
        return Login(user, password_vault=secret, identity=settings.get(IDENTITY, ""))
    return Login(user, password or told, Path(path) if path else None)


def _by_token(auth: str | None, settings: Mapping[str, str]) -> bool:
    asked = settings.get(AUTH) or "password"
    if asked not in _AUTHS:
        raise UsageError(f"{AUTH} is {asked[:40]!r}: must be {' or '.join(_AUTHS)}")
    return (auth or asked) == "entra"


def _check_alone(user: str, given: list[str]) -> None:
    """With Entra ID the token names the user, and is the password."""
    if user or given:
        # Not the user's name: see above.
        what = " and ".join(given) or f"the Redis URL or {USERNAME}"
        raise UsageError(
            f"auth=entra takes user and password from a token, and {what} gives one too: must be "
            f"one way; leave it out, or {AUTH}=entra"
        )


def way_out(login: Login | None) -> str:
    """What may help when a server refuses us, in words."""
    if login is not None and login.entra:
        return (
            "Whoever we are to Azure needs an access policy assignment of this Redis; "
            f"{IDENTITY} says who we are (docs/identity.md)"
        )
    source = f"the secret that {PASSWORD_VAULT} names" if login and login.password_vault else None
    return (
        f"The user's name comes from the Redis URL or {USERNAME}, the password "
        f"{f'from {source}' if source else f'best from {PASSWORD_FILE}'}"
    )
