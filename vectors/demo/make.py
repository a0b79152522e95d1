#!/usr/bin/env python3
"""Writes config.json, requests.ndjson and expected.ndjson: a day at a small gateway, with the verdict of every request known by construction.

Run from the repository's root: `python3 vectors/demo/make.py`. The output depends on nothing but this file, ../client.py and keys/, so
running it again changes nothing. The keys here sign demonstrations only.
"""
import base64
import json
import os
import random
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
import client  # noqa: E402

NOW = 1_700_000_000_000
PAST, FUTURE = 300_000, 5_000
rng = random.Random(20231114)

SECRETS = {
    "p10001": b"k3y",
    "p10002": b"an HMAC secret of the demonstration",
    "p10003": bytes(range(0x41, 0x61)),
    "p10006": b"left long ago",
}
RSA = {kid: client.load_rsa(os.path.join(HERE, "keys", f"p10004-{kid}.pem")) for kid in ("2025", "2026")}
SM2 = 0x3945208F7B2144B13F36E38AC6D39F95889393692860B51A42FB81EF4DF7C5B8

TRANSFER, BALANCE, STATEMENT, OLD = (
    "OP102345020200010000100",
    "OP102345010200010000200",
    "OP102345010200010000300",
    "OP102345010200010000400",
)
# U_API_ID has 24 characters (JR/T 0185-2020, Appendix B); the last one is the reserved pair's second.
TRANSFER, BALANCE, STATEMENT, OLD = (a + "0" for a in (TRANSFER, BALANCE, STATEMENT, OLD))


def public_pem(key):
    from cryptography.hazmat.primitives import serialization as s

    return key.public_key().public_bytes(s.Encoding.PEM, s.PublicFormat.SubjectPublicKeyInfo).decode()


CONFIG = {
    "version": 1,
    "state": {"nonces": 100_000, "limit_keys": 1_000},
    "clock": {"past_window_ms": PAST, "future_window_ms": FUTURE},
    "apis": [
        {"api_id": TRANSFER, "method": "POST", "path": "/pay/v1/transfer", "level": "A2"},
        {"api_id": BALANCE, "method": "GET", "path": "/account/v1/balance", "level": "A1"},
        {"api_id": STATEMENT, "method": "POST", "path": "/account/v1/statement/*", "level": "A1"},
        {"api_id": OLD, "method": "GET", "path": "/account/v0/*", "level": "A1", "state": "retired"},
    ],
    "limits": [{"name": "burst", "key": ["app"], "rate": 10, "per_ms": 1000, "burst": 20, "action": "reject"}],
    "apps": [
        {
            "app_id": "p10001", "status": "active", "level": "A1", "profiles": ["openapi"], "allow_weak": True,
            "allow_apis": [BALANCE, STATEMENT, OLD, TRANSFER],
            "credentials": [{"kid": "md5-1", "alg": "md5", "secret": SECRETS["p10001"].decode()}],
        },
        {
            "app_id": "p10002", "status": "active", "level": "A1", "profiles": ["openapi"],
            "allow_apis": [BALANCE, STATEMENT], "limits": ["burst"],
            "credentials": [
                {"kid": "hmac-1", "alg": "hmac-sha256", "secret_base64": base64.b64encode(SECRETS["p10002"]).decode()}
            ],
        },
        {
            "app_id": "p10003", "status": "active", "level": "A1", "profiles": ["openapi"],
            "allow_apis": [BALANCE, STATEMENT],
            "credentials": [{"kid": "sm3-1", "alg": "hmac-sm3", "secret_hex": SECRETS["p10003"].hex()}],
        },
        {
            "app_id": "p10004", "status": "active", "level": "A2", "profiles": ["openapi"],
            "allow_apis": [TRANSFER, BALANCE, STATEMENT], "allow_ips": ["203.0.113.0/24", "2001:db8::/32"],
            "credentials": [
                {"kid": kid, "alg": "rsa-pkcs1-sha256", "public_key_pem": public_pem(RSA[kid]),
                 "not_before": f"{kid}-01-01T00:00:00Z" if kid == "2025" else "2022-06-01T00:00:00Z",
                 "not_after": "2023-01-01T00:00:00Z" if kid == "2025" else "2027-01-01T00:00:00Z"}
                for kid in ("2025", "2026")
            ],
        },
        {
            "app_id": "p10005", "status": "active", "level": "A2", "profiles": ["openapi"],
            "allow_apis": [TRANSFER, BALANCE, STATEMENT],
            "credentials": [
                {"kid": "sm2-1", "alg": "sm2-sm3", "public_key_hex": client.sm2_public(SM2), "user_id": "1234567812345678"}
            ],
        },
        {
            "app_id": "p10006", "status": "exited", "level": "A1", "profiles": ["openapi"],
            "credentials": [{"kid": "hmac-6", "alg": "hmac-sha256", "secret": SECRETS["p10006"].decode()}],
        },
    ],
}
# The older RSA key is still valid when the newer one already is: an overlap of a rotation.
CONFIG["apps"][3]["credentials"][0].update(not_before="2022-01-01T00:00:00Z", not_after="2025-01-01T00:00:00Z")

