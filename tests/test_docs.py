"""The pages keep their word: their Python runs and prints what they say, links lead somewhere, no name is missing."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

import vmscope.flow
import vmscope.sync
import vmscope.testing

from .blocks import ROOT, blocks, blocks_of, pages, run

PAGES_WITH_CODE = [page for page in pages() if blocks(page, "python")]


@pytest.mark.parametrize("page", PAGES_WITH_CODE)
def test_the_python_on_the_page_runs_and_prints_what_the_page_says(page: str) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "tests.blocks", page],
        capture_output=True, text=True, timeout=60, cwd=ROOT, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""


@pytest.mark.parametrize("page", pages())
def test_the_links_of_the_page_lead_to_files_and_headings_that_are_there(page: str) -> None:
    text = re.sub(r"^```.*?^```$|`[^`\n]+`", "", (ROOT / page).read_text(encoding="utf-8"), flags=re.S | re.M)

    for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)", text):
        to = (ROOT / page).parent / target if target else ROOT / page
        assert to.exists(), f"{page} points to {target}, which is not there"
        if anchor:
            assert anchor in headings(to.read_text(encoding="utf-8")), f"{page} points to #{anchor} of {to.name}"


def headings(text: str) -> set[str]:
    """The anchors that a page offers: its headings in small letters, without signs, with hyphens for blanks."""
    found = re.findall(r"^#+ (.*)$", text, re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in found}


KOTLIN = (ROOT / "docs/kotlin.md").read_text(encoding="utf-8")


ON_THE_PAGE = [*vmscope.__all__, *vmscope.sync.__all__, *vmscope.flow.__all__, *vmscope.testing.__all__]


@pytest.mark.parametrize("name", ON_THE_PAGE)
def test_every_public_name_stands_on_the_page_for_those_who_know_kotlin(name: str) -> None:
    in_code = re.findall(r"`[^`\n]+`", KOTLIN)

    assert any(re.search(rf"(?<![\w.]){name}\b", code) for code in in_code), f"{name} is not in docs/kotlin.md"


def test_what_the_tables_say_to_write_is_in_the_public_face() -> None:
    face = (ROOT / "tests/face.txt").read_text(encoding="utf-8")
    attributes = {"immediate", "suppressed", "background_scope"}
    not_in_it = attributes | {"excepthook", "futures", "len", "Feed"}  # the rest is not ours
    ours = " ".join(row.split("|")[-2] for row in re.findall(r"^\|.*\|$", KOTLIN, re.M))

    for code in re.findall(r"`([^`]+)`", ours):
        for called, attribute, word in re.findall(r"([A-Za-z_]\w*)\(|\.([A-Za-z_]\w*)|\b([a-z]+_\w*)", code):
            name = called or attribute or word
            assert name in not_in_it or re.search(rf"\b{name}\b", face), f"`{code}`: there is no {name}"


def test_each_deviation_on_purpose_has_its_section_with_an_example_that_runs() -> None:
    sections = re.split(r"^### (\d+)\. ", KOTLIN, flags=re.M)
    numbers, texts = sections[1::2], sections[2::2]

    assert numbers == [str(number) for number in range(1, 13)]
    for number, text in zip(numbers, texts, strict=True):
        assert [block for block in blocks_of(text) if block.language == "python"], f"deviation {number}: no example"


# ---- what the check of a page itself is worth


def page_of(*fenced: tuple[str, str]) -> str:
    return "\n\n".join(f"```{fence}\n{code}\n```" for fence, code in fenced)


def test_blocks_of_a_page_share_their_names_unless_marked() -> None:
    assert run("page", page_of(("python", "x = 1"), ("python", "assert x == 1"))) == []
    assert "NameError" in run("page", page_of(("python", "x = 1"), ("python alone", "x")))[0]


@pytest.mark.parametrize(
    ("code", "promise", "kept"),
    [
        ("print(1)\nprint(2)", "1\n2", True),
        ("print(1)\nprint(2)", "1", False),
        ("print(1)", "1\n2", False),
        ("print(1)\nprint(2)", "2\n1", False),
    ],
)
def test_a_block_prints_what_is_promised_and_nothing_else(code: str, promise: str, kept: bool) -> None:
    assert (run("page", page_of(("python", code), ("text", promise))) == []) is kept


def test_a_comment_in_the_block_promises_a_line_too() -> None:
    assert run("page", page_of(("python", "print(1)  # prints: 1"))) == []
    assert run("page", page_of(("python", "print(1)")))


def test_a_block_that_raises_is_shown_with_its_line_on_the_page() -> None:
    [wrong] = run("page", "A line.\n\n" + page_of(("python", "x = 1\nx.y")))

    assert wrong.startswith("page:3: raised")
    assert 'File "page", line 5' in wrong
