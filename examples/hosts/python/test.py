"""A batch is verified and a replay refused: python3 test.py, where portcullis_build.py has run."""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.getcwd(), HERE]
import portcullis  # noqa: E402

GOOD = "/token?nonce=abc123&partnerId=p10001&timestamp=1700000000&sign=2f9ca37c0612118fb1b01b74e6854589"


def ask(target):
    return ("GET", target, [("Host", "api.example")], b"", "203.0.113.7", 1700000000000)


with open(os.path.join(HERE, "..", "config.json"), "rb") as file:
    document = file.read()
gateway = portcullis.Gateway(document)
verdicts = gateway.verify([ask(GOOD), ask(GOOD.replace("abc123", "abc124")), ask(GOOD), ask("/token")])
assert verdicts == [
    ("ok", 200, "0000", "p10001"),
    ("bad_signature", 401, "9992", "p10001"),
    ("replayed", 409, "9997", "p10001"),
    ("missing_signature", 401, "9993", ""),
], verdicts
try:
    gateway.load("[]")
    raise SystemExit("a bad document was taken")
except portcullis.Error as error:
    assert "expected an object" in str(error), error
assert gateway.verify([ask(GOOD)])[0][0] == "replayed"
gateway.close()
try:
    gateway.close()
    raise SystemExit("closed twice")
except portcullis.Error:
    pass
print("python: a batch verified, its replay refused")
