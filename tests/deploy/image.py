"""The Dockerfile's steps in a clean environment, without Docker: `python tests/deploy/image.py`. Needs root.

Runs each RUN step as it is written, in a mount namespace of its own where /opt and /src are empty and /etc is a copy,
with an empty environment but for what ENV sets and what tells pip where packages are. COPY brings what git has and
.dockerignore lets through. Then the installed program must say its version, take the image's command, and HEALTHCHECK
must tell a living worker from others. What is not tried: the base images, layers, labels, the user's rights.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
PIP = ("PIP_INDEX_URL", "PIP_CONFIG_FILE", "PIP_CERT", "SSL_CERT_FILE", "HTTPS_PROXY", "HOME")
LIVE = """
import http.server, threading
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/live" and LIVE else 503); self.end_headers()
    def log_message(self, *args): ...
def serve(live):
    global LIVE
    LIVE = live
    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_port
import os, subprocess, sys
check = CHECK
def code(port):
    return subprocess.run(check, env={**os.environ, "STREAMPROC_PORT": str(port)}, stderr=subprocess.DEVNULL).returncode
assert code(serve(True)) == 0, "a living worker is told to be dead"
assert code(serve(False)) != 0, "a dead worker is told to live"
assert code(1) != 0, "no worker is told to live"
"""


class Step(NamedTuple):
    """One instruction of the Dockerfile."""

    word: str
    rest: str


def steps() -> Iterator[Step]:
    text = re.sub(r"^\s*#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    for line in re.sub(r"\\\n", " ", text).splitlines():
        if line.strip():
            word, _, rest = line.strip().partition(" ")
            yield Step(word, rest.strip())


def command(word: str) -> list[str]:
    """The words of an instruction in JSON form, such as ENTRYPOINT."""
    (found,) = [step.rest for step in steps() if step.word == word]
    return list(json.loads(found[found.index("[") :]))


def let_through() -> list[str]:
    """What .dockerignore does not keep out, and git has."""
    names = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    listed = subprocess.run(["git", "ls-files", "--", *names], cwd=ROOT, capture_output=True, text=True, check=True)
    return listed.stdout.split()


def script(context: Path) -> Iterator[str]:
    """Shell lines: the instructions of all stages in order. Only the stage `build` copies from the context."""
    for word, rest in steps():
        match word:
            case "RUN":
                yield f"({rest})"
            case "ENV":
                yield f"export {rest}"
            case "WORKDIR":
                yield f"mkdir -p {rest} && cd {rest}"
            case "COPY" if not rest.startswith("--from"):
                *sources, target = rest.split()
                for source in sources:
                    yield f"cp -r {shlex.quote(str(context / source))} {target if target != './' else '.'}"
    entry, words = command("ENTRYPOINT"), command("CMD")
    yield f"{shlex.join(entry)} --version"
    yield f"{shlex.join([*entry, *words])} --help >/dev/null"
    yield "du -sm /opt/streamproc"
    check = command("HEALTHCHECK")
    yield f"python -c {shlex.quote(LIVE.replace('CHECK', repr(check), 1))}"


def main() -> int:
    if os.geteuid():
        raise SystemExit("needs root, for a mount namespace of its own")
    python = Path(sys.executable).resolve().parent
    env = {name: os.environ[name] for name in PIP if name in os.environ}
    env["PATH"] = f"{python}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
    with tempfile.TemporaryDirectory(prefix="streamproc-image-") as folder:
        context = Path(folder) / "context"
        for name in let_through():
            (context / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, context / name)
        etc = Path(folder) / "etc"
        lines = ["set -eux", f"cp -a /etc {etc}", f"mount --bind {etc} /etc"]
        lines += ["mkdir -p /opt /src", "mount -t tmpfs none /opt", "mount -t tmpfs none /src"]
        lines += script(context)
        run = ["unshare", "--mount", "sh", "-c", "\n".join(lines)]
        was_there = Path("/src").exists()
        try:
            return subprocess.run(run, env=env, check=False).returncode
        finally:
            if not was_there:
                Path("/src").rmdir()  # the place of a mount that has gone with its namespace


if __name__ == "__main__":
    sys.exit(main())