KEYS = {
    "p10001": ("md5", SECRETS["p10001"], "md5-1"),
    "p10002": ("hmac-sha256", SECRETS["p10002"], "hmac-1"),
    "p10003": ("hmac-sm3", SECRETS["p10003"], "sm3-1"),
    "p10004": ("rsa-pkcs1-sha256", RSA["2026"], "2026"),
    "p10005": ("sm2-sm3", SM2, "sm2-1"),
    "p10006": ("hmac-sha256", SECRETS["p10006"], ""),
}
CODES = {"ok": "0000", "bad_signature": "9992", "missing_signature": "9993", "method_not_allowed": "9994", "missing_field": "9995",
         "malformed_request": "9996", "invalid_field": "9996", "duplicate_field": "9996"}
STATUS = {"ok": 200, "bad_signature": 401, "missing_signature": 401, "method_not_allowed": 405, "missing_field": 400,
          "malformed_request": 400, "invalid_field": 400, "duplicate_field": 400, "replayed": 409, "rate_limited": 429,
          "timestamp_too_old": 401, "timestamp_too_new": 401, "unknown_app": 401, "app_exited": 403, "ip_not_allowed": 403,
          "api_not_allowed": 403, "api_retired": 410, "level_too_low": 403}

WORDS = ["转账给李雷", "a+b", "50%", "R&D", "x=y", "Zürich", "c/d?e", "税金 2023", "plain", "“quoted”", "tab\there", "back\\slash"]
requests, expected = [], []
clock = NOW
serial = 0


def nonce():
    return f"{rng.getrandbits(96):024x}"


