"""`wandb-inference doctor` on the way to a server: names, connections, proxies, TLS and clocks, on real sockets."""

from __future__ import annotations

import datetime
import json
import socket
import ssl
import time
from email.utils import formatdate
from pathlib import Path

import pytest
from conftest import KEY, PROJECT
from raw_server import RawServer, answering, whole
from relays import Connect, Relay, Socks

from wandb_inference._transport.clocks import ClockError
from wandb_inference._transport.pool import Origin
from wandb_inference.cli import main
from wandb_inference.cli.doctor import _network, _patience, _reach, _way
from wandb_inference.cli.doctor._certificate import read_certificate
from wandb_inference.cli.doctor._finding import Finding
from wandb_inference.cli.doctor._way import Answer, ProxyRefusal

DATA = Path(__file__).parent / "data"
NOW = datetime.datetime(2026, 11, 26, tzinfo=datetime.timezone.utc)
MODELS = b'{"object": "list", "data": [{"id": "openai/gpt-oss-20b", "object": "model"}]}'


def certified(name="localhost", key="localhost.key"):
    """A server's side of TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(DATA / f"{name}.pem", DATA / key if key else None)
    return context


def serving(skew=0.0, *headers):
    """A script that lists models, by a clock that is wrong by so many seconds."""

    def script(peer):
        while peer.request():
            date = formatdate(time.time() - skew, usegmt=True)
            peer.send(whole(MODELS, 200, f"Date: {date}", *headers))

    return script


@pytest.fixture
def examine(capsys, monkeypatch):
    """Runs the command; its findings by check."""
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    monkeypatch.setenv("WANDB_PROJECT", PROJECT)

    def examine(url):
        code = main(["doctor", "--json", "--base-url", url])
        out = capsys.readouterr().out
        assert "secret" not in out
        found = {entry["check"]: Finding(**entry) for entry in json.loads(out)["checks"]}
        assert code == any(finding.status == "fail" for finding in found.values())
        return found

    return examine


@pytest.fixture
def trusted(monkeypatch, examine):
    """The test's server is believed."""
    monkeypatch.setenv("SSL_CERT_FILE", str(DATA / "localhost.pem"))


@pytest.mark.usefixtures("trusted")
def test_all_the_way(examine):
    """Over TLS, name, connection, certificate and clock are told; only the list of models takes the key."""
    with RawServer(serving(), tls=certified()) as server:
        found = examine(server.base_url.replace("127.0.0.1", "localhost"))

    assert "localhost is " in found["DNS"].detail
    assert found["connection"].detail.startswith(f"localhost:{server.port} takes connections at ")
    assert found["TLS"].status == "ok"
    assert found["TLS"].detail.startswith("TLSv1.3, certificate by localhost until 2100-10-27, judged by SSL_CERT_FILE")
    assert (found["clock"].status, found["models"].status) == ("ok", "ok")
    without = [request for request in server.requests if KEY.encode() not in request]
    assert [request.split()[0] for request in without] == [b"HEAD"]


def test_nobody_listens(examine):
    """A port where nothing listens, and what is skipped because of it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    found = examine(f"https://127.0.0.1:{port}/v1")

    assert found["connection"].detail == f"nothing listens at 127.0.0.1:{port}"
    assert found["TLS"].detail == found["clock"].detail == "there is no connection"
    assert found["models"].detail == "the server can't be reached"


def test_a_name_that_is_not_there(examine, monkeypatch):
    """A name that can't be resolved, and what is skipped because of it."""
    asked = socket.getaddrinfo

    def getaddrinfo(host, *args, **kwargs):
        if host == "no.such.host":
            raise socket.gaierror(-2, "Name or service not known")
        return asked(host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    found = examine("https://no.such.host/v1")

    assert found["DNS"].detail == "no.such.host can't be resolved (Name or service not known)"
    assert found["connection"].detail == "there is no address to connect to"


def test_a_resolver_that_hangs(monkeypatch):
    """A look-up that never ends is left behind."""
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: time.sleep(0.1) or [])
    with pytest.raises(TimeoutError):
        _way.look_up("example.com", 443, 0.01)


