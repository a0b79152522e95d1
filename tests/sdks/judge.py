"""Judges the requests of `clients.py` and `clients.mjs` by `portcullis verify`: `judge.py BINARY FILE…`.

Each request must be taken as it is, and only once; and with one byte of it changed it must be refused, with the reason that belongs to that byte.
Changed are the signature, the path, the query and the body. A case says which of them its scheme does not sign ("ok"), and which are noticed
before the signature is ("bad_digest").
"""
import base64
import json
import subprocess
import sys
import tempfile


def other(text, at):
    """`text` with the ASCII letter or digit at `at`, or the next before it, changed into another."""
    while at >= 0 and not (text[at].isascii() and text[at].isalnum()):
        at -= 1
    if at < 0:
        return None
    old = text[at]
    new = ("1" if old == "0" else "0") if old.isdigit() else ("b" if old == "a" else "a") if old.islower() else ("B" if old == "A" else "A")
    return text[:at] + new + text[at + 1:]


# Parameters that a scheme reads.
OWN = {"accesskeyid", "app_id", "timestamp", "signaturenonce", "signaturemethod", "signature", "sign", "sign_type", "mchid"}


def changed(case):
    """From the name of what is changed to the request with one byte of it changed."""
    request = case["request"]
    path, mark, query = request["target"].partition("?")
    body = base64.b64decode(request["body_base64"])
    out = {}
    if len(path) > 1:
        out["path"] = {**request, "target": other(path, len(path) - 1) + mark + query}
    # The value of a parameter that says neither who signs, nor when, nor how: those have reasons of their own.
    pairs = query.split("&")
    for at, pair in enumerate(pairs):
        name, _, value = pair.partition("=")
        spoiled = other(value, len(value) - 1)
        if spoiled and not name.startswith("X-Amz-") and name.lower() not in OWN:
            pairs[at] = f"{name}={spoiled}"
            out["query"] = {**request, "target": f"{path}?{'&'.join(pairs)}"}
            break
    if body:
        # A letter or digit of a value: of an element, of a member, or the last of the body, which in a form may be the signature's.
        text = body.decode("utf-8", "surrogateescape")
        at = text.rfind("</body>") - 1 if text.startswith("<") else text.rfind('"') - 1 if '"' in text else len(text) - 1
        spoiled = other(text, at)
        if spoiled:
            out["body"] = {**request, "body_base64": base64.b64encode(spoiled.encode("utf-8", "surrogateescape")).decode()}
    name, text = find_signature(request)
    if text:
        # Not its end: the last letter of base64 has bits that say nothing.
        spoiled = other(text, len(text) // 2)
        if name == "body":
            out["signature"] = {**request, "body_base64": base64.b64encode(body.decode().replace(text, spoiled).encode()).decode()}
        elif name == "target":
            out["signature"] = {**request, "target": request["target"].replace(text, spoiled)}
        else:
            out["signature"] = {**request, "headers": [[n, v.replace(text, spoiled)] for n, v in request["headers"]]}
    return out


def find_signature(request):
    """Where the signature stands, and its text as it stands there."""
    import re
    sealed = ["stripe-signature", "webhook-signature", "x-hub-signature-256", "x-jws-signature", "wechatpay-signature", "signature", "authorization"]
    for name in sealed:
        for header, value in request["headers"]:
            if header.lower() == name:
                # The longest run of letters of hexadecimal or base64; a token's last part.
                runs = re.findall(r"[A-Za-z0-9+/_-]{27,}", value.split(".")[-1] if name in ("x-jws-signature",) or value.startswith("Bearer ") else value)
                runs = [run for run in runs if "_request" not in run]
                if name == "authorization" and not value.startswith("Bearer "):
                    found = re.search(r"""(?:[Ss]ignature|sign)=["']?([A-Za-z0-9+/=]+)|:([A-Za-z0-9+/=]+)$""", value)
                    runs = [found.group(1) or found.group(2)] if found else []
                if name == "stripe-signature":
                    runs = re.findall(r"v1=([0-9a-f]+)", value)
                if runs:
                    return header, max(runs, key=len)
    for place, text in [("target", request["target"]), ("body", base64.b64decode(request["body_base64"]).decode("utf-8", "replace"))]:
        found = re.search(r"(?:[&?]|^)(?:X-Amz-Signature|Signature|sign|signature)=([^&]+)|<sign>(?:<!\[CDATA\[)?([0-9A-F]+)", text)
        if found:
            return place, found.group(1) or found.group(2)
    return None, None


def verdicts(binary, case, requests):
    config = {"version": 1, "clock": {"past_window_ms": 300_000, "future_window_ms": 300_000}, "apps": [case["app"]]}
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(config, file)
        file.flush()
        lines = "".join(json.dumps(request) + "\n" for request in requests)
        run = subprocess.run([binary, "verify", "--quiet", "--threads", "1", "--batch", "1", "--config", file.name, "-"], input=lines.encode(), capture_output=True, check=False)
    found = [json.loads(line)["reason"] for line in run.stdout.splitlines()]
    if len(found) != len(requests):
        raise SystemExit(f"{case['client']}, {case['what']}: {run.stderr.decode()}")
    return found


def main(binary, files):
    wrong, judged, clients, profiles, refused_whole = [], 0, {}, set(), []
    for file in files:
        for line in open(file, encoding="utf-8"):
            case = json.loads(line)
            spoiled = changed(case)
            if "signature" not in spoiled:
                raise SystemExit(f"{case['client']}, {case['what']}: no signature found in {case['request']}")
            # What is still taken when it is changed comes last: it has the same nonce, or the same string.
            refused = [name for name in spoiled if case.get(name, "bad_signature") != "ok"]
            taken = [name for name in spoiled if name not in refused]
            requests = [spoiled[name] for name in refused] + [case["request"], case["request"]] + [spoiled[name] for name in taken]
            twice = ["ok", "replayed"] if case.get("sent", "ok") == "ok" else [case["sent"]] * 2
            expected = [case.get(name, "bad_signature") for name in refused] + twice + ["replayed"] * len(taken)
            names = refused + ["as sent", "again"] + taken
            have = verdicts(binary, case, requests)
            judged += len(have)
            if have != expected:
                found = [f"{name}: {is_} (not {want})" for name, want, is_ in zip(names, expected, have) if want != is_]
                wrong.append(f"{case['client']}, {case['what']} ({case['profile']}): {', '.join(found)}\n  {json.dumps(case['request'], ensure_ascii=False)}")
            clients.setdefault(case["client"], []).append(case["what"])
            profiles.add(case["profile"])
            if case.get("sent", "ok") != "ok":
                refused_whole.append(f"{case['client']}, {case['what']}: {case['sent']}")
    for client in sorted(clients):
        print(f"  {client}: {len(clients[client])} requests")
    print(f"{len(clients)} clients, {sum(map(len, clients.values()))} requests, {judged} verdicts, {len(profiles)} profiles: {' '.join(sorted(profiles))}")
    if refused_whole:
        print("not as the standard wants it, and refused: " + "; ".join(refused_whole))
    if wrong:
        raise SystemExit("\n".join([f"{len(wrong)} are wrong:", *wrong]))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
