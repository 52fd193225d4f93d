"""YAML, includes and the environment: what the text of files comes to, and where each part of it stands."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from config_files import ENVIRON, MODEL, loaded, mistake, said, warnings

from wandb_inference.gateway.config import ConfigFileError, check, load

NOT_YAML = {
    "a tab": (
        "model_list: []\nx:\n\ty: 1\n",
        "3:1: this is not YAML: while scanning for the next token found a tab",
    ),
    "open brackets": ("model_list: [a, b\n", "2:1: this is not YAML: while parsing a flow sequence"),
    "indentation": (
        "model_list:\n  - a: 1\n   b: 2\n",
        "3:4: this is not YAML: while parsing a block collection expected <block end>",
    ),
    "two documents": ("model_list: []\n---\na: 1\n", "2:1: this is not YAML: expected a single document"),
    "an unknown alias": ("model_list: []\nx: *hunter2hunter2\n", "2:4: this is not YAML: found undefined alias"),
    "a control character": ("model_list: []\nx: \x07\n", "2:4: there is a character that YAML does not allow (code 7)"),
    "a first control character": ("\x07", "1:1: there is a character that YAML does not allow (code 7)"),
    "nothing": ("# nothing\n", "1:1: the file is empty"),
    "a list": ("- a\n", "1:1: the file holds a list, not a mapping of settings"),
    "text": ("hello\n", "1:1: the file holds a text, not a mapping of settings"),
    "depth": ("x: " + "[" * 100, "1:63: more than 60 levels are nested here; no configuration needs them"),
    "a circle": ("model_list: &a\n  - *a\n", "1:13: an alias leads back to the value that it stands in"),
    "aliases of aliases": (
        "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
        + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 8)),
        "the file stands for more than 200000 values; its aliases multiply",
    ),
}


@pytest.mark.parametrize("text", NOT_YAML)
def test_what_is_no_configuration(text: str, tmp_path: Path) -> None:
    """A file that can't be read says where and why, and quotes no more of it than a sign."""
    content, expected = NOT_YAML[text]

    error = mistake(tmp_path, content)

    assert error.startswith("config.yaml:")
    assert expected in error
    assert "hunter" not in error


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("x:\n\ty: 1\n", "YAML is indented by spaces"),
        ("x: a: b\n", 'look at the indentation, and write text with ": " in it in quotes'),
        ("x: *abc\n", 'write the value in quotes if it begins with "*"'),
        ("x: 1\n---\ny: 2\n", 'take away the "---" between the documents'),
    ],
)
def test_what_yaml_needs(text: str, hint: str, tmp_path: Path) -> None:
    """The usual slips are answered by what to write."""
    assert mistake(tmp_path, text).endswith(hint)


NO_VALUES = {
    "a foreign tag": ("!hunter2 x", "this has a tag that a configuration can't have; write the value in quotes"),
    "a tagged mapping": ("!hunter2 {a: b}", "this has a tag that a configuration can't have"),
    "code": ("!!python/object/apply:os.system [ls]", "this has a tag that a configuration can't have"),
    "bytes": ("!!binary aGVsbG8=", "this has a tag that a configuration can't have"),
    "a set": ("!!set {a, b}", "this has a tag that a configuration can't have"),
    "no integer": ("!!int x", "this can't be read as a YAML int; write it in quotes if it is text"),
    "no day": ("2026-02-31", "this can't be read as a YAML timestamp; write it in quotes if it is text"),
    "infinity": (".inf", "inf is no finite number"),
    "no number": (".nan", "nan is no finite number"),
    "a merge of text": ("{<<: hello}", '"<<" takes in mappings alone, as in "<<: *defaults"'),
    "a key that YAML reads": ("{yes: 1}", "a key must be text; YAML reads yes, no, on, off and null otherwise"),
    "a key that is a list": ("{[a]: 1}", "a key must be text"),
    "a key twice": ("{a: 1, a: 2}", '"a" is here twice in one mapping, first in line 7; keep one of them'),
}


