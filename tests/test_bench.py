"""The benchmarks, as far as they can be tested without measuring: tables, charts, verdicts, and the server itself."""

from __future__ import annotations

import http.client
import io
import json
import socket
import sys
import threading
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parent.parent))
sys.path.append(str(Path(__file__).resolve().parent.parent / "scripts"))

import bench

from benchmarks import canned, chart, import_time, machine, publish, run, server, table
from benchmarks.results import Figure, Results, from_json, to_json
from benchmarks.rows import ALONE, DRIVEN, GROUPS, IMPORTS, OURS, ROWS, Row
from benchmarks.workers import drive, memory
from benchmarks.workers.slices import Clock, Count, Slice, request


def results(*figures: Figure) -> Results:
    """A run with these figures."""
    versions = {OURS: "wandb-inference 1.0", "openai": "openai 2.0"}
    return Results("Python 3, 2 cores, 2026-11-24", versions, 90.0, figures)


def call(ours: list[float], openai: list[float], httpx: list[float], *, tls: bool = False) -> Figure:
    """A figure of the row `call`."""
    return Figure("call", tls, {OURS: ours, "openai": openai, "httpx": httpx}, 40.0)


CALL = call([100, 300, 200], [1000, 2000, 1000], [200, 600, 500])


def test_ratios_are_taken_within_a_round() -> None:
    """The median of the ratios, not the ratio of the medians."""
    assert CALL.middle() == 200
    assert CALL.ratio("openai") == 0.15
    assert CALL.ratio("httpx") == 0.5


def test_each_target_has_a_verdict() -> None:
    """Ratios and figures of our own are held against the row's targets; TLS has none."""
    idle = Figure("idle size", False, {OURS: [25.0], "openai": [800.0]}, None)

    verdicts = results(CALL, call([1], [1], [1], tls=True), idle).verdicts()

    assert [(verdict.peer, verdict.at_most, verdict.measured, verdict.met) for verdict in verdicts] == [
        ("openai", 0.2, 0.15, True),
        ("httpx", 0.5, 0.5, True),
        (ALONE, 20, 25.0, False),
    ]


def test_a_target_is_missed_by_what_is_printed() -> None:
    """Three significant digits are printed, and decide."""
    over, barely = (results(call([1], [1 / share], [9])).verdicts()[0] for share in (0.201, 0.2004))

    assert (over.met, barely.met) == (False, True)


def test_the_table_shows_targets_beside_figures() -> None:
    """One line for each row: figure, ratios with their targets, TLS beside, and the server's own cost."""
    slow = call([400.0], [1000], [500], tls=True)
    idle = Figure("idle size", False, {OURS: [25.0], "openai": [800.0]}, None)

    text = table.markdown(results(CALL, slow, idle))

    assert "| blocking call | 200 us | 0.15 ≤ 0.2 ✓ | httpx 0.5 ≤ 0.5 ✓ | 400 us | 0.4 | httpx 0.8 | 40 |" in text
    assert "| idle client, size | 25 KB > 20 ✗ | 0.0312 |  |  |  |  |  |" in text
    assert "2 of 3 targets are met (✓). Medians of 1 to 3 rounds; the run took 2 min. wandb-inference 1.0" in text
    assert " ".join(text.splitlines()[-2:]).endswith("openai 2.0. Python 3, 2 cores, 2026-11-24.")
    assert len({line.count("|") for line in text.splitlines() if line.startswith("|")}) == 1


@pytest.mark.parametrize(("rounds", "text"), [(1, "1 round;"), (2, "2 rounds;")])
def test_the_rounds_are_told(rounds: int, text: str) -> None:
    """As many as were run."""
    assert f"Medians of {text}" in table.markdown(results(call([1] * rounds, [2] * rounds, [2] * rounds)))


@pytest.mark.parametrize(
    ("value", "text"), [(0.0123456, "0.0123"), (12.345, "12.3"), (999.4, "999"), (1234.5, "1,234"), (2, "2")]
)
def test_figures_are_printed_with_three_digits(value: float, text: str) -> None:
    """As many as the noise leaves a meaning, at most."""
    assert table.number(value) == text


