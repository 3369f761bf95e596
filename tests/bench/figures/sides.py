"""The two sides of every ratio: nginx as a bare keep-alive proxy, and the gateway, in front of the
same scripted upstream, pinned alike."""

import json
import os
import pathlib
import subprocess
import tempfile

from support import processes, world

CORES = sorted(os.sched_getaffinity(0))
LOAD_CORE = CORES[0]
PROGRAM_CORE = CORES[1] if len(CORES) > 1 else CORES[0]

# One worker, keep-alive on both sides, no log, no temporary files for request bodies, and no
# buffering of answers so that streams flow as they come.
NGINX = """
worker_processes 1;
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log crit;
worker_rlimit_nofile 8192;
events {{ worker_connections 8000; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  keepalive_requests 100000000;
  client_body_buffer_size 256k;
  client_max_body_size 16m;
  upstream provider {{
    server 127.0.0.1:{upstream};
    keepalive 256;
    keepalive_requests 100000000;
  }}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location / {{
      proxy_pass http://provider;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering off;
      proxy_read_timeout 300s;
    }}
  }}
}}
"""


class Side:
    """Something that answers on a port and whose CPU time can be read."""

    def __init__(self, name, port, process=None):
        self.name = name
        self.port = port
        self.process = process

    def cpu_ns(self):
        return processes.cpu_ns(self.process.pid) if self.process else 0

    def rss_mib(self):
        return processes.rss_mib(self.process.pid)


def free_port():
    import socket
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def start_upstream(prices=None, **script):
    return processes.Upstream({"defaults": script}, prices or world.upstream_prices(),
                              core=LOAD_CORE,
                              options=("--keep-calls", "1000", "--keep-requests", "0"))


def start_nginx(upstream_port):
    folder = pathlib.Path(tempfile.mkdtemp(prefix="jevons-nginx-"))
    port = free_port()
    config = folder / "nginx.conf"
    config.write_text(NGINX.format(folder=folder, port=port, upstream=upstream_port))
    process = processes.Process(["nginx", "-p", folder, "-e", folder / "error.log", "-c", config],
                                None, core=PROGRAM_CORE, log=folder / "nginx.log")
    wait_until_open(port)
    return Side("nginx", port, process)


def start_gateway(upstream_url, config=None, models=world.ALL, policies=None):
    """Everything on: a key, a policy, a hard budget, the ledger with synchronous=FULL, metrics."""
    folder = tempfile.mkdtemp(prefix="jevons-bench-")
    path = world.write(folder, upstream_url, models, policies, {
        "budgets": [{"name": "bench", "match": {"key": "bench"}, "usd": Number("1000000"),
                     "window": "month", "kind": "hard"}], **(config or {})})
    created = processes.cli(path, "keys", "create", "bench", "--json")
    key = json.loads(created.stdout)["key"]
    gateway = processes.Gateway(path, core=PROGRAM_CORE, arguments=("--threads", "1"))
    side = Side("jevons", gateway.port, gateway)
    side.key = key
    side.gateway = gateway
    return side


Number = world.Number


def wait_until_open(port, seconds=10):
    import socket
    import time
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.02)
    raise RuntimeError(f"nothing listens on {port}")


def load_command(side, body, folder=None, **options):
    file = tempfile.NamedTemporaryFile("w", suffix=".json", delete=False, dir=folder)
    file.write(body)
    file.close()
    command = ["taskset", "-c", str(LOAD_CORE), str(processes.BUILD / "load_generator"), "--port",
               str(side.port), "--body", file.name]
    if getattr(side, "key", None):
        command += ["--header", f"Authorization: Bearer {side.key}"]
    for name, value in options.items():
        command += [f"--{name}", str(value)]
    return command


def load(side, body, **options):
    """Runs the load generator; adds `cpu_us`, the side's CPU time per completed request."""
    before = side.cpu_ns()
    done = subprocess.run(load_command(side, body, **options), check=True, capture_output=True,
                          text=True, timeout=300)
    result = json.loads(done.stdout)
    used = side.cpu_ns() - before
    answered = result["completed"]
    result["cpu_us"] = used / 1000 / answered if answered else None
    result["rate"] = answered / result["seconds"] if result["seconds"] else 0
    return result
