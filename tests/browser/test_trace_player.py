"""The trace player shows what its file says, turn by turn, and can be used without mouse, eyes or a wide window."""

from __future__ import annotations

import copy
import functools
import json
import subprocess
import sys
from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe

from rlkit.agents.data_agent import DataAgent
from rlkit.agents.recipes import load_base
from rlkit.agents.rollouts import rollout
from rlkit.agents.ticket_queue import TicketQueue
from rlkit.agents.traces import figures_of_turns, trace
from rlkit.lm.checkpoints import tiny_llama, word_tokenizer
from rlkit.seeding import make_generator
from tests.browser.conftest import ROOT, served
from tests.browser.test_pages import AXE
from tests.browser.test_widgets import CONFIGURATION, status, widget

pytestmark = pytest.mark.browser

STATIC = ROOT / "book" / "_static"
COMMITTED = sorted((ROOT / "book" / "agents").glob("*-traces.json"))
MOST_BYTES = 15_000


@pytest.fixture(scope="module")
def page(browser) -> Iterator:
    """A page as wide as a desk's screen."""
    context = browser.new_context(viewport={"width": 1000, "height": 900}, reduced_motion="reduce")
    page = context.new_page()
    page.set_default_timeout(5_000)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    context.close()
    assert not errors, errors


@pytest.fixture(scope="module")
def episodes() -> list:
    """Two episodes of the shipped base, the longest of some, and one of them unsafe."""
    model, tokenizer = load_base("data_agent", "cpu")
    seeds = range(900_000_000, 900_000_060)
    played = rollout(model, tokenizer, [DataAgent() for _ in seeds], seeds, 6, make_generator(0, "sampling"))
    longest = sorted(played, key=lambda one: len(one.actions))
    return [longest[-1], [one for one in longest if one.info["unsafe"]][-1]]


@pytest.fixture(scope="module")
def record(episodes) -> dict:
    """What a file for these episodes holds."""
    _, tokenizer = load_base("data_agent", "cpu")
    labels = ("before training", "after training")
    traces = [
        trace(one, tokenizer, label, figures_of_turns(one, DataAgent()))
        for one, label in zip(episodes, labels, strict=True)
    ]
    return {"title": "A pair", "chosen": {"rule": "the longest", "seed": episodes[0].seed}, "traces": traces}


def player(page, record: dict, attributes: str = ""):
    """Put a player into the page."""
    data = json.dumps(record).replace("<", "\\u003c")
    html = f'<trace-player {attributes}><script type="application/json">{data}</script><p>x</p></trace-player>'
    return widget(page, html)


def press(element, name: str) -> None:
    # Buttons at an end are marked as disabled, and can be pressed all the same: they keep the focus.
    element.get_by_role("button", name=name, exact=True).click(force=True)


def in_words(number: float) -> str:
    return f"{0 if abs(number) < 0.005 else number:.2f}".replace("-", "−")


def written(text: str) -> str:
    return text or "∅"


def section_of(element, one: dict):
    return element.locator(f"section:has(h3:text-is('{one['label']}'))")


# What is shown ---------------------------------------------------------------------------------------------------


def test_every_turn_shows_what_the_file_says_and_totals_are_sums(page, record) -> None:
    element = player(page, record)
    for one in record["traces"]:
        press(element, one["label"])
        press(element, "to the start")
        section = section_of(element, one)
        assert section.is_visible() and element.locator("section:visible").count() == 1
        for number in range(1, len(one["turns"]) + 1):
            press(element, "one turn on")
            turn, row = one["turns"][number - 1], section.locator("li.now")
            answer = one["turns"][number]["read"] if number < len(one["turns"]) else one["final"]
            assert row.locator(".wrote code").inner_text() == written(turn["wrote"])
            assert row.locator(".read code, .final code").inner_text() == written(answer)
            assert row.locator(".gain").inner_text().removeprefix("+") == in_words(turn["reward"])
            assert row.locator(".unsafe").count() == turn["unsafe"]
            done = one["turns"][:number]
            reward, cost, seconds = (sum(each[name] for each in done) for name in ("reward", "cost", "seconds"))
            assert section.locator(".totals b").all_inner_texts() == [
                in_words(reward), in_words(cost), f"{seconds:.1f} s"
            ]  # fmt: skip
            assert section.locator("li.future").count() == len(one["turns"]) - number
        assert in_words(one["reward"]) == in_words(reward) and in_words(one["cost"]) == in_words(cost)
    assert any(turn["unsafe"] for one in record["traces"] for turn in one["turns"])


