"""`Network`: what it takes, refuses, shows and hides."""

from __future__ import annotations

import dataclasses
import os
import pickle
import socket
import ssl
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from conftest import KEY, MODEL, PROJECT, done
from raw_server import RawServer, answering, whole

from wandb_inference import Client, ConfigurationError, Network, completion
from wandb_inference._transport.pool import Origin
from wandb_inference._transport.proxies import proxies_of_environment
from wandb_inference._transport.routes import Routes
from wandb_inference._transport.tls import TLS
from wandb_inference.testing import Emulator

DATA = Path(__file__).parent / "data"
AUTHORITY = DATA / "authority.pem"
CLIENT = DATA / "client.pem"


def test_plain_data() -> None:
    """Settings compare by value, and paths count as their text."""
    assert Network(verify=AUTHORITY, uds=Path("/a")) == Network(verify=str(AUTHORITY), uds="/a")
    assert Network(proxy=" HTTP://p:1 ") == Network(proxy="http://p:1")
    assert Network(cert=[CLIENT, CLIENT]) == Network(cert=(str(CLIENT), str(CLIENT)))  # type: ignore[arg-type]
    assert len({Network(), Network(verify=True), Network(http2=True)}) == 2
    with pytest.raises(dataclasses.FrozenInstanceError):
        Network().verify = False  # type: ignore[misc]


def test_repr() -> None:
    """What differs from the defaults is shown, and no password."""
    network = Network(proxy="socks5://user:hush@p:1", cert=("a", "b", "hush"), keepalive_expiry=None)

    assert repr(Network()) == "Network()"
    assert repr(network) == "Network(cert=('a', 'b', '***'), proxy='socks5://***@p:1', keepalive_expiry=None)"
    assert repr(Network(cert="a", tcp_nodelay=False)) == "Network(cert='a', tcp_nodelay=False)"


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"verify": None}, r"network\.verify is None.*Give True, False, the path"),
        ({"verify": 1}, r"network\.verify is 1"),
        ({"verify": ""}, r"network\.verify is \"\".*Give the path"),
        ({"verify": "a\0b"}, r"network\.verify is \"a\\x00b\""),
        (
            {"verify": "-----BEGIN CERTIFICATE-----\nhush"},
            r"network\.verify is PEM text, not a path.*Write it to a file",
        ),
        ({"cert": 3}, r"network\.cert is of type int.*path"),
        ({"cert": ("a",)}, r"network\.cert has 1 parts.*\(certificate, key\)"),
        ({"cert": ("a", "b", 3)}, r"network\.cert has 3 parts"),
        ({"cert": ("a", "b", "hush", "c")}, r"network\.cert has 4 parts"),
        ({"cert": ("a", None)}, r"network\.cert is of type NoneType"),
        ({"cert": "a", "verify": ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)}, r"cert and an SSLContext.*load_cert_chain"),
        ({"proxy": 3}, r"network\.proxy is of type int.*URL as text"),
        ({"proxy": "user:hush@p:1"}, r"network\.proxy is \"\*\*\*@p:1\", without a scheme.*http://host:port"),
        ({"proxy": "http://user:hush@p:x"}, r"network\.proxy is \"http://\*\*\*@p:x\", which can't be read"),
        ({"proxy": "ftp://user:hush@p:1"}, r"\"ftp://\*\*\*@p:1\", of an unknown scheme.*http, https, socks5, socks5h"),
        ({"proxy": "http://"}, r"\"http://\", without a host's name"),
        ({"proxy": "http://p q"}, r"\"http://p q\", without a host's name"),
        ({"trust_env": 1}, r"network\.trust_env is 1.*True or False"),
        ({"http2": "yes"}, r"network\.http2 is \"yes\""),
        ({"uds": b"/a"}, r"network\.uds is of type bytes"),
        ({"uds": "/a", "proxy": "http://p:1"}, r"both uds and proxy"),
        ({"keepalive_expiry": -1}, r"network\.keepalive_expiry is -1.*from 0 up"),
        ({"keepalive_expiry": True}, r"network\.keepalive_expiry is True"),
        ({"keepalive_expiry": "20"}, r"network\.keepalive_expiry is \"20\""),
        ({"keepalive_expiry": float("nan")}, r"network\.keepalive_expiry is nan"),
        ({"http_parser": "fast"}, r"network\.http_parser is \"fast\".*\"auto\" or \"h11\""),
    ],
)
def test_wrong_values(settings: dict[str, Any], says: str) -> None:
    """A value that can't work is refused with what to write, and without a password."""
    with pytest.raises(ConfigurationError, match=says) as caught:
        Network(**settings)

    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"verify": "/nowhere.pem"}, r"network\.verify names \"/nowhere\.pem\", which is not there"),
        ({"cert": "/nowhere.pem"}, r"network\.cert names \"/nowhere\.pem\", which is not there"),
        ({"cert": (CLIENT, "/nowhere.key")}, r"network\.cert names \"/nowhere\.key\", which is not there"),
    ],
)
def test_files_that_are_not_there(kind: Any, settings: dict[str, Any], says: str) -> None:
    """A file that is not there is told when the client is made."""
    with pytest.raises(ConfigurationError, match=says):
        kind(network=Network(**settings))


