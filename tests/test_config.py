from __future__ import annotations

import logging
import pickle
from pathlib import Path

import pytest

from wandb_inference._config import DEFAULT_BASE_URL, check_key, resolve
from wandb_inference.exceptions import ConfigurationError

KEY = "SECRET" * 7


@pytest.fixture
def home(tmp_path):
    """An empty home directory."""
    path = tmp_path / "home"
    path.mkdir()
    return path


@pytest.fixture
def cwd(tmp_path):
    """An empty working directory."""
    path = tmp_path / "work"
    path.mkdir()
    return path


@pytest.fixture
def configure(home, cwd):
    """`resolve` in these two directories, with no environment but the one given."""

    def configure(environ=None, **arguments):
        return resolve(environ=environ or {}, cwd=cwd, home=home, **arguments)

    return configure


@pytest.fixture
def no_files(monkeypatch):
    """Makes it an error to touch a file or to ask for the home directory."""

    def refuse(*args, **kwargs):
        raise AssertionError("touched a file")

    monkeypatch.setattr("netrc.netrc", refuse)
    monkeypatch.setattr("os.path.isdir", refuse)
    monkeypatch.setattr(Path, "read_text", refuse)
    monkeypatch.setattr(Path, "home", refuse)


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def write_netrc(home: Path, key: str = KEY) -> None:
    write(home / ".netrc", f"machine api.wandb.ai login user password {key}\n")


def write_settings(directory: Path, **values: str) -> None:
    write(
        directory / "wandb/settings", "[default]\n" + "".join(f"{name} = {value}\n" for name, value in values.items())
    )


def give_key() -> str:
    """An importable callable, for the pickle."""
    return KEY


def test_defaults(configure):
    """Without any setting there is a base URL, and nothing to complain of until a call."""
    config = configure()

    assert config.api_key is config.project is config.log_level is config.team is None
    assert config.base_url == DEFAULT_BASE_URL
    assert config.sources == {"api_key": "not set", "project": "not set", "base_url": "default"}
    assert config.problems == ()


def test_arguments_come_first(configure, home, cwd):
    """An argument wins over the environment and the files."""
    write_netrc(home)
    write_settings(cwd, project="file", entity="file")
    environ = {"WANDB_API_KEY": "env", "WANDB_PROJECT": "env/env", "WANDB_API_BASE": "https://env.example"}
    config = configure(environ, api_key="k", project="t/p", base_url="https://own.example/v1/")

    assert (config.api_key, config.project, config.base_url) == ("k", "t/p", "https://own.example/v1")
    assert set(config.sources.values()) == {"argument"}


def test_environment_comes_second(configure, home, cwd):
    """A variable wins over the files, and is stripped."""
    write_netrc(home)
    write_settings(cwd, project="file", entity="file")
    environ = {"WANDB_API_KEY": "env\n", "WANDB_PROJECT": " env/env ", "WANDB_API_BASE": "https://env.example/ "}
    config = configure(environ)

    assert (config.api_key, config.project, config.base_url) == ("env", "env/env", "https://env.example")
    assert config.sources == {
        "api_key": "WANDB_API_KEY",
        "project": "WANDB_PROJECT",
        "base_url": "WANDB_API_BASE",
    }


def test_netrc_then_settings(configure, home, cwd):
    """A key in netrc wins over one in the settings files."""
    write_settings(cwd, api_key="file")

    assert configure().api_key == "file"
    assert configure().sources["api_key"] == "settings ./wandb/settings"

    write_netrc(home, "netrc")

    assert configure().api_key == "netrc"
    assert configure().sources["api_key"] == "netrc ~/.netrc (api.wandb.ai)"


