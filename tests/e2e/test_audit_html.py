"""The HTML report in a real browser: Debian's Chromium, driven by Playwright."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from fleetgate_clients.output.audit import Format, Look, write
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.support import audit_runs as runs

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

REPORT = runs.report(before=1, errors=tuple(runs.unanswered("stage", "default", "deep")))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = shutil.which("chromium")
    assert path, "chromium is missing: tests/e2e/install.sh installs it"
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("html") / "report.html"
    path.write_text("".join(write(REPORT, Format.HTML, Look())))
    return path


@pytest.fixture
def page(browser: Browser, file: Path) -> Iterator[Page]:
    """The report, opened; afterwards nothing was complained of and nothing was fetched."""
    context = browser.new_context(offline=True)
    opened = context.new_page()
    complaints: list[str] = []
    fetched: list[str] = []
    opened.on("console", lambda message: complaints.append(message.text))
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("request", lambda request: fetched.append(request.url))
    opened.goto(file.as_uri())
    yield opened
    assert complaints == []
    assert [url for url in fetched if not url.startswith("data:")] == [file.as_uri()]
    context.close()


def shown(page: Page, column: int) -> list[str]:
    """The visible texts of a column of the violations."""
    rows = page.locator("#violations tbody tr:visible")
    return [row.locator("td").nth(column).inner_text() for row in rows.all()]


def test_a_click_sorts_and_another_reverses(page: Page) -> None:
    heading = page.locator("#violations th", has_text="Constraint")
    heading.get_by_role("button").click()
    assert shown(page, 3) == sorted(shown(page, 3))
    expect(heading).to_have_attribute("aria-sort", "ascending")
    heading.get_by_role("button").click()
    assert shown(page, 3) == sorted(shown(page, 3), reverse=True)
    expect(heading).to_have_attribute("aria-sort", "descending")


def test_actions_sort_worst_first(page: Page) -> None:
    page.locator("#violations th", has_text="Action").get_by_role("button").click()
    actions = [action.split(",")[-1] for action in shown(page, 2)]
    assert actions == ["deny", "deny", "deny", "warn", "warn", "dryrun"]


def test_the_filter_narrows_and_says_how_far(page: Page) -> None:
    page.get_by_label("Contains").fill("team-a nginx")
    assert len(shown(page, 0)) == 1
    expect(page.get_by_role("status")).to_have_text("1 of 6 violations")
    page.get_by_role("button", name="Show all").click()
    expect(page.get_by_role("status")).to_have_text("6 of 6 violations")
    page.get_by_label("Cluster", exact=True).select_option("stage")
    assert shown(page, 0) == ["stage", "stage"]
    page.get_by_label("Action", exact=True).select_option("warn")
    assert len(shown(page, 0)) == 1


def test_a_cell_of_the_map_shows_its_violations(page: Page) -> None:
    page.get_by_role("link", name="1 violation of RequiredLimits/memory in prod-eu1").click()
    assert shown(page, 3) == ["RequiredLimits/memory"]
    expect(page.get_by_role("status")).to_have_text("1 of 6 violations of RequiredLimits/memory")


def test_everything_can_be_done_with_the_keyboard(page: Page) -> None:
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the violations")).to_be_focused()
    page.keyboard.press("/")
    expect(page.get_by_label("Contains")).to_be_focused()
    page.keyboard.type("batch")
    assert len(shown(page, 0)) == 1
    button = page.locator("#violations th", has_text="Object").get_by_role("button")
    for _ in range(10):
        if button.evaluate("element => element === document.activeElement"):
            break
        page.keyboard.press("Tab")
    expect(button).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#violations th", has_text="Object")).to_have_attribute("aria-sort", "ascending")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_in_light_and_dark(page: Page, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)
    contrasts = page.evaluate(CONTRASTS)
    assert contrasts
    assert min(contrasts.values()) >= 4.5, contrasts
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    brightness = sum(map(int, re.findall(r"\d+", background)[:3]))
    assert (brightness < 200) == (scheme == "dark")


def test_it_prints_without_what_is_for_the_screen(page: Page, tmp_path: Path) -> None:
    page.emulate_media(media="print")
    expect(page.locator("form.filters")).to_be_hidden()
    assert len(shown(page, 0)) == 6
    assert page.pdf(path=tmp_path / "report.pdf")[:5] == b"%PDF-"


def test_it_can_be_read_without_javascript(browser: Browser, file: Path) -> None:
    context = browser.new_context(java_script_enabled=False, offline=True)
    page = context.new_page()
    page.goto(file.as_uri())
    expect(page.locator("#violations tbody tr:visible")).to_have_count(6)
    expect(page.locator("form.filters")).to_be_hidden()
    expect(page.get_by_role("link", name="1 violation of RequiredLimits/memory in prod-eu1")).to_be_visible()
    context.close()


def test_hostile_text_stays_text(page: Page) -> None:
    assert page.locator("td b").count() == 0
    expect(page.locator("#violations td.message", has_text="<b>\\x1b[31mred")).to_have_count(1)


def test_a_narrow_screen_scrolls_tables_and_not_the_page(page: Page) -> None:
    page.set_viewport_size({"width": 400, "height": 700})
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


CONTRASTS = """() => {
  const channels = (text) => text.match(/[0-9.]+/g).map(Number);
  const luminance = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((v) => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const color = channels(getComputedStyle(at).backgroundColor);
      if (color.length < 4 || color[3] > 0) return color;
    }
    return [255, 255, 255];
  };
  const found = {};
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!own || !element.offsetParent || element.closest("script, .skip, option, select")) continue;
    const [one, two] = [luminance(channels(getComputedStyle(element).color)), luminance(behind(element))];
    const contrast = (Math.max(one, two) + 0.05) / (Math.min(one, two) + 0.05);
    const name = element.tagName + "." + element.className + ":" + element.textContent.trim().slice(0, 20);
    found[name] = Math.min(found[name] ?? 99, contrast);
  }
  return found;
}"""
"""The least contrast (WCAG 2.2) between a text and what is behind it, by element."""