def test_what_is_to_come_is_not_shown_before_its_turn(page, record) -> None:
    element = player(page, record)
    one = record["traces"][0]
    press(element, one["label"])
    texts = section_of(element, one).locator(".text code:visible")
    first, second = one["turns"][:2]
    assert texts.all_inner_texts() == [first["read"]]
    press(element, "one turn on")
    assert texts.all_inner_texts() == [first["read"], first["wrote"], second["read"]]


def test_the_shaded_tokens_are_those_of_the_mask(page, record, episodes) -> None:
    element = player(page, record, "tokens")
    for one, episode in zip(record["traces"], episodes, strict=True):
        press(element, one["label"])
        section = section_of(element, one)
        writers = [writer for context in episode.contexts for writer in context.turns]
        assert section.locator(".policy").count() == sum(writer >= 0 for writer in writers)
        assert section.locator(".environment").count() == sum(writer < 0 for writer in writers)
        kinds = section.locator(".tokens span").evaluate_all("all => all.map(each => each.className === 'policy')")
        assert kinds == [writer >= 0 for writer in writers]
        _, tokenizer = load_base("data_agent", "cpu")
        ids = [token for context in episode.contexts for token in context.ids]
        assert section.locator(".tokens b").all_text_contents() == [tokenizer.decode([token]) for token in ids]
        shown = section.locator(".policy small").all_text_contents()
        given = [each for turn in one["turns"] for each in turn["probabilities"]]
        for text, probability in zip(shown, given, strict=True):
            assert (text == "<0.01" and 0 < probability < 0.005) or float(text) == pytest.approx(
                probability, abs=0.0051
            )
    page.get_by_label("show tokens").uncheck()
    assert element.locator(".tokens").count() == 0


def test_fresh_contexts_are_shown_as_such(page) -> None:
    tokenizer = word_tokenizer(TicketQueue.WORDS)
    model = tiny_llama(tokenizer, context_length=512, seed=1).eval()
    (episode,) = rollout(model, tokenizer, [TicketQueue(5)], [0], 6, make_generator(1, "sampling"))
    one = trace(episode, tokenizer, "untrained")
    element = player(page, {"traces": [one]})
    assert element.locator(".choice").count() == 0
    press(element, "to the end")
    fresh = element.locator("li.fresh")
    assert fresh.count() == 4
    assert fresh.locator("code").all_inner_texts() == [turn["read"] for turn in one["turns"][1:]]
    assert element.locator(".totals").inner_text().split() == [  # without figures of turns only the totals are known
        "so", "far:", "reward", in_words(one["reward"]), "cost", in_words(one["cost"]), "time",
        f"{one['latency']:.1f}", "s",
    ]  # fmt: skip
    press(element, "one turn back")
    assert "cost" not in element.locator(".totals").inner_text() and "cost" not in status(element)
    press(element, "one turn back")
    said = f"and a fresh context began, in which it read: {one['turns'][3]['read']}. Reward"
    assert said in status(element)
    page.get_by_label("show tokens").check()
    assert element.locator(".policy:visible").count() == sum(len(turn["wrote_tokens"]) for turn in one["turns"][:3]) + 1


def test_texts_of_an_agent_are_shown_and_not_carried_out(page, record) -> None:
    spoiled = copy.deepcopy(record)
    text = '<img src=x onerror=alert(1)> </script> & "quoted"\nnext'
    spoiled["traces"][0]["turns"][0]["wrote"] = spoiled["traces"][0]["turns"][1]["read"] = text
    spoiled["traces"][0]["turns"][0]["wrote_tokens"][0] = " <b>\n"
    element = player(page, spoiled)
    press(element, "one turn on")
    assert element.locator("li.now code").first.inner_text() == text
    page.get_by_label("show tokens").check()
    assert element.locator("li.now .tokens b").first.inner_text() == "␣<b>⏎"
    assert element.locator("img").count() == 0


# How it is used ---------------------------------------------------------------------------------------------------