def test_empty_variables_count_as_unset(configure, home, cwd):
    """A variable with nothing in it, or white space, leaves the setting open."""
    write_netrc(home)
    write_settings(cwd, project="p", entity="t")
    names = ("WANDB_API_KEY", "WANDB_PROJECT", "WANDB_ENTITY", "WANDB_API_BASE", "NETRC", "WANDB_CONFIG_DIR")
    config = configure(dict.fromkeys(names, "") | {"WANDB_ENTITY": " \n"})

    assert (config.api_key, config.project, config.base_url) == (KEY, "t/p", DEFAULT_BASE_URL)


def test_process_environment_is_the_default(monkeypatch, home, cwd):
    """Without `environ` the process's own variables count, as they are now."""
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    monkeypatch.setenv("WANDB_PROJECT", "t/p")
    config = resolve(cwd=cwd, home=home)
    monkeypatch.delenv("WANDB_API_KEY")

    assert (config.api_key, config.project) == (KEY, "t/p")


@pytest.mark.parametrize(
    ("environ", "arguments"),
    [
        ({"WANDB_API_KEY": "k", "WANDB_PROJECT": "t/p"}, {}),
        ({"WANDB_API_KEY": "k", "WANDB_PROJECT": "p", "WANDB_ENTITY": "t"}, {}),
        ({}, {"api_key": "k", "project": "t/p"}),
        ({}, {"api_key": give_key, "project": ""}),
        ({"WANDB_ENTITY": "t"}, {"api_key": "k", "project": "p"}),
        ({"NETRC": "~/netrc", "WANDB_CONFIG_DIR": "~/config"}, {"api_key": "k", "project": "t/p"}),
    ],
)
def test_no_file_is_touched_without_need(no_files, environ, arguments):
    """Where arguments and environment give key and project no file is looked at, and no home directory."""
    resolve(environ=environ, **arguments).require()


@pytest.mark.parametrize(
    ("environ", "settings", "argument", "expected", "source"),
    [
        ({"WANDB_PROJECT": "a/b", "WANDB_ENTITY": "t"}, {}, None, "a/b", "WANDB_PROJECT"),
        ({"WANDB_PROJECT": "p", "WANDB_ENTITY": "t"}, {"entity": "x"}, None, "t/p", "WANDB_PROJECT + WANDB_ENTITY"),
        ({"WANDB_PROJECT": "p"}, {"entity": "t"}, None, "t/p", "WANDB_PROJECT + settings ./wandb/settings"),
        (
            {"WANDB_ENTITY": "t"},
            {"project": "p", "entity": "x"},
            None,
            "t/p",
            "settings ./wandb/settings + WANDB_ENTITY",
        ),
        ({}, {"project": "p", "entity": "t"}, None, "t/p", "settings ./wandb/settings"),
        ({}, {"project": "a/b", "entity": "t"}, None, "a/b", "settings ./wandb/settings"),
        ({"WANDB_ENTITY": "t"}, {"entity": "x"}, "p", "t/p", "argument + WANDB_ENTITY"),
        ({}, {"entity": "t"}, "p", "t/p", "argument + settings ./wandb/settings"),
        ({"WANDB_PROJECT": "a/b"}, {"project": "p", "entity": "t"}, "", "", "argument"),
    ],
)
def test_project_and_team(configure, cwd, environ, settings, argument, expected, source):
    """A bare name takes the team from `WANDB_ENTITY`, else from the settings files; a full one stands alone."""
    write_settings(cwd, **settings)
    config = configure(environ, project=argument)

    assert config.project == expected
    assert config.sources["project"] == source


@pytest.mark.parametrize(("environ", "argument"), [({"WANDB_PROJECT": "bot"}, None), ({}, "bot")])
def test_project_without_a_team(configure, environ, argument):
    """A bare name without a team waits for the first call, and is explained then."""
    config = configure(environ, api_key="k", project=argument)
    text = 'project "bot" names no team: write "team/bot" or set WANDB_ENTITY'

    assert config.project is None
    assert config.sources["project"] == "not set"
    assert config.problems == (text,)
    with pytest.raises(ConfigurationError, match="There is no project. " + text):
        config.require()


