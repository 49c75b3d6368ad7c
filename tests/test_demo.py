"""The command line and the demo, each run as a user runs it: in an interpreter of its own, from a bare checkout.

The demo's checks are the tests of its story; here stands that they are made, that they hold, and how it is printed.
"""

from __future__ import annotations

import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import threading
from typing import IO, Any

import pytest

from tests import processes
from vmscope import join_all, run_main
from vmscope.demo import Palette, _server, as_json, as_text
from vmscope.demo._checks import Check, Evidence, examine
from vmscope.demo._screen import CLEAN_UPS, NEVER_PRINTED, Dashboard, Repository, Screen, ServiceError
from vmscope.demo._server import Service
from vmscope.demo._story import Story
from vmscope.demo._table import Figures, Table
from vmscope.demo._timeline import Timeline

ROOT = pathlib.Path(__file__).parent.parent


def vmscope(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command line; warnings are errors, and a proxy that leads nowhere is in the environment."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-X", "dev", "-m", "vmscope", *arguments],
        cwd=ROOT,
        env={**os.environ, "http_proxy": "http://127.0.0.1:9", "PYTHONIOENCODING": "utf-8", **environment},
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )


@pytest.fixture(scope="module")
def demo() -> subprocess.CompletedProcess[str]:
    return vmscope("demo")


