from __future__ import annotations

import json
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from wandb_inference import _config
from wandb_inference._core.build import CHAT_PARAMS, USER_AGENT, build_chat, build_get, unexpected_keyword
from wandb_inference._core.settings import settings_of, with_options
from wandb_inference._core.wire import Timeouts
from wandb_inference.exceptions import ConfigurationError, InvalidRequestError
from wandb_inference.types import UserMessage

KEY = "0123456789abcdef0123456789abcdef01234567"
LLAMA = "meta-llama/Llama-3.1-8B-Instruct"
BASE_URL = "https://api.inference.wandb.ai/v1"
HELLO = [{"role": "user", "content": "Hello"}]


def settings(headers=None, **config):
    resolved = _config.resolve(**{"api_key": KEY, "project": "team/project", "base_url": BASE_URL, **config})
    return settings_of(resolved, timeout=(10, 600), stall_timeout=120, deadline=None, max_retries=2, headers=headers)


SETTINGS = settings()


def chat(model=LLAMA, messages=HELLO, stream=False, given=SETTINGS, **params):
    return build_chat(given, "create", model, messages, stream, params)


def body(call):
    return json.loads(call.request.body)


class TestRequest:
    """What a chat completion is on the wire."""

    def test_usual(self):
        """Method, URL, headers and body are those of the service, and the key is beside them."""
        call = chat(temperature=0.5)

        assert (call.request.method, call.request.url) == ("POST", f"{BASE_URL}/chat/completions")
        assert call.request.headers == {
            "accept": "application/json",
            "accept-encoding": "gzip, deflate",
            "content-type": "application/json",
            "openai-project": "team/project",
            "user-agent": USER_AGENT,
        }
        assert body(call) == {"model": LLAMA, "messages": HELLO, "temperature": 0.5}
        assert call.key == KEY
        assert KEY not in repr(call.request)

    def test_user_agent(self):
        """The name is our own: the service's edge refuses Python's default."""
        assert USER_AGENT.startswith("wandb-inference-python/")

    def test_none_is_not_sent(self):
        """Absent and `None` mean not sent; `extra_body` can send a null."""
        call = chat(temperature=None, tools=None, stream_options=None, extra_body={"seed": None})

        assert body(call) == {"model": LLAMA, "messages": HELLO, "seed": None}

    def test_options_are_not_in_the_body(self):
        """Options of the request reach the wire elsewhere."""
        call = chat(
            timeout=5, stall_timeout=6, deadline=7, max_retries=0, project="a/b", extra_headers={}, extra_query={}
        )

        assert set(body(call)) == {"model", "messages"}
        assert call.request.timeouts == Timeouts(5.0, 5.0, 6.0, 7.0)
        assert call.journal.policy.max_retries == 0
        assert call.request.headers["openai-project"] == "a/b"

    def test_defaults(self):
        """Without options they are the client's."""
        call = chat(max_retries=None)

        assert call.request.timeouts == Timeouts(10.0, 600.0, 120.0, None)
        assert call.journal.policy == SETTINGS.policy

    def test_context(self):
        """An error's hint knows model, project, base URL and where the key came from."""
        assert chat().request.context == (BASE_URL, LLAMA, "team/project", "argument", True)

    @pytest.mark.parametrize("name", ["tools", "functions", "modalities", "stop"])
    @pytest.mark.parametrize("make", [tuple, iter, lambda items: (item for item in items)])
    def test_iterables(self, name, make):
        """Lists can be given as any iterable."""
        items = {"tools": [{"type": "x"}], "functions": [{"name": "f"}]}.get(name, ["a", "b"])

        assert body(chat(**{name: make(items)}))[name] == items

    def test_one_stop(self):
        """A single text stays one."""
        assert body(chat(stop="END"))["stop"] == "END"

    def test_messages(self):
        """Mappings, models and their mixtures are written as JSON."""
        messages = (message for message in [MappingProxyType(HELLO[0]), UserMessage(content="again")])

        assert body(chat(messages=messages))["messages"] == [*HELLO, {"role": "user", "content": "again"}]

    def test_extra_body(self):
        """Fields of `extra_body` are added unchecked, and replace others."""
        call = chat(temperature=0.5, extra_body={"temperature": "hot", "top_k": 5, "messages": "anything"})

        assert body(call) == {"model": LLAMA, "messages": "anything", "temperature": "hot", "top_k": 5}

    @pytest.mark.parametrize("name", ["extra_body", "extra_headers", "extra_query"])
    def test_extras_are_mappings(self, name):
        """What is added is a mapping."""
        with pytest.raises(InvalidRequestError) as caught:
            chat(**{name: [("a", "b")]})

        assert caught.value.errors[0][::2] == (name, "a mapping")

    def test_stream_in_extra_body(self):
        """`stream` decides what is returned, so it can't come in by the back door."""
        with pytest.raises(InvalidRequestError, match=r"extra_body.stream is True, expected the argument stream="):
            chat(extra_body={"stream": True})

    @pytest.mark.parametrize("stream", ["yes", 1, 0, object()])
    def test_stream_is_a_bool(self, stream):
        """`stream` is True or False."""
        with pytest.raises(InvalidRequestError, match=r"stream is .*, expected True or False"):
            chat(stream=stream)

    def test_wrong_values(self):
        """Wrong values are refused before anything is built."""
        with pytest.raises(InvalidRequestError):
            chat(temperature="hot")


