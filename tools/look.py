"""Look at the built site as readers do: wide and narrow, in light and in dark.

    python tools/look.py                         every page, nothing saved
    python tools/look.py book/01_losses --out shots    and its pictures

Serves `_build/html` on this machine and opens the pages in a headless Chromium, which
must be installed. Reports errors on the console, requests that fail or leave this
machine, formulas that do not parse, and pages wider than the screen. Exit status 1 if
there are any.
"""

import argparse
import asyncio
import base64
import functools
import http.server
import json
import shutil
import subprocess
import tempfile
import threading
import time
from pathlib import Path

from tornado.websocket import websocket_connect

ROOT = Path(__file__).resolve().parent.parent
SITE = ROOT / "_build" / "html"
SIZES = {"desktop": (1280, 900, 1), "phone": (390, 844, 2)}
THEMES = ("light", "dark")
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic")
FLAGS += ("--no-first-run", "--disable-background-networking", "--disable-sync")
FLAGS += ("--disable-component-update", "--hide-scrollbars")
FLAGS += ("--remote-debugging-port=0", "--remote-allow-origins=*")
# Resolves when the formulas are set, to what a reader would see of the page.
STATE = """
(async () => {
  const still = document.createElement("style");
  still.textContent = "*, ::before, ::after { animation: none !important; "
    + "transition: none !important; }";
  document.head.append(still);
  if (window.MathJax?.startup?.promise) await window.MathJax.startup.promise;
  window.scrollTo(0, 0);
  document.querySelectorAll("img").forEach((image) => { image.loading = "eager"; });
  await new Promise((done) => setTimeout(done, 300));
  const wide = document.documentElement.scrollWidth - window.innerWidth;
  return {
    wide,
    culprits: wide <= 0 ? [] : [...document.querySelectorAll("main *")]
      .filter((e) => e.getBoundingClientRect().right > window.innerWidth + 1)
      .slice(0, 3).map((e) => e.tagName + "." + e.className),
    formulas: document.querySelectorAll("mjx-container").length,
    raw: document.querySelectorAll("mjx-merror").length,
    broken: [...document.images].filter((i) => i.complete && !i.naturalWidth).length,
    unnamed: [...document.images].filter((i) => !i.hasAttribute("alt")).length,
    height: document.documentElement.scrollHeight,
  };
})()
"""


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


