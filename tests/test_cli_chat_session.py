"""A conversation of `chat`, line by line: what is typed, what is asked, what is shown and kept."""

from __future__ import annotations

import io
import signal
import sys
import threading

import pytest
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput
from rich.console import Console
from test_cli_chat_text import PNG

from wandb_inference.cli.chat._display import TerminalDisplay
from wandb_inference.cli.chat._echo import terminable, unechoed
from wandb_inference.cli.chat._line import Line
from wandb_inference.cli.chat._session import Session
from wandb_inference.cli.chat._tools import described, load_tools
from wandb_inference.exceptions import APIError
from wandb_inference.testing import Emulator, Fault

MODEL = "openai/gpt-oss-20b"

TOOLS = '''
def weather(city: str) -> str:
    """Says the weather of a city.

    It is made up.
    """
    return f"3 degrees in {city}"
'''


class Typist:
    """Types lines that were written down; a class of exceptions among them stands for the key that raises it."""

    def __init__(self, lines):
        self.lines = list(lines)
        self.pictures = []
        self.asked = []

    def read(self, pictures=0):
        self.pictures.append(pictures)
        return self._next()

    def ask(self, question):
        self.asked.append(question)
        return self._next()

    def _next(self):
        line = self.lines.pop(0) if self.lines else EOFError
        if isinstance(line, type):
            raise line
        return line


class Talk:
    """A session with an emulator in process."""

    def __init__(self, emulator, **settings):
        self.client = emulator.client(max_retries=0)
        self.conversation = self.client.chat.conversation(model=MODEL)
        self.file = io.StringIO()
        self.settings = settings

    def type(self, *lines, display=None):
        """What is shown for these lines."""
        self.file.truncate(self.file.seek(0))
        self.typist = Typist(lines)
        console = Console(file=self.file, width=200)
        shown = display or TerminalDisplay(console, markdown=False)
        self.session = Session(
            self.client, self.conversation, console, self.typist, shown, **{"tools": [], **self.settings}
        )
        assert self.session.run() == 0
        self.conversation = self.session._turns.conversation
        return self.file.getvalue()

    @property
    def said(self):
        return [(message["role"], message["content"]) for message in self.conversation.messages]


@pytest.fixture
def emulator():
    return Emulator()


@pytest.fixture
def talk(emulator):
    talk = Talk(emulator)
    yield talk
    talk.client.close()


def test_a_conversation(talk, emulator):
    """Questions are answered, each with the line of what it took below, until the user leaves."""
    emulator.reply("Hello Ada.", reasoning="Who?")
    emulator.reply("Ada.")

    shown = talk.type("I am Ada.", "  ", "Who am I?", "/exit", "never read")

    assert shown.startswith(f"{MODEL} · /help lists the commands, Ctrl-D leaves\nThinking:\nWho?\n\nHello Ada.\n")
    assert "tokens" in shown.splitlines()[5]
    assert [text for _, text in talk.said] == ["I am Ada.", "Hello Ada.", "Who am I?", "Ada."]


def test_ctrl_c_at_the_prompt(talk):
    """It says how to leave, and stays."""
    assert talk.type(KeyboardInterrupt, EOFError).endswith("Ctrl-D or /exit leaves.\n")


class Interrupting:
    """A display whose user presses Ctrl-C after a text."""

    def __init__(self, console, after):
        self.inner = TerminalDisplay(console, markdown=False)
        self.after = after

    def said(self, piece):
        self.inner.said(piece)
        if self.after in piece:
            raise KeyboardInterrupt

    def __getattr__(self, name):
        return getattr(self.inner, name)


def test_ctrl_c_stops_an_answer(talk, emulator):
    """What had come is shown and stays in the conversation, which goes on; the stream is left."""
    emulator.reply("One two three four.")
    emulator.reply("Yes.")
    display = Interrupting(Console(file=talk.file, width=200), "two")

    shown = talk.type("Count.", "Again?", display=display)

    assert "One two\nstopped · " in shown
    assert talk.said[1] == ("assistant", "One two")
    assert talk.said[3] == ("assistant", "Yes.")