def test_the_chart_is_drawn_to_scale() -> None:
    """Openai is 1; ours and the bare library are in proportion; rows without both peers are left out."""
    alone = Figure("growth calls", False, {OURS: [4.0]}, None)

    picture = ET.fromstring(chart.draw(results(CALL, alone)))

    bars = {
        bar.attrib["class"]: float(bar.attrib["width"])
        for bar in picture.iter("{http://www.w3.org/2000/svg}rect")
        if float(bar.attrib["x"]) == chart.LABELS
    }
    assert bars == {"ours": chart.SCALE * 0.15, "bare": chart.SCALE * 0.5, "openai": chart.SCALE}
    texts = [text.text for text in picture.iter("{http://www.w3.org/2000/svg}text")]
    assert "blocking call" in texts
    assert "0.5 httpx" in texts
    assert "1 = 1,000 us" in texts
    assert "growth over 10,000 calls" not in texts


def test_a_bar_never_leaves_the_picture() -> None:
    """What is dearer than openai is cut off, and its figure told."""
    picture = chart.draw(results(call([5000], [1000], [1])))

    assert f'width="{1.05 * chart.SCALE:.1f}"' in picture
    assert ">5</text>" in picture


def test_a_run_is_read_as_it_was_written() -> None:
    """JSON keeps every sample, to four digits."""
    one = results(CALL, Figure("first", True, {OURS: [1.23456]}, None))

    again = from_json(to_json(one))

    assert again.figures[0].ratio("openai") == 0.15
    assert again.figures[1] == Figure("first", True, {OURS: (1.235,)}, None)
    assert to_json(again) == to_json(one)


def test_the_readme_shows_the_run_that_is_kept() -> None:
    """README and chart are what `scripts/bench --readme` makes of `benchmarks/results.json`."""
    kept = from_json(publish.RESULTS.read_text("utf-8"))
    text = publish.README.read_text("utf-8")

    assert publish.readme(text, kept) == text
    assert publish.CHART.read_text("utf-8") == chart.draw(kept)
    assert [figure.row for figure in kept.figures if not figure.tls] == list(ROWS)
    assert {figure.row for figure in kept.figures if figure.tls} == {row.key for row in DRIVEN if row.tls}


def test_a_readme_without_marks_is_not_written() -> None:
    """The table has a place, or the command says so."""
    with pytest.raises(RuntimeError, match="lacks the lines"):
        publish.readme("# Title\n", results(CALL))


