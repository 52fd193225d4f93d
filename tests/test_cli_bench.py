"""`wandb-inference bench`."""

from __future__ import annotations

import json
from decimal import Decimal
from xml.etree import ElementTree

import pytest
from conftest import KEY, PROJECT

from wandb_inference import exceptions
from wandb_inference.cli import bench, main
from wandb_inference.cli.bench import _progress, _run
from wandb_inference.cli.bench._chart import draw
from wandb_inference.cli.bench._plan import Plan, Purse, Rates, must_ask, rates_of, read_levels, too_dear
from wandb_inference.cli.bench._report import bars, block, seconds
from wandb_inference.cli.bench._samples import Level, Sample, as_data, percentile
from wandb_inference.testing import Fault

GPT = "openai/gpt-oss-20b"
QUICK = ["bench", "-m", GPT, "-n", "3", "--max-tokens", "8", "--prompt", "Hello"]

PLAN = Plan(
    model=GPT,
    levels=(1, 4),
    requests=10,
    duration=None,
    prompt="x" * 700,
    max_tokens=1000,
    warmup=1,
    fresh=False,
    max_cost=None,
    rates=Rates(Decimal("1"), Decimal("2")),
)


@pytest.fixture
def served(emulator, monkeypatch):
    """A configured service."""
    monkeypatch.setenv("WANDB_API_BASE", emulator.base_url)
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    monkeypatch.setenv("WANDB_PROJECT", PROJECT)
    monkeypatch.setattr(_run, "_PAUSE", 0.0)
    return emulator


def chats(emulator):
    """The requests that are paid for."""
    return [request for request in emulator.requests if request.path.endswith("/chat/completions")]


@pytest.mark.parametrize(
    ("changes", "bound", "says"),
    [
        ({}, "0.063", "10 calls with 1, 4 in flight: 21 paid calls, $0.063 at most, by the prices of"),
        ({"max_cost": Decimal("0.01")}, "0.01", "$0.01 at most"),
        ({"requests": 1, "levels": (1,), "warmup": 0}, "0.003", "1 call with 1 in flight: 1 paid call, $0.003 at most"),
        ({"rates": None}, None, "21 paid calls, at a price that is not known."),
        ({"duration": 30.0}, None, "30 s with 1, 4 in flight: as many paid calls as fit, without a bound: --max-cost"),
        ({"duration": 30.0, "max_cost": Decimal(1)}, "1", "as many paid calls as fit, $1.00 at most"),
    ],
)
def test_announcement(changes, bound, says):
    """What is to come is said with the number of calls and the most that they can cost."""
    plan = PLAN._replace(**changes)

    assert plan.bound == (None if bound is None else Decimal(bound))
    assert says in plan.announcement()
    assert must_ask(plan) is (bound is None or Decimal(bound) > Decimal("0.1"))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({}, None),
        ({"max_cost": Decimal("0.003")}, None),
        ({"max_cost": Decimal("0.002")}, "one call can cost $0.003, more than --max-cost $0.002"),
        ({"max_cost": Decimal(1), "rates": None}, "--max-cost needs a price, and the table of"),
    ],
)
def test_too_dear(changes, says):
    """A limit that lets no call through, or can't be kept, is told before anything is sent."""
    problem = too_dear(PLAN._replace(**changes))

    assert problem is None if says is None else (problem or "").startswith(says)


def test_purse():
    """What calls may cost is reserved before them and settled after; a failed one counts in full."""
    purse = Purse(Decimal(10), Decimal(3))
    assert [purse.reserve() for _ in range(4)] == [True, True, True, False]
    purse.settle(Decimal(1))
    assert purse.reserve()
    purse.settle(None)
    assert purse.spent == 4
    assert not purse.reserve()
    assert Purse(None, None).reserve()


def test_rates():
    """Prices are the table's; a model without one has none."""
    assert rates_of(GPT) == Rates(Decimal("0.03"), Decimal("0.13"))
    assert rates_of("gpt-oss-20b") == rates_of(GPT)
    assert rates_of("my/own") is None


@pytest.mark.parametrize(
    ("text", "levels"), [("1", (1,)), ("1,4,16", (1, 4, 16)), ("4, 1, 4", (4, 1)), ("x", None), ("0", None), ("", None)]
)
def test_levels(text, levels):
    """Numbers of calls in flight, each once."""
    if levels is None:
        with pytest.raises(ValueError):
            read_levels(text)
    else:
        assert read_levels(text) == levels