def test_arrow_keys_step_and_the_sentence_says_what_happened(page, record) -> None:
    element = player(page, record)
    one = record["traces"][0]
    press(element, one["label"])
    status_line = element.locator("[role=status]")
    assert status_line.get_attribute("aria-live") == "polite"
    count = len(one["turns"])
    assert status(element) == f"Before turn 1 of {count}. The agent read: {one['turns'][0]['read']}."
    section_of(element, one).locator(".episode").focus()
    total = cost = 0.0
    for number, turn in enumerate(one["turns"][:-1], start=1):
        page.keyboard.press("ArrowRight")
        total, cost = total + turn["reward"], cost + turn["cost"]
        unsafe = " This was unsafe." if turn["unsafe"] else ""
        wrote, read = turn["wrote"] or "nothing", one["turns"][number]["read"]
        assert status(element) == (
            f"Turn {number} of {count}. The agent wrote {wrote} and read: {read}.{unsafe} "
            f"Reward {in_words(turn['reward'])}, total {in_words(total)}, cost {in_words(cost)}."
        )
    page.keyboard.press("ArrowLeft")
    assert status(element).startswith(f"Turn {count - 2} of")
    page.keyboard.press("Control+ArrowRight")
    assert status(element).startswith(f"Turn {count - 2} of")
    page.keyboard.press("End")
    outcome = "success" if one["success"] == 1 else "no success"
    assert f"and the environment answered: {one['final']}." in status(element)
    assert status(element).endswith(f"The episode has ended: {outcome}.")
    page.keyboard.press("ArrowRight")
    assert status(element).startswith(f"Turn {count} of {count}.")
    page.keyboard.press("Home")
    assert status(element).startswith("Before turn 1")
    element.get_by_role("button", name="one turn on").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("ArrowRight")  # a button that has the focus lets the arrows through
    assert element.evaluate("e => e.turn") == 2


def test_a_number_leads_to_its_turn_and_buttons_stop_at_both_ends(page, record) -> None:
    element = player(page, record)
    press(element, record["traces"][1]["label"])
    back, on = (element.get_by_role("button", name=name) for name in ("one turn back", "one turn on"))
    assert (back.get_attribute("aria-disabled"), on.get_attribute("aria-disabled")) == ("true", "false")
    back.click(force=True)
    assert element.evaluate("e => e.turn") == 0
    element.get_by_role("button", name="turn 3", exact=True).click()
    assert element.locator("section:visible [aria-current=step]").inner_text() == "3"
    press(element, "to the end")
    assert on.get_attribute("aria-disabled") == "true"
    on.click(force=True)
    assert element.evaluate("e => e.turn") == len(record["traces"][1]["turns"])
    element.get_by_role("button", name="the task").click()
    assert element.evaluate("e => e.turn") == 0


def test_side_by_side_both_step_and_the_shorter_waits_at_its_end(page, record) -> None:
    pair = copy.deepcopy(record)
    pair["traces"][1]["turns"] = pair["traces"][1]["turns"][:2]
    element = player(page, pair)
    assert element.locator("section:visible").count() == 2  # there is room, so it begins so
    lefts = element.locator("section").evaluate_all("all => all.map(each => each.getBoundingClientRect().left)")
    assert lefts[1] > lefts[0] + 200
    press(element, "one turn on")
    first, second = status(element).split("\n")
    assert first.startswith("Before training: Turn 1 of") and second.startswith("After training: Turn 1 of 2.")
    press(element, "to the end")
    assert status(element).split("\n")[1] == "After training: ended after turn 2."
    assert element.locator("section").nth(1).locator("li.future").count() == 0
    press(element, "after training")
    assert element.evaluate("e => e.turn") == 2


def test_nothing_moves_before_it_is_asked_and_it_stops_at_the_end(page, record) -> None:
    page.clock.install()
    element = player(page, {"traces": record["traces"][:1]})
    count = len(record["traces"][0]["turns"])
    page.clock.run_for(10_000)
    assert element.evaluate("e => e.turn") == 0
    press(element, "Play")
    page.clock.run_for(1_900)
    press(element, "Pause")
    page.clock.run_for(10_000)
    assert element.evaluate("e => e.turn") == 1
    press(element, "Play")
    page.clock.run_for(1_900 * count)
    assert element.evaluate("e => e.turn") == count
    assert element.get_by_role("button", name="Play").count() == 1  # it stopped by itself
    press(element, "Play")
    assert element.evaluate("e => e.turn") == 0  # and begins again
    page.keyboard.press("ArrowRight")
    assert element.get_by_role("button", name="Play").count() == 1  # a step by hand ends it