def test_a_name_that_is_none(monkeypatch):
    """A name that no resolver takes is an error like any other."""

    def getaddrinfo(*args, **kwargs):
        raise UnicodeError("label too long")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    with pytest.raises(OSError, match="label too long"):
        _way.look_up("a" * 70, 443)


@pytest.mark.parametrize(
    ("name", "host", "status", "says", "fix"),
    [
        (
            "over",
            "127.0.0.1",
            "fail",
            "certificate has expired (2020-01-01 to 2021-01-01, and this machine has",
            "clock",
        ),
        (
            "early",
            "127.0.0.1",
            "fail",
            "certificate is not yet valid (2098-01-01 to 2100-01-01",
            "Set this machine's clock",
        ),
        ("other", "localhost", "fail", "(it is api.example's)", "log-in page"),
        ("other", "127.0.0.1", "fail", "(it is api.example's)", "Check the host"),
        ("localhost", "127.0.0.1", "ok", "certificate by localhost", ""),
    ],
)
def test_certificates(examine, monkeypatch, name, host, status, says, fix):
    """A certificate that does not hold is told by its fault; the clock is looked at all the same."""
    monkeypatch.setenv("SSL_CERT_FILE", str(DATA / f"{name}.pem"))
    with RawServer(serving(), tls=certified(name)) as server:
        found = examine(server.base_url.replace("127.0.0.1", host))

    assert found["TLS"].status == status
    assert says in found["TLS"].detail
    assert fix in (found["TLS"].fix or "")
    assert found["clock"].status == "ok"
    assert found["models"].status == ("ok" if status == "ok" else "skipped")
    assert all(KEY.encode() not in request for request in server.requests) is (status == "fail")


@pytest.mark.parametrize(
    ("name", "key", "says"),
    [
        ("localhost", "localhost.key", "localhost is signed by itself, unknown to certifi "),
        ("server", None, "server is signed by authority, unknown to certifi "),
    ],
)
def test_an_unknown_authority(examine, name, key, says):
    """A certificate that nobody known signed names the signer: a company's inspection, or somebody who listens."""
    with RawServer(serving(), tls=certified(name, key)) as server:
        found = examine(server.base_url)

    assert says in found["TLS"].detail
    assert "export SSL_CERT_FILE=" in (found["TLS"].fix or "")


@pytest.mark.parametrize("answers", [True, False])
def test_interception(examine, trusted, monkeypatch, answers):
    """Where the service's certificate is known to SSL_CERT_FILE alone, something between reads what is sent."""
    monkeypatch.setattr(_reach, "is_service", lambda url: True)
    if not answers:
        monkeypatch.setattr(_reach.Walk, "_again", lambda walk, context: (_ for _ in ()).throw(OSError()))
    with RawServer(serving(), tls=certified()) as server:
        found = examine(server.base_url)

    assert found["TLS"].status == ("warn" if answers else "ok")
    if answers:
        assert "no public authority signed it, so something between reads what is sent" in found["TLS"].detail
        assert found["TLS"].fix == "Right if localhost is your company's; else find out who that is."


def test_a_public_certificate(examine, monkeypatch, trusted):
    """A certificate that certifi's authorities signed as well is as it should be."""
    monkeypatch.setattr(_reach, "is_service", lambda url: True)
    with RawServer(serving(), tls=certified()) as server:
        monkeypatch.setattr(_reach.Walk, "_again", lambda walk, context: socket.socket())
        found = examine(server.base_url)

    assert found["TLS"].status == "ok"


def test_a_store_that_cannot_be_read(examine, monkeypatch):
    """Certificates that are not there are named."""
    monkeypatch.setenv("SSL_CERT_FILE", "/no/such/file")
    with RawServer(serving(), tls=certified()) as server:
        found = examine(server.base_url)

    assert found["TLS"].detail.startswith("SSL_CERT_FILE names '/no/such/file', which can't be read")
    assert found["clock"].status == "skipped"


