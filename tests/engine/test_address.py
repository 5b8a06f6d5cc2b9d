"""What a Redis URL and its surroundings say, and what they may not."""

from pathlib import Path

import pytest

from engine.address import Address
from engine.errors import UsageError
from engine.login import Login


def test_a_plain_url() -> None:
    address = Address.parse("redis://grid.example/2")
    assert (address.hosts, address.login) == ([("grid.example", 6379)], None)
    assert (address.tls, address.cluster, address.sentinel) == (False, False, None)
    assert address.client_url == "redis://grid.example/2"
    assert address.partitions is None


def test_several_hosts() -> None:
    cluster = Address.parse("rediss://a,b:7000,[::1]:7001?cluster=true&partitions=6")
    assert cluster.hosts == [("a", 6379), ("b", 7000), ("::1", 7001)]
    assert (cluster.cluster, cluster.partitions) == (True, 6)
    sentinels = Address.parse("redis://a,b:7000/3?sentinel=night")
    assert sentinels.hosts == [("a", 26379), ("b", 7000)]
    assert sentinels.sentinel == "night"
    assert sentinels.client_url == "redis://a/3"


@pytest.mark.parametrize(
    ("url", "local"),
    [
        ("unix:///tmp/socket", True),
        ("redis://127.0.0.1:1", True),
        ("redis://localhost,10.0.0.1?cluster=1", False),
        ("rediss://grid.example", False),
    ],
)
def test_whether_the_way_leaves_this_machine(url: str, local: bool) -> None:
    assert Address.parse(url).local is local


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://h", "begins with http://: must be redis://"),
        ("h:6379", "begins with h://"),
        ("redis://h:0", "names no port"),
        ("redis://h:port", "is not a URL"),
        ("redis://[h", "is not a URL"),
        ("redis://h/x", "no number of a database"),
        ("unix://", "names no port or path"),
        ("redis://h?ssl_cert_reqs=none", "has the option 'ssl_cert_reqs'"),
        ("rediss://h?ssl_check_hostname=false", "has the option 'ssl_check_hostname'"),
        ("redis://h?cluster=perhaps", "cluster='perhaps': must be true or false"),
        ("redis://h?partitions=0", "partitions='0': must be a whole number from 1"),
        ("redis://h?partitions=4097", "partitions='4097'"),
        ("redis://h?partitions=x&partitions=", "has an option twice"),
        ("redis://h?db=x", "db='x': must be the number of a database"),
        ("redis://h?protocol=9", "protocol='9': must be 2 or 3"),
        ("redis://h?socket_timeout=nan", "socket_timeout='nan': must be seconds above 0"),
        ("redis://h?socket_connect_timeout=0", "must be seconds above 0"),
        ("redis://h?client_name=%00", "cannot be printed"),
        ("rediss://h?ssl_ca_certs=a%00b", "cannot be printed"),
        ("redis://\udcff", "cannot be printed"),
        ("redis://h?cluster=true&sentinel=s", "must be one of them"),
        ("unix:///s?cluster=true", "a cluster has no unix socket"),
        ("unix:///s?sentinel=s", "sentinels have no unix socket"),
        ("redis://a,b", "names several hosts"),
        ("redis://a/1?cluster=true", "a cluster has only database 0"),
        ("redis://consumer@h", "there is a Redis user and no password"),
        ("rediss://h?ssl_ca_certs=/nosuch", "cannot use /nosuch for the CA's certificates"),
        ("rediss://h?ssl_keyfile=/nosuch", "a file for the key and none for the certificate"),
        ("redis://h?ssl_ca_certs=/nosuch", "would send all in clear: must be rediss://"),
    ],
)
def test_what_it_may_not_say(url: str, words: str) -> None:
    with pytest.raises(UsageError) as told:
        Address.parse(url)
    assert words in str(told.value)


@pytest.mark.parametrize(
    "url",
    [
        *("redis://u:s%2Fecret@h:x", "redis://u:s/ecret@h", "http://:secret@h"),
        # The beginning could be a port.
        *("redis://u:1?ecret@h", "redis://u:1#ecret@h", "redis://u:1/ecret@h"),
        *("redis://secret@h", "redis://:s\necret@h:x", "redis://h/?secret@h"),
    ],
)
def test_no_error_shows_a_password(url: str) -> None:
    with pytest.raises(UsageError) as told:
        Address.parse(url)
    assert "secret" not in str(told.value)
    assert "ecret" not in str(told.value)


@pytest.mark.parametrize(
    ("url", "login"),
    [
        ("redis://u:s%2Fecret@h", Login("u", "s/ecret")),
        ("redis://:secret@h", Login("", "secret")),
        ("redis://h?username=u&password=secret", Login("u", "secret")),
        ("unix://u:secret@/tmp/socket", Login("u", "secret")),
    ],
)
def test_who_we_are_by_the_url(url: str, login: Login) -> None:
    address = Address.parse(url, {"AZFINSIM_REDIS_USERNAME": "other"})
    assert (address.login, address.has_password) == (login, True)
    for shown in (str(address), repr(address), repr(address.login), address.client_url):
        assert "ecret" not in shown


def test_who_we_are_by_the_surroundings(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("first\n")
    file = {"AZFINSIM_REDIS_PASSWORD_FILE": str(secret)}
    address = Address.parse("redis://u@h", file)
    assert address.login == Login("u", "", secret)
    assert not address.has_password
    assert address.login.read() == "first"
    secret.write_text("second")
    assert address.login.read() == "second"
    told = {"AZFINSIM_REDIS_USERNAME": "u", "AZFINSIM_REDIS_PASSWORD": "secret"}
    assert Address.parse("redis://h", told).login == Login("u", "secret")
    with pytest.raises(UsageError, match="must be one of them"):
        Address.parse("redis://u:p@h", file)
    secret.write_text("\n")
    with pytest.raises(UsageError, match="is empty: must hold the password"):
        Address.parse("redis://u@h", file)
    secret.unlink()
    with pytest.raises(UsageError, match=r"cannot read the password in .*: No such file"):
        Address.parse("redis://u@h", file)


def test_another_process_is_told_the_same(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("first")
    told = {"AZFINSIM_REDIS_USERNAME": "u", "AZFINSIM_REDIS_PASSWORD_FILE": str(secret)}
    for url in ("redis://h?cluster=true", "unix:///tmp/socket", "redis://a,b/1?sentinel=s"):
        address = Address.parse(url, told).with_partitions(4)
        there = Address.parse(address.url, address.environment())
        assert there == address
        assert there.partitions == 4
    # And nothing of what this process is told for another server.
    mine = Address.parse("redis://:secret@h")
    other = {**told, "AZFINSIM_REDIS_CA_FILE": "/nosuch"}
    assert Address.parse(mine.url, {**other, **mine.environment()}) == mine