class Browser:
    """Chromium, spoken to in its own protocol."""

    def __init__(self):
        self.folder = tempfile.mkdtemp()
        names = ("chromium", "chromium-browser", "google-chrome")
        program = next(filter(None, map(shutil.which, names)), None)
        if not program:
            raise SystemExit("Chromium is not installed.")
        command = [program, *FLAGS, f"--user-data-dir={self.folder}", "about:blank"]
        devnull = subprocess.DEVNULL
        self.process = subprocess.Popen(command, stdout=devnull, stderr=devnull)
        self.events, self.replies, self.last = [], {}, 0

    async def connect(self):
        import urllib.request

        port = Path(self.folder, "DevToolsActivePort")
        while not port.exists() or not port.read_text():
            time.sleep(0.05)
        address = f"http://127.0.0.1:{port.read_text().split()[0]}/json"
        with urllib.request.urlopen(address) as answer:
            pages = [page for page in json.load(answer) if page["type"] == "page"]
        url = pages[0]["webSocketDebuggerUrl"]
        self.socket = await websocket_connect(url, max_message_size=2**28)
        self.reader = asyncio.create_task(self.read())
        for domain in ("Page", "Runtime", "Network", "Log"):
            await self.send(f"{domain}.enable")

    async def read(self):
        while message := await self.socket.read_message():
            message = json.loads(message)
            if "id" in message:
                self.replies.pop(message["id"]).set_result(message)
            else:
                self.events.append(message)

    async def send(self, method, **params):
        self.last += 1
        reply = self.replies[self.last] = asyncio.get_running_loop().create_future()
        message = {"id": self.last, "method": method, "params": params}
        await self.socket.write_message(json.dumps(message))
        answer = await asyncio.wait_for(reply, 60)
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']['message']}")
        return answer["result"]

    async def visit(self, url, size, theme):
        """Open a page; return its state, and what the browser complained about."""
        width, height, scale = SIZES[size]
        look = {"width": width, "height": height, "deviceScaleFactor": scale}
        mobile = size == "phone"
        await self.send("Emulation.setDeviceMetricsOverride", **look, mobile=mobile)
        scheme = [{"name": "prefers-color-scheme", "value": theme}]
        await self.send("Emulation.setEmulatedMedia", features=scheme)
        self.events.clear()
        await self.send("Page.navigate", url=url)
        while not any(e["method"] == "Page.loadEventFired" for e in self.events):
            await asyncio.sleep(0.02)
        ask = {"expression": STATE, "awaitPromise": True, "returnByValue": True}
        state = (await self.send("Runtime.evaluate", **ask))["result"]["value"]
        return state, list(complaints(self.events, url)) + list(faults(state))

    async def picture(self, path, state, size, top=0, tall=4000):
        width, _, scale = SIZES[size]
        tall = min(tall, state["height"] - top)
        clip = {"x": 0, "y": top, "width": width, "height": tall, "scale": 1}
        shot = await self.send(
            "Page.captureScreenshot", clip=clip, captureBeyondViewport=True
        )
        path.write_bytes(base64.b64decode(shot["data"]))

    def close(self):
        self.process.terminate()
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def complaints(events, url):
    home = "/".join(url.split("/")[:3])
    for event in events:
        kind, what = event["method"], event["params"]
        if kind == "Runtime.exceptionThrown":
            yield f"error: {what['exceptionDetails'].get('exception', what)}"
        elif kind == "Runtime.consoleAPICalled" and what["type"] in (
            "error",
            "warning",
        ):
            yield f"console {what['type']}: {[a.get('value') for a in what['args']]}"
        elif kind == "Log.entryAdded" and what["entry"]["level"] in (
            "error",
            "warning",
        ):
            yield f"log: {what['entry']['text']} {what['entry'].get('url', '')}"
        elif kind == "Network.requestWillBeSent":
            asked = what["request"]["url"]
            if not asked.startswith((home, "data:", "blob:")):
                yield f"request to elsewhere: {asked}"
        elif kind == "Network.responseReceived" and what["response"]["status"] >= 400:
            yield f"request fails: {what['response']['url']}"


def faults(state):
    if state["wide"] > 0:
        yield f"{state['wide']} pixels wider than the screen: {state['culprits']}"
    for name in ("raw", "broken", "unnamed"):
        if state[name]:
            what = {"raw": "formulas", "broken": "pictures", "unnamed": "pictures"}
            how = {"raw": "do not parse", "broken": "missing", "unnamed": "without alt"}
            yield f"{state[name]} {what[name]} {how[name]}"


async def look(pages, out, site):
    handler = functools.partial(Quiet, directory=site)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    browser, found = Browser(), 0
    try:
        await browser.connect()
        for size in SIZES:
            for page in pages:
                for theme in THEMES:
                    url = f"http://127.0.0.1:{server.server_port}/{page}.html"
                    state, wrong = await browser.visit(url, size, theme)
                    found += len(wrong)
                    said = "; ".join(wrong) or f"{state['formulas']} formulas"
                    print(f"{page} {size} {theme}: {said}", flush=True)
                    if out:
                        name = f"{page.replace('/', '-')}-{size}-{theme}.png"
                        await browser.picture(out / name, state, size)
    finally:
        browser.close()
        server.shutdown()
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("pages", nargs="*", help="as in book/intro; by default, all")
    parser.add_argument("--out", type=Path, help="a folder for the pictures")
    parser.add_argument("--site", type=Path, default=SITE, help="the built site")
    arguments = parser.parse_args()
    every = sorted(arguments.site.glob("book/**/*.html"))
    pages = arguments.pages or [
        path.relative_to(arguments.site).with_suffix("").as_posix() for path in every
    ]
    if arguments.out:
        arguments.out.mkdir(parents=True, exist_ok=True)
    found = asyncio.run(look(pages, arguments.out, arguments.site))
    print(f"{len(pages)} pages: {found} faults.")
    raise SystemExit(found > 0)


if __name__ == "__main__":
    main()