def test_https_on_a_port_without(examine):
    """A server that speaks no TLS."""
    with RawServer(lambda peer: peer.send(whole(b"What?", 400))) as server:
        found = examine(server.base_url.replace("http:", "https:"))

    assert found["TLS"].detail == "127.0.0.1 does not speak TLS at this port"
    assert found["TLS"].fix == "Is the base URL's scheme http?"


def test_a_server_that_hangs_up(examine):
    """A connection that is closed in the handshake, as firewalls do."""
    with RawServer(lambda peer: None) as server:
        found = examine(server.base_url.replace("http:", "https:"))

    assert found["TLS"].detail.startswith("127.0.0.1 and this machine could not agree: ")


def test_a_server_that_says_nothing(examine, monkeypatch):
    """Silence in the handshake ends when the time is over, and so does the whole."""
    monkeypatch.setattr(_reach._way, "HANDSHAKE", 0.05)
    with RawServer(lambda peer: peer.wait_for_end()) as server:
        found = examine(server.base_url.replace("http:", "https:"))
    assert found["TLS"].detail == "127.0.0.1 stopped answering in the handshake"

    monkeypatch.setattr(_patience, "WHOLE", 0.0)
    monkeypatch.setattr(_patience.Patience.__init__, "__defaults__", (0.0,))
    with RawServer(serving()) as server:
        found = examine(server.base_url)
    assert found["connection"].detail.endswith("did not answer in time")


def test_a_certificate_that_cannot_be_looked_at(examine, monkeypatch):
    """A server that lets us in only once: the fault is told without the signer."""
    calls = []

    def again(walk, context):
        calls.append(context)
        raise OSError

    monkeypatch.setattr(_reach.Walk, "_again", again)
    with RawServer(serving(), tls=certified()) as server:
        found = examine(server.base_url)

    assert found["TLS"].fix == "Name the authority's certificate: export SSL_CERT_FILE=/path/to/ca.pem"
    assert found["clock"].detail == "there is no connection"
    assert len(calls) == 1


@pytest.mark.parametrize(
    ("skew", "is_service", "status", "says"),
    [
        (0.0, False, "ok", "right to a second"),
        (-20.0, False, "ok", "s from the server's"),
        (-7300.0, False, "warn", "this machine is 2 hours behind the server"),
        (7300.0, True, "fail", "this machine is 2 hours ahead of the server"),
        (86400.0 * 9, True, "fail", "9 days ahead"),
    ],
)
def test_clocks(examine, monkeypatch, skew, is_service, status, says):
    """A clock that is wrong by more than a minute fails against the service, whose own is right."""
    monkeypatch.setattr(_reach, "is_service", lambda url: is_service)
    with RawServer(serving(skew)) as server:
        found = examine(server.base_url)

    assert (found["clock"].status, says in found["clock"].detail) == (status, True)


@pytest.mark.parametrize(
    ("headers", "says"),
    [
        ({}, "the server sends no Date header"),
        ({"date": "yesterday"}, "the server sends no Date header"),
        ({"date": "Thu, 26 Nov 2026 00:00:00 -0000"}, "right to a second"),
        ({"date": "Thu, 26 Nov 2026 00:01:15 GMT"}, "this machine is 75 s behind the server"),
        ({"date": "Thu, 26 Nov 2026 00:05:00 GMT"}, "this machine is 5 minutes behind the server"),
    ],
)
def test_date_headers(headers, says):
    """The header is compared with this machine's clock where it can be read."""
    assert _network.judge_clock(Answer(200, headers, NOW.timestamp()), True).detail == says


def test_no_answer_about_the_clock(examine):
    """A server that does not answer a question without a key is no fault."""

    def script(peer):
        while request := peer.request():
            if request.startswith(b"HEAD"):
                return peer.reset()
            peer.send(whole(MODELS))

    with RawServer(script) as server:
        found = examine(server.base_url)

    assert found["clock"].status == "skipped"
    assert found["models"].status == "ok"