def test_an_error_in_the_middle(talk, emulator):
    """What had come is shown, then the error with its hint; both stay, and the conversation goes on."""
    emulator.reply("One two three four.")
    emulator.fault(Fault.cut(after_chunks=3))
    emulator.reply("Yes.")

    shown = talk.type("Count.", "Again?")

    assert "One" in shown.splitlines()[1]
    assert "What had come stays in the conversation." in shown
    assert shown.count("Yes.") == 1
    assert len(talk.said) == 4


def test_an_error_at_the_beginning(talk, emulator):
    """The error is shown without control characters, and the question leaves no trace."""
    emulator.fault(Fault.status(401, "bad\x1b[2J key"))

    shown = talk.type("Hello.")

    assert "401: bad[2J key" in shown
    assert "What had come" not in shown
    assert talk.said == []


def test_cut_at_the_limit(talk, emulator):
    """An answer that was cut says so."""
    emulator.reply("One two three.", max_tokens=2)

    assert "The answer was cut at its limit of tokens" in talk.type("Count.")


def test_models_and_instructions(talk, emulator):
    """They are said and changed; a model that nobody knows is asked all the same, with those that are near."""
    shown = talk.type(
        "/model",
        "/system",
        "/system Be brief.",
        "/system",
        "Hi",
        "/system -",
        "/model gpt-oss-20",
        "/model xyzzy",
        "/model wandb/openai/gpt-oss-120b",
        "/model gpt-oss-20b",
    )

    assert f"\n{MODEL}\nThere are no instructions.\nBe brief.\nBe brief.\n" in shown
    assert "The catalogue does not know it. Near are: openai/gpt-oss-20b" in shown
    assert "The catalogue does not know it. `wandb-inference models` shows those it knows.\nxyzzy\n" in shown
    assert shown.endswith("\nopenai/gpt-oss-120b\ngpt-oss-20b\n")
    assert emulator.requests[0].body["messages"][0] == {"role": "system", "content": "Be brief."}
    assert [role for role, _ in talk.said] == ["user", "assistant"]
    assert talk.conversation.model == "gpt-oss-20b"


def test_undo_and_clear(talk, emulator):
    """The last question and its answer are taken back; all of them, but for the instructions."""
    for text in ("A", "B", "C"):
        emulator.reply(text)
    shown = talk.type("/system S", "a", "b", "/undo")
    assert "Taken back. 3 messages left." in shown
    assert talk.said == [("system", "S"), ("user", "a"), ("assistant", "A")]
    talk.type("/clear")
    assert talk.said == [("system", "S")]
    assert "Nothing was said yet." in talk.type("/undo")
    talk.type("/system -", "c", "/clear")
    assert talk.said == []


def test_retry(talk, emulator):
    """The last question is asked again; its answer stays where no other comes."""
    for text in ("A", "B"):
        emulator.reply(text)
    talk.type("a", "/retry")
    assert talk.said == [("user", "a"), ("assistant", "B")]
    emulator.fault(Fault.status(401))
    assert "401" in talk.type("/retry")
    assert talk.said == [("user", "a"), ("assistant", "B")]
    assert "Nothing was asked yet." in talk.type("/clear", "/retry")


def test_save_and_load(talk, emulator, tmp_path):
    """A conversation is written to a file and read again; what can't be is told, and all goes on."""
    emulator.reply("A")
    shown = talk.type("a", "/save talk.json", "/clear", "/load talk.json", "/save", "/load", "/load none", "/save a/b")
    assert "Saved to talk.json." in shown
    assert f"2 messages with {MODEL}." in shown
    assert "Give a path: /save" in shown
    assert "Give a path: /load" in shown
    assert "No such file or directory: 'none'" in shown
    assert "No such file or directory: 'a/b'" in shown
    assert talk.said == [("user", "a"), ("assistant", "A")]
    assert (tmp_path / "talk.json").stat().st_mode & 0o777 == 0o600


def test_odd_paths(talk, tmp_path):
    """Quotes around a path are none of it, and one that can't be is told; a long text is a text."""
    shown = talk.type(
        '/save "my talk.json"', "/load 'my talk.json'", "/load ~no-such-user/x", "/save a\0b",
        "/image ~no-such-user/x.png", "/tools ~no-such-user/x", "see ~no-such-user/x.png", "/system " + "long " * 2000,
        "/load " + "a" * 5000,
    )  # fmt: skip

    assert "Saved to my talk.json." in shown
    assert (tmp_path / "my talk.json").exists()
    assert f"0 messages with {MODEL}." in shown
    assert shown.count("No such file or directory: '~no-such-user/x") == 2
    assert "NUL character" in shown
    assert "File name too long" in shown
    assert talk.said[0] == ("system", "long " * 1999 + "long")


