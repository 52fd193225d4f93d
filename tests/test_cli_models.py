"""`wandb-inference models`."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from raw_server import RawServer, answering, whole

from wandb_inference.catalogue import MODELS, ModelInfo
from wandb_inference.cli import main
from wandb_inference.cli._amounts import dollars, tokens
from wandb_inference.cli._money import dollars as shown_dollars
from wandb_inference.cli._money import per_million
from wandb_inference.cli._table import Column, aligned, fitting
from wandb_inference.cli.models._entries import Entry, Wanted, chosen
from wandb_inference.cli.models._show import COLUMNS, count, detail_lines, details, footer, table

GPT = "openai/gpt-oss-20b"
LIVING = [info for info in MODELS.values() if info.lifecycle != "retired"]

CHEAP = Entry(ModelInfo("a/cheap", 1000, prices=("0.1", "0.2", None)), ("table",))
DEAR = Entry(
    ModelInfo("a/Dear", 200_000, 1000, "on", vision=True, tools=True, prices=("1", "4", "0.044"), label="The Dear"),
    ("live", "table"),
)
NEW = Entry(ModelInfo("b/new"), ("live",))
GONE = Entry(ModelInfo("a/gone", lifecycle="retired", prices=("1", "1", None), successor="a/Dear"), ("table",))
ALL = [GONE, NEW, DEAR, CHEAP]


@pytest.fixture
def served(emulator, monkeypatch):
    """A configured service."""
    monkeypatch.setenv("WANDB_API_BASE", emulator.base_url)
    monkeypatch.setenv("WANDB_API_KEY", "a-key")
    return emulator


def listed(capsys, *argv):
    """The ids that a command line shows as JSON."""
    assert main(["models", *argv, "--json"]) == 0
    return [model["id"] for model in json.loads(capsys.readouterr().out)]


@pytest.mark.parametrize(
    ("wanted", "ids"),
    [
        (Wanted(), ["a/cheap", "a/Dear", "b/new"]),
        (Wanted(("dear",)), ["a/Dear"]),
        (Wanted(("the", "DEAR")), ["a/Dear"]),
        (Wanted(("a/", "new")), []),
        (Wanted(vision=True), ["a/Dear"]),
        (Wanted(reasoning=True), ["a/Dear"]),
        (Wanted(tools=True), ["a/Dear"]),
        (Wanted(max_price=Decimal("0.3")), ["a/cheap"]),
        (Wanted(max_price=Decimal(0)), []),
        (Wanted(min_context=1000), ["a/cheap", "a/Dear"]),
        (Wanted(lifecycle="retired"), ["a/gone"]),
        (Wanted(lifecycle="all"), ["a/cheap", "a/gone", "a/Dear", "b/new"]),
    ],
)
def test_filters(wanted, ids):
    """Filters add up, and what is not known of a model does not count in its favour."""
    assert [entry.info.id for entry in chosen(ALL, wanted, "price")] == ids


@pytest.mark.parametrize(
    ("sort", "ids"),
    [
        ("price", ["a/cheap", "a/gone", "a/Dear", "b/new"]),
        ("context", ["a/Dear", "a/cheap", "a/gone", "b/new"]),
        ("name", ["a/cheap", "a/Dear", "a/gone", "b/new"]),
    ],
)
def test_order(sort, ids):
    """The cheapest first, the largest first, or by name; what is not known comes last."""
    assert [entry.info.id for entry in chosen(ALL, Wanted(lifecycle="all"), sort)] == ids


def test_table_in_a_pipe():
    """A pipe gets every column, whole numbers, and cells without spaces: `awk` can take it apart."""
    lines, left_out = table(ALL, None)

    assert left_out == []
    assert [line.split()[:6] for line in lines] == [
        ["model", "context", "output", "$in", "$out", "$cached"],
        ["a/gone", "?", "?", "1.00", "1.00", "-"],
        ["b/new", "?", "?", "?", "?", "-"],
        ["a/Dear", "200000", "1000", "1.00", "4.00", "0.044"],
        ["a/cheap", "1000", "?", "0.10", "0.20", "-"],
    ]
    assert {len(line.split()) for line in lines} == {len(COLUMNS)}


@pytest.mark.parametrize("width", [20, 40, 60, 80, 100, 120, 200])
def test_table_on_a_terminal(width):
    """Columns are left out until the rest fits; ids are never cut, and the prices stay longest."""
    entries = [Entry(info, ("live", "feed", "table")) for info in LIVING]
    lines, left_out = table(entries, width)

    longest = max(len(info.id) for info in LIVING)
    assert max(map(len, lines)) <= max(width, longest)
    assert [line.split()[0] for line in lines[1:]] == [info.id for info in LIVING]
    assert "$in" in lines[0] or width < 60
    assert ("Too narrow for: " in footer(entries, left_out)) is bool(left_out)


def test_fitting_keeps_the_order():
    """The least important column goes first, wherever it stands."""
    columns = [Column("one", 1), Column("two", 3), Column("three", 2, is_number=True)]
    rows = [["a", "b", "1"], ["aaaa", "bb", "10"]]

    assert fitting(columns, rows, None) == [0, 1, 2]
    assert fitting(columns, rows, 10) == [1, 2]
    assert fitting(columns, rows, 1) == [1]
    assert aligned(columns, rows, [1, 2]) == ["two  three", "b        1", "bb      10"]


@pytest.mark.parametrize(
    ("number", "is_short", "shown"),
    [
        (None, True, "?"),
        (999, True, "999"),
        (131_072, True, "131k"),
        (1_048_576, True, "1.05M"),
        (131_072, False, "131072"),
    ],
)
def test_count(number, is_short, shown):
    """Counts are short on a terminal, as on the service's pages."""
    assert count(number, is_short=is_short) == shown