@pytest.mark.parametrize("value", NO_VALUES)
def test_values_that_are_none(value: str, tmp_path: Path) -> None:
    """A value that has no meaning is a mistake at its place, and its tag is not quoted: it may be a password."""
    text, expected = NO_VALUES[value]

    error = mistake(tmp_path, f"{MODEL}    model_info: {{description: {text}}}\n")

    assert error.startswith("config.yaml:7:")
    assert expected in error
    assert "hunter" not in error


def test_a_key_twice_in_lines(tmp_path: Path) -> None:
    """Both lines of a key that is there twice are named."""
    error = mistake(tmp_path, "model_list: []\nrouter_settings: {}\nmodel_list: []\n")

    assert error == 'config.yaml:3:1: "model_list" is here twice in one mapping, first in line 1; keep one of them'


def test_merges(tmp_path: Path) -> None:
    """A mapping takes in others; its own keys count first, then the earlier of several."""
    config = loaded(
        tmp_path,
        """
model_list:
  - model_name: a
    litellm_params: &a {model: wandb/openai/gpt-oss-20b, rpm: 1, temperature: 0.1}
  - model_name: b
    litellm_params: &b {rpm: 2, tpm: 2, model: wandb/openai/gpt-oss-120b}
  - model_name: c
    litellm_params:
      <<: [*a, *b]
      temperature: 0.5
""",
    )

    (deployment,) = config.groups["c"].deployments
    assert (deployment.model, deployment.rpm, deployment.tpm) == ("openai/gpt-oss-20b", 1, 2)
    assert deployment.defaults == {"temperature": 0.5}
    assert config.sources["models.c[0].rpm"].endswith("config.yaml:4")


def test_yaml_1_1(tmp_path: Path) -> None:
    """`on`, octal numbers and dates are read as LiteLLM reads them; a date is text."""
    config = loaded(
        tmp_path,
        f"{MODEL}    model_info: {{since: 2026-01-31, supports_vision: on, number: 010, equal: =}}\n",
    )

    (deployment,) = config.groups["n"].deployments
    assert deployment.model_info == {"since": "2026-01-31", "supports_vision": True, "number": 8, "equal": "="}


def test_files_that_are_not_there(tmp_path: Path) -> None:
    """A file that can't be opened is a mistake like another."""
    missing, folder, odd = (check(tmp_path / name, environ=ENVIRON) for name in ("none.yaml", ".", "a\0b"))
    (tmp_path / "bytes.yaml").write_bytes(b"model_list: []\nx: \xff\n")

    assert said(missing) == ["none.yaml:1:1: the file is not there"]
    assert "can't be read: Is a directory" in said(folder)[0]
    assert "can't be read: its name is no file's name" in said(odd)[0]
    assert said(check(tmp_path / "bytes.yaml", environ={})) == [
        "bytes.yaml:2:1: the file is not UTF-8 text; save it as UTF-8"
    ]


def test_a_file_that_is_too_large(tmp_path: Path) -> None:
    """What is larger than any configuration is not read."""
    with (tmp_path / "config.yaml").open("wb") as file:
        file.truncate(9 * 1024 * 1024)

    assert said(check(tmp_path / "config.yaml")) == ["config.yaml:1:1: the file is larger than 8 MiB"]


def test_the_error(tmp_path: Path) -> None:
    """What is raised lists each mistake in a line of its own, and holds all findings."""
    (tmp_path / "config.yaml").write_text("model_lst: []\nrouter_setings: {}\nlitellm_settings: {cache: true}\n")

    with pytest.raises(
        ConfigFileError, match=r"config.yaml\" can't be used for the gateway: 2 mistakes\n  .*:1:1:"
    ) as raised:
        load(tmp_path / "config.yaml", environ=ENVIRON)

    assert [finding.severity for finding in raised.value.findings] == ["warning", "error", "error", "warning"]
    assert len(str(raised.value).splitlines()) == 3


def test_includes(tmp_path: Path) -> None:
    """Lists are extended, each file counts once, and paths are seen from the file that names them."""
    (tmp_path / "more").mkdir()
    entry = "model_list: [{{model_name: {}, litellm_params: {{model: wandb/x}}}}]\n".format
    (tmp_path / "more" / "a.yaml").write_text(f"include: [b.yaml, ../config.yaml]\n{entry('a')}")
    (tmp_path / "more" / "b.yaml").write_text(entry("b"))

    config = loaded(tmp_path, f"include: [more/a.yaml, more/b.yaml]\n{MODEL}")

    assert list(config.groups) == ["m", "n", "a", "b"]