@pytest.mark.parametrize(
    ("values", "share", "value"),
    [([5], 0.99, 5), ([1, 2, 3], 0.5, 2), ([0, 10], 0.9, 9), (list(range(101)), 0.99, 99), ([3, 2, 1], 0.5, 2)],
)
def test_percentile(values, share, value):
    """Percentiles lie between two values in proportion."""
    assert percentile(values, share) == pytest.approx(value)


def level(concurrency=2, **changes):
    """A level with two answers and a failure."""
    samples = [
        Sample(2.0, 0.5, (0.1, 0.3), 5, Decimal("0.001")),
        Sample(4.0, 1.5, (0.2,), 3, Decimal("0.002")),
        Sample(0.1, error="RateLimitError", message="429: slow down"),
        Sample(0.1, error="RateLimitError", message="429: again"),
    ]
    return Level(concurrency, **{"samples": samples, "seconds": 4.0, **changes})


def test_level():
    """What a level's calls add up to; speeds are told from the fast end."""
    found = level()

    assert (found.tokens, found.speed, found.cost) == (8, 2.0, Decimal("0.003"))
    assert found.errors == {"RateLimitError": 2}
    assert found.messages == {"RateLimitError": "429: slow down"}
    assert found.spread("first") == pytest.approx({"p50": 1.0, "p90": 1.4, "p99": 1.49})
    assert found.spread("gaps") == pytest.approx({"p50": 0.2, "p90": 0.28, "p99": 0.298})
    assert found.spread("speed") == pytest.approx({"p50": 10.0, "p90": 10.0, "p99": 10.0})
    assert level(samples=[Sample(1.0, cost=None)]).cost is None
    assert Level(1).speed == 0.0
    assert Level(1).spread("gaps") is None


def test_block():
    """A level for people: what happened, what failed, and the percentiles."""
    assert block(level()) == [
        "2 in flight: 2 answers in 4.00 s, 2 errors (50%), 2 tokens/s in all, $0.003",
        "  2 x RateLimitError: 429: slow down",
        "                          p50       p90       p99",
        "  first token          1.00 s    1.40 s    1.49 s",
        "  between chunks       200 ms    280 ms    298 ms",
        "  tokens/s, each         10.0      10.0      10.0",
        "  whole answer         3.00 s    3.80 s    3.98 s",
    ]
    nothing = Level(1, [Sample(0.1, error="APITimeoutError", message="late")], 0.1)
    assert block(nothing) == [
        "1 in flight: 0 answers in 100 ms, 1 error (100%), 0 tokens/s in all, $0.00",
        "  1 x APITimeoutError: late",
    ]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.00123, "1.23 ms"),
        (0.0123, "12.3 ms"),
        (0.123, "123 ms"),
        (1.234, "1.23 s"),
        (12.34, "12.3 s"),
        (123.4, "123 s"),
    ],
)
def test_seconds(value, shown):
    """Times have three digits."""
    assert seconds(value) == shown


def test_bars():
    """Levels are compared by bars: of blocks on a terminal, of # elsewhere; one level needs none."""
    levels = [level(1), level(4, seconds=2.0), Level(8)]

    assert bars(levels[:1], 60, is_plain=True) == []
    plain = bars(levels, 40, is_plain=True)
    assert plain[:3] == [
        "tokens/s in all",
        "  1 ############                    2.0",
        "  4 #########################       4.0",
    ]
    assert [line for line in plain if not line.startswith(" ")] == [
        "tokens/s in all",
        "first token, p50",
        "first token, p99",
    ]
    fine = bars(levels, 40, is_plain=False)
    assert fine[1] == "  1 ████████████▌                   2.0"
    assert {len(line) for line in fine if line.startswith(" ")} == {39}

    silent = [level(1, samples=[Sample(1.0)]), level(2, samples=[Sample(1.0)])]
    assert bars(silent, 40, is_plain=True)[1].split() == ["1", "0.0"]


def test_chart():
    """The picture is well-formed, and has a bar for each figure; names are escaped."""
    picture = draw("a<b", "note & more", [level(1), level(4), Level(8)])

    root = ElementTree.fromstring(picture)
    kinds = [rect.get("class") for rect in root.iter("{http://www.w3.org/2000/svg}rect")]
    assert kinds == ["panel", "speed", "speed", "speed", *["p50", "p90", "p99"] * 2]
    assert "a&lt;b" in picture


def test_as_data():
    """The same for a program, in seconds and dollars."""
    [data] = as_data([level()])

    assert data["error_rate"] == 0.5
    assert data["cost"] == 0.003
    assert as_data([level(samples=[])])[0]["error_rate"] is None
    assert as_data([level(samples=[Sample(1.0)])])[0]["cost"] is None


