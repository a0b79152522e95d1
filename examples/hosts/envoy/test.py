"""Envoy with two threads: signed requests are accepted once, whatever thread has them, with their bodies; tampered ones are refused."""
import hashlib
import http.client
import json
import os
import pathlib
import re
import socket
import string
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ACCEPTED, REPLAYED, TAMPERED, UNSIGNED = (200, '{"code":"0000","app":"p10001"}'), (409, '{"code":"9997"}'), (401, '{"code":"9992"}'), (401, '{"code":"9993"}')


def free_ports(count):
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


PORT, ADMIN = free_ports(2)


def ask(target, method="GET", body=None, headers={}, port=PORT, source="127.0.0.1"):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60, source_address=(source, 0))
    connection.request(method, target, body, headers)
    answer = connection.getresponse()
    status, text = answer.status, answer.read().decode()
    connection.close()
    return status, text


def counters(name):
    return [int(count) for count in re.findall(r": (\d+)", ask(f"/stats?filter={name}", port=ADMIN)[1])]


def ask_and_tell(target):
    """The answer, and which thread it came from."""
    before = counters("worker_.*downstream_cx_total")
    answer = ask(target)
    after = counters("worker_.*downstream_cx_total")
    assert sum(after) == sum(before) + 1, (before, after)
    return answer, [a - b for a, b in zip(after, before)].index(1)


def signed(nonce, key="k3y", **more):
    fields = {"nonce": nonce, "partnerId": "p10001", "timestamp": int(time.time()), **more}
    query = "&".join(f"{name}={fields[name]}" for name in sorted(fields))
    return f"{query}&sign={hashlib.md5(f'{query}&partnerKey={key}'.encode()).hexdigest()}"


def post(query):
    """The target with the signature, and the JSON body with the other parameters."""
    fields = dict(pair.split("=") for pair in query.split("&"))
    return f"/pay?sign={fields.pop('sign')}", json.dumps(fields)


def chunked(target, body, cuts, trailers=""):
    """The answer to a body in chunks that come one after the other."""
    with socket.create_connection(("127.0.0.1", PORT), timeout=60) as stream:
        head = f"POST {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\nContent-Type: application/json\r\n\r\n"
        stream.sendall(head.encode())
        for start, end in zip([0, *cuts], [*cuts, len(body)]):
            stream.sendall(f"{end - start:x}\r\n{body[start:end]}\r\n".encode())
            time.sleep(0.02)
        stream.sendall(f"0\r\n{trailers}\r\n".encode())
        answer = http.client.HTTPResponse(stream)
        answer.begin()
        return answer.status, answer.read().decode()


def put(document):
    """Writes a document under a name of its own, and Envoy's files with that name: Envoy looks at what is renamed."""
    numbers = {"PORT": PORT, "ADMIN": ADMIN, "FOLDER": FOLDER, "DOCUMENT": FOLDER / f"config{time.time_ns()}.json"}
    numbers["DOCUMENT"].write_text(json.dumps(document))
    for name in ("envoy.yaml", "listener.yaml"):
        (FOLDER / "new").write_text(string.Template((HERE / name).read_text()).substitute(numbers))
        (FOLDER / "new").rename(FOLDER / name)


def until(what):
    # Within a second where the machine has nothing else to do.
    for _ in range(600):
        try:
            if what():
                return
        except OSError:
            pass
        time.sleep(0.1)
    raise AssertionError("not within a minute")


DOCUMENT = json.loads((HERE.parent / "config.json").read_text())
os.environ["ENVOY_DYNAMIC_MODULES_SEARCH_PATH"] = str(HERE)
with tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as folder:
    FOLDER = pathlib.Path(folder)
    # More requests than may be in flight at once are accepted one after the other: the end of each is reported. Only this address is let in.
    DOCUMENT["state"]["path"] = f"{FOLDER}/state"
    DOCUMENT["limits"] = [{"name": "flight", "key": ["app"], "concurrency": 2}]
    DOCUMENT["apps"][0].update(limits=["flight"], allow_ips=["127.0.0.1"])
    put(DOCUMENT)
    envoy = subprocess.Popen([sys.argv[1], "-c", FOLDER / "envoy.yaml", "--concurrency", "2", "--disable-hot-restart", "--log-level", "off", "--drain-time-s", "1"])
    try:
        until(lambda: ask("/"))
        replays = 2
        for number in range(20):
            target = f"/token?{signed(f'n{number}')}"
            answer, first = ask_and_tell(target)
            assert answer == ACCEPTED, answer
            thread = first
            while thread == first:
                answer, thread = ask_and_tell(target)
                assert answer == REPLAYED, answer
                replays += 1
        assert ask(f"/token?{signed('x')}&more=1") == TAMPERED
        assert ask("/token") == UNSIGNED
        assert ask(f"/token?{signed('y')}", headers={"X-App-Id": "p10002", "X-Forwarded-For": "192.0.2.9"}) == ACCEPTED
        target, body = post(signed("b1", account="6" * 20000, more="7" * 20000))
        assert ask(target, "POST", body, {"Content-Type": "application/json"}) == ACCEPTED
        assert chunked(target, body, [10, 30000]) == REPLAYED
        target, body = post(signed("b2", account="6" * 20000))
        assert chunked(target, body.replace("66", "65", 1), [100, 10000]) == TAMPERED
        assert chunked(target, body, [100, 10000]) == ACCEPTED
        # HTTP/2, where the end comes with the last of the body, not after it.
        target, body = post(signed("h2", account="6" * 20000))
        curl = ["curl", "-s", "--http2-prior-knowledge", "-H", "Content-Type: application/json", "-d", body, f"http://127.0.0.1:{PORT}{target}"]
        assert [subprocess.check_output(curl, text=True) for _ in range(2)] == [ACCEPTED[1], REPLAYED[1]]
        assert chunked(*post(signed("b3", account="6" * 20000)), [100], trailers="X-Late: 1\r\n") == ACCEPTED
        assert ask("/pay", "POST", "a" * 70000)[0] == 413
        assert ask(f"/token?{signed('z')}", source="127.0.0.2")[0] == 403
        # Envoy takes no listener whose document is refused; one with a second key is taken, and knows the nonces of the first.
        put({**DOCUMENT, "version": 9})
        until(lambda: counters("lds.update_rejected")[0] > 0)
        assert ask(f"/token?{signed('o')}") == ACCEPTED
        DOCUMENT["apps"][0]["credentials"].append({"kid": "k2", "alg": "md5", "secret": "n3w"})
        put(DOCUMENT)
        until(lambda: ask(f"/token?{signed(time.time_ns(), key='n3w')}") == ACCEPTED)
        until(lambda: counters("total_filter_chains_draining") == [0])
        assert chunked(target, body, []) == REPLAYED and ask(f"/token?{signed('p')}") == ACCEPTED
        print(f"envoy: 28 requests verified over two threads, {replays + 1} replays refused, 20 of them by the other thread; a document changed meanwhile")
    finally:
        envoy.terminate()
        assert envoy.wait() == 0