@pytest.mark.parametrize("motion", ["reduce", "no-preference"])
def test_only_a_reader_who_does_not_mind_motion_gets_any(browser, record, motion: str) -> None:
    context = browser.new_context(reduced_motion=motion)
    element = player(context.new_page(), record)
    style = "e => [getComputedStyle(e).scrollBehavior, getComputedStyle(e.querySelector('li')).transitionDuration]"
    moves = element.locator(".episode").first.evaluate(style)
    assert moves == (["auto", "0s"] if motion == "reduce" else ["smooth", "0.25s"])
    context.close()


def test_a_long_episode_scrolls_in_its_own_box_and_the_page_stays(page, record) -> None:
    long = copy.deepcopy(record)
    long["traces"] = [{**long["traces"][0], "turns": long["traces"][0]["turns"] * 5}]
    element = player(page, long)
    box = element.locator(".episode")
    assert box.evaluate("e => e.scrollHeight > e.clientHeight")
    for _ in range(len(long["traces"][0]["turns"])):
        press(element, "one turn on")
        inside = """e => { const box = e.getBoundingClientRect(), row = e.querySelector('.now').getBoundingClientRect();
            return row.top >= box.top - 1 && row.bottom <= box.bottom + 1; }"""
        assert box.evaluate(inside)
        assert page.evaluate("scrollY") == 0


# In a page of the book --------------------------------------------------------------------------------------------

PAGE = "# A page\n\n## With a player\n\n```{trace-player}\n:file: pair.json\n\nWith JavaScript, *this* plays.\n```\n"


def build(folder, record: object) -> subprocess.CompletedProcess:
    """Build a book of a page with a player and a page without; warnings are errors."""
    scripts = [path.name for path in sorted(STATIC.glob("*.js"))]
    settings = {"extensions": str(ROOT / "book" / "_ext"), "static": str(STATIC), "scripts": scripts}
    configuration = CONFIGURATION.format(**settings).replace('"widgets"', '"widgets", "trace_player"')
    (folder / "conf.py").write_text(configuration, encoding="utf-8")
    if record is not None:
        (folder / "pair.json").write_text(json.dumps(record), encoding="utf-8")
    (folder / "with.md").write_text(PAGE, encoding="utf-8")
    (folder / "index.md").write_text("# Index\n\n## Contents\n\n```{toctree}\nwith\n```\n", encoding="utf-8")
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "-n", str(folder), str(folder / "site")]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def small_book(tmp_path_factory, record) -> Iterator[str]:
    """The two pages, built and served."""
    folder = tmp_path_factory.mktemp("book")
    site = build(folder, record)
    assert site.returncode == 0, site.stderr
    with served(folder / "site") as address:
        yield address


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_in_a_page_it_is_accessible_and_fits_a_phone(browser, small_book, scheme: str) -> None:
    context = browser.new_context(viewport={"width": 1440, "height": 900}, color_scheme=scheme, reduced_motion="reduce")
    page, errors = context.new_page(), []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(f"{small_book}/with.html", wait_until="networkidle")
    for width in (1440, 768, 390):
        page.set_viewport_size({"width": width, "height": 900})
        for tokens in (True, False):
            page.get_by_label("show tokens").set_checked(tokens)
            for place in ("to the start", "one turn on", "to the end"):
                press(page.locator("trace-player"), place)
                assert page.evaluate("() => document.documentElement.scrollWidth") <= width
                wider = page.locator("trace-player").evaluate(
                    "e => [...e.shadowRoot.querySelectorAll('section, button, p, li, code, .tokens span')]"
                    ".filter(n => n.getBoundingClientRect().right > e.getBoundingClientRect().right)"
                    ".map(n => n.outerHTML)"
                )
                assert not wider, (width, wider)
                if width != 768:
                    violations = Axe().run(page, context="trace-player", options=AXE[scheme]).response["violations"]
                    assert not violations, [(rule["id"], rule["nodes"][0]["html"][:200]) for rule in violations]
    assert not errors, errors
    context.close()


def test_a_phone_begins_with_one_episode_and_a_page_without_a_player_loads_no_script(browser, small_book) -> None:
    page = browser.new_page(viewport={"width": 390, "height": 844})
    page.goto(f"{small_book}/with.html")
    assert page.locator("trace-player section:visible").count() == 1
    press(page.locator("trace-player"), "side by side")
    assert page.locator("trace-player section:visible").count() == 2  # one below the other
    page.goto(f"{small_book}/index.html")
    loaded = page.eval_on_selector_all("script[src]", "nodes => nodes.map(node => node.src)")
    assert loaded and not any("trace-player" in script for script in loaded)
    page.close()