def test_clear_forgets_the_file(emulator, tmp_path):
    """What --continue would find is forgotten with what was said; an earlier session's is not."""
    last = tmp_path / "last.json"
    talk = Talk(emulator, last=last)
    talk.type("secret")
    kept = last.read_text()
    Talk(emulator, last=last).type("/clear")
    assert last.read_text() == kept
    talk.type("/clear")
    assert "secret" not in last.read_text()


def test_the_last_conversation_is_kept(emulator, tmp_path):
    """Each turn is written for --continue; where that can't be, the conversation goes on."""
    last = tmp_path / "last.json"
    talk = Talk(emulator, last=last)
    talk.type("a")
    assert '"a"' in last.read_text()
    talk = Talk(emulator, last=tmp_path / "none" / "last.json")
    talk.type("a", "b")
    assert len(talk.said) == 4


def test_pictures(talk, emulator, tmp_path):
    """Pictures go along by a command or by their path; they wait until a question went well."""
    (tmp_path / "cat.png").write_bytes(PNG)
    emulator.fault(Fault.status(401))

    shown = talk.type(
        "/model google/gemma-4-31B-it", "/image", "/image none.png",
         "/image cat.png", "What?", f"And {tmp_path}/cat.png?", "Plain.",
        "/image https://example.com/x.png", "/clear", "/image cat.png", "/image -",
    )  # fmt: skip

    assert "Give a path or a URL" in shown
    assert "none.png" in shown
    assert "Your pictures wait for the next question" in shown
    assert talk.typist.pictures == [0, 0, 0, 0, 1, 1, 0, 0, 1, 0, 1, 0]
    content = emulator.requests[1].body["messages"][0]["content"]
    assert [part["type"] for part in content] == ["text", "image_url", "image_url"]
    assert content[0]["text"] == "And cat.png?"
    assert emulator.requests[2].body["messages"][-1]["content"] == "Plain."


def test_a_conversation_that_grows_too_long(talk, emulator):
    """What the model no longer gets is said."""
    talk.conversation.window = 100
    emulator.reply("A", times=None)
    shown = talk.type("one " * 30, "two " * 30, "three " * 30)
    assert "outgrown what the model can read: its oldest messages (2) are no longer sent." in shown


def test_usage_help_and_mistakes(talk, emulator):
    """What the session has come to, the list of commands, and the nearest of one that does not exist."""
    emulator.reply("A")
    shown = talk.type("/usage", "a", "/usage", "/help", "/hepl")
    assert "0 answers: 0 tokens in, 0 out\n" in shown
    assert "1 answer: " in shown
    assert "/system [TEXT]" in shown
    assert "Did you mean /help?" in shown


def calls(*cities):
    return [("weather", {"city": city}) for city in cities]


def test_tools(talk, emulator, tmp_path):
    """Each call is asked about, until always; what came of it is shown, told to the model, and kept."""
    (tmp_path / "tools.py").write_text(TOOLS)
    emulator.reply(tool_calls=calls("Oslo", "Rome"))
    emulator.reply(tool_calls=calls("Bonn"))
    emulator.reply(tool_calls=calls("Nice"))
    emulator.reply("Cold.")

    shown = talk.type(
        "/tools", "/tools tools.py", "/tools", "Is it cold?", "what?", "yes", "no, too far away", "n", "always",
        "/retry",
    )  # fmt: skip

    assert "There are none. /tools FILE.py loads" in shown
    assert shown.count("weather(city): Says the weather of a city.") == 2
    asked = [line for line in shown.splitlines() if line.startswith("weather(city=")]
    assert asked == [f'weather(city="{city}")' for city in ("Oslo", "Oslo", "Rome", "Bonn", "Nice")]
    assert talk.typist.asked == ["Allow it? [y]es, [n]o, [a]lways: "] * 5
    assert "weather → 3 degrees in Oslo\n" in shown
    assert "weather → Error: This call was not approved: too far away\n" in shown
    assert "weather → Error: This call was not approved.\n" in shown
    assert "Cold." in shown
    assert emulator.requests[0].body["tools"][0]["function"]["name"] == "weather"
    roles = [message["role"] for message in emulator.requests[3].body["messages"]]
    assert roles == ["user", "assistant", "tool", "tool", "assistant", "tool", "assistant", "tool"]


