"""The programs under test, each on a port of its own and stopped by its own pid."""

import http.client
import json
import os
import pathlib
import select
import signal
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = ROOT / os.environ.get("JEVONS_BUILD", "build/release")


class Process:
    """A child that says on stdout when it is ready."""

    def __init__(self, command, ready, cwd=None, env=None, log=None, core=None, timeout=20):
        if core is not None:
            command = ["taskset", "-c", str(core)] + list(command)
        self.log_path = pathlib.Path(log or tempfile.mkstemp(prefix="jevons-test-")[1])
        self._log = open(self.log_path, "ab")
        self.child = subprocess.Popen([str(c) for c in command], cwd=cwd, stdout=subprocess.PIPE,
                                      stderr=self._log, env={**os.environ, **(env or {})})
        self.pid = self.child.pid
        self.ready_line = self._wait_line(ready, timeout) if ready else ""

    def _wait_line(self, prefix, timeout):
        end = time.monotonic() + timeout
        text = b""
        while time.monotonic() < end:
            if select.select([self.child.stdout], [], [], 0.2)[0]:
                piece = os.read(self.child.stdout.fileno(), 4096)
                text += piece
                for line in text.decode(errors="replace").split("\n"):
                    if line.startswith(prefix):
                        return line
                if not piece:
                    break
        try:
            code = self.child.wait(1)  # its last words come before its exit status
        except subprocess.TimeoutExpired:
            code = None
        self.stop()
        raise RuntimeError(f"{self.child.args[0]} did not say '{prefix}' (exit {code}); it wrote:\n"
                           + text.decode(errors="replace") + self.stderr())

    def stderr(self):
        return self.log_path.read_text(errors="replace")

    def alive(self):
        return self.child.poll() is None

    def stop(self, sig=signal.SIGTERM, timeout=40):
        """Ends it; returns its exit status."""
        if self.alive():
            self.child.send_signal(sig)
        try:
            code = self.child.wait(timeout)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
            raise RuntimeError(f"{self.child.args[0]} ignored signal {sig}") from None
        finally:
            if self.child.stdout and not self.child.stdout.closed:
                self.child.stdout.close()
            self._log.close()
        return code

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.alive():
            self.stop()


def get(port, path, method="GET", body=None, headers=None, timeout=20):
    """One small HTTP exchange: (status, headers with lower-case names, body text)."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request(method, path, body=body, headers=headers or {})
        answer = connection.getresponse()
        fields = {name.lower(): value for name, value in answer.getheaders()}
        try:
            data = answer.read()
        except http.client.IncompleteRead as cut:  # an answer that ends with its connection
            data = cut.partial
        return answer.status, fields, data.decode(errors="replace")
    finally:
        connection.close()


class Upstream(Process):
    """scripted_upstream; see tests/upstream/README.md."""

    def __init__(self, script=None, prices=None, folder=None, tls=None, core=None, options=()):
        folder = pathlib.Path(folder or tempfile.mkdtemp(prefix="jevons-upstream-"))
        folder.mkdir(parents=True, exist_ok=True)
        command = [BUILD / "scripted_upstream"]
        for name, document in (("script", script), ("prices", prices)):
            if document is not None:
                path = folder / f"{name}.json"
                path.write_text(json.dumps(document), encoding="utf-8")
                command += [f"--{name}", path]
        self.tls = tls
        if tls:
            command += ["--cert", tls[0], "--key", tls[1]]
        super().__init__(command + list(options), "listening ", log=folder / "upstream.log",
                         core=core)
        self.port = int(self.ready_line.rsplit(":", 1)[1])
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self.port}"

    def _call(self, path, document=None):
        if self.tls:
            raise RuntimeError("control over TLS is not supported")
        body = None if document is None else json.dumps(document)
        status, _, text = get(self.port, path, "POST" if body else "GET", body)
        if status != 200:
            raise ValueError(text)
        return json.loads(text)

    def script(self, **document):
        return self._call("/__script", document)

    def queue(self, model="*", times=1, **behaviour):
        """The next `times` calls of the model behave so."""
        return self.script(queue=[{"model": model, "times": times, "behaviour": behaviour}])

    def bill(self):
        return self._call("/__bill")

    def requests(self):
        return self._call("/__requests")

    def stats(self):
        return self._call("/__stats")

    def reset(self):
        self._call("/__script", {"reset": True})
        return self._call("/__reset", {})


class Gateway(Process):
    """`jevons serve` with a configuration file."""

    def __init__(self, config, core=None, env=None, arguments=()):
        self.config = pathlib.Path(config)
        self.folder = self.config.parent
        self.env = {"UPSTREAM_KEY": "sk-upstream-secret", **(env or {})}
        super().__init__([BUILD / "jevons", "serve", "--config", self.config, *arguments],
                         "listening ", cwd=self.folder, env=self.env,
                         log=self.folder / "gateway.log", core=core)
        words = dict(w.split("=", 1) for w in self.ready_line.split()[1:])
        self.port = int(words["data"].rsplit(":", 1)[1])
        self.admin_port = int(words["admin"].rsplit(":", 1)[1])
        self.url = f"http://127.0.0.1:{self.port}"

    def post(self, body, path="/v1/chat/completions", headers=None, timeout=30):
        """(status, headers, parsed JSON or text)."""
        text = body if isinstance(body, (str, bytes)) else json.dumps(body)
        fields = {"content-type": "application/json", **(headers or {})}
        status, answered, answer = get(self.port, path, "POST", text, fields, timeout)
        try:
            return status, answered, json.loads(answer)
        except ValueError:
            return status, answered, answer

    def begin_stream(self, body, headers=None):
        """The streamed answer to a chat request, of which the first event has been read."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.request("POST", "/v1/chat/completions", json.dumps({**body, "stream": True}),
                           {"content-type": "application/json", **(headers or {})})
        answer = connection.getresponse()
        if answer.status != 200 or not answer.readline().startswith(b"data: "):
            raise RuntimeError(f"no stream began: {answer.status} {answer.read()}")
        return answer

    def admin(self, path, **kwargs):
        return get(self.admin_port, path, **kwargs)

    def cli(self, *arguments, check=True):
        return cli(self.config, *arguments, check=check, env=self.env)


def cli(config, *arguments, check=True, env=None, stdin=None):
    """Runs `jevons COMMAND --config FILE`; returns the finished process (text)."""
    done = subprocess.run([str(BUILD / "jevons"), *arguments, "--config", str(config)], text=True,
                          capture_output=True, timeout=120, env={**os.environ, **(env or {})},
                          input=stdin)
    if check and done.returncode != 0:
        raise RuntimeError(f"jevons {' '.join(arguments)}: exit {done.returncode}\n{done.stdout}"
                           f"{done.stderr}")
    return done


def tree(pid):
    """The pid and all its descendants."""
    pids = [pid]
    for task in pathlib.Path(f"/proc/{pid}/task").glob("*"):
        try:
            for child in (task / "children").read_text().split():
                pids += tree(int(child))
        except OSError:
            pass
    return pids


def cpu_ns(pid):
    """User + system nanoseconds of the process tree, from the scheduler's own count."""
    total = 0
    for one in tree(pid):
        for task in pathlib.Path(f"/proc/{one}/task").glob("*"):
            try:
                total += int((task / "schedstat").read_text().split()[0])
            except OSError:
                pass
    return total


def rss_mib(pid):
    total = 0
    for one in tree(pid):
        for line in pathlib.Path(f"/proc/{one}/status").read_text().split("\n"):
            if line.startswith("VmRSS:"):
                total += int(line.split()[1])
    return total / 1024