def test_run(capsys, served):
    """Each level makes its calls after the warm-up, streamed; what it costs is said before, results are plain."""
    assert main([*QUICK, "-c", "1,2"]) == 0

    out, err = capsys.readouterr()
    assert err.startswith(f"{GPT}, 3 calls with 1, 2 in flight: 7 paid calls, $0.")
    assert [line for line in out.splitlines() if " in flight" in line][1].startswith("2 in flight: 3 answers in ")
    assert "\x1b" not in out
    assert "#" in out
    requests = chats(served)
    assert len(requests) == 7
    assert {(request.stream, request.body["max_tokens"]) for request in requests} == {(True, 8)}


def test_run_as_json(capsys, served, tmp_path):
    """Results for a program, and a picture beside them."""
    picture = tmp_path / "bench.svg"
    assert main([*QUICK, "-c", "2", "--json", "--svg", str(picture), "--fresh", "--warmup", "0"]) == 0

    data = json.loads(capsys.readouterr().out)
    assert (data["model"], data["interrupted"], data["out_of_money"]) == (GPT, False, False)
    [found] = data["levels"]
    assert (found["concurrency"], found["answers"], found["errors"]) == (2, 3, {})
    assert set(found["first_token_seconds"]) == {"p50", "p90", "p99"}
    assert found["cost"] == pytest.approx(data["spent_at_most"])
    assert picture.read_text().startswith("<svg")
    assert len({request.body["cache_salt"] for request in chats(served)}) == 3


def test_errors_are_counted(capsys, served):
    """Failures are counted by their class, not tried again, and do not end the run."""
    served.fault(Fault.status(503), times=2)
    assert main([*QUICK, "-c", "1", "--warmup", "0", "-n", "4", "--json"]) == 0

    [found] = json.loads(capsys.readouterr().out)["levels"]
    assert (found["answers"], found["errors"], found["error_rate"]) == (2, {"ServiceUnavailableError": 2}, 0.5)
    assert len(chats(served)) == 4


def test_nothing_but_errors(capsys, served):
    """A run without a single answer is exit code 1."""
    served.fault(Fault.status(503), times=None)
    assert main([*QUICK, "-c", "1"]) == 1
    assert "3 x ServiceUnavailableError: 503" in capsys.readouterr().out


@pytest.mark.parametrize("warmup", ["0", "1"])
def test_an_error_that_lasts(capsys, served, warmup):
    """An error that would meet every further call ends the run, with its hint."""
    served.fault(Fault.status(402), times=None)
    assert main([*QUICK, "-c", "2,4", "--warmup", warmup]) == 1

    assert "wandb-inference: 402: " in capsys.readouterr().err
    assert len(chats(served)) <= 2


@pytest.mark.parametrize(
    ("error", "lasts"),
    [
        (exceptions.AuthenticationError("no"), True),
        (exceptions.ConflictError("busy"), False),
        (exceptions.ConcurrencyLimitError("busy"), False),
        (exceptions.InternalServerError("down"), False),
        (exceptions.APITimeoutError("late"), False),
        (exceptions.APIResponseValidationError("html"), True),
    ],
    ids=lambda value: type(value).__name__,
)
def test_errors_that_last(error, lasts):
    """A limit, a fault of the server or of the network may pass; the rest will not."""
    assert _run._is_lasting(error) is lasts


def test_max_cost_stops(capsys, served):
    """`--max-cost` ends the run before it is passed."""
    rates = rates_of(GPT)
    assert rates is not None
    limit = 3 * (PLAN._replace(prompt="Hello", max_tokens=8, rates=rates).call_bound or 0)
    assert main([*QUICK, "-c", "1", "--max-cost", str(limit), "-n", "500", "--json", "--yes"]) == 0

    out, err = capsys.readouterr()
    data = json.loads(out)
    assert data["out_of_money"]
    assert data["spent_at_most"] <= float(limit)
    assert 1 <= len(chats(served)) < 500
    assert err.endswith(": the next call might have passed it.\n")