class TestModels:
    """Names of models."""

    @pytest.mark.parametrize(
        ("given", "sent"),
        [
            (LLAMA, LLAMA),
            ("wandb/Llama-3.1-8B-Instruct", LLAMA),
            ("llama-3.1-8b-instruct", LLAMA),
            ("gpt-oss-20b", "openai/gpt-oss-20b"),
            ("nobody-knows", "nobody-knows"),
            ("wandb-artifact:///team/project/name:v1", "wandb-artifact:///team/project/name:v1"),
        ],
    )
    def test_sent(self, given, sent):
        """On the default host short names become ids; LoRA addresses pass."""
        assert body(chat(given))["model"] == sent
        assert chat(given).request.context.model == sent

    def test_elsewhere(self):
        """On another host only `wandb/` goes."""
        other = settings(base_url="http://localhost:8000/v1")

        assert body(chat("wandb/Llama-3.1-8B-Instruct", given=other))["model"] == "Llama-3.1-8B-Instruct"

    @pytest.mark.parametrize("model", [None, 7, "", "wandb/", "wandb-artifact:///team/name"])
    def test_wrong(self, model):
        """What is no model is refused."""
        with pytest.raises(InvalidRequestError):
            chat(model)

    @pytest.mark.parametrize("model", ["..", "../files", "a/./b", "wandb/../b"])
    def test_no_path(self, model):
        """An id that would lead to another path of the server is refused; dots within a name are part of it."""
        with pytest.raises(InvalidRequestError, match="expected a model id, not a path") as caught:
            chat(model)

        assert caught.value.errors[0].path == "model"
        assert body(chat("a/b..c"))["model"] == "a/b..c"


class TestStreams:
    """Streamed calls."""

    def test_usage_is_asked_for(self):
        """Usage is asked for, with the request without it at hand, and its chunk kept back."""
        call = chat(stream=True)

        assert call.request.stream
        assert call.request.headers["accept"] == "text/event-stream"
        assert body(call)["stream_options"] == {"include_usage": True}
        assert call.plain is not None
        assert json.loads(call.plain.body or b"") == {"model": LLAMA, "messages": HELLO, "stream": True}
        assert not call.keep_usage

    @pytest.mark.parametrize("wanted", [True, False])
    def test_told_otherwise(self, wanted):
        """Where the caller says whether, that is sent and nothing else tried."""
        call = chat(stream=True, stream_options={"include_usage": wanted})

        assert body(call)["stream_options"] == {"include_usage": wanted}
        assert call.plain is None
        assert call.keep_usage is wanted

    def test_other_options(self):
        """Other options of the stream are sent as well, in both requests."""
        call = chat(stream=True, stream_options={"continuous": 1})

        assert body(call)["stream_options"] == {"continuous": 1, "include_usage": True}
        assert call.plain is not None
        assert json.loads(call.plain.body or b"")["stream_options"] == {"continuous": 1}

    @pytest.mark.parametrize("options", [{}, None])
    def test_written_once(self, options):
        """Empty options are asked with as well, and stand in the body once."""
        call = chat(stream=True, stream_options=options)

        assert body(call)["stream_options"] == {"include_usage": True}
        assert call.request.body.count(b'"stream_options"') == 1

    @pytest.mark.parametrize(
        ("options", "keep"), [({"include_usage": True}, True), ({}, False), (None, False), ("odd", False)]
    )
    def test_options_in_extra_body(self, options, keep):
        """In `extra_body` they are sent as they are, and heeded."""
        call = chat(stream=True, extra_body={"stream_options": options})

        assert body(call)["stream_options"] == options
        assert call.plain is None
        assert call.keep_usage is keep

    def test_without_stream(self):
        """Without a stream they are the server's to refuse."""
        call = chat(stream=False, stream_options={"include_usage": True})

        assert "stream" not in body(call)
        assert call.plain is None

    @pytest.mark.parametrize(("params", "answers"), [({}, 1), ({"n": 3}, 3), ({"extra_body": {"n": "many"}}, 1)])
    def test_answers(self, params, answers):
        """How many answers were asked for is known to the stream."""
        assert chat(stream=True, **params).answers == answers


