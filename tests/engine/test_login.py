"""Who we are to a server: what may be said together, and that no secret shows."""

import pytest

from engine.address import Address
from engine.errors import UsageError
from engine.login import Login, Secret, way_out

ENTRA = {"AZFINSIM_REDIS_AUTH": "entra", "AZFINSIM_IDENTITY": "client"}
URL = "https://desk.vault.azure.net/secrets/redis-password"
VAULT = {"AZFINSIM_REDIS_PASSWORD_VAULT": URL, "AZFINSIM_IDENTITY": "client"}


@pytest.mark.parametrize(
    ("url", "settings", "login"),
    [
        ("rediss://h", ENTRA, Login(entra=True, identity="client")),
        ("rediss://h?auth=entra", {}, Login(entra=True)),
        ("rediss://h,i?auth=entra&cluster=true", {}, Login(entra=True)),
        # A tunnel's end, and a server of this machine.
        ("redis://127.0.0.1?auth=entra", {}, Login(entra=True)),
        ("unix:///tmp/socket?auth=entra", {}, Login(entra=True)),
        # What the URL says goes before what the surroundings say.
        ("redis://u:p@h?auth=password", ENTRA, Login("u", "p")),
        ("redis://h?auth=password", ENTRA, None),
        ("redis://h", {"AZFINSIM_REDIS_AUTH": ""}, None),
        (
            "redis://u@h",
            VAULT,
            Login(
                "u",
                password_vault=Secret("https://desk.vault.azure.net", "redis-password"),
                identity="client",
            ),
        ),
    ],
)
def test_who_we_are(url: str, settings: dict[str, str], login: Login | None) -> None:
    address = Address.parse(url, settings)
    assert address.login == login
    assert "auth" not in address.client_url


@pytest.mark.parametrize(
    ("url", "settings", "words"),
    [
        ("rediss://h", {"AZFINSIM_REDIS_AUTH": "token"}, "is 'token': must be password or entra"),
        ("rediss://h?auth=token", {}, "auth='token': must be password or entra"),
        ("redis://h?auth=entra", {}, "would send them in clear: must be rediss://"),
        ("redis://127.0.0.1,h?auth=entra&cluster=1", {}, "must be rediss://"),
        ("rediss://u:p@h", ENTRA, "and the Redis URL gives one too"),
        ("rediss://secret@h", ENTRA, "and the Redis URL or AZFINSIM_REDIS_USERNAME gives one too"),
        (
            "rediss://h",
            {**ENTRA, "AZFINSIM_REDIS_PASSWORD": "secret"},
            "AZFINSIM_REDIS_PASSWORD gives one too",
        ),
        ("rediss://u:secret@h", VAULT, "URL and AZFINSIM_REDIS_PASSWORD_VAULT both give"),
        ("redis://h", {"AZFINSIM_REDIS_PASSWORD_VAULT": "secret"}, "names no secret of a Key Va"),
    ],
)
def test_what_does_not_fit_together(url: str, settings: dict[str, str], words: str) -> None:
    with pytest.raises(UsageError) as told:
        Address.parse(url, settings)
    assert words in str(told.value)
    assert "secret" not in str(told.value).replace("no secret of", "").replace("secrets/SECRET", "")


@pytest.mark.parametrize("url", [URL, f"{URL}/0123456789abcdef", "https://127.0.0.1:1/secrets/a"])
def test_a_secret_of_a_vault(url: str) -> None:
    assert str(Secret.parse(url, "x")) == url


@pytest.mark.parametrize(
    "url",
    [
        *(
            "http://v/secrets/a",
            "https://v/keys/a",
            "https://v/secrets/",
            "https://v/secrets/a/b/c",
        ),
        *("https://u:p@v/secrets/a", "https://v/secrets/a?b", "https://v/secrets/a#b"),
        *(f"{URL}\n", "https://v\n/secrets/a", "https://v/secrets/a_b", "https://é/secrets/a", "p"),
    ],
)
def test_what_is_no_secret_of_a_vault(url: str) -> None:
    with pytest.raises(UsageError, match=r"^x names no secret of a Key Vault"):
        Secret.parse(url, "x")


@pytest.mark.parametrize("settings", [ENTRA, VAULT])
def test_another_process_is_told_the_same(settings: dict[str, str]) -> None:
    address = Address.parse("rediss://h", settings)
    assert Address.parse(address.url, address.environment()) == address
    # And nothing of what this process is told for another server.
    mine = Address.parse("redis://:secret@h")
    assert Address.parse(mine.url, {**settings, **mine.environment()}) == mine
    assert "AZFINSIM_IDENTITY" not in mine.environment()


@pytest.mark.parametrize(
    ("login", "words"),
    [
        (None, "AZFINSIM_REDIS_PASSWORD_FILE"),
        (Login("u", "p"), "AZFINSIM_REDIS_PASSWORD_FILE"),
        (Login(entra=True), "an access policy assignment of this Redis; AZFINSIM_IDENTITY"),
        (Address.parse("redis://h", VAULT).login, "that AZFINSIM_REDIS_PASSWORD_VAULT names"),
    ],
)
def test_what_may_help(login: Login | None, words: str) -> None:
    assert words in way_out(login)