@pytest.fixture(scope="module")
def story() -> dict[str, Any]:
    done = vmscope("demo", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def evidence(**changed: Any) -> Evidence:
    """What a story sees that goes as it should, but for what is changed."""
    good = Evidence(
        begun_at_once=["users", "notifications", "messages", "feed"],
        filled={"users": 7, "messages": 5, "feed": 8},
        in_database={"users": 7, "messages": 5},
        failures=[("notifications", ServiceError())],
        wrong_threads=[],
        loading=3,
        active_before=3,
        cancelled_after=3,
        scope_is_active=False,
        reader_lost=True,
    )
    return good._replace(**changed)


def test_the_demo_is_told_to_a_stream_of_any_kind() -> None:
    """A program that calls it may have put something else than a text file in the place of standard output."""
    code, out, err = processes.run("""
        import io
        from vmscope.__main__ import main
        terminal, sys.stdout = sys.stdout, io.StringIO()
        code = main(["demo"])
        terminal.write(sys.stdout.getvalue())
        sys.exit(code)
    """)

    assert (code, err) == (0, "")
    assert "hold. It took" in out


class Terminal:
    """As much of a stream as a palette looks at."""

    def __init__(self, is_terminal: bool) -> None:
        self._is_terminal = is_terminal

    def isatty(self) -> bool:
        return self._is_terminal


def test_alone_it_says_what_there_is() -> None:
    done = vmscope()

    assert (done.returncode, done.stderr) == (0, "")
    assert "vmscope demo" in done.stdout
    assert "docs/" in done.stdout


def test_an_unknown_command_is_named_with_those_there_are() -> None:
    done = vmscope("dmeo")

    assert done.returncode == 2
    assert "dmeo" in done.stderr
    assert "demo" in done.stderr
    assert not done.stdout


def test_the_demo_goes_as_told_and_says_nothing_on_stderr(demo: subprocess.CompletedProcess[str]) -> None:
    assert (demo.returncode, demo.stderr) == (0, "")
    assert "NO  " not in demo.stdout


def test_the_demo_into_a_pipe_has_no_colours(demo: subprocess.CompletedProcess[str]) -> None:
    assert "\x1b" not in demo.stdout


def test_the_timeline_stands_in_columns_and_in_order(demo: subprocess.CompletedProcess[str]) -> None:
    lines = demo.stdout.split("\n\n")[0].splitlines()
    header, events = lines[0], lines[1:]

    times = [float(line.split()[0]) for line in events]

    assert times == sorted(times)
    for word in ("thread", "coroutine", "event"):
        column = header.index(word)
        assert all(line[column - 1] == " " and line[column] != " " for line in events), word


def test_the_demo_prints_tree_table_and_checks(demo: subprocess.CompletedProcess[str]) -> None:
    for part in ("older posts", "Dispatchers.Main.immediate", "What had to happen", "hold. It took"):
        assert part in demo.stdout


def test_each_expectation_of_the_story_held(story: dict[str, Any]) -> None:
    assert [check for check in story["checks"] if not check["holds"]] == []
    assert story["ok"] is True
    assert len(story["checks"]) == 11


def test_the_one_failure_is_told_once(story: dict[str, Any]) -> None:
    told = [event for event in story["timeline"] if event["event"].startswith("handler: ")]

    assert [event["coroutine"] for event in told] == ["notifications"]
    assert "500" in told[0]["event"]


def test_the_tree_is_taken_while_the_slow_load_waits(story: dict[str, Any]) -> None:
    for name in ("older posts", "counter"):
        assert re.search(rf"{name}.*active", story["job_tree"]), story["job_tree"]


def test_the_json_table_has_six_figures_and_the_claims_beside_them(story: dict[str, Any]) -> None:
    for source in ("measured", "article"):
        for dispatcher in ("main", "immediate", "ratio"):
            figures = story["table"][source][dispatcher]
            assert list(figures) == ["mean", "p99", "total_of_1000"]
            assert all(value > 0 for value in figures.values())


def test_events_name_thread_and_coroutine(story: dict[str, Any]) -> None:
    shown = next(event for event in story["timeline"] if event["event"] == "the screen shows 7 users")

    assert (shown["thread"], shown["coroutine"]) == ("MainThread", "users")


@pytest.mark.parametrize(
    ("wrong", "claim"),
    [
        ({"begun_at_once": ["users"]}, "began at once"),
        ({"filled": {"users": 7, "feed": 8}}, "three filled in"),
        ({"filled": {"users": 7, "messages": 5, "feed": 8, "notifications": 1}}, "three filled in"),
        ({"failures": []}, "handler, once"),
        ({"failures": [("notifications", ServiceError()), ("notifications", ServiceError())]}, "handler, once"),
        ({"wrong_threads": ["worker"]}, "touched the screen"),
        ({"active_before": 2}, "was loading"),
        ({"loading": 0, "active_before": 0, "cancelled_after": 0}, "was loading"),
        ({"cancelled_after": 2}, "cancelled all"),
        ({"scope_is_active": True}, "cancelled all"),
        ({"reader_lost": False}, "connection close"),
    ],
)
def test_a_story_that_goes_wrong_fails_the_check_that_says_so(wrong: dict[str, Any], claim: str) -> None:
    checks = examine(evidence(**wrong), list(CLEAN_UPS))

    failed = [check.claim for check in checks if not check.holds]

    assert len(failed) == 1
    assert claim in failed[0]


def test_the_line_that_must_not_print_and_a_lost_clean_up_are_seen() -> None:
    assert all(check.holds for check in examine(evidence(), list(CLEAN_UPS)))

    checks = examine(evidence(), [*CLEAN_UPS[1:], NEVER_PRINTED])

    assert [check.claim for check in checks if not check.holds] == [
        "each cleaned up behind itself",
        "the line that must not print did not",
    ]


@pytest.mark.parametrize(
    ("is_terminal", "environment", "colourful"),
    [
        (True, {}, True),
        (False, {}, False),
        (True, {"NO_COLOR": "1"}, False),
        (True, {"NO_COLOR": ""}, True),
        (True, {"TERM": "dumb"}, False),
    ],
)
def test_colour_is_for_terminals_whose_user_wants_it(
    is_terminal: bool, environment: dict[str, str], colourful: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    stream: IO[str] = Terminal(is_terminal)  # type: ignore[assignment]

    painted = Palette.of(stream).paint("text", "good")

    assert painted == ("\x1b[32mtext\x1b[0m" if colourful else "text")


def test_a_story_that_did_not_go_as_told_says_how_much_of_it() -> None:
    figures = Figures(1.0, 2.0, 3.0)
    checks = [Check("it holds", True, "seen"), Check("it does not", False, "not seen")]
    story = Story([], "a tree", Table(figures, figures, figures), checks, 1.5)

    text = as_text(story, Palette(False))

    assert text.endswith("1 of 2 expectations failed.\n")
    assert "  NO  it does not" in text
    assert not story.as_told
    assert not as_json(story)["ok"]


# -- its parts, in this process


def open_dashboard(timeline: Timeline, service: Service) -> tuple[Screen, Dashboard]:
    screen = Screen(Repository(service.url, timeline), timeline)
    return screen, screen.open()


def test_older_posts_come_to_their_end_where_nobody_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_server, "PAUSE", 0.0)
    timeline = Timeline()

    async def play(service: Service) -> int:
        screen, dashboard = open_dashboard(timeline, service)
        await join_all(*dashboard.load())
        await dashboard.load_older().join()
        screen.leave()
        return len(dashboard.rows["feed"])

    with Service(timeline) as service:
        posts = run_main(play, service)

    assert posts == 8 + 400
    told = [event.text for event in timeline.events]
    assert all(text in told for text in (*CLEAN_UPS, NEVER_PRINTED))


def test_a_page_that_the_service_does_not_have_is_an_error_that_names_it() -> None:
    timeline = Timeline()

    with Service(timeline) as service, pytest.raises(ServiceError, match="/weather answered 404: no such page"):
        Repository(service.url, timeline).fetch("/weather")


def test_a_service_that_closes_ends_a_slow_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """It waits for no reader: the pause between two rows is the close."""
    monkeypatch.setattr(_server, "PAUSE", 60.0)
    timeline = Timeline()

    with Service(timeline) as service:
        answer = Repository(service.url, timeline)._opener.open(service.url + "/feed?count=8", timeout=10)

    with answer:
        assert answer.read() == b""
    assert timeline.events[-1].text == "GET /feed?count=8: 200, 0 rows, one by one"


def test_a_screen_notes_who_touches_it_from_another_thread() -> None:
    timeline = Timeline()
    with Service(timeline) as service:
        screen, _ = open_dashboard(timeline, service)
        screen.show("users", 1)
        thread = threading.Thread(target=screen.show, args=("users", 2), name="intruder")
        thread.start()
        thread.join()
        screen.leave()

    assert screen.wrong_threads == ["intruder"]
    assert screen.shown == {"users": 2}


@pytest.mark.skipif(os.name != "posix", reason="a pipe whose reader is gone")
def test_a_reader_who_has_seen_enough_gets_no_traceback() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "vmscope", "demo"], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stderr is not None
    process.stdout.readline()

    process.stdout.close()

    with process.stderr as errors:
        assert errors.read() == ""
    assert process.wait(30) == 0


@pytest.mark.skipif(os.name != "posix", reason="a signal to another process")
def test_control_c_in_the_middle_cleans_up_and_says_130() -> None:
    program = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # also under a shell's `&`
        "from vmscope.__main__ import main; sys.exit(main(['demo']))"
    )
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-X", "dev", "-c", program],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if "asks for older posts" in line:
            break

    process.send_signal(signal.SIGINT)
    rest, errors = process.communicate(timeout=30)

    assert (process.returncode, errors) == (130, "")
    assert "finally: the spinner is taken away" in rest
    assert "hold. It took" not in rest
