from __future__ import annotations

import os
from pathlib import Path

import pytest

from wandb_inference._credentials import CredentialFiles, Found

KEY = "k" * 40


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
def files(home, cwd):
    """Makes `CredentialFiles` for these two directories and the variables given."""
    return lambda **environ: CredentialFiles(environ, cwd=cwd, home=home)


def write(path: Path, text: str | bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())


def entry(machine: str, key: str = KEY) -> str:
    return f"machine {machine}\n  login user\n  password {key}\n"


def settings(**values: str) -> str:
    return "[default]\n" + "".join(f"{name} = {value}\n" for name, value in values.items())


def test_nothing_there(files):
    """Without any file nothing is found and nothing is complained of."""
    empty = files()

    assert empty.netrc_key() is None
    assert empty.settings_key() is None
    assert empty.setting("project") is None
    assert empty.unreadable == empty.unused == []


@pytest.mark.parametrize("name", [".netrc", "_netrc"])
@pytest.mark.parametrize("machine", ["api.wandb.ai", "api.forge.coreweave.com"])
def test_netrc_in_the_home_directory(files, home, name, machine):
    """The key is the password of either cloud machine, in `.netrc` or in Windows's `_netrc`."""
    write(home / name, entry("github.com", "other") + entry(machine))

    assert files().netrc_key() == Found(KEY, f"netrc ~/{name} ({machine})")


def test_netrc_machines_in_order(files, home):
    """The machine of `WANDB_BASE_URL` comes first, then Forge's, then the older one."""
    own, forge, older = entry("w.example", "own"), entry("api.forge.coreweave.com", "forge"), entry("api.wandb.ai")
    write(home / ".netrc", older + forge + own)

    assert files(WANDB_BASE_URL="https://w.example").netrc_key() == Found("own", "netrc ~/.netrc (w.example)")
    assert files().netrc_key() == Found("forge", "netrc ~/.netrc (api.forge.coreweave.com)")


@pytest.mark.parametrize("machine", ["w.example:8080", "w.example"])
@pytest.mark.parametrize("url", ["http://w.example:8080", "http://user:word@w.example:8080/path"])
def test_netrc_machine_with_a_port(files, home, machine, url):
    """The machine of a `WANDB_BASE_URL` with a port may stand with it or without."""
    write(home / ".netrc", entry(machine))

    assert files(WANDB_BASE_URL=url).netrc_key() == Found(KEY, f"netrc ~/.netrc ({machine})")


@pytest.mark.parametrize("url", ["http://[broken", "w.example", "default", "http://default"])
def test_netrc_with_a_strange_base_url(files, home, url):
    """A `WANDB_BASE_URL` that can't be read is ignored, and none makes us take netrc's `default`."""
    write(home / ".netrc", "default login user password other\n" + entry("api.wandb.ai"))

    assert files(WANDB_BASE_URL=url).netrc_key() == Found(KEY, "netrc ~/.netrc (api.wandb.ai)")


def test_netrc_default_is_never_used(files, home):
    """The password that netrc has for all other machines is not sent anywhere."""
    write(home / ".netrc", "default login user password other\n")

    assert files().netrc_key() is None


def test_netrc_variable_comes_first(files, home, tmp_path):
    """`$NETRC` wins over the home directory; what it lacks is looked for there."""
    write(home / ".netrc", entry("api.wandb.ai", "home"))
    write(tmp_path / "mine", entry("api.wandb.ai", "mine"))
    write(tmp_path / "empty", "")

    assert files(NETRC=f"{tmp_path}/mine").netrc_key() == Found("mine", f"netrc {tmp_path}/mine (api.wandb.ai)")
    assert files(NETRC=f"{tmp_path}/empty").netrc_key() == Found("home", "netrc ~/.netrc (api.wandb.ai)")


def test_netrc_variable_with_a_tilde(files, home):
    """A `~` in `$NETRC` is the home directory."""
    write(home / "etc" / "netrc", entry("api.wandb.ai"))

    assert files(NETRC="~/etc/netrc").netrc_key() == Found(KEY, "netrc ~/etc/netrc (api.wandb.ai)")


def test_netrc_variable_without_a_file(files, tmp_path):
    """A file that `$NETRC` names and that isn't there is worth a word, not a warning."""
    found = files(NETRC=f"{tmp_path}/gone")

    assert found.netrc_key() is None
    assert found.unused == [f"{tmp_path}/gone was passed over (there is no such file)"]
    assert found.unreadable == []