def test_details():
    """A model's page has all that is known, and says what is not."""
    assert dict(details(DEAR)) == {
        "model": "a/Dear",
        "label": "The Dear",
        "context": "200,000 tokens",
        "output": "1,000 tokens at most",
        "price": "$1.00 in, $4.00 out, $0.044 for cached input (a million tokens)",
        "reasoning": "on, unless a request turns it off (thinking=False)",
        "vision": "yes",
        "tools": "yes",
        "LoRA": "not known",
        "lifecycle": "general-availability",
        "sources": "live list; table of 2026-10-07",
    }
    assert dict(details(NEW))["price"] == "not known"
    assert dict(details(GONE))["successor"] == "a/Dear"
    assert dict(details(GONE))["vision"] == "not known"
    assert dict(details(Entry(GONE.info._replace(successor=None), ())))["successor"] == "none was named"


@pytest.mark.parametrize("width", [None, 30, 80])
def test_detail_lines(width):
    """Long texts are wrapped on a terminal, under their own beginning."""
    lines = detail_lines(DEAR, width)

    assert all(len(line) <= (width or 999) for line in lines) or width == 30
    assert (len(lines) == len(details(DEAR))) is (width is None or width == 80)


def test_the_table_without_a_key(capsys):
    """Without a key the table alone is shown, and the standard error says so; the output stays plain."""
    assert main(["models"]) == 0

    out, err = capsys.readouterr()
    assert err.startswith("There is no API key, so this is the table in the package")
    assert len(out.splitlines()) == 1 + len(LIVING)
    assert out.splitlines()[1].startswith(GPT)
    assert "\x1b" not in out


def test_offline(capsys, served):
    """`--offline` asks nobody, and needs no word about it."""
    assert main(["models", "--offline"]) == 0
    assert capsys.readouterr().err == ""
    assert served.requests == []


def test_the_service_is_asked(capsys, served):
    """With a key the server's own models are shown, with what the table knows of them; no project is needed."""
    assert main(["models", GPT, "--json"]) == 0

    model = json.loads(capsys.readouterr().out)
    assert (model["sources"], model["status"]) == (["live", "table"], "served")
    assert (model["input_price"], model["output_price"], model["cached_price"]) == (0.03, 0.13, None)
    assert [request.path for request in served.requests] == ["/v1/models"]


@pytest.mark.parametrize("works", [True, False])
def test_the_feed(capsys, monkeypatch, served, works):
    """`--feed` asks the public feed as well; one that can't be read is a note, and the list goes without it."""
    feed = b'{"models": [{"idPlayground": "openai/gpt-oss-20b", "label": "GPT OSS", "contextWindow": 131072}]}'
    with RawServer(answering(whole(feed if works else b"Busy", 200 if works else 503))) as server:
        monkeypatch.setattr("wandb_inference._core.listing.FEED_URL", f"http://127.0.0.1:{server.port}/models")
        assert main(["models", "show", GPT, "--feed", "--json"]) == 0

    out, err = capsys.readouterr()
    assert json.loads(out)["sources"] == (["live", "feed", "table"] if works else ["live", "table"])
    assert json.loads(out)["label"] == ("GPT OSS" if works else None)
    assert err.startswith("" if works else "The list of models is without the feed: 503")
    assert bool(err) is not works


def test_models_the_table_does_not_know(capsys, monkeypatch):
    """A server of one's own is shown as it is; retired models of the table come with `--all` alone."""
    from wandb_inference.testing import Emulator

    with Emulator(models=["my/model", GPT]) as server:
        monkeypatch.setenv("WANDB_API_KEY", "a-key")
        options = ["--base-url", server.base_url, "--project", "team/project"]
        assert listed(capsys, *options) == [GPT, "my/model"]
        assert len(listed(capsys, *options, "--all")) > 20
        assert listed(capsys, *options, "my/") == ["my/model"]
        assert main(["models", "show", "my/model", *options]) == 0
        out = capsys.readouterr().out
        assert "context     not known" in out
        assert "status      served: the server lists it" in out