@pytest.mark.parametrize(
    ("settings", "package", "command"),
    [
        ({"verify": "system"}, "truststore", r"pip install truststore"),
        ({"http2": True}, "h2", r'pip install "httpx\[http2\]"'),
        ({"proxy": "socks5h://p:1"}, "socksio", r'pip install "httpx\[socks\]"'),
    ],
)
def test_packages_that_are_not_installed(
    kind: Any, settings: dict[str, Any], package: str, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A package that a setting needs is named when the client is made, with the command that installs it."""
    network = Network(**settings)
    kind(network=network)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ConfigurationError, match=command):
        kind(network=network)


def test_unix_sockets_that_the_system_lacks(kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Python has no Unix sockets, the client can't be made with one."""
    monkeypatch.delattr(socket, "AF_UNIX")
    with pytest.raises(ConfigurationError, match=r"network\.uds.*no Unix sockets"):
        kind(network=Network(uds="/a"))


def test_arguments(kind: Any) -> None:
    """A client takes `network` or `http_client`, and names the place of httpx's arguments."""
    http = httpx.Client() if kind is Client else httpx.AsyncClient()
    with pytest.raises(ConfigurationError, match="both network and http_client"):
        kind(network=Network(), http_client=http)
    with pytest.raises(ConfigurationError, match=r"network is of type dict.*network=Network\("):
        kind(network={"verify": False})
    with pytest.raises(TypeError, match=r"did you mean network=Network\(verify=\.\.\.\)"):
        kind(verify=False)
    with pytest.raises(TypeError, match="did you mean 'network'"):
        kind(networks=Network())
    with pytest.raises(TypeError, match="make another client"):
        kind(api_key=KEY).with_options(network=Network())


def test_shown_by_the_client(kind: Any) -> None:
    """A client shows its network where it is not the usual one."""
    assert repr(kind(network=Network(verify=False))).endswith(", network=Network(verify=False))")
    assert "network" not in repr(kind(network=Network()))


def test_pickled(kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client takes its network along, and reads the environment where it is loaded."""
    network = Network(verify=AUTHORITY, cert=(CLIENT, CLIENT, None), proxy="http://p:1")
    client = kind(project=PROJECT, network=network, max_connections=7)
    loaded = pickle.loads(pickle.dumps(client))

    assert loaded._transport.network == network
    assert loaded._transport.limit == 7
    assert pickle.loads(pickle.dumps(Network(http2=True))) == Network(http2=True)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"verify": ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)}, r"SSLContext can't be pickled: give verify="),
        ({"cert": (CLIENT, CLIENT, "hush")}, r"password is never pickled"),
        ({"proxy": "http://user:hush@p:1"}, r"password is never pickled.*HTTPS_PROXY"),
    ],
)
def test_not_pickled(kind: Any, settings: dict[str, Any], says: str) -> None:
    """What can't or must not be pickled says why."""
    with pytest.raises(TypeError, match=says) as caught:
        pickle.dumps(kind(project=PROJECT, network=Network(**settings)))

    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    ("environment", "found"),
    [
        ({}, {}),
        ({"HTTP_PROXY": "a", "http_proxy": "b"}, {"http": "b"}),
        ({"HTTP_PROXY": "a", "http_proxy": ""}, {}),
        ({"HTTP_PROXY": "a", "HTTPS_PROXY": "b", "REQUEST_METHOD": "GET"}, {"https": "b"}),
        ({"ALL_PROXY": "a", "no_proxy": "b"}, {"all": "a", "no": "b"}),
    ],
)
def test_environment(environment: dict[str, str], found: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment is read as Python's own libraries read it."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    assert proxies_of_environment() == found


def test_systems_with_proxies_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """On macOS and Windows the system's settings count where the environment has none."""
    monkeypatch.setattr("wandb_inference._transport.proxies._HAS_SYSTEM_SETTINGS", True)
    monkeypatch.setattr("urllib.request.getproxies", lambda: {"https": "http://p:1"})
    assert proxies_of_environment() == {"https": "http://p:1"}
    monkeypatch.setenv("HTTP_PROXY", "http://q:1")
    assert proxies_of_environment() == {"http": "http://q:1"}


@pytest.mark.parametrize(
    ("network", "goes"),
    [
        (Network(), (False, "http://env:1")),
        (Network(trust_env=False), (True, None)),
        (Network(proxy="http://p:1"), (False, "http://p:1")),
        (Network(uds="/a"), (False, None)),
        (Network(http2=True), (False, "http://env:1")),
        (Network(http2=True, trust_env=False), (False, None)),
    ],
)
def test_ways(network: Network, goes: tuple[bool, str | None], monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy that is given comes before the environment's, and a Unix socket needs none."""
    monkeypatch.setenv("ALL_PROXY", "http://env:1")
    routes = Routes(network)
    monkeypatch.setenv("ALL_PROXY", "http://later:1")

    assert routes.to(Origin("https", "a.b", 443)) == goes


# --- Contexts --------------------------------------------------------------------------------------------------------


def test_contexts_are_shared_by_equals(tmp_path: Path) -> None:
    """Clients with equal settings share a context; another authority, certificate, rule or protocol has its own."""
    several = [
        Network(),
        Network(verify=False),
        Network(verify=AUTHORITY),
        Network(verify="system"),
        Network(cert=CLIENT),
        Network(cert=(CLIENT, CLIENT)),
    ]
    contexts = [TLS(network).context(http2=http2) for network in several for http2 in (False, True)]

    assert len(set(map(id, contexts))) == 12
    assert [TLS(network).context(http2=http2) for network in several for http2 in (False, True)] == contexts


def test_renewed_certificates(tmp_path: Path) -> None:
    """A file that was written anew is read anew, by clients that are made from then on."""
    path = tmp_path / "ca.pem"
    path.write_bytes(AUTHORITY.read_bytes())
    os.utime(path, (1, 1))
    tls = TLS(Network(verify=path))
    context = tls.context()
    os.utime(path, (2, 2))

    assert tls.context() is context
    assert TLS(Network(verify=path)).context() is not context


def test_a_context_of_the_callers_own() -> None:
    """It is used as it is, and httpx gets it in a form that can't change it."""

    class Watched(ssl.SSLContext):
        def set_alpn_protocols(self, alpn_protocols: Any) -> None:
            raise AssertionError("changed")

    mine = Watched(ssl.PROTOCOL_TLS_CLIENT)
    tls = TLS(Network(verify=mine))
    tls.lent().set_alpn_protocols(["h2"])

    assert tls.context() is tls.context(http2=True) is mine


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"verify": __file__}, r"network\.verify names '.*test_network\.py', which can't be read as certificates"),
        ({"cert": AUTHORITY}, r"network\.cert names '.*authority\.pem', which can't be used"),
        ({"cert": (CLIENT, DATA / "server.pem")}, r"network\.cert names .*client\.pem' and .*KEY_VALUES_MISMATCH"),
        ({"cert": (CLIENT, DATA / "client-locked.key")}, r"client-locked\.key', which can't be used"),
        ({"cert": (CLIENT, DATA / "client-locked.key", "wrong")}, r"client-locked\.key', which can't be used"),
    ],
)
def test_files_that_cant_be_used(settings: dict[str, Any], says: str) -> None:
    """A file that holds something else is named, with what to do; nobody is asked for a password."""
    with pytest.raises(ConfigurationError, match=says) as caught:
        TLS(Network(**settings)).context()

    assert "wrong" not in str(caught.value)