@pytest.mark.usefixtures("trusted")
def test_through_a_proxy(examine, monkeypatch):
    """Through a proxy, names and connection are the proxy's; TLS and clock are the server's behind it."""
    opening = Connect()
    with RawServer(serving(), tls=certified()) as server, Relay(opening) as relay:
        monkeypatch.setenv("HTTPS_PROXY", f"http://me:secret@127.0.0.1:{relay.port}")
        found = examine(server.base_url)
        assert found["proxies"].detail == f"http://***@127.0.0.1:{relay.port}, from HTTPS_PROXY"
        assert found["connection"].detail == f"the proxy 127.0.0.1:{relay.port} takes connections"

    assert found["tunnel"].detail == f"the proxy leads to 127.0.0.1:{server.port}"
    assert (found["TLS"].status, found["clock"].status, found["models"].status) == ("ok", "ok", "ok")
    assert opening.user == "me:secret"


def test_an_http_server_through_a_proxy(examine, monkeypatch):
    """Without TLS there is no tunnel: the proxy reads the whole URL."""
    with RawServer(serving()) as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"127.0.0.1:{proxy.port}")
        found = examine("http://llm.internal/v1")

    assert "tunnel" not in found
    assert proxy.requests[0].startswith(b"HEAD http://llm.internal/v1 HTTP/1.1\r\n")
    assert (found["clock"].status, found["models"].status) == ("ok", "ok")


@pytest.mark.parametrize(
    ("status", "says", "fix"),
    [
        (407, "wants a user name and password (407)", "http://user:password@host:port"),
        (403, "does not lead to api.example:443: it answers 403", "NO_PROXY"),
    ],
)
def test_proxies_that_refuse(examine, monkeypatch, status, says, fix):
    """A proxy that refuses is told from a server that does."""
    with RawServer(answering(whole(b"No.", status))) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
        found = examine("https://api.example/v1")

    assert found["tunnel"].status == "fail"
    assert says in found["tunnel"].detail
    assert fix in (found["tunnel"].fix or "")
    assert found["TLS"].detail == "the proxy does not lead there"
    assert found["models"].status == "skipped"


def test_a_proxy_that_is_none(examine, monkeypatch):
    """What speaks no HTTP, what says nothing, and what does not even listen."""
    with RawServer(lambda peer: peer.send(b"SSH-2.0-OpenSSH\r\n")) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
        assert "does not speak HTTP" in examine("https://api.example/v1")["tunnel"].detail

    monkeypatch.setattr(_reach._way, "HANDSHAKE", 0.05)
    with RawServer(lambda peer: peer.wait_for_end()) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
        assert examine("https://api.example/v1")["tunnel"].detail.endswith("gave no answer to CONNECT")

    found = examine("https://api.example/v1")
    assert found["connection"].detail == f"nothing listens at the proxy 127.0.0.1:{proxy.port}"
    assert found["connection"].fix == "Check the port in the proxy's variable."


def test_through_socks(examine, monkeypatch):
    """Behind a SOCKS proxy only the list of models goes all the way."""

    class Asked(Socks):
        def __call__(self, connection):
            try:
                return super().__call__(connection)
            except IndexError:  # whoever only wanted to know whether somebody listens
                raise OSError from None

    with RawServer(serving()) as server, Relay(Asked()) as relay:
        monkeypatch.setenv("ALL_PROXY", f"socks5://127.0.0.1:{relay.port}")
        found = examine(server.base_url)

    assert found["TLS"].detail == "behind a proxy of socks5, where only the model list looks"
    assert found["models"].status == "ok"