@pytest.mark.parametrize(
    ("argv", "id"),
    [
        (["show", GPT], GPT),
        (["show", "gpt-oss-20B"], GPT),
        (["wandb/openai/GPT-oss-20b"], GPT),
        (["Llama-3.1-70B-Instruct"], "meta-llama/Llama-3.1-70B-Instruct"),
    ],
)
def test_show(capsys, argv, id):
    """A model is shown by its id or its name, whatever their case; a retired one with its successor."""
    assert main(["models", *argv, "--offline"]) == 0

    out = capsys.readouterr().out
    assert out.startswith(f"model       {id}\n")
    assert ("successor   meta-llama/Llama-3.3-70B-Instruct" in out) is ("70B" in id)


def test_show_what_is_not_there(capsys):
    """A misspelt id is exit code 1, with the nearest ones."""
    assert main(["models", "show", "lema-3.1-8b", "--offline"]) == 1
    assert capsys.readouterr() == (
        "",
        "wandb-inference: there is no model 'lema-3.1-8b'. Did you mean meta-llama/Llama-3.1-8B-Instruct?\n",
    )

    assert main(["models", "show", "zzz", "--offline"]) == 1
    assert capsys.readouterr().err == "wandb-inference: there is no model 'zzz'.\n"


def test_nothing_found(capsys):
    """A search without a result says so beside the output, and is an empty array for programs."""
    assert main(["models", "lema-3.1-8b", "--offline"]) == 0
    assert capsys.readouterr() == ("", "No model is like that. Did you mean meta-llama/Llama-3.1-8B-Instruct?\n")
    assert listed(capsys, "zzz", "--offline") == []


def test_search_and_filters(capsys):
    """Words and filters add up, in the order asked for."""
    assert listed(capsys, "--offline", "llama", "--max-price", "1", "--tools") == ["meta-llama/Llama-3.1-8B-Instruct"]
    retired = listed(capsys, "--offline", "--retired", "--sort", "name")
    assert retired == sorted((id for id, info in MODELS.items() if info.lifecycle == "retired"), key=str.lower)
    assert listed(capsys, "--offline", "--vision", "--min-context", "1M", "--sort", "context")[0].startswith("nvidia/")


def test_a_service_that_refuses(capsys, served):
    """A refusal is told with its hint, and with the way to the table."""
    from wandb_inference.testing import Fault

    served.fault(Fault.status(401), times=None)
    assert main(["models"]) == 1
    first, second = capsys.readouterr().err.splitlines()
    assert first == "With --offline the table in the package is shown, without asking the service."
    assert second.startswith("wandb-inference: 401: ")


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["--offline", "--feed"], "give one of them"),
        (["show"], "`models show` takes one id"),
        (["show", "a", "b"], "`models show` takes one id"),
        (["--max-price", "cheap"], "'cheap' is no amount of dollars, such as 0.50"),
        (["--max-price", "-1"], "'-1' is no amount of dollars"),
        (["--max-price", "nan"], "'nan' is no amount of dollars"),
        (["--min-context", "big"], "'big' is no number of tokens, such as 128000, 128k or 1M"),
        (["--sort", "size"], "'price', 'context', 'name'"),
        (["--base-url", "wandb.ai"], "base_url"),
        (["--project", "a/b/c"], "team/project"),
    ],
)
def test_wrong_options(capsys, argv, words):
    """What can't be done is exit code 2, before anything is asked."""
    assert main(["models", *argv]) == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "number"), [("128000", 128_000), ("128k", 128_000), ("1.5M", 1_500_000), ("1,000", 1000)]
)
def test_tokens(text, number):
    """Numbers of tokens as people write them."""
    assert tokens(text) == number


@pytest.mark.parametrize(("text", "amount"), [("1", "1"), ("$0.50", "0.50"), (" .5 ", "0.5")])
def test_dollars(text, amount):
    """Amounts as people write them."""
    assert dollars(text) == Decimal(amount)


@pytest.mark.parametrize(
    ("amount", "shown"),
    [("0", "$0.00"), ("1234.561", "$1,234.57"), ("0.5", "$0.50"), ("0.0000313", "$0.000032"), ("0.0999", "$0.10")],
)
def test_shown_dollars(amount, shown):
    """Amounts are rounded up, as a bound must be, to cents or two significant digits."""
    assert shown_dollars(Decimal(amount)) == shown


@pytest.mark.parametrize(
    ("price", "shown"), [(None, "-"), ("1", "1.00"), ("0.1", "0.10"), ("0.044", "0.044"), ("10", "10.00")]
)
def test_per_million(price, shown):
    """Prices have all their digits, and two at least."""
    assert per_million(None if price is None else Decimal(price)) == shown