def test_netrc_that_everyone_can_read(files, home):
    """Permissions that other tools reject are no obstacle, as with wandb itself."""
    write(home / ".netrc", entry("api.wandb.ai"))
    os.chmod(home / ".netrc", 0o666)

    assert files().netrc_key() == Found(KEY, "netrc ~/.netrc (api.wandb.ai)")


def test_netrc_without_a_password(files, home):
    """An entry with an empty password is passed over."""
    write(home / ".netrc", 'machine api.forge.coreweave.com login user password ""\n' + entry("api.wandb.ai"))

    assert files().netrc_key() == Found(KEY, "netrc ~/.netrc (api.wandb.ai)")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (f"machine api.wandb.ai\n  login user\n  password two {KEY}\n", "not in the format of netrc"),
        (f"{KEY}\n", "not in the format of netrc"),
        (b"machine api.wandb.ai login user password \xff\xfe\n", "not UTF-8 text"),
    ],
)
def test_netrc_that_cannot_be_parsed(files, home, content, why):
    """A broken file is noted without a word of its content, and the next one is read."""
    write(home / ".netrc", content)
    write(home / "_netrc", entry("api.wandb.ai", "next"))
    found = files()

    assert found.netrc_key() == Found("next", "netrc ~/_netrc (api.wandb.ai)")
    assert found.unreadable == [f"~/.netrc was passed over ({why})"]


def test_netrc_that_is_a_directory(files, home):
    """Whatever the system says when a file can't be opened is noted."""
    (home / ".netrc").mkdir()
    found = files()

    assert found.netrc_key() is None
    assert found.unreadable == ["~/.netrc was passed over (Is a directory)"]


def test_file_that_may_not_be_read(files, home, monkeypatch):
    """A permission error is noted, in the system's words or by its name."""
    write(home / ".config/wandb/settings", settings(project="p"))

    def refuse(self, **kwargs):
        raise PermissionError

    monkeypatch.setattr(Path, "read_text", refuse)
    found = files()

    assert found.setting("project") is None
    assert "~/.config/wandb/settings was passed over (PermissionError)" in found.unreadable


def test_home_that_is_a_file(tmp_path):
    """A home directory that is none holds no files, and that is no reason to complain."""
    write(tmp_path / "file", "")
    found = CredentialFiles({}, cwd=tmp_path / "file", home=tmp_path / "file")

    assert found.netrc_key() is found.setting("project") is None
    assert found.unreadable == []


def test_no_home(monkeypatch, cwd):
    """Without a home directory the files that have another place are still found."""

    def nobody(cls):
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", classmethod(nobody))
    write(cwd / "wandb/settings", settings(project="p"))
    found = CredentialFiles({"NETRC": "~/netrc"}, cwd=cwd)

    assert found.netrc_key() is None
    assert found.setting("project") == Found("p", "settings ./wandb/settings")


def test_own_home_and_working_directory(monkeypatch, home, cwd):
    """By default the directories are the user's."""
    monkeypatch.setattr(Path, "home", classmethod(lambda cls: home))
    monkeypatch.chdir(cwd)
    write(home / ".netrc", entry("api.wandb.ai"))
    write(cwd / "wandb/settings", settings(project="p"))
    found = CredentialFiles({})

    assert found.netrc_key() == Found(KEY, "netrc ~/.netrc (api.wandb.ai)")
    assert found.setting("project") == Found("p", "settings ./wandb/settings")


def test_local_settings_override_global_ones(files, home, cwd):
    """Each value comes from the local file, else from the global one."""
    write(home / ".config/wandb/settings", settings(entity="team", project="global"))
    write(cwd / "wandb/settings", settings(project="local"))
    found = files()

    assert found.setting("project") == Found("local", "settings ./wandb/settings")
    assert found.setting("entity") == Found("team", "settings ~/.config/wandb/settings")


def test_hidden_local_settings(files, cwd):
    """Where there is a directory `.wandb` it takes the place of `wandb`, as for wandb itself."""
    write(cwd / "wandb/settings", settings(project="plain"))
    (cwd / ".wandb").mkdir()

    assert files().setting("project") is None

    write(cwd / ".wandb/settings", settings(project="hidden"))

    assert files().setting("project") == Found("hidden", "settings ./.wandb/settings")