def test_an_include_replaces(tmp_path: Path) -> None:
    """What is no list is replaced by an included file, as LiteLLM does, and that is said."""
    sections = "router_settings: {num_retries: 5, timeout: 7}\nlitellm_settings: {num_retries: 2}\n"
    (tmp_path / "more.yaml").write_text(f"{sections}environment_variables: {{B: c}}\n")

    config = loaded(
        tmp_path,
        f"include: [more.yaml]\n{MODEL}\nrouter_settings: {{num_retries: 1}}\nenvironment_variables: {{A: b}}\n"
        "litellm_settings:\n",
    )

    assert config.router.num_retries == 5
    first, second = warnings(config)
    assert first.startswith("router_settings: this replaces what is in")
    assert second.startswith("environment_variables: this replaces what is in")


def test_an_include_that_loses_settings(tmp_path: Path) -> None:
    """An included section in place of one with more keys is refused: it may be the master key that is lost."""
    (tmp_path / "more.yaml").write_text("general_settings: {enforce_user_param: true}\n")

    error = mistake(
        tmp_path, f"include: [more.yaml]\n{MODEL}\ngeneral_settings: {{master_key: a-master-key-0123456}}\n"
    )

    assert error.startswith("more.yaml:1:1: general_settings: this section is also in")
    assert 'an included one replaces it: "master_key" would be lost; write the section in one file' in error


@pytest.mark.parametrize(
    ("include", "expected"),
    [
        ("more.yaml", "config.yaml:1:1: include: a text is not a list of files; write include: [models.yaml]"),
        (
            "[none.yaml]",
            'config.yaml:1:11: the file to include, "none.yaml", is not there; paths count from the including file',
        ),
        ('["\\0"]', "config.yaml:1:11: include[0]:"),
        ("[3]", "config.yaml:1:11: include[0]: 3 is no file's name"),
        ("[empty.yaml]", "empty.yaml:1:1: the included file is empty"),
        ("[broken.yaml]", "broken.yaml:2:1: this is not YAML:"),
        ("[wrong.yaml]", 'wrong.yaml:1:19: router_settings.num_retries: "x" is not a whole number, 0 or more'),
        ("[bytes.yaml]", "bytes.yaml:1:1: the file is not UTF-8 text; save it as UTF-8"),
    ],
)
def test_includes_that_fail(include: str, expected: str, tmp_path: Path) -> None:
    """What is wrong with an included file names that file, and what is wrong with its name the including one."""
    (tmp_path / "empty.yaml").write_text("")
    (tmp_path / "broken.yaml").write_text("a: [\n")
    (tmp_path / "wrong.yaml").write_text("router_settings: {num_retries: x}\n")
    (tmp_path / "bytes.yaml").write_bytes(b"\xff")

    assert mistake(tmp_path, f"include: {include}\n{MODEL}").startswith(expected)


def test_include_null(tmp_path: Path) -> None:
    """An empty `include:` includes nothing."""
    assert loaded(tmp_path, f"include:\n{MODEL}").groups


def test_references(tmp_path: Path) -> None:
    """`os.environ/` is looked up at any depth, in lists too, and after what the file sets itself."""
    config = loaded(
        tmp_path,
        """
environment_variables:
  A_PROJECT: team/from-the-file
  A_LIMIT: 7
  A_FLAG: true
  COPIED: os.environ/OUTSIDE
model_list:
  - model_name: os.environ/OUTSIDE
    litellm_params:
      model: wandb/openai/gpt-oss-20b
      project: os.environ/A_PROJECT
      rpm: os.environ/A_LIMIT
      logprobs: os.environ/A_FLAG
      stop: [os.environ/OUTSIDE]
      extra_body: {a: [{b: os.environ/COPIED}]}
""",
        environ={**ENVIRON, "OUTSIDE": "outside", "A_PROJECT": "team/from-outside"},
    )

    (deployment,) = config.groups["outside"].deployments
    assert (deployment.project, deployment.rpm) == ("team/from-the-file", 7)
    assert deployment.defaults == {"logprobs": True, "stop": ["outside"]}
    assert deployment.extra_body == {"a": [{"b": "outside"}]}
    assert config.environment["A_LIMIT"].reveal() == "7"
    assert config.environment["COPIED"].reveal() == "outside"
    source = config.sources["models.outside[0].project"].replace(f"{tmp_path}/", "")
    assert source == "environment_variables A_PROJECT, config.yaml:3 (config.yaml:11)"
    assert "A_PROJECT" not in os.environ


