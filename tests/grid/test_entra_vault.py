"""A password that lies in a Key Vault and is changed there while a grid works (G1, G4, G10)."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import redis

from tests.entra import CLIENT_ID, Entra, Vault, entra_for, vault_in
from tests.processes import ROOT, Field, field_at, synthetic
from tests.redis_servers import answers, free_ports, needs_openssl, needs_redis, start
from tests.waiting import eventually

pytest.importorskip("azure.keyvault.secrets", reason="azure-keyvault-secrets is not installed")

pytestmark = [needs_redis, needs_openssl]


class Site:
    """A server with a user whose password lies in a vault, and who may read that."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        [self.port] = free_ports(1)
        config = folder / "redis.conf"
        users = "user default off\nuser admin on >admin ~* &* +@all"
        config.write_text(f'save ""\n{users}\nuser desk on >first ~* &* +@all\n')
        held = start(folder / "redis", "--port", str(self.port), config=config)
        stack.callback(held.stop, 1.0)
        self.admin: Any = redis.Redis(port=self.port, username="admin", password="admin")
        stack.callback(self.admin.close)
        eventually(lambda: answers(self.admin.ping), what="a Redis server")
        self.entra: Entra = stack.enter_context(entra_for())
        self.vault: Vault = stack.enter_context(vault_in(folder, value="first\n"))

    @property
    def url(self) -> str:
        return f"redis://desk@127.0.0.1:{self.port}"

    @property
    def environment(self) -> Mapping[str, str]:
        return {
            **self.entra.environment,
            "SSL_CERT_FILE": str(self.vault.ca),
            "AZFINSIM_IDENTITY": CLIENT_ID,
            "AZFINSIM_REDIS_PASSWORD_VAULT": self.vault.url,
        }

    def change(self, password: str) -> None:
        """Give the user another password, and cut who is there by the one before."""
        self.admin.execute_command("ACL", "SETUSER", "desk", "resetpass", f">{password}")
        self.admin.execute_command("CLIENT", "KILL", "USER", "desk")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with ExitStack() as stack:
        yield Site(tmp_path, stack)


@pytest.fixture
def ours(site: Site, tmp_path: Path) -> Iterator[Field]:
    """The grid as the admin sees it."""
    with field_at(f"redis://admin:admin@127.0.0.1:{site.port}", tmp_path) as made:
        yield made


def test_the_password_is_changed(
    site: Site, ours: Field, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even in the wrong order, first at the server: consumers wait for the vault to tell."""
    for name, value in site.environment.items():
        monkeypatch.setenv(name, value)
    with field_at(site.url, tmp_path) as theirs:
        ours.fill(1_200)
        [consumer] = theirs.serve("--slots", "1")
        job = ours.submit(synthetic("night", 3.0, chunk=10))
        eventually(lambda: ours.ended(job) > 50, 20, "a job in full swing")
        site.change("second")
        eventually(
            lambda: "invalid username-password" in consumer.log, 20, "a consumer that is refused"
        )
        site.vault.value = "second"
        eventually(lambda: consumer.events("the server is back"), 20, "the new password")
        assert ours.done(job, 60).well
        assert consumer.end() == 0
        for word in ("first", "second"):
            assert word not in consumer.log


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("forbidden", True, "the role Key Vault Secrets User"),
        ("value", "\n", "is empty: must hold the password"),
        ("away", True, "cannot read https://127.0.0.1"),
        ("value", "wrong", "the secret that AZFINSIM_REDIS_PASSWORD_VAULT names"),
    ],
)
def test_what_a_user_is_told(site: Site, field: str, value: object, words: str) -> None:
    setattr(site.vault, field, value)
    code, said = listed(site, site.environment)
    assert words in said
    assert code == 3


def test_a_secret_that_is_not_there(site: Site) -> None:
    other = site.vault.url.replace("redis-password", "other")
    code, said = listed(site, {**site.environment, "AZFINSIM_REDIS_PASSWORD_VAULT": other})
    assert "the vault has no such secret: put it there" in said
    assert code == 3


def test_nobody_is_logged_in(site: Site) -> None:
    site.entra.refused = True
    code, said = listed(site, site.environment)
    assert f"cannot read {site.vault.url}: nobody is logged in to Azure here" in said
    assert code == 3


def test_commands_read_it(site: Site) -> None:
    assert listed(site, site.environment) == (0, "")
    assert site.vault.reads == 1


def listed(site: Site, told: Mapping[str, str]) -> tuple[int, str]:
    """The exit code of a command, and what it says if that is not 0."""
    done = subprocess.run(
        [sys.executable, "-m", "azfinsim", "job", "list"],
        env={**os.environ, "PYTHONPATH": str(ROOT), "AZFINSIM_REDIS_URL": site.url, **told},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stderr if done.returncode else ""