def test_key_as_project_is_not_shown(configure):
    """A key that was given as the project is not quoted by the error at the first call."""
    key = "0123456789" * 4
    config = configure(api_key="k", project=key)

    with pytest.raises(ConfigurationError, match="not shown") as caught:
        config.require()
    assert key not in str(caught.value)
    assert key not in repr(config)


@pytest.mark.parametrize(
    ("environ", "arguments", "text"),
    [
        ({}, {"api_key": ""}, "api_key is empty (argument)"),
        ({}, {"api_key": " "}, "api_key is empty (argument)"),
        ({}, {"api_key": b"k"}, "api_key is of type bytes"),
        ({}, {"api_key": "Bearer k"}, 'api_key begins with "Bearer"'),
        ({"WANDB_API_KEY": "k\nk"}, {}, "api_key holds a line break at index 1, counted from 0 (WANDB_API_KEY)"),
        ({}, {"project": "a/b/c"}, 'project "a/b/c" (argument) is not of the form'),
        ({}, {"project": 7}, "project is of type int"),
        ({"WANDB_PROJECT": "a/b/c"}, {}, 'project "a/b/c" (WANDB_PROJECT) is not of the form'),
        ({"WANDB_PROJECT": "p", "WANDB_ENTITY": "a/"}, {}, 'project "a//p" (WANDB_PROJECT + WANDB_ENTITY) is not of'),
        ({}, {"base_url": ""}, "base_url is empty (argument)"),
        ({"WANDB_API_BASE": "https://wandb.ai"}, {}, 'base_url "https://wandb.ai" (WANDB_API_BASE) is not'),
    ],
)
def test_wrong_values_are_refused_at_once(configure, environ, arguments, text):
    """A value that can't work is an error when the client is made, with its source."""
    with pytest.raises(ConfigurationError) as caught:
        configure(environ, **arguments)

    assert text in str(caught.value)


def test_wrong_key_in_a_file_is_refused_at_once(configure, home):
    """A key from a file is checked as one from the environment."""
    write_netrc(home, "'SECRET'")

    with pytest.raises(ConfigurationError, match=r"in quotes \(settings ./wandb/settings\)|in quotes \(netrc"):
        configure()


def test_callable_key_is_not_called(configure):
    """A callable is kept, to be asked before each request; what it gives is checked then."""
    calls = []
    config = configure(api_key=lambda: calls.append(1) or "a b")

    assert calls == []
    with pytest.raises(ConfigurationError, match=r"holds a space at index 1, counted from 0 \(callable\)"):
        check_key(config.api_key(), "callable")


def test_missing_key(configure):
    """The error shows the three ways to set a key."""
    with pytest.raises(ConfigurationError) as caught:
        configure(project="t/p").require()

    said = str(caught.value)
    assert said.startswith("There is no API key. Pass api_key=..., set WANDB_API_KEY, or run `wandb login`")
    assert "WANDB_PROJECT" not in said


def test_missing_project(configure):
    """The error shows the three ways to set a project, and how to send none."""
    with pytest.raises(ConfigurationError) as caught:
        configure(api_key="k").require()

    said = str(caught.value)
    assert said.startswith('There is no project. Pass project="team/project", set WANDB_PROJECT=team/project, or write')
    assert 'project=""' in said
    assert "WANDB_API_KEY" not in said


def test_missing_both(configure):
    """One error tells of both."""
    with pytest.raises(ConfigurationError, match=r"no API key and no project\..*WANDB_API_KEY.*WANDB_PROJECT"):
        configure().require()


@pytest.mark.parametrize(
    ("needed", "arguments"),
    [
        ({}, {"api_key": "k", "project": "t/p"}),
        ({}, {"api_key": "k", "project": ""}),
        ({}, {"api_key": give_key, "project": "t/p"}),
        ({"key": False}, {"project": "t/p"}),
        ({"project": False}, {"api_key": "k"}),
    ],
)
def test_nothing_missing(configure, needed, arguments):
    """What is there or isn't needed is no error; an empty project is one that was chosen."""
    configure(**arguments).require(**needed)