class TestKeywords:
    """Keywords that don't exist."""

    def test_misspelt(self):
        """A misspelt keyword is what Python itself would raise, with the nearest."""
        with pytest.raises(TypeError) as caught:
            chat(temprature=0.5)

        assert str(caught.value) == (
            "create() got an unexpected keyword argument 'temprature'; did you mean 'temperature'? "
            "Else, what only the server knows goes into extra_body"
        )

    def test_nothing_near(self):
        """Where nothing is near, none is named."""
        with pytest.raises(TypeError, match=r"'xyzzy'; what only the server knows goes into extra_body$"):
            chat(xyzzy=1)

    def test_of_a_get(self):
        """Other calls know only options."""
        with pytest.raises(TypeError, match=r"list\(\) got an unexpected keyword argument 'timeouts'; did you mean"):
            build_get(SETTINGS, "list", "/models", {"timeouts": 1})

    def test_names_used_elsewhere(self):
        """A name that another library uses leads to ours."""
        error = unexpected_keyword("Client", "api_base", ["base_url"], {"api_base": "did you mean 'base_url'?"})

        assert str(error).endswith("'api_base'; did you mean 'base_url'?")
        assert str(unexpected_keyword("f", "xyzzy", [])) == "f() got an unexpected keyword argument 'xyzzy'"

    def test_all_are_known(self):
        """Every parameter that is documented is taken."""
        assert {"temperature", "chat_template_kwargs", "cache_salt", "timeout", "project"} <= set(CHAT_PARAMS)


class TestHeaders:
    """Headers of the caller's own."""

    def test_added(self):
        """The call's headers win over the client's, and these over ours, whatever their case."""
        call = chat(
            given=settings({"X-One": "1", "X-Two": "1", "Accept-Encoding": "identity"}),
            extra_headers={"x-two": "2", "USER-AGENT": "mine"},
        )

        headers = call.request.headers
        assert (headers["x-one"], headers["x-two"]) == ("1", "2")
        assert (headers["accept-encoding"], headers["user-agent"]) == ("identity", "mine")

    def test_left_out(self):
        """`None` leaves a header out."""
        call = chat(given=settings({"X-One": "1"}), extra_headers={"x-one": None, "OpenAI-Project": None})

        assert not {"x-one", "openai-project"} & set(call.request.headers)
        assert call.request.context.project is None

    def test_space_around(self):
        """Spaces around a value go: HTTP has none there."""
        assert chat(extra_headers={"x": " a\tb \t"}).request.headers["x"] == "a\tb"

    @pytest.mark.parametrize("name", ["", "a b", "a:b", "a\r\nb", "a\n", "\u00e9", 7])
    @pytest.mark.parametrize("where", ["default_headers", "extra_headers"])
    def test_wrong_names(self, name, where):
        """No name can break out of its line."""
        if where == "default_headers":
            with pytest.raises(ConfigurationError, match=r"default_headers is .*, expected a header name"):
                settings({name: "x"})
        else:
            with pytest.raises(InvalidRequestError) as caught:
                chat(extra_headers={name: "x"})
            assert caught.value.errors[0].path == where

    @pytest.mark.parametrize("name", ["Content-Length", "transfer-encoding", "Host", "Connection"])
    def test_framing(self, name):
        """Headers that frame the request are left to the client."""
        with pytest.raises(InvalidRequestError, match="left to the client"):
            chat(extra_headers={name: "3"})

    @pytest.mark.parametrize("wrong", ["a", 5, [1]])
    def test_no_mapping(self, wrong):
        """Default headers are a mapping, which is checked when the client is made."""
        with pytest.raises(ConfigurationError, match=f"default_headers is of type {type(wrong).__name__}"):
            settings(wrong)
        with pytest.raises(ConfigurationError, match="default_headers"):
            with_options(SETTINGS, {"default_headers": wrong})

    @pytest.mark.parametrize("value", ["a\r\nevil: 1", "a\nb", "a\0b", "caf\u00e9", 7, b"x", ["a"]])
    def test_wrong_values(self, value):
        """No value can either; it is not shown, for it may be a secret."""
        with pytest.raises(InvalidRequestError) as caught:
            chat(extra_headers={"x-token": value})

        assert caught.value.errors[0][::2] == ("extra_headers['x-token']", "one line of ASCII text")
        assert "evil" not in repr(caught.value)

    @examples(deadline=None)
    @given(st.text(max_size=12), st.text(max_size=12))
    def test_any(self, name, value):
        """Whatever is given, a header stays on its line."""
        try:
            headers = chat(extra_headers={name: value}).request.headers
        except InvalidRequestError:
            return
        assert not any(end in text for item in headers.items() for text in item for end in "\r\n\0")

    def test_own_authorization(self):
        """A caller's own Authorization takes the place of the key, which is then not needed."""
        call = chat(given=settings(api_key=None), extra_headers={"Authorization": "Bearer other"})

        assert call.key is None
        assert call.request.headers["authorization"] == "Bearer other"
        assert call.request.context.key_source == "the Authorization header"

    def test_own_project(self):
        """A caller's own project header takes the place of the project."""
        call = chat(given=settings(project=None), extra_headers={"OpenAI-Project": "a/b"})

        assert call.request.headers["openai-project"] == "a/b"
        assert call.request.context.project == "a/b"


