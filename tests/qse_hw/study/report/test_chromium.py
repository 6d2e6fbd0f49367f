"""The page in a browser that can reach nothing: no errors, no requests, no sideways scrolling, on all screens."""

import json

import pytest

from tests.qse_hw.study.report.chromium import PROGRAM, tab


@pytest.mark.skipif(PROGRAM is None, reason="Chromium is not installed")
def test_in_chromium(report, activations, out, tmp_path, hostile):
    words = ("decoder", "--format", hostile, "--on", "ecp5", "ice40:up5k", "--activations", activations)
    assert report(*words, "-o", out / "page") == 0
    place = (out / "page" / "index.html").as_uri()
    with tab(tmp_path / "profile") as browser:
        for width, dark in ((380, False), (380, True), (1200, False)):
            browser.open(place, width=width, dark=dark)
            assert browser.value("document.documentElement.scrollWidth") == width
            assert browser.value("document.documentElement.clientWidth") == width
            sizes = json.loads(browser.value(SIZES))
            assert len(sizes) >= 6
            assert all(w > 100 and h > 50 for w, h in sizes)
            colors = browser.value("getComputedStyle(document.documentElement).backgroundColor")
            assert (sum(map(int, colors[4:-1].split(","))) < 382) == dark
            assert [one["request"]["url"] for one in browser.told("Network.requestWillBeSent")] == [place]
            assert browser.told("Log.entryAdded") == []
            assert browser.told("Runtime.exceptionThrown") == []
            assert browser.told("Runtime.consoleAPICalled") == []
        assert browser.value("getComputedStyle(document.querySelector('th')).textAlign") == "left"  # the style is there
        assert browser.value("document.querySelectorAll('script, img').length") == 0
        browser.call("Emulation.setEmulatedMedia", media="print")
        assert browser.value("getComputedStyle(document.querySelector('nav')).display") == "none"


@pytest.mark.skipif(PROGRAM is None, reason="Chromium is not installed")
def test_what_is_wrong_is_noticed(tmp_path):
    page = tmp_path / "page.html"
    page.write_text(
        '<!DOCTYPE html><html><img src="http://example.org/x.png"><div style="width:999px">x</div>'
        "<script>x.y()</script>"
    )
    with tab(tmp_path / "profile") as browser:
        browser.open(page.as_uri(), width=380)
        assert browser.value("document.documentElement.scrollWidth") == 999 + 8
        assert "http://example.org/x.png" in [
            one["request"]["url"] for one in browser.told("Network.requestWillBeSent")
        ]
        assert browser.told("Log.entryAdded")
        assert browser.told("Runtime.exceptionThrown")


SIZES = """JSON.stringify(Array.from(document.querySelectorAll("svg"), one => {
    const box = one.getBoundingClientRect(); return [box.width, box.height]; }))"""