def test_unreadable_files_warn_once_and_are_named_later(configure, home, cwd):
    """Files that can't be read are passed over with one warning, and named by the error at the first call."""
    write(home / ".netrc", "SECRET")
    write(cwd / "wandb/settings", "SECRET")
    said = (
        "~/.netrc was passed over (not in the format of netrc)",
        "./wandb/settings was passed over (not an INI file)",
    )

    with pytest.warns(UserWarning, match="passed over") as caught:
        config = configure()

    assert [str(warning.message) for warning in caught] == [f"wandb_inference: {said[0]}; {said[1]}"]
    assert config.problems == said
    with pytest.raises(ConfigurationError) as error:
        config.require()
    assert f"{said[0]}. {said[1]}. Pass" in str(error.value)
    assert "SECRET" not in str(error.value)


def test_unused_files_do_not_warn(configure, tmp_path):
    """What was passed over for a good reason is named by the error alone."""
    config = configure({"NETRC": f"{tmp_path}/gone"})

    assert config.problems == (f"{tmp_path}/gone was passed over (there is no such file)",)


def test_warning_points_outside_the_package(home, cwd):
    """A warning has the line of the user's that made the client, however many of our frames are between."""
    write(home / ".netrc", "x")
    namespace = {"__name__": "wandb_inference._client", "resolve": resolve}
    exec("def new_client(**arguments):\n    return resolve(**arguments)", namespace)

    with pytest.warns(UserWarning, match="passed over|WANDB_INFERENCE_LOG") as caught:
        namespace["new_client"](environ={"WANDB_INFERENCE_LOG": "loud"}, cwd=cwd, home=home)

    assert [warning.filename for warning in caught] == [__file__, __file__]


def test_repr(configure):
    """Each value stands with its source."""
    config = configure({"WANDB_API_KEY": KEY, "WANDB_PROJECT": "p", "WANDB_ENTITY": "t"})

    assert repr(config) == (
        "Config(api_key=<from WANDB_API_KEY>, project='t/p' <from WANDB_PROJECT + WANDB_ENTITY>, "
        f"base_url='{DEFAULT_BASE_URL}' <from default>)"
    )


def test_repr_of_what_is_missing(configure):
    """A value that wasn't found is shown as such."""
    assert "api_key=<not set>, project=<not set>, base_url=" in repr(configure())


def test_repr_hides_secrets(configure):
    """Neither the key nor a callable's own repr is shown."""
    config = configure(api_key=KEY, base_url="https://my.host/v1")
    with_callable = configure(api_key=give_key)

    assert KEY not in repr(config) + str(config)
    assert "api_key=<from argument>" in repr(config)
    assert "base_url='https://my.host/v1' <from argument>" in repr(config)
    assert "api_key=<callable, argument>" in repr(with_callable)


def test_pickle_looks_the_key_up_again(monkeypatch):
    """A pickled configuration holds no key; where it is loaded the key is looked up, the rest stays."""
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    config = resolve(project="t/p", base_url="https://my.host/v1")
    data = pickle.dumps(config)
    monkeypatch.setenv("WANDB_API_KEY", "another")
    monkeypatch.setenv("WANDB_PROJECT", "another/one")
    monkeypatch.setenv("WANDB_ENTITY", "another")
    loaded = pickle.loads(data)

    assert KEY.encode() not in data
    assert loaded.api_key == "another"
    assert (loaded.project, loaded.base_url, loaded.team) == ("t/p", config.base_url, "t")
    assert loaded.sources == config.sources


def test_pickle_of_a_callable(configure):
    """An importable callable is pickled by its name."""
    loaded = pickle.loads(pickle.dumps(configure(api_key=give_key, project="")))

    assert loaded.api_key is give_key
    assert loaded.project == ""