class TestSettings:
    """What a client was given."""

    def test_missing(self):
        """Without key or project a call fails before anything is sent."""
        with pytest.raises(ConfigurationError, match="no API key and no project"):
            chat(given=settings(api_key=None, project=None))

    def test_no_project_on_purpose(self):
        """An empty project sends none."""
        assert "openai-project" not in chat(given=settings(project="")).request.headers
        assert "openai-project" not in chat(project="").request.headers

    def test_a_calls_project(self):
        """A call's own project needs none of the client's."""
        assert chat(given=settings(project=None), project="a/b").request.context.project == "a/b"

    def test_no_key_in_its_repr(self):
        """The settings' text holds no key."""
        assert KEY not in repr(SETTINGS)

    def test_with_options(self):
        """A clone has what was replaced, and shares the rest."""
        clone = with_options(
            SETTINGS, {"project": "a/b", "max_retries": 0, "timeout": 5, "default_headers": {"x": "1"}, "api_key": None}
        )

        assert clone.config.project == "a/b"
        assert clone.config.api_key == KEY
        assert clone.policy.max_retries == 0
        assert clone.timeouts.read == 5.0
        assert clone.headers == {"x": "1"}
        assert clone.quirks is SETTINGS.quirks
        assert SETTINGS.headers == {}

    def test_with_another_server(self):
        """What a server was found not to take is not known of another."""
        clone = with_options(SETTINGS, {"base_url": "http://localhost:8000/v1"})

        assert clone.quirks is not SETTINGS.quirks
        assert clone.policy is SETTINGS.policy
        assert with_options(SETTINGS, {}).config is SETTINGS.config


class TestGet:
    """GET requests."""

    def test_usual(self):
        """They have no body and no content type."""
        call = build_get(SETTINGS, "list", "/models", {"max_retries": 5})

        assert (call.request.method, call.request.url, call.request.body) == ("GET", f"{BASE_URL}/models", None)
        assert "content-type" not in call.request.headers
        assert call.request.headers["openai-project"] == "team/project"
        assert call.journal.policy.max_retries == 5
        assert call.key == KEY

    @pytest.mark.parametrize(
        ("path", "sent"),
        [
            (f"/models/{LLAMA}", f"/models/{LLAMA}"),
            ("/models/a b?c=d#e", "/models/a%20b%3Fc%3Dd%23e"),
            ("/models/caf\u00e9\r\n", "/models/caf%C3%A9%0D%0A"),
            ("/models/\ud83d", "/models/%3F"),
        ],
    )
    def test_path(self, path, sent):
        """A name in the path can't become a query or another line."""
        assert build_get(SETTINGS, "retrieve", path, {}, "m").request.url == BASE_URL + sent

    @pytest.mark.parametrize(
        ("query", "sent"),
        [
            ({}, ""),
            (None, ""),
            ({"a": None}, ""),
            ({"a": "x&y=z #\r\n"}, "?a=x%26y%3Dz+%23%0D%0A"),
            ({"a": True, "b": False, "c": 1.5}, "?a=true&b=false&c=1.5"),
            ({"a": ["x", "y"]}, "?a=x&a=y"),
            ({"caf\u00e9": "\ud83d"}, "?caf%C3%A9=%3F"),
        ],
    )
    def test_query(self, query, sent):
        """Values of a query are quoted, and `None` is not sent."""
        assert build_get(SETTINGS, "list", "/models", {"extra_query": query}).request.url == f"{BASE_URL}/models{sent}"