REFERENCES = {
    "not set": (
        "os.environ/WANDB_API_KY",
        '"WANDB_API_KY" is not set in the environment; did you mean "WANDB_API_KEY"?',
    ),
    "not like any": ("os.environ/QQQ", '"QQQ" is not set in the environment; set it, or take the line away'),
    "empty": ("os.environ/EMPTY", '"EMPTY" is set in the environment, but empty'),
    "a shell's": (
        "${A_KEY}",
        '"${...}" is not expanded in a configuration; write os.environ/A_KEY, for the whole value',
    ),
    "a shell's default": ("'${A_KEY:-x}'", "write os.environ/A_KEY"),
    "a shell's bare": ("$A_KEY", '"$NAME" is not expanded in a configuration; write os.environ/A_KEY'),
    "a template's": ("'{{ env.A_KEY }}'", '"{{...}}" is not expanded in a configuration; write os.environ/A_KEY'),
    "Python's": ("os.environ['A_KEY']", "this looks like a variable of the environment; write os.environ/NAME"),
    "a dot": ("os.environ.A_KEY", "this looks like a variable of the environment; write os.environ/NAME"),
    "env:": ("env:A_KEY", "this looks like a variable of the environment; write os.environ/NAME"),
}


@pytest.mark.parametrize("reference", REFERENCES)
@pytest.mark.parametrize("key", ["api_key", "project", "api_base", "rpm", "temperature"])
def test_references_that_fail(reference: str, key: str, tmp_path: Path) -> None:
    """A variable that is not there, or is written as elsewhere, is one mistake, and nothing takes its place."""
    text, expected = REFERENCES[reference]

    error = mistake(
        tmp_path,
        f"model_list:\n- model_name: m\n  litellm_params:\n    model: wandb/x\n    {key}: {text}\n",
        environ={**ENVIRON, "EMPTY": " "},
    )

    assert error.startswith(f"config.yaml:5:5: model_list[0].litellm_params.{key}: ")
    assert expected in error


def test_texts_may_look_like_variables(tmp_path: Path) -> None:
    """What is for people or models to read is left as it is."""
    config = loaded(tmp_path, f"{MODEL}    model_info: {{description: 'costs ${{PRICE}}'}}\n")

    assert config.groups["n"].deployments[0].model_info == {"description": "costs ${PRICE}"}


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ("[a]", "config.yaml:1:1: environment_variables: a list is not a mapping of names to values"),
        ("{A: [b]}", "config.yaml:1:25: environment_variables.A: a variable's value is text; write it in quotes"),
        ("{A: null}", "config.yaml:1:25: environment_variables.A: a variable's value is text; write it in quotes"),
        ("{A: os.environ/NONE}", 'config.yaml:1:25: environment_variables.A: "NONE" is not set in the environment'),
    ],
)
def test_variables_that_fail(variables: str, expected: str, tmp_path: Path) -> None:
    """The file's own variables are names with values."""
    assert mistake(tmp_path, f"environment_variables: {variables}\n{MODEL}").startswith(expected)


def test_no_variables(tmp_path: Path) -> None:
    """An empty section sets nothing."""
    assert not loaded(tmp_path, f"environment_variables:\n{MODEL}").environment


def test_the_processs_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an environment of its own a check reads the process's."""
    monkeypatch.setenv("WANDB_API_KEY", "the-key-of-the-account")
    monkeypatch.setenv("WANDB_PROJECT", "team/project")
    (tmp_path / "config.yaml").write_text(MODEL)

    assert load(str(tmp_path / "config.yaml")).groups["m"].deployments[0].project == "team/project"
