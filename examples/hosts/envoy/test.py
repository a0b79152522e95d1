"""Envoy with two threads: signed requests are accepted once, whatever thread has them, with their bodies; tampered ones are refused."""
import hashlib
import http.client
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ENVOY = sys.argv[1]
ACCEPTED, REPLAYED, TAMPERED, UNSIGNED = (200, '{"code":"0000","app":"p10001"}'), (409, '{"code":"9997"}'), (401, '{"code":"9992"}'), (401, '{"code":"9993"}')


def free_ports(count):
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


PORT, ADMIN = free_ports(2)


def ask(target, method="GET", body=None, headers={}, port=PORT, source="127.0.0.1"):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10, source_address=(source, 0))
    connection.request(method, target, body, headers)
    answer = connection.getresponse()
    status, text = answer.status, answer.read().decode()
    connection.close()
    return status, text


def connections():
    """How many connections each thread of Envoy has taken."""
    return [int(count) for count in re.findall(r"worker_\d+\.downstream_cx_total: (\d+)", ask("/stats?filter=worker_.*downstream_cx_total", port=ADMIN)[1])]


def ask_and_tell(target):
    """The answer, and which thread it came from."""
    before = connections()
    answer = ask(target)
    after = connections()
    assert sum(after) == sum(before) + 1, (before, after)
    return answer, [a - b for a, b in zip(after, before)].index(1)


def signed(nonce, **more):
    fields = {"nonce": nonce, "partnerId": "p10001", "timestamp": int(time.time()), **more}
    query = "&".join(f"{name}={fields[name]}" for name in sorted(fields))
    return f"{query}&sign={hashlib.md5(f'{query}&partnerKey=k3y'.encode()).hexdigest()}"


def post(query):
    """The target with the signature, and the JSON body with the other parameters."""
    fields = dict(pair.split("=") for pair in query.split("&"))
    return f"/pay?sign={fields.pop('sign')}", json.dumps(fields)


def chunked(target, body, cuts, trailers=""):
    """The answer to a body in chunks that come one after the other."""
    with socket.create_connection(("127.0.0.1", PORT), timeout=10) as stream:
        head = f"POST {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\nContent-Type: application/json\r\n\r\n"
        stream.sendall(head.encode())
        for start, end in zip([0, *cuts], [*cuts, len(body)]):
            stream.sendall(f"{end - start:x}\r\n{body[start:end]}\r\n".encode())
            time.sleep(0.02)
        stream.sendall(f"0\r\n{trailers}\r\n".encode())
        answer = http.client.HTTPResponse(stream)
        answer.begin()
        return answer.status, answer.read().decode()


def command(folder, document, *more):
    """Envoy with its configuration and portcullis' document in that folder."""
    with open(os.path.join(HERE, "envoy.yaml")) as file:
        text = file.read()
    for name, value in {"PORT": PORT, "ADMIN": ADMIN, "DOCUMENT": f"{folder}/config.json"}.items():
        text = text.replace(f"${{{name}}}", str(value))
    with open(f"{folder}/envoy.yaml", "w") as file:
        file.write(text)
    with open(f"{folder}/config.json", "w") as file:
        json.dump(document, file)
    return [ENVOY, "-c", f"{folder}/envoy.yaml", "--concurrency", "2", "--disable-hot-restart", "--log-level", "error", *more]


with open(os.path.join(HERE, "..", "config.json")) as file:
    DOCUMENT = json.load(file)
os.environ["ENVOY_DYNAMIC_MODULES_SEARCH_PATH"] = HERE
with tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as folder:
    # A document that portcullis refuses is a configuration that Envoy refuses.
    refused = subprocess.run(command(folder, {**DOCUMENT, "version": 9}, "--mode", "validate"), capture_output=True, text=True)
    assert refused.returncode != 0 and "/version" in refused.stderr, refused.stderr

    # More requests than may be in flight at once are accepted one after the other: the end of each is reported. Only this address is let in.
    DOCUMENT["state"]["path"] = f"{folder}/state"
    DOCUMENT["limits"] = [{"name": "flight", "key": ["app"], "concurrency": 2}]
    DOCUMENT["apps"][0].update(limits=["flight"], allow_ips=["127.0.0.1"])
    envoy = subprocess.Popen(command(folder, DOCUMENT))
    try:
        for _ in range(100):
            try:
                ask("/")
                break
            except OSError:
                time.sleep(0.1)
        replays, elsewhere = 0, 0
        for number in range(20):
            target = f"/token?{signed(f'n{number}')}"
            answer, first = ask_and_tell(target)
            assert answer == ACCEPTED, answer
            thread = first
            while thread == first:
                answer, thread = ask_and_tell(target)
                assert answer == REPLAYED, answer
                replays += 1
            elsewhere += 1
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
        assert ask("/pay", "POST", "a" * 200000)[0] == 413
        assert ask(f"/token?{signed('z')}", source="127.0.0.2")[0] == 403
        print(f"envoy: 25 requests verified over two threads, {replays + 2} replays refused, {elsewhere} of them by the other thread")
    finally:
        envoy.terminate()
        envoy.wait()
