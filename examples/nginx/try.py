#!/usr/bin/env python3
"""Drives examples/nginx with real signed requests: accepted once, refused as a replay by whichever worker gets it, tampered refused; the counters of
both workers in one page; keys changed without a reload of nginx; workers killed and nginx reloaded under load, and nothing accepted twice.

Run from the repository's root, after `cargo build --release`: python3 examples/nginx/try.py
"""
import concurrent.futures
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "vectors"))
import client  # noqa: E402

with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    PORT = probe.getsockname()[1]
# Of a machine that has much else to do; what is waited for comes within a second on one that has not.
PATIENCE = 60
GATHERED = 400
RELOADS = 100 if os.environ.get("PORTCULLIS_SLOW") else 8


def get(target):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{PORT}{target}", timeout=PATIENCE) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as answer:
        return answer.code, answer.read().decode()


def signed(nonce, secret=b"k3y", path="/balance", **more):
    params = [("partnerId", "p10001"), ("timestamp", str(int(time.time()))), ("nonce", nonce), *more.items()]
    return f"{path}?{client.query([*params, ('sign', client.sign('md5', secret, params))])}"


def post(path, fields, sign, headers):
    """The status of a POST with the parameters in a JSON body, the signature in the target, and header lines as given."""
    connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=PATIENCE)
    body = json.dumps(dict(fields))
    connection.putrequest("POST", f"{path}?sign={sign}", skip_accept_encoding=True)
    for name, value in [*headers, ("Content-Length", str(len(body)))]:
        connection.putheader(name, value)
    connection.endheaders(body.encode())
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status


def bodies_and_headers(path):
    """Header lines reach the judge: without its media type a body is not read. A body of 40 KiB comes from nginx's file; too many lines are refused."""
    media = [("X-Before", "1"), ("X-Before", ""), ("Content-Type", "application/json"), *((f"X-{number}", "v" * number) for number in range(60))]
    for size in (1, 40000):
        fields = [("partnerId", "p10001"), ("timestamp", str(int(time.time()))), ("nonce", f"{time.time_ns()}-{size}"), ("memo", "6" * size)]
        sign = client.sign("md5", b"k3y", fields)
        assert post(path, fields, sign, [("X-Many", "1")] * 150 + media) == 400
        assert post(path, fields, sign, []) == 400
        assert post(path, [*fields, ("more", "1")], sign, media) == 401
        assert [post(path, fields, sign, media) for _ in range(3)] == [200, 409, 409]


def gathered():
    """Requests of many connections at once, which a worker judges together: each good one is accepted, of each pair of copies exactly one."""
    targets = [signed(f"{time.time_ns()}-gathered-{number}") for number in range(GATHERED)]
    bad = [signed(f"{time.time_ns()}-bad-{number}") + "&more=1" for number in range(50)]
    with concurrent.futures.ThreadPoolExecutor(64) as pool:
        statuses = list(pool.map(lambda target: get(target)[0], [*targets, *bad, *targets]))
    for number in range(GATHERED):
        assert sorted([statuses[number], statuses[number - GATHERED]]) == [200, 409], number
    assert statuses[GATHERED : GATHERED + 50] == [401] * 50


def until(what, holds):
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end, f"not within {PATIENCE} s: {what}"
        time.sleep(0.02)


def workers(master):
    with open(f"/proc/{master}/task/{master}/children") as file:
        return [int(child) for child in file.read().split()]