def test_ctrl_c_at_a_call(talk, emulator, tmp_path):
    """It stops the run; calls that were not made are told as such, so that the conversation can go on."""
    (tmp_path / "tools.py").write_text(TOOLS)
    emulator.reply("Let me see.", tool_calls=calls("Oslo", "Rome"))
    emulator.reply("Hm.")

    talk.type("/tools tools.py", "Is it cold?", "y", KeyboardInterrupt, "Never mind.")

    assert [role for role, _ in talk.said] == ["user", "assistant", "tool", "tool", "user", "assistant"]
    assert talk.said[2][1] == "Error: The user stopped this call before it was made."
    assert emulator.requests[1].status == 200


def test_ctrl_c_while_tools_run(talk, emulator, tmp_path):
    """Those that ran are told as interrupted, to the user and to the model; whether they did something is not known."""
    (tmp_path / "tools.py").write_text("def slow(n: int): raise KeyboardInterrupt\ndef next(): ...")
    emulator.reply(tool_calls=[("slow", {"n": 1})])
    emulator.reply(tool_calls=[("slow", {"n": 1}), ("slow", {"n": 2})])
    emulator.reply("Hm.")

    shown = talk.type("/tools tools.py", "Go.", "y", "Again.", "y", "y", "Never mind.")

    told = [text for role, text in talk.said if role == "tool"]
    assert (
        told
        == ["Error: The user interrupted this call while it ran: what it does may be done in part, or in whole."] * 3
    )
    assert shown.count("slow → Error: The user interrupted this call while it ran") == 3


def test_a_tool_that_leaves(talk, emulator, tmp_path):
    """`sys.exit()` in a tool ends its call, not the conversation."""
    (tmp_path / "tools.py").write_text("import sys\ndef leave(): sys.exit(3)")
    emulator.reply(tool_calls=[("leave", {})])
    emulator.reply("Hm.")

    shown = talk.type("/tools tools.py", "Go.", "y")

    assert "leave → Error: RuntimeError: the tool called sys.exit(3)\n" in shown
    assert talk.said[-1] == ("assistant", "Hm.")


def test_a_call_with_what_nobody_sees(talk, emulator, tmp_path):
    """What would turn a call around, or hide in it, is written out before it is allowed."""
    (tmp_path / "tools.py").write_text(TOOLS)
    emulator.reply(tool_calls=calls("Oslo\u202eemoR\u200b"))

    shown = talk.type("/tools tools.py", "Go.", "n")

    assert 'weather(city="Oslo\\u202eemoR\\u200b")\n' in shown


def test_a_run_without_end(emulator, tmp_path, monkeypatch):
    """A model that goes on calling is stopped, with what to do."""
    monkeypatch.setattr("wandb_inference.cli.chat._turns.MAX_ROUNDS", 2)
    (tmp_path / "tools.py").write_text(TOOLS)
    emulator.reply(tool_calls=calls("Oslo"), times=None)
    talk = Talk(emulator, tools=load_tools("tools.py"), yes=True)

    shown = talk.type("Is it cold?")

    assert "still calls tools after 2 rounds. Say anything to let it go on." in shown
    assert talk.said[-1] == ("tool", "3 degrees in Oslo")


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("def _hidden(): pass", "t.py has no functions"),
        ("def broken(:", "can't be loaded: SyntaxError"),
        ("x = 1\n1 / 0", r"can't be loaded: ZeroDivisionError: .* \(line 2 of .*t.py\)"),
        ("raise SystemExit(3)", "can't be loaded: SystemExit: 3"),
        ("async def later(x: int) -> int: return x", r"later\(\) is async. Write a plain function"),
        ("def odd(x: 'Nothing'): pass", "t.py: "),
    ],
)
def test_tools_that_cannot_be(code, words, tmp_path):
    """A file that can't be run, or has no function that can be called, is told with the reason."""
    (tmp_path / "t.py").write_text(code)
    with pytest.raises(APIError, match=words):
        load_tools("t.py")


