"""Output for people and programs: nothing of others' text steers a terminal."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from rich.panel import Panel
from rich.text import Text

from folkmoot.agent.console import Output, printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Grace", "Grace"),
        ("Zoë 李 👩\u200d💻", "Zoë 李 👩\u200d💻"),
        ("\x1b[31mred", "�[31mred"),
        ("right\u202eto left", "right�to left"),
        ("two\nlines\tand", "two lines and"),
        ("\x9b2J\x00\x7f\ufeff", "�2J���"),
        ("half \ud800 pair", "half � pair"),
    ],
)
def test_what_others_wrote_is_shown_harmlessly(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_long_text_is_cut() -> None:
    assert printable("x" * 5000, 10) == "x" * 10 + "…"


def test_json_is_one_line_whatever_is_in_it(capsys: pytest.CaptureFixture[str]) -> None:
    output = Output(as_json=True)
    text = "a\n\u2028b [bold]c[/bold] :smile: \ud800 " + "long " * 200
    output.event({"event": "chat", "at": "never", "text": text})
    output.say("words for people")
    captured = capsys.readouterr()
    assert len(captured.out.splitlines()) == 1
    event = json.loads(captured.out)
    assert event["text"] == text
    assert isinstance(event["at"], float)
    assert captured.err == "words for people\n"


def test_markup_is_not_carried_out(capsys: pytest.CaptureFixture[str]) -> None:
    Output().say("[bold]x[/bold] [link=file:///etc/passwd]y[/link]")
    assert capsys.readouterr().out == "[bold]x[/bold] [link=file:///etc/passwd]y[/link]\n"


def test_nobody_reading_ends_the_words_and_not_the_program() -> None:
    program = (
        "from folkmoot.agent.console import Output\n"
        "import sys\n"
        "for output in (Output(), Output(as_json=True)):\n"
        "    for _ in range(20000):\n"
        "        output.say('words'), output.event({'event': 'chat'})\n"
        "print('still here', file=sys.stderr)\n"
    )
    command = [sys.executable, "-W", "error", "-c", program]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read().splitlines()[-1] == "still here"
    assert process.returncode == 0


def test_an_invite_is_never_cut_or_broken(capsys: pytest.CaptureFixture[str]) -> None:
    word = "folkmoot:" + "A" * 500
    Output().say(Text(f"\n{word}\n"))
    Output().say(Panel(Text("words and more words " * 20)))
    out = capsys.readouterr().out
    assert word in out.splitlines()
    assert out.count("words and") == 20  # a panel is wrapped, not cut off