def test_without_javascript_the_fallback_is_read(browser, small_book) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{small_book}/with.html")
    assert page.locator("trace-player").inner_text().strip() == "With JavaScript, this plays."
    context.close()


# What is wrong in a file is said by name ---------------------------------------------------------------------------


def changed(record: dict, path: tuple, value: object) -> dict:
    """Return a copy with one place replaced, or taken out where the value is Ellipsis."""
    copied = copy.deepcopy(record)
    *way, last = path
    place = functools.reduce(lambda part, key: part[key], way, copied)
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return copied


FIRST = ("traces", 0, "turns", 0)
WRONG = {
    "the file has no traces": (("traces",), ...),
    "the file has trace, expected": (("trace",), []),
    "there are 0 traces": (("traces",), []),
    "title is 3, expected a text": (("title",), 3),
    "chosen has no seed": (("chosen", "seed"), ...),
    "trace 2 is a str, expected an object": (("traces", 1), "x"),
    "trace 1 has no label": (("traces", 0, "label"), " "),
    "the labels are before training, before training": (("traces", 1, "label"), "before training"),
    "trace 1 has no turn": (("traces", 0, "turns"), []),
    "terminated of trace 1 is 1, expected true or false": (("traces", 0, "terminated"), 1),
    "success of trace 'before training' is 'yes', expected a finite number": (("traces", 0, "success"), "yes"),
    "turn 1 of trace 'before training' is a int": (FIRST, 3),
    "turn 1 of trace 'before training' has no read": ((*FIRST, "read"), ...),
    "reward of turn 1 of trace 'before training' is nan": ((*FIRST, "reward"), float("nan")),
    "turn 1 of trace 'before training' has no cost": ((*FIRST, "cost"), ...),
    "turn 1 of trace 'before training' has no probabilities": ((*FIRST, "probabilities"), ...),
    "unsafe of turn 1 of trace 'before training' is 0": ((*FIRST, "unsafe"), 0),
    "context of turn 1 of trace 'before training' is 1 after 0": ((*FIRST, "context"), 1),
    "probabilities of turn 1 of trace 'before training' are not all from 0 to 1": ((*FIRST, "probabilities", 0), 1.2),
    "read_tokens of turn 1 of trace 'before training' are not all texts": ((*FIRST, "read_tokens", 0), 4),
    "1 probabilities": ((*FIRST, "probabilities"), [0.5]),
    "reward of the turns of trace 'before training' sums to": (("traces", 0, "reward"), 5.0),
    "seconds of the turns of trace 'before training' sums to": (("traces", 0, "latency"), 0.5),
}


@pytest.mark.parametrize("complaint", WRONG)
def test_a_wrong_file_is_refused_by_the_name_of_what_is_wrong(record, complaint: str) -> None:
    from trace_player import what_is_wrong

    assert complaint in what_is_wrong(changed(record, *WRONG[complaint]))
    assert what_is_wrong(record) == ""


def test_the_build_fails_with_the_name_of_the_file_and_of_what_is_wrong(tmp_path, record) -> None:
    site = build(tmp_path, changed(record, (*FIRST, "wrote"), ...))
    assert site.returncode != 0
    assert "trace-player: pair.json: turn 1 of trace 'before training' has no wrote" in site.stderr


def test_a_missing_file_is_named(tmp_path) -> None:
    site = build(tmp_path, None)
    assert site.returncode != 0 and "trace-player: cannot read :file: pair.json: No such file" in site.stderr


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: path.stem)
def test_the_pairs_of_the_book_are_right_small_and_say_how_they_were_chosen(path) -> None:
    from trace_player import what_is_wrong

    assert path.stat().st_size <= MOST_BYTES
    pair = json.loads(path.read_text(encoding="utf-8"))
    assert what_is_wrong(pair) == ""
    before, after = pair["traces"]
    assert before["seed"] == after["seed"] == pair["chosen"]["seed"]
    assert before["turns"][0]["read"] == after["turns"][0]["read"]  # the same task
    assert before["success"] < 1 or before["unsafe"] == 1
    assert after["success"] == 1 and after["unsafe"] == 0


def test_the_script_is_small_and_waits_for_no_framework() -> None:
    text = (STATIC / "trace-player.js").read_text(encoding="utf-8")
    assert len(text.encode()) <= 15_000
    assert "import" not in text.split("*/", 1)[1] and "http" not in text
