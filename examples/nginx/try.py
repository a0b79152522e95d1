#!/usr/bin/env python3
"""Drives examples/nginx with real signed requests: accepted once, refused as a replay by whichever worker gets it, tampered refused; the counters of
both workers in one page; keys changed without a reload of nginx.

Run from the repository's root, after `cargo build --release`: python3 examples/nginx/try.py
"""
import os
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "vectors"))
import client  # noqa: E402

PORT = 18080


def get(target):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{PORT}{target}", timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as answer:
        return answer.code, answer.read().decode()


def signed(nonce, secret=b"k3y", **more):
    params = [("partnerId", "p10001"), ("timestamp", str(int(time.time()))), ("nonce", nonce), *more.items()]
    return f"/balance?{client.query([*params, ('sign', client.sign('md5', secret, params))])}"


def main():
    folder = tempfile.mkdtemp()
    environment = dict(os.environ, PORTCULLIS_DIR=folder)
    nginx = subprocess.Popen([os.path.join(ROOT, "examples/nginx/run"), str(PORT)], stdout=subprocess.DEVNULL, env=environment)
    try:
        for _ in range(100):
            try:
                get("/")
                break
            except OSError:
                time.sleep(0.1)
        workers = set()
        for number in range(40):
            target = signed(f"{time.time_ns()}-{number}", memo="转账 a+b&c=d %")
            status, body = get(target)
            assert status == 200, (status, body)
            workers.add(body)
            # Every connection is new, so the kernel gives it to either worker; both must know the nonce.
            for _ in range(4):
                status, body = get(target)
                assert status == 409 and '"9997"' in body, (status, body)
        assert len(workers) == 2, f"both workers took part: {workers}"
        status, body = get(signed("tampered") + "&more=1")
        assert status == 401 and '"9992"' in body, (status, body)
        status, body = get("/balance")
        assert status == 401 and '"9993"' in body, (status, body)
        _, page = get("/metrics")
        counted = dict(line.rsplit(" ", 1) for line in page.splitlines() if not line.startswith("#"))
        assert counted['portcullis_verdicts_total{reason="ok"}'] == "40", page
        assert counted['portcullis_verdicts_total{reason="replayed"}'] == "160", page

        # Another secret, by rename: in force in both workers within a second, and the old one is not; half a document changes nothing.
        path = os.path.join(folder, "config.json")
        with open(path) as file:
            document = file.read()
        for text in (document.replace('"k3y"', '"another k3y"'), document[:100]):
            with open(path + ".new", "w") as file:
                file.write(text)
            os.rename(path + ".new", path)
            time.sleep(1)
            for number in range(20):
                assert get(signed(f"{time.time_ns()}-{number}"))[0] == 401
                status, body = get(signed(f"{time.time_ns()}-{number}", b"another k3y"))
                assert status == 200, (status, body)
        print("nginx: 40 requests accepted once over two workers, 160 replays refused; counters and a change of keys in both workers")
    finally:
        nginx.terminate()
        nginx.wait()


main()