def params_of(app, at):
    return [("partnerId", app), ("timestamp", str(at // 1000)), ("nonce", nonce())]


def json_text(value):
    """A JSON string, sometimes with every non-ASCII character escaped: the signed value is the same."""
    return json.dumps(value, ensure_ascii=rng.random() < 0.3)


def build(app, method, at, extra=(), key=None, tamper=None, drop=(), api=None):
    """A signed request as (line without id, target path). `extra`: (name, decoded value, JSON text or None)."""
    alg, own, _ = KEYS.get(app, KEYS["p10002"])
    fields = [(n, v, None) for n, v in params_of(app, at) if n not in drop] + list(extra)
    rng.shuffle(fields)
    signature = client.sign(alg, key or own, [(n, v) for n, v, _ in fields])
    if tamper:
        fields = tamper(fields)
    path = api or ("/account/v1/balance" if method == "GET" else "/account/v1/statement/2023")
    if method == "GET":
        pairs = [(n, v) for n, v, _ in fields]
        if signature is not None and "sign" not in drop:
            pairs.insert(rng.randrange(len(pairs) + 1), ("sign", signature))
        return {"method": "GET", "target": f"{path}?{client.query(pairs)}"}
    members = ",".join(f"{json_text(n)}:{t if t is not None else json_text(v)}" for n, v, t in fields)
    target = path if "sign" in drop else f"{path}?sign={client.encode(signature)}"
    return {
        "method": "POST", "target": target,
        "headers": [["host", "api.bank.example"], ["content-type", "application/json; charset=utf-8"]],
        "body": "{" + members + "}",
    }


def business(method):
    chosen = [("subject", rng.choice(WORDS), None), ("memo", rng.choice(["", rng.choice(WORDS)]), None)]
    if method == "POST":
        for name, texts in (
            ("amount", ["1.10", "1e2", "0", "-0.50", "100000000000000000000"]),
            ("detail", ['{"b" : 1, "a":[1 ,2]}', "[1,2,3]", '{"名":"值"}']),
            ("urgent", ["true", "false"]),
        ):
            text = rng.choice(texts)
            chosen.append((name, text, text))
    else:
        chosen.append(("amount", rng.choice(["1.10", "1e2", "0"]), None))
    return chosen


def put(request, reason, app, api, at, kid="", retry=0, ip="203.0.113.7"):
    global serial
    serial += 1
    ident = f"{serial:05d}"
    requests.append({"id": ident, "received_at_ms": at, "client_ip": ip, **request})
    if reason != "ok" and not kid:
        kid = ""
    expected.append({
        "id": ident, "ok": reason == "ok", "reason": reason, "code": CODES.get(reason, "9997"), "http_status": STATUS[reason],
        "app_id": app or None, "kid": kid or None, "api_id": api or None, "retry_after_ms": retry,
    })


def api_of(method):
    return BALANCE if method == "GET" else STATEMENT


def flip(fields):
    """Changes one business value after signing."""
    out = []
    for name, value, text in fields:
        if name == "subject":
            value, text = value + "!", None
        out.append((name, value, text))
    return out


APPS = ["p10001", "p10002", "p10003", "p10004", "p10005"]
accepted = []
for index in range(3000):
    clock += rng.randrange(20, 400)
    app = APPS[index % 5]
    method = rng.choice(["GET", "POST"])
    at = clock - rng.randrange(0, PAST - 2_000)
    kind = rng.random()
    ip = rng.choice(["203.0.113.7", "203.0.113.250", "2001:db8::17"])
    if app == "p10002":
        # Kept apart from the limiter's bursts below: at most one request a second reaches it from here.
        clock += 1_000
    kid = KEYS[app][2]
    if kind < 0.62:
        key = None
        if app == "p10004" and rng.random() < 0.3:
            key, kid = RSA["2025"], "2025"
        request = build(app, method, at, business(method), key=key)
        put(request, "ok", app, api_of(method), clock, kid, ip=ip)
        accepted.append((request, app, method, at, kid, ip))
    elif kind < 0.72:
        put(build(app, method, at, business(method), tamper=flip), "bad_signature", app, api_of(method), clock, ip=ip)
    elif kind < 0.80 and accepted:
        request, app, method, at, kid, ip = accepted[-rng.randrange(1, min(len(accepted), 40) + 1)]
        if clock - at // 1000 * 1000 > PAST:
            put(request, "timestamp_too_old", app, api_of(method), clock, ip=ip)
        else:
            put(request, "replayed", app, api_of(method), clock, ip=ip)
    elif kind < 0.84:
        put(build(app, method, clock - PAST - rng.randrange(1_000, 10**7), business(method)), "timestamp_too_old", app, api_of(method), clock, ip=ip)
    elif kind < 0.88:
        put(build(app, method, clock + FUTURE + rng.randrange(1_000, 10**7), business(method)), "timestamp_too_new", app, api_of(method), clock, ip=ip)
    elif kind < 0.91:
        put(build("p99999", method, at, business(method)), "unknown_app", "p99999", api_of(method), clock, ip=ip)
    elif kind < 0.93:
        put(build("p10006", method, at, business(method)), "app_exited", "p10006", api_of(method), clock, ip=ip)
    elif kind < 0.95:
        put(build(app, method, at, business(method), drop=("sign",)), "missing_signature", None, api_of(method), clock, ip=ip)
    elif kind < 0.96:
        put(build(app, method, at, business(method), drop=("nonce",)), "missing_field", None, api_of(method), clock, ip=ip)
    elif kind < 0.97:
        put(build("p10004", method, at, business(method)), "ip_not_allowed", "p10004", api_of(method), clock, ip="198.51.100.4")
    elif kind < 0.98:
        put(build("p10001", "GET", at, business("GET"), api="/account/v0/balance"), "api_retired", "p10001", OLD, clock, ip=ip)
    elif kind < 0.99:
        put(build("p10002", "POST", at, business("POST"), api="/pay/v1/transfer"), "api_not_allowed", "p10002", TRANSFER, clock, ip=ip)
    else:
        put(build("p10001", "POST", at, business("POST"), api="/pay/v1/transfer"), "level_too_low", "p10001", TRANSFER, clock, ip=ip)
    if index % 250 == 249:
        # Five more than the burst at one moment; the last of the refused ones passes once its retry-after is over.
        clock += 60_000
        for number in range(25):
            request = build("p10002", "GET", clock, business("GET"))
            ok = number < 20
            put(request, "ok" if ok else "rate_limited", "p10002", BALANCE, clock, "hmac-1" if ok else "", 0 if ok else 100)
        put(request, "ok", "p10002", BALANCE, clock + 100, "hmac-1")
        clock += 60_000
    if index % 100 == 50:
        # A2 business: signatures only.
        for app, kid in (("p10004", "2026"), ("p10005", "sm2-1")):
            put(build(app, "POST", clock, business("POST"), api="/pay/v1/transfer"), "ok", app, TRANSFER, clock, kid)


def write(name, text):
    with open(os.path.join(HERE, name), "w", encoding="utf-8", newline="\n") as f:
        f.write(text)


write("config.json", json.dumps(CONFIG, ensure_ascii=False, indent=2) + "\n")
lines = lambda rows: "".join(json.dumps(r, ensure_ascii=False, separators=(",", ":")) + "\n" for r in rows)
write("requests.ndjson", lines(requests))
write("expected.ndjson", lines(expected))
print(f"{len(requests)} requests")