def test_duration(capsys, served):
    """With a duration, calls are made until it is over."""
    assert main([*QUICK, "-c", "1", "--duration", "0.05", "--yes", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["levels"][0]["answers"] >= 1


def test_models_without_a_price_or_usage(capsys, served):
    """Where neither price nor usage is known, costs are not, and chunks count as tokens."""
    from wandb_inference.testing import Reply

    served.reply(
        Reply(chunks=[{"choices": [{"index": 0, "delta": {"content": "Hi"}, "finish_reason": "stop"}]}]), times=None
    )
    assert main([*QUICK, "-c", "1", "--json", "-n", "1", "-m", "my/own", "--yes"]) == 0

    data = json.loads(capsys.readouterr().out)
    assert (data["levels"][0]["tokens"], data["levels"][0]["cost"], data["spent_at_most"]) == (1, None, None)


@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("n\n", 130)])
def test_dear_runs_are_asked_for(capsys, monkeypatch, served, answer, code):
    """On a terminal, a run that may be dear waits for a yes."""
    monkeypatch.setattr(bench, "is_terminal", lambda stream: True)
    monkeypatch.setattr("click.termui.visible_prompt_func", lambda text: answer.strip())
    assert main([*QUICK, "-c", "1", "-m", "zai-org/GLM-5.2", "--max-tokens", "20000", "-n", "4"]) == code
    assert bool(chats(served)) is (code == 0)


def test_nobody_to_ask(capsys, served):
    """Without a terminal a dear run needs --yes."""
    assert main([*QUICK, "-m", "my/own"]) == 2
    assert "That needs --yes, since there is nobody to ask." in capsys.readouterr().err
    assert served.requests == []


@pytest.mark.parametrize("after", [0, 2])
@pytest.mark.parametrize("output", [[], ["--json"]])
def test_ctrl_c(capsys, monkeypatch, served, after, output):
    """Ctrl-C shows what was measured so far, and is exit code 130."""
    calls = []
    call = _run.Run._call

    async def interrupted(run):
        calls.append(1)
        if len(calls) > after:
            raise KeyboardInterrupt
        return await call(run)

    monkeypatch.setattr(_run.Run, "_call", interrupted)
    assert main([*QUICK, "-c", "1", "--warmup", "0", *output]) == 130

    out, err = capsys.readouterr()
    assert ("that is what was measured so far" if after else "before anything was measured") in err
    if output:
        assert json.loads(out)["interrupted"]
    elif after:
        assert out.startswith("1 in flight: 2 answers in ")


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        ([], "Missing option '-m' / '--model'"),
        (["-m", GPT, "-c", "many"], "'many' is no list of numbers from 1 to 10,000, such as 1,4,16"),
        (["-m", GPT, "-n", "0"], "0 is not in the range x>=1"),
        (["-m", GPT, "--duration", "0"], "is not in the range x>0"),
        (["-m", GPT, "--duration", "nan"], "nan is no finite number"),
        (["-m", GPT, "--max-tokens", "0"], "an answer has at least one token"),
        (["-m", GPT, "--max-cost", "free"], "no amount of dollars"),
        (["-m", GPT, "--max-cost", "0"], "one call can cost $"),
        (["-m", "my/own", "--max-cost", "1"], "--max-cost needs a price"),
        (["-m", GPT, "--svg", "no/such/folder/a.svg"], "there is no folder 'no/such/folder'"),
        (["-m", GPT, "--base-url", "wandb.ai"], "base_url"),
    ],
)
def test_wrong_options(capsys, served, argv, words):
    """What can't be done is exit code 2, before anything is paid for."""
    assert main(["bench", *argv]) == 2
    assert words in capsys.readouterr().err
    assert served.requests == []


def test_without_a_key(capsys):
    """Without a key the first call fails as any does."""
    assert main([*QUICK]) == 1
    assert "There is no API key and no project" in capsys.readouterr().err


def test_a_picture_that_cannot_be_written(capsys, served, tmp_path):
    """The figures are printed all the same."""
    target = tmp_path / "a.svg"
    target.symlink_to(tmp_path / "missing" / "b.svg")
    assert main([*QUICK, "-c", "1", "--svg", str(target)]) == 1

    out, err = capsys.readouterr()
    assert "3 answers" in out
    assert "No such file or directory" in err


def test_progress(capsys, monkeypatch):
    """On a terminal a line shows how far it is, and goes away."""
    monkeypatch.setattr(_progress, "is_terminal", lambda stream: True)
    progress = _progress.Progress(PLAN)
    progress.end()
    progress.tell(level())
    progress.tell(level())
    progress.end()
    assert capsys.readouterr().err == "\r\x1b[K2 in flight: 4 of 10, 2 failed\r\x1b[K"

    progress = _progress.Progress(PLAN._replace(duration=3.0))
    progress.tell(level(samples=[Sample(1.0)]))
    assert capsys.readouterr().err == "\r\x1b[K2 in flight: 1"
