"""HAProxy with four threads: signed requests are accepted once, whatever thread has them, and tampered ones refused."""
import hashlib
import http.client
import os
import socket
import subprocess
import time

HERE = os.path.dirname(os.path.abspath(__file__))
with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    PORT = probe.getsockname()[1]


def get(target):
    connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=60)
    connection.request("GET", target)
    answer = connection.getresponse()
    status, body = answer.status, answer.read().decode()
    connection.close()
    return status, body


def signed(nonce):
    query = f"nonce={nonce}&partnerId=p10001&timestamp={int(time.time())}"
    return f"/token?{query}&sign={hashlib.md5(f'{query}&partnerKey=k3y'.encode()).hexdigest()}"


environment = dict(os.environ, HERE=HERE, PORT=str(PORT), PORTCULLIS_CONFIG=os.path.join(HERE, "..", "config.json"))
haproxy = subprocess.Popen(["haproxy", "-db", "-f", os.path.join(HERE, "haproxy.cfg")], env=environment, stderr=subprocess.DEVNULL)
try:
    # A machine with much else to do takes its time to start it.
    for _ in range(600):
        try:
            get("/")
            break
        except OSError:
            assert haproxy.poll() is None, "HAProxy has ended"
            time.sleep(0.1)
    for number in range(20):
        target = signed(f"n{number}")
        assert get(target) == (200, '{"code":"0000","app":"p10001"}'), get(target)
        for _ in range(4):
            assert get(target) == (409, '{"code":"9997"}')
    assert get(signed("x") + "&more=1") == (401, '{"code":"9992"}')
    assert get("/token") == (401, '{"code":"9993"}')
    print("haproxy: 20 requests verified over four threads, 80 replays refused")
finally:
    haproxy.terminate()
    haproxy.wait()