def test_config_directory_variable(files, home, tmp_path):
    """`WANDB_CONFIG_DIR` takes the place of `~/.config/wandb`."""
    write(home / ".config/wandb/settings", settings(project="home"))
    write(home / "mine/settings", settings(project="mine"))

    assert files(WANDB_CONFIG_DIR="~/mine").setting("project") == Found("mine", "settings ~/mine/settings")
    assert files(WANDB_CONFIG_DIR=str(tmp_path / "gone")).setting("project") is None


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("[default]\nproject = 100%(x)s % off\n", "100%(x)s % off"),
        ("\ufeff[default]\nproject: p\n", "p"),
        ("[default]\nproject = a\nproject = b\n", "b"),
        ("[default]\n# a comment\nPROJECT=p\n", "p"),
        ("[default]\nproject =\n", None),
        ("[other]\nproject = p\n", None),
        ("", None),
    ],
)
def test_settings_are_read_liberally(files, cwd, content, expected):
    """Per cent signs, a byte order mark and repeated names are no errors; an empty value counts as none."""
    write(cwd / "wandb/settings", content)
    found = files().setting("project")

    assert (found and found.value) == expected


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (f"api_key = {KEY}\n", "not an INI file"),
        (f"[default]\n{KEY}\n", "not an INI file"),
        (b"[default]\nproject = \xff\n", "not UTF-8 text"),
    ],
)
def test_settings_that_cannot_be_parsed(files, home, cwd, content, why):
    """A broken file is noted once, without a word of its content, and the other one is read."""
    write(cwd / "wandb/settings", content)
    write(home / ".config/wandb/settings", settings(project="p", entity="e"))
    found = files()

    assert found.setting("project") == Found("p", "settings ~/.config/wandb/settings")
    assert found.setting("entity") == Found("e", "settings ~/.config/wandb/settings")
    assert found.unreadable == [f"./wandb/settings was passed over ({why})"]


@pytest.mark.parametrize(
    ("values", "variable"),
    [
        ({}, None),
        ({"base_url": "https://api.wandb.ai"}, None),
        ({"base_url": "https://api.forge.coreweave.com/"}, None),
        ({"base_url": "https://forge.coreweave.com/api/wandb"}, None),
        ({"base_url": "https://w.example"}, "https://w.example:443/"),
        ({"base_url": "w.example"}, "http://w.example"),
    ],
)
def test_settings_key(files, cwd, values, variable):
    """The key of a settings file is taken where it is the cloud's, or of the server that `WANDB_BASE_URL` names."""
    write(cwd / "wandb/settings", settings(api_key=KEY, **values))
    found = files(**({"WANDB_BASE_URL": variable} if variable else {}))

    assert found.settings_key() == Found(KEY, "settings ./wandb/settings")
    assert found.unused == []


@pytest.mark.parametrize(
    ("base_url", "variable", "whose"),
    [
        ("https://w.example", None, "w.example"),
        ("https://w.example", "https://other.example", "w.example"),
        ("https://[broken", None, "another server"),
        ("https://[broken", "https://[broken", "another server"),
    ],
)
def test_settings_key_of_another_server(files, cwd, base_url, variable, whose):
    """The key of a private W&B server is not sent to the public service."""
    write(cwd / "wandb/settings", settings(api_key=KEY, base_url=base_url))
    found = files(**({"WANDB_BASE_URL": variable} if variable else {}))

    assert found.settings_key() is None
    assert found.unused == [f"the api_key in settings ./wandb/settings was passed over (it is for {whose})"]


def test_settings_key_goes_with_the_server_of_its_own_file(files, home, cwd):
    """A local cloud URL doesn't turn the key of a private server in the global file into one of the cloud's."""
    write(home / ".config/wandb/settings", settings(api_key="private", base_url="https://w.example"))
    write(cwd / "wandb/settings", settings(base_url="https://api.wandb.ai"))

    assert files().settings_key() is None


def test_settings_key_without_a_server_goes_by_the_other_file(files, home, cwd):
    """A local key without a URL is for the server of the global file."""
    write(home / ".config/wandb/settings", settings(api_key="global", base_url="https://api.wandb.ai"))
    write(cwd / "wandb/settings", settings(api_key="local"))

    assert files().settings_key() == Found("local", "settings ./wandb/settings")

    write(home / ".config/wandb/settings", settings(base_url="https://w.example"))

    assert files().settings_key() is None