def memory_kib(process):
    with open(f"/proc/{process}/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))


def once(target):
    """The status of a request that is sent again, the same, where its connection broke: its worker was killed or is going."""
    for attempt in range(20 * PATIENCE):
        try:
            return get(target)[0], attempt
        except (OSError, http.client.HTTPException):
            time.sleep(0.05)
    raise AssertionError("nginx does not answer")


def under_load(folder, master, secret):
    """Kills a worker and reloads nginx while requests come: each is accepted once, and never again. Returns how many, and how many broke."""
    accepted, stop, broken = [], threading.Event(), [0]

    def load(name):
        while not stop.is_set():
            target = signed(f"{name}-{time.time_ns()}", secret)
            status, attempts = once(target)
            broken[0] += attempts > 0
            # One whose answer was lost may have been accepted: its retry is then a replay.
            assert status == 200 or (status == 409 and attempts > 0), (status, attempts)
            accepted.append(target)

    def disturb():
        until("requests are accepted", lambda: len(accepted) >= 20)
        killed = workers(master)[0]
        os.kill(killed, signal.SIGKILL)
        until("another worker in its place", lambda: killed not in workers(master) and len(workers(master)) == 2)
        first = memory_kib(master)
        for _ in range(RELOADS):
            old, count = set(workers(master)), len(accepted)
            subprocess.run(["nginx", "-s", "reload", "-c", f"{folder}/nginx.conf", "-e", f"{folder}/error.log"], check=True)
            until("new workers in their place", lambda: len(workers(master)) == 2 and not old & set(workers(master)))
            until("requests are accepted by them", lambda: len(accepted) >= count + 20)
        return memory_kib(master) - first

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        loads = [pool.submit(load, name) for name in range(4)]
        try:
            grown = disturb()
        finally:
            stop.set()
        for one in loads:
            one.result()
        # All of them again, while their timestamps are good.
        assert set(pool.map(lambda target: once(target)[0], accepted)) == {409}, "accepted twice"
    assert grown < 4096, f"the master grew by {grown} KiB over {RELOADS} reloads"
    return len(accepted), broken[0], grown


def in_force(secret):
    """Waits until both workers have accepted a request that is signed with `secret`."""
    seen = set()

    def one_more():
        status, body = get(signed(f"{time.time_ns()}-f", secret))
        assert status in (200, 401), (status, body)
        if status == 200:
            seen.add(json.loads(body)["worker"])
        return len(seen) == 2

    until("the document is in force in both workers", one_more)


def main():
    folder = tempfile.mkdtemp()
    environment = dict(os.environ, PORTCULLIS_DIR=folder)
    nginx = subprocess.Popen([os.path.join(ROOT, "examples/nginx/run"), str(PORT)], stdout=subprocess.DEVNULL, env=environment)
    try:
        once("/")
        seen = set()
        for number in range(40):
            target = signed(f"{time.time_ns()}-{number}", memo="转账 a+b&c=d %")
            status, body = get(target)
            assert status == 200, (status, body)
            seen.add(body)
            # Every connection is new, so the kernel gives it to either worker; both must know the nonce.
            for _ in range(4):
                status, body = get(target)
                assert status == 409 and '"9997"' in body, (status, body)
        assert len(seen) == 2, f"both workers took part: {seen}"
        target = signed(f"{time.time_ns()}-alone", path="/alone")
        assert get(target) == (200, "judged alone")
        assert get(target)[0] == 409 and get(target.replace("/alone", "/balance"))[0] == 409
        gathered()
        for path in ("/alone", "/balance"):
            bodies_and_headers(path)
        status, body = get(signed("tampered") + "&more=1")
        assert status == 401 and '"9992"' in body, (status, body)
        status, body = get("/balance")
        assert status == 401 and '"9993"' in body, (status, body)
        _, page = get("/metrics")
        counted = dict(line.rsplit(" ", 1) for line in page.splitlines() if not line.startswith("#"))
        assert counted['portcullis_verdicts_total{reason="ok"}'] == str(45 + GATHERED), page
        assert counted['portcullis_verdicts_total{reason="replayed"}'] == str(170 + GATHERED), page

        # Another secret, by rename: soon in force in both workers, and the old one is not; half a document is logged and changes nothing.
        path = os.path.join(folder, "config.json")
        with open(path) as file:
            document = file.read()

        def put(text):
            with open(path + ".new", "w") as file:
                file.write(text)
            os.rename(path + ".new", path)

        def logged():
            with open(os.path.join(folder, "error.log")) as file:
                return sum("[error]" in line and "portcullis: " in line for line in file)

        put(document.replace('"k3y"', '"another k3y"'))
        in_force(b"another k3y")
        refused = logged()
        put(document[:100])
        until("both workers have refused half a document", lambda: logged() == refused + 2)
        for number in range(20):
            assert get(signed(f"{time.time_ns()}-{number}"))[0] == 401
            status, body = get(signed(f"{time.time_ns()}-{number}", b"another k3y"))
            assert status == 200, (status, body)
        with open(os.path.join(folder, "nginx.pid")) as file:
            master = int(file.read())
        put(document)
        in_force(b"k3y")
        count, broken, grown = under_load(folder, master, b"k3y")
        print(f"nginx: a worker killed and {RELOADS} reloads under load: {count} requests accepted, {broken} of them sent again, none accepted twice; the master "
              f"grew by {grown} KiB")
        print("nginx: 40 requests accepted once over two workers, 160 replays refused; counters and a change of keys in both workers")
    finally:
        nginx.terminate()
        nginx.wait()


main()