def test_files_that_went_away(tmp_path: Path) -> None:
    """A file that is gone when it is needed is named."""
    path = tmp_path / "ca.pem"
    path.touch()
    tls = TLS(Network(verify=path))
    path.unlink()
    with pytest.raises(ConfigurationError, match=r"ca\.pem.*No such file"):
        tls.context()


def test_folders(tmp_path: Path) -> None:
    """A folder needs hashed names, and the message says how to get them."""
    (tmp_path / "authority.pem").write_bytes(AUTHORITY.read_bytes())
    with pytest.raises(ConfigurationError, match=r"no certificate under a hashed name.*openssl rehash"):
        TLS(Network(verify=tmp_path)).context()
    (tmp_path / "0a1b2c3d.0").write_bytes(AUTHORITY.read_bytes())

    assert TLS(Network(verify=tmp_path)).context()


async def test_nothing_is_read_before_it_is_needed(kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Making a client makes no TLS context."""

    def make(self: TLS, http2: bool) -> ssl.SSLContext:
        raise AssertionError("read")

    monkeypatch.setattr(TLS, "_make", make)
    await done(kind(network=Network(verify=AUTHORITY, cert=CLIENT)).close())


def test_own_network_of_completions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls of `completion()` share connections as long as the environment stays, and look at it anew."""
    arguments: dict[str, Any] = {"api_key": KEY, "project": PROJECT, "messages": [{"role": "user", "content": "Hello"}]}
    body = b'{"choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}]}'
    with Emulator() as direct, RawServer(answering(whole(body))) as proxy:
        for _ in range(2):
            assert completion(MODEL, api_base=direct.base_url, **arguments).meta.route == "direct"
        monkeypatch.setenv("ALL_PROXY", proxy.base_url.removesuffix("/v1"))
        answer = completion(MODEL, api_base="http://somewhere.invalid/v1", **arguments)
        monkeypatch.delenv("ALL_PROXY")
        assert completion(MODEL, api_base=direct.base_url, **arguments).meta.reused

    assert (direct.connections, answer.meta.route) == (1, "proxy")