def test_pickle_without_a_project(configure, monkeypatch):
    """A project that was missing is looked for again, too."""
    data = pickle.dumps(configure(api_key=give_key))
    monkeypatch.setenv("WANDB_PROJECT", "t/p")
    loaded = pickle.loads(data)

    assert (loaded.project, loaded.team, loaded.sources["project"]) == ("t/p", "t", "WANDB_PROJECT")


def test_key_given_as_a_string_is_not_pickled(configure):
    """The error says what to do in its place, and doesn't hold the key."""
    with pytest.raises(TypeError, match="set WANDB_API_KEY, or give an importable callable") as caught:
        pickle.dumps(configure(api_key=KEY))

    assert KEY not in str(caught.value)


def test_override(configure, no_files):
    """A copy has the new values with the argument as their source; the original stays as it was."""
    config = configure({"WANDB_API_KEY": "k", "WANDB_PROJECT": "t/p"})
    changed = config.override(api_key=" new ", project="x/y", base_url="https://my.host/v1/")

    assert (changed.api_key, changed.project, changed.base_url) == ("new", "x/y", "https://my.host/v1")
    assert set(changed.sources.values()) == {"argument"}
    assert (config.api_key, config.project, config.base_url) == ("k", "t/p", DEFAULT_BASE_URL)
    assert config.override() == config


@pytest.mark.parametrize(
    ("environ", "settings", "project", "team"),
    [
        ({"WANDB_ENTITY": "env"}, {"entity": "file"}, "t/p", "env"),
        ({}, {}, "t/p", "t"),
        ({"WANDB_ENTITY": "env"}, {}, "", "env"),
        ({}, {"entity": "file"}, None, "file"),
        ({}, {"entity": "file"}, "p", "file"),
    ],
)
def test_override_with_a_bare_project(configure, cwd, environ, settings, project, team):
    """A bare name takes the team that a bare name had at first, else that of the project."""
    write_settings(cwd, **settings)
    config = configure(environ, project=project)

    assert config.override(project="other").project == f"{team}/other"


def test_override_with_a_project_that_has_no_team(configure):
    """It is missing until a full one takes its place, and then nothing more is said of it."""
    config = configure(api_key="k", project="").override(project="bot")

    assert config.problems == ('project "bot" names no team: write "team/bot" or set WANDB_ENTITY',)
    with pytest.raises(ConfigurationError, match="There is no project"):
        config.require()
    assert config.override(project="t/bot").problems == ()
    assert len(config.override(project="other").problems) == 1


@pytest.mark.parametrize("wrong", [{"api_key": ""}, {"project": "a/b/c"}, {"base_url": "https://wandb.ai"}])
def test_override_checks(configure, wrong):
    """An override is checked as the first value was."""
    with pytest.raises(ConfigurationError):
        configure(api_key="k", project="t/p").override(**wrong)


@pytest.mark.parametrize(
    ("base_url", "expected"),
    [
        (None, True),
        ("https://api.inference.wandb.ai/v1", True),
        ("https://API.inference.wandb.ai", True),
        ("http://emulator.test/v1", False),
    ],
)
def test_on_default_host(configure, base_url, expected):
    """The service is told by its host, whatever the path."""
    assert configure(base_url=base_url).on_default_host is expected


@pytest.mark.parametrize(
    ("name", "level"),
    [
        ("debug", logging.DEBUG),
        (" INFO ", logging.INFO),
        ("warning", logging.WARNING),
        ("error", logging.ERROR),
        ("Critical", logging.CRITICAL),
        ("", None),
    ],
)
def test_log_level(configure, name, level):
    """`WANDB_INFERENCE_LOG` is a level's name in any case."""
    assert configure({"WANDB_INFERENCE_LOG": name}).log_level == level


def test_unknown_log_level(configure):
    """A name that is no level is ignored with a warning that shows the choices."""
    with pytest.warns(
        UserWarning, match='WANDB_INFERENCE_LOG is "loud"; it can be debug, info, warning, error, critical'
    ):
        assert configure({"WANDB_INFERENCE_LOG": "loud"}).log_level is None