def test_a_run_is_written_where_it_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--write` changes README, chart and samples; `--readme` makes the same of the samples alone."""
    for name in ("RESULTS", "CHART", "README"):
        monkeypatch.setattr(publish, name, tmp_path / name)
    monkeypatch.setattr(bench, "ENVIRONMENTS", tmp_path)
    monkeypatch.setattr(bench, "measured", lambda rows, rounds: (results(CALL), "details"))
    publish.README.write_text("a\n<!-- benchmark -->\nold\n<!-- end of benchmark -->\nz\n")

    bench.main(["--write"])

    shown = publish.README.read_text("utf-8")
    assert shown == f"a\n<!-- benchmark -->\n\n{table.markdown(results(CALL))}\n\n<!-- end of benchmark -->\nz\n"
    assert capsys.readouterr().out == table.markdown(results(CALL)) + "\n"
    drawn = publish.CHART.read_text("utf-8")
    assert (tmp_path / "last" / "benchmark.svg").read_text("utf-8") == drawn
    publish.CHART.unlink()
    bench.main(["--readme"])
    assert publish.CHART.read_text("utf-8") == drawn
    assert publish.README.read_text("utf-8") == shown


def test_a_part_is_measured_alone(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Groups and single rows choose; start-up brings its details; nothing is written."""
    seen: list[list[str]] = []

    def measured(rows: list[Row], rounds: int | None) -> tuple[Results, str]:
        seen.append([row.key for row in rows])
        return results(CALL), "details"

    monkeypatch.setattr(bench, "measured", measured)

    bench.main(["import", "--row", "call"])
    assert seen.pop() == ["import", "request", "call"]
    assert capsys.readouterr().out.endswith("\n\ndetails\n")
    bench.main(["memory", "--json"])
    assert seen.pop() == [row.key for row in DRIVEN if row.group == "memory"]
    assert from_json(capsys.readouterr().out).figures[0].row == "call"


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        (["speed"], "there is no 'speed': choose from import, calls"),
        (["--row", "speed"], "there is no row 'speed': choose from 'import'"),
        (["--rounds", "0"], "--rounds is a number from 1 up"),
        (["calls", "--write"], "--write is for whole runs"),
    ],
)
def test_a_command_line_that_makes_no_sense(
    given: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each mistake is told before anything is set up."""
    with pytest.raises(SystemExit):
        bench.arguments(given)
    assert complaint in capsys.readouterr().err


def test_rows_are_complete() -> None:
    """Keys are unique, each peer has an environment, and each target somebody to refer to."""
    assert len(ROWS) == len(IMPORTS) + len(DRIVEN)
    assert GROUPS == ("import", "calls", "streams", "logprobs", "memory")
    for row in ROWS.values():
        assert {bench.SAME.get(peer, peer) for peer in row.peers} <= set(bench.INSTALLED)
        assert set(row.targets) <= {*row.peers, ALONE}
        assert row.rounds >= 1


@pytest.mark.parametrize("row", DRIVEN, ids=lambda row: row.key)
def test_a_worker_knows_each_row(row: Row) -> None:
    """Every row is some work of every peer."""
    for peer in (OURS, *row.peers):
        assert hasattr(drive.work(row.key, peer, "http://127.0.0.1:9/now/v1"), "__enter__")


@pytest.fixture
def canned_server() -> Iterator[int]:
    """The port of a canned server, in a thread."""
    with serving() as (port, _):
        yield port


@contextmanager
def serving() -> Iterator[tuple[int, int]]:
    """The ports of a canned server, for clients and for its statistics."""
    serving = server.Server()
    ended = threading.Event()

    def steps() -> None:
        while not ended.is_set():
            serving.step()

    thread = threading.Thread(target=steps)
    thread.start()
    try:
        yield serving.ports
    finally:
        ended.set()
        socket.create_connection(("127.0.0.1", serving.ports[1])).close()  # wakes it
        thread.join(5)
        serving.close()


def fetch(port: int, path: str, body: bytes | None = None) -> bytes:
    """What the server answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET" if body is None else "POST", path, body)
        return connection.getresponse().read()
    finally:
        connection.close()


def test_the_server_counts_what_it_answers() -> None:
    """Calls, chunks and what is too large for one send arrive whole and are counted; who leaves early is dropped."""
    with serving() as (port, statistics):
        assert json.loads(fetch(port, "/now/v1/chat/completions", b"x" * 100_000))["object"] == "chat.completion"
        assert json.loads(fetch(port, "/slow/v1/chat/completions", b"{}"))["object"] == "chat.completion"
        large = json.loads(fetch(port, "/logprobs/v1/chat/completions", b"{}"))
        assert len(large["choices"][0]["logprobs"]["content"]) == canned.LOGPROBS
        leaving = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        leaving.request("POST", "/slow/v1", b"{}")
        leaving.close()
        events = fetch(port, "/stream/100/8/v1/chat/completions", b"{}").split(b"\n\n")
        assert (len(events), events[-2:]) == (103, [b"data: [DONE]", b""])
        stats = json.loads(fetch(statistics, "/stats"))

    assert stats["units"] in {104, 105}  # the one that left may not have been answered yet
    assert stats["cpu"] > 0


def test_the_shape_of_a_stream_is_its_writes() -> None:
    """The head, then so many events in each write, then the end."""
    single, burst = canned.answer("/stream/10/1/v1/x"), canned.answer("/stream/10/4/v1/x")

    assert (len(single.writes), single.units) == (14, 11)
    assert (len(burst.writes), burst.units) == (5, 11)
    assert b"".join(burst.writes).count(b"data: ") == 12


def test_a_worker_measures_until_its_input_ends(
    canned_server: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One slice for each line, each with the same work."""
    monkeypatch.setattr(machine, "pin", lambda core: None)
    monkeypatch.setattr(sys, "argv", ["drive", "logprobs", "json", f"http://127.0.0.1:{canned_server}/now/v1"])
    monkeypatch.setattr(sys, "stdin", io.StringIO("go\ngo\n"))

    drive.main()

    ready, *slices = map(json.loads, capsys.readouterr().out.splitlines())
    assert ready == "ready"
    assert [taken[1:] for taken in slices] == [[3, 3 * 600]] * 2


@pytest.mark.parametrize(
    ("row", "path", "work"),
    [
        ("call", "now", (300, 300 * 600)),
        ("single blocking", "stream/10/1", (66, 6 * 60)),
        ("async 50", "slow", (600, 600 * 600)),
        ("burst async", "stream/10/4", (66, 6 * 60)),
        ("first", "stream/10/4", (40, 40 * 60)),
    ],
)
@pytest.mark.parametrize("peer", [OURS, "httpx"])
def test_all_peers_do_the_same(row: str, path: str, work: tuple[int, int], peer: str, canned_server: int) -> None:
    """Ours and a bare library make as many calls, and read as many chunks and characters."""
    if (row, peer) == ("async 50", "httpx"):
        peer = OURS  # nobody measures httpx there
    with drive.work(row, peer, f"http://127.0.0.1:{canned_server}/{path}/v1") as measure:
        taken = measure()

    assert taken[1:] == work
    assert taken.cost > 0


@pytest.mark.parametrize("pieces", [[b"data: {}\n\ndata: [DONE]\n\n"], [b"data", b": {}\n", b"\ndata: [DONE]\n\n"]])
def test_a_bare_stream_is_split_anywhere(pieces: list[bytes]) -> None:
    """A chunk counts once, wherever it was cut, and `[DONE]` does not count."""
    count = Count()
    for piece in pieces:
        count.feed(piece.replace(b"{}", b'{"choices":[{"delta":{"content":"four"}}]}'))

    assert (count.units, count.characters) == (1, 4)


def test_a_slice_is_what_one_unit_costs() -> None:
    """The clock's time is divided by the units, and counts are told."""
    clock, count = Clock(), Count()
    count.add("text")
    count.add(None)

    assert clock.slice(count)[1:] == (2, 4)
    assert "stream" not in request(stream=False)


def test_growth_is_what_stays() -> None:
    """What is thrown away does not count, what is kept does."""
    kept: list[bytearray] = []

    assert memory.grown(lambda: bytearray(4_000_000).clear()) < 1000
    assert memory.grown(lambda: kept.append(bytearray(4_000_000))) > 3900


@pytest.fixture
def fake_workers(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Workers that say what they are told to, and note who took a turn."""

    def install(**slices: Slice) -> list[str]:
        turns: list[str] = []

        @contextmanager
        def fake(python: Path, row: str, peer: str, url: str) -> Iterator[Callable[[], Slice]]:
            def measure() -> Slice:
                turns.append(peer)
                return slices[peer]

            yield measure

        monkeypatch.setattr(run, "working", fake)
        return turns

    return install


PYTHONS = dict.fromkeys((OURS, "openai", "httpx", "json"), Path(sys.executable))


def test_peers_take_turns(fake_workers: Callable[..., list[str]]) -> None:
    """A B C, then C B A; over TLS again where the row asks for it."""
    turns = fake_workers(
        wandb_inference=Slice(1.0, 5, 9), openai=Slice(10.0, 5, 9), httpx=Slice(4.0, 5, 9), json=Slice(2.0, 5, 9)
    )

    figures = run.measure([ROWS["import"], ROWS["call"], ROWS["logprobs"]], PYTHONS, 2, lambda text: None)

    assert [(figure.row, figure.tls) for figure in figures] == [("call", False), ("call", True), ("logprobs", False)]
    assert turns[:6] == [OURS, "openai", "httpx", "httpx", "openai", OURS]
    assert figures[0].samples == {OURS: [1.0, 1.0], "openai": [10.0, 10.0], "httpx": [4.0, 4.0]}


def test_peers_that_do_different_work_are_no_result(fake_workers: Callable[..., list[str]]) -> None:
    """A client that lost a character ends the run."""
    fake_workers(wandb_inference=Slice(1.0, 5, 8), openai=Slice(10.0, 5, 9), json=Slice(1.0, 5, 9))

    with pytest.raises(RuntimeError, match=r"did not do the same in 'logprobs': \[\(5, 8\), \(5, 9\)\]"):
        run.measure([ROWS["logprobs"]], PYTHONS, 1, lambda text: None)


def test_a_worker_that_fails_says_why() -> None:
    """Its own traceback is the message."""
    failing = run.working(Path(sys.executable), "speed", "openai", "http://127.0.0.1:9")

    with pytest.raises(RuntimeError, match=r"(?s)openai failed in 'speed':.*KeyError: 'speed'"), failing:
        pass


def test_a_worker_is_a_process_of_its_own() -> None:
    """It is started in its environment, measures when told, and ends with its `with`."""
    with (
        run.served() as served,
        run.working(Path(sys.executable), "logprobs", "json", served.url("now", tls=False)) as measure,
    ):
        assert measure()[1:] == (3, 1800)
        assert served.used()[1] == 1


def test_start_up_is_measured() -> None:
    """Bare Python has a time, a size and a number of modules, for both steps."""
    rows = import_time.measure({"python": Path(sys.executable)}, "http://127.0.0.1:9/v1", 1, lambda text: None)

    assert [row.step for row in rows] == ["import", "request"]
    assert all(row.samples[0].wall > 0 and row.size.peak > 2**20 and row.size.modules > 10 for row in rows)


def test_the_first_request_is_a_line_of_python() -> None:
    """It holds the server's address as text."""
    for peer in import_time.PEERS:
        line = import_time.Case(peer, "request").line("http://127.0.0.1:9/v1")
        compile(line, peer.name, "exec")
        assert ("'http://127.0.0.1:9/v1" in line) is (peer.name != "python")


def test_a_peer_that_does_not_start_says_why() -> None:
    """The error holds what the interpreter said."""
    with pytest.raises(RuntimeError, match="No module named 'no_such_module'"):
        import_time._output(Path(sys.executable), "import no_such_module", {})
    with pytest.raises(RuntimeError, match="exit code 3"):
        import_time._time(Path(sys.executable), "raise SystemExit(3)", {})


def start_up(peer: str, step: import_time.Step, *times: tuple[float, float]) -> import_time.Row:
    """A row of the start-up with these wall and CPU times."""
    samples = tuple(import_time.Sample(wall, cpu) for wall, cpu in times)
    return import_time.Row(peer, f"{peer} 1.0", step, samples, import_time.Size(5 * 2**20, 40))


def test_start_up_has_details_and_two_figures() -> None:
    """The table of details holds CPU and memory as well, the figures are milliseconds on the wall."""
    rows = [
        start_up(OURS, "import", (1, 1), (3, 2), (10, 4)),
        start_up("openai", "import", (4, 2), (3, 4), (20, 8)),
        start_up("python", "import", (1, 1), (1, 1), (1, 1)),
    ]

    assert import_time.ratio(rows[0], rows, "wall") == 0.5
    assert import_time.ratio(rows[0], rows[:1], "wall") is None
    assert f"| {OURS} 1.0 | 3000 (0.50) | 2000 (0.50) | 5 | 40 |" in import_time.markdown(rows, machine.describe())
    assert import_time.figures(rows)[0] == Figure(
        "import", False, {OURS: [1000, 3000, 10000], "openai": [4000, 3000, 20000]}, None
    )
