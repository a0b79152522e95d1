#!/usr/bin/env python3
"""CPU microseconds a request of nginx: no check, portcullis, and the same check in Lua (baseline.lua); and who refuses a replay that comes to another
worker. With four workers and 64 connections (16 each) or 256, and with one worker and 64: the more is at hand, the more is judged together.

From the repository's root, after `cargo build --release`: python3 examples/nginx/bench.py [REQUESTS [ROUNDS]]
With `memory` instead: what 1 and 16 workers over one region of a million nonces take.

Needs wrk, and Python's `cryptography`. CPU is what the worker processes ran over a round, from /proc/PID/schedstat; every round has each of them, one
after the other, so that a machine with other work changes all of them. A first round, which maps the region and warms Lua's compiler, does not count.
"""
import http.client
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, "vectors"))
import client  # noqa: E402
from cryptography.hazmat.primitives import serialization  # noqa: E402
from cryptography.hazmat.primitives.asymmetric import rsa  # noqa: E402

PORT = 18081
MEMORY = sys.argv[1:] == ["memory"]
# Workers and connections of each comparison.
SETTINGS = ((4, 64), (4, 256), (1, 64))
REQUESTS = int(sys.argv[1]) if len(sys.argv) > 1 and not MEMORY else 8000
ROUNDS = int(sys.argv[2]) if len(sys.argv) > 2 else 5
SECRET = b"an HMAC secret of the bench"
RSA = rsa.generate_private_key(65537, 2048)
PEM = RSA.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()
KEYS = {"hmac-sha256": ("p20001", SECRET), "rsa-pkcs1-sha256": ("p20002", RSA)}
WRK = """
local thread_count = 0
function setup(thread) thread:set("id", thread_count); thread_count = thread_count + 1 end
function init() lines, at = {}, 0; for line in io.lines("@FILE@" .. id) do lines[#lines + 1] = wrk.format("GET", line) end end
function request() at = at + 1; if at > #lines then wrk.thread:stop() end; return lines[math.min(at, #lines)] end
"""


def signed(alg, nonce):
    app, key = KEYS[alg]
    params = [("partnerId", app), ("timestamp", str(int(time.time()))), ("nonce", nonce), ("amount", "100.00"), ("currency", "CNY"), ("account", "6222021234567890")]
    return "?" + client.query([*params, ("sign", client.sign(alg, key, params))])


# The region belongs on a file system in memory, as docs/embedding.md says: on a disk every page that is written goes there again and again.
FOLDERS = "/dev/shm" if os.path.isdir("/dev/shm") else None


def write_files(folder, count=4):
    app = {"status": "active", "level": "A1", "profiles": ["openapi"]}
    document = {"version": 1, "state": {"path": f"{folder}/state", "nonces": 1000000, "birth_rule": "off"},
                "limits": [{"name": "all", "key": ["app"], "rate": 1000000, "per_ms": 1000}], "apps": [
        {"app_id": "p20001", **app, "limits": ["all"], "credentials": [{"alg": "hmac-sha256", "secret": SECRET.decode()}]},
        {"app_id": "p20002", **app, "limits": ["all"], "credentials": [{"alg": "rsa-pkcs1-sha256", "public_key_pem": PEM}]}]}
    with open(f"{folder}/config.json", "w") as file:
        json.dump(document, file)
    with open(f"{folder}/apps.lua", "w") as file:
        file.write(f"return {{ p20001 = {{ secret = [==[{SECRET.decode()}]==] }}, p20002 = {{ pem = [==[{PEM}]==] }} }}")
    library = os.environ.get("PORTCULLIS_LIBRARY", f"{ROOT}/target/release/libportcullis.so")
    with open(f"{HERE}/bench.conf") as file:
        conf = file.read()
    for name, text in {"DIR": folder, "HERE": HERE, "PORT": str(PORT), "LIBRARY": os.path.realpath(library), "WORKERS": str(count), "USER": "user root;" if os.getuid() == 0 else ""}.items():
        conf = conf.replace(f"@{name}@", text)
    with open(f"{folder}/nginx.conf", "w") as file:
        file.write(conf)