def test_tools_of_a_file(tmp_path):
    """Own functions and what tool() made are tools; what the file imports is not."""
    code = "import helper\nfrom json import dumps\nfrom wandb_inference import tool\nfrom helper import two, _three\n"
    (tmp_path / "helper.py").write_text("def two(): pass\n@tool\ndef _three(x: int): pass".replace("@tool\n", ""))
    (tmp_path / "t").write_text(code + "three = tool(_three)\ndef one(x: int, y: int): pass\n")
    path = list(sys.path)
    try:
        tools = load_tools("t")
    finally:
        sys.path[:] = path
        del sys.modules["helper"]
    assert [tool.name for tool in tools] == ["_three", "one"]
    assert described(tools) == "_three(x)\none(x, y)"


class Shown(DummyOutput):
    """A terminal on which keys are pressed once the prompt is there."""

    def __init__(self, press):
        self.press = press

    def enable_bracketed_paste(self):
        self.press()


def keys(text: str, *, ask: bool = False, before: str = ""):
    """What a prompt gives for keys, some of them pressed before it was there."""
    with create_pipe_input() as pipe:
        if before:
            pipe.send_text(before)
        shown = Shown(lambda: pipe.send_text(text))
        line = Line(None, ["help", "model"], ["a/b"], input=pipe, output=shown)
        return line.ask("Allow it? ") if ask else line.read(2)


@pytest.mark.parametrize(
    ("typed", "text"),
    [
        ("hello\r", "hello"),
        ("a\\\rb\r", "a\nb"),
        ("a\\\x1b[D\r\x05\x7fb\r", "a\nb"),
        ("a\x1b\rb\r", "a\nb"),
        ('"""a\rb"""\r', '"""a\nb"""'),
        ("wrong\x03right\r", "right"),
        ('"""a\\\rb"""\r', '"""a\\\nb"""'),
        ("\x1b[200~a\\\r\nb\rc\\\x1b[201~\r", "a\\\nb\nc\\"),
        ('\x1b[200~"""\x1b[201~\r', '"""'),
        ("\x1b[200~a\x1b[201~b\\\rc\r", "ab\nc"),
        ("/he\t\r", "/help"),
        ("/image non\t\r", "/image none.png"),
        ("/image sub/\t\r", "/image sub/"),
    ],
)
def test_keys(typed, text, tmp_path):
    """Enter, Alt-Enter, Tab and Ctrl-C do what the help says."""
    (tmp_path / "none.png").touch()
    assert keys(typed) == text


def test_keys_that_end():
    """Ctrl-C and Ctrl-D with nothing typed are for the session; at a question both stop the run."""
    with pytest.raises(KeyboardInterrupt):
        keys("\x03")
    with pytest.raises(EOFError):
        keys("\x04")
    with pytest.raises(KeyboardInterrupt):
        keys("\x04", ask=True)
    assert keys("y\r", ask=True) == "y"


def test_keys_typed_ahead():
    """They are for the next prompt, and no answer to a question that was not yet asked."""
    assert keys("b\r", before="a") == "ab"
    assert keys("n\r", ask=True, before="y\r" * 2000 + "\x1b") == "n"


def test_no_terminal_to_silence():
    """Where keys come from no terminal, nothing changes."""
    with unechoed(io.StringIO()):
        pass


def test_signals_of_another_thread():
    """Where SIGTERM can't be taken, the session runs all the same."""
    before = signal.getsignal(signal.SIGTERM)

    def run():
        with terminable():
            assert signal.getsignal(signal.SIGTERM) == before

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()


@pytest.mark.parametrize("when", ["prompt", "answer"])
def test_sigterm(talk, emulator, when):
    """It ends the session as Ctrl-C ends an answer, with the exit code of a shell; what had come is kept."""
    emulator.reply("One two three four.")

    class Ending(Interrupting):
        def said(self, piece):
            self.inner.said(piece)
            if "two" in piece:
                signal.raise_signal(signal.SIGTERM)

    class Typing(Typist):
        def read(self, pictures=0):
            if when == "prompt":
                signal.raise_signal(signal.SIGTERM)
            return super().read(pictures)

    console = Console(file=talk.file, width=200)
    before = signal.getsignal(signal.SIGTERM)
    session = Session(talk.client, talk.conversation, console, Typing(["Count."]), Ending(console, ""), tools=[])
    assert session.run() == 143
    assert signal.getsignal(signal.SIGTERM) == before
    assert talk.said == ([("user", "Count."), ("assistant", "One two")] if when == "answer" else [])