def test_the_next_address(monkeypatch):
    """An address that refuses is no matter where the next one takes the connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        connection, address = _way.connect(["127.0.0.2", "127.0.0.1"], port, _patience.Patience().limit(5))
        connection.close()

    assert address == "127.0.0.1"


def test_a_tunnel_that_opens_once(examine, monkeypatch):
    """A proxy that opens the way only once: the certificate can't be looked at again."""
    refusals = []

    class Once(Connect):
        def __call__(self, connection):
            if self.heads:
                refusals.append(connection.sendall(b"HTTP/1.1 502 No\r\n\r\n"))
                raise OSError
            return super().__call__(connection)

    with RawServer(serving(), tls=certified()) as server, Relay(Once()) as relay:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{relay.port}")
        found = examine(server.base_url)

    assert found["TLS"].status == "fail"
    assert found["clock"].status == "skipped"
    assert refusals


@pytest.mark.parametrize(
    ("finding", "says"),
    [
        (_network.judge_names("h", ["1", "2", "3", "4"], False), "h is 1, 2, 3 and more"),
        (_network.judge_names("h", TimeoutError(), True), "no answer about h in time"),
        (_network.judge_names("h", OSError("odd"), True), "h can't be resolved (odd)"),
        (
            _network.judge_connection(Origin("https", "h", 1), ClockError("deadline"), False),
            "h:1 did not answer in time",
        ),
        (_network.judge_connection(Origin("https", "h", 1), OSError(113, "No route"), False), "h:1: No route"),
        (_network.judge_connection(Origin("https", "h", 1), OSError("odd"), False), "h:1: odd"),
        (_network.judge_tunnel("http://p", Origin("https", "h", 1), ProxyRefusal(0)), "it does not speak HTTP"),
        (_network.judge_tls(None, "TLSv1.3", True), "TLSv1.3, certificate by "),
        (_network.judge_handshake(ConnectionResetError(104, "reset"), None, "h", NOW), "could not agree: reset"),
        (_network.judge_handshake(OSError(), None, "h", NOW), "could not agree: OSError"),
    ],
    ids=lambda value: value.check if isinstance(value, Finding) else None,
)
def test_what_steps_mean(finding, says):
    """What else may happen on the way has its words, too."""
    assert says in finding.detail
    assert finding.fix or finding.status == "ok"


def der(name):
    """A certificate's bytes."""
    text = (DATA / f"{name}.pem").read_text()
    return ssl.PEM_cert_to_DER_cert(text[: text.index("-----END CERTIFICATE-----")] + "-----END CERTIFICATE-----\n")


def test_reading_certificates():
    """Names and dates are read from the bytes; years before and after 2050 are written in two ways."""
    server = read_certificate(der("server"))
    assert server is not None
    assert (server.subject, server.issuer, server.is_self_signed) == ("server", "authority", False)
    assert (server.begins.year, server.ends.year) == (2020, 2100)
    localhost = read_certificate(der("localhost"))
    assert localhost is not None
    assert localhost.is_self_signed


def element(tag, *contents):
    """DER of one element."""
    data = b"".join(contents)
    return (
        bytes([tag, len(data)]) + data if len(data) < 0x80 else bytes([tag, 0x82]) + len(data).to_bytes(2, "big") + data
    )


def test_odd_certificates():
    """Certificates without a version, with names in UTF-16 or none at all; what is no certificate is none."""
    name = element(
        0x30,
        element(0x31, element(0x30, element(6, b"\x55\x04\x0a"), element(0x1E, "Caf\xe9\n".encode("utf-16-be")))),
        element(0x31, element(0x30, element(6, b"\x55\x04\x03"), element(0x0C, b"ca"))),
    )
    dates = element(0x30, element(0x17, b"991231235959Z"), element(0x18, b"20500101000000Z"))
    body = element(0x30, element(2, b"\1"), element(0x30), name, dates, element(0x30), element(0x30))
    certificate = read_certificate(element(0x30, body))

    assert certificate is not None
    assert (certificate.issuer, certificate.subject) == ("Caf\xe9?, ca", "no name")
    assert (certificate.begins.year, certificate.ends.year) == (1999, 2050)
    whole = der("server")
    assert [read_certificate(junk) for junk in (b"", b"\x30", whole[:50], b"junk" * 20)] == [None] * 4
    for place in range(0, len(whole), 7):
        read_certificate(whole[:place] + b"\xff" + whole[place + 1 :])