def workers(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return [int(child) for child in file.read().split()]


def cpu_s(pids):
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/schedstat") as file:
            total += int(file.read().split()[0])
    return total / 1e9


def run(folder, nginx, place, targets, connections=64):
    for thread in range(2):
        with open(f"{folder}/targets{thread}", "w") as file:
            file.writelines(f"{place}{target}\n" for target in targets[thread::2])
    with open(f"{folder}/wrk.lua", "w") as file:
        file.write(WRK.replace("@FILE@", f"{folder}/targets"))
    before = cpu_s(workers(nginx.pid))
    # wrk runs for a time, its threads stop when their targets are used up.
    seconds = max(2, len(targets) // 2000)
    said = subprocess.run(["wrk", "-t2", f"-c{connections}", f"-d{seconds}s", "-s", f"{folder}/wrk.lua", f"http://127.0.0.1:{PORT}/"], capture_output=True, text=True, check=True).stdout
    used = cpu_s(workers(nginx.pid)) - before
    done = int(next(line for line in said.splitlines() if "requests in" in line).split()[0])
    refused = sum(int(line.split(":")[1]) for line in said.splitlines() if "Non-2xx" in line)
    # What wrk sends while it stops is a replay, or not answered.
    assert refused <= connections and done >= len(targets) - connections, said
    return used / done * 1e6


def status(target):
    connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=10)
    connection.request("GET", target)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status


def start(folder):
    nginx = subprocess.Popen(["nginx", "-c", f"{folder}/nginx.conf", "-e", f"{folder}/error.log"])
    for _ in range(100):
        try:
            status("/none")
            break
        except OSError:
            time.sleep(0.1)
    return nginx


def stop(folder, nginx):
    nginx.terminate()
    nginx.wait()
    with open(f"{folder}/error.log") as file:
        sys.stderr.write(file.read())


def rollup_mib(pids, name):
    """The sum of a line of /proc/PID/smaps_rollup over processes, in MiB."""
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/smaps_rollup") as file:
            total += sum(int(line.split()[1]) for line in file if line.startswith(name + ":"))
    return total / 1024


def memory():
    """Pages that processes share are in the RSS of each; the PSS divides them among those who have them, so that its sum is what all take together."""
    for count in (1, 16):
        with tempfile.TemporaryDirectory(dir=FOLDERS) as folder:
            write_files(folder, count)
            nginx = start(folder)
            try:
                for alg in KEYS:
                    run(folder, nginx, "/ours", [signed(alg, f"{time.time_ns()}"[-14:] + f"-{number}") for number in range(8000)])
                pids = workers(nginx.pid)
                assert len(pids) == count
                region = os.path.getsize(f"{folder}/state") / 1048576
                rss, pss = rollup_mib(pids, "Rss"), rollup_mib(pids, "Pss")
                print(f"{count:2} workers: RSS {rss / count:.1f} MiB each, PSS {pss:.1f} MiB together (region of {region:.0f} MiB, {8000 * len(KEYS)} requests)")
            finally:
                stop(folder, nginx)


def replays():
    for place in ("/ours", "/gathered", "/lua", "/lua-own"):
        accepted = 0
        for number in range(10):
            target = place + signed("hmac-sha256", f"r{place}{number}")
            assert status(target) == 200, place
            accepted += sum(status(target) == 200 for _ in range(8))
        print(f"{place[1:]:8} replays on new connections, four workers: {accepted} of 80 accepted")


def compare(folder, nginx, alg, connections):
    rounds = []
    for number in range(1 + ROUNDS):
        used = {}
        for place in ("/none", "/ours", "/gathered", "/lua"):
            # Without a check the targets of another round are as good.
            if place != "/none" or number == 0:
                targets = [signed(alg, f"{time.time_ns()}"[-14:] + f"-{each}") for each in range(REQUESTS)]
            used[place] = run(folder, nginx, place, targets, connections)
        rounds.append(used)
    middle = {place: statistics.median(used[place] for used in rounds[1:]) for place in rounds[0]}
    print(f"{alg}, CPU µs a request: no check {middle['/none']:.1f}, portcullis {middle['/ours']:.1f}, gathered {middle['/gathered']:.1f}, Lua {middle['/lua']:.1f}")
    for place, name in (("/ours", "portcullis"), ("/gathered", "gathered")):
        whole = [used["/lua"] / used[place] for used in rounds[1:]]
        check = [(used["/lua"] - used["/none"]) / max(used[place] - used["/none"], 0.01) for used in rounds[1:]]
        print(f"  Lua against {name}: whole {statistics.median(whole):.1f}×, the check alone {statistics.median(check):.1f}× "
              f"({min(check):.1f} to {max(check):.1f} over {ROUNDS} rounds)")


def main():
    for turn, (count, connections) in enumerate(SETTINGS):
        with tempfile.TemporaryDirectory(dir=FOLDERS) as folder:
            write_files(folder, count)
            nginx = start(folder)
            try:
                if turn == 0:
                    replays()
                print(f"{count} {'workers' if count > 1 else 'worker'}, {connections} connections:")
                for alg in KEYS:
                    compare(folder, nginx, alg, connections)
            finally:
                stop(folder, nginx)


memory() if MEMORY else main()
