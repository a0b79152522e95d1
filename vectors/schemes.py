"""Requests of every built-in scheme, signed by clients that share no code with portcullis: Python's hashlib and hmac, and `cryptography`.

Writes vectors/<scheme>/cases.json. Signatures that a public document prints are in here as they are printed and asserted; what is made from
them (bytes changed, clocks moved, parts left out) carries the reason that the verdict must have. Run from the repository's root.
"""
import base64
import hashlib
import hmac
import json
import os
import sys
from datetime import datetime, timedelta, timezone
from urllib.parse import quote, unquote, parse_qsl

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

sys.path.insert(0, "vectors")

RSA = serialization.load_pem_private_key(open("vectors/demo/keys/p10004-2026.pem", "rb").read(), None)
RSA_PEM = RSA.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()


def E(text):
    return quote(text, safe="-_.~")


def b64(data):
    return base64.b64encode(data).decode()


def rsa(text):
    return b64(RSA.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256()))


def H(data, name="sha256"):
    return hashlib.new(name, data if isinstance(data, bytes) else data.encode()).hexdigest()


def mac(key, text, name="sha256"):
    as_bytes = lambda t: t if isinstance(t, bytes) else t.encode()
    return hmac.new(as_bytes(key), as_bytes(text), name).digest()


def iso_basic(ms):
    return datetime.fromtimestamp(ms / 1000, timezone.utc).strftime("%Y%m%dT%H%M%SZ")


def rfc1123(ms):
    return datetime.fromtimestamp(ms / 1000, timezone.utc).strftime("%a, %d %b %Y %H:%M:%S GMT")


def ms_of(text, fmt):
    return int(datetime.strptime(text, fmt).replace(tzinfo=timezone.utc).timestamp() * 1000)


def split(target):
    path, _, query = target.partition("?")
    return path, query


class Scheme:
    """One scheme's vectors. `sign(request, ms, **more)` adds what the scheme adds and returns the string to sign."""

    def __init__(self, name, credentials, source, window, file="cases"):
        self.name, self.credentials, self.source, self.window, self.file = name, credentials, source, window, file
        self.cases = []

    def add(self, name, why, request, now, reason="ok", string=None, **more):
        request = {**request, "profile": self.name, "received_at_ms": now}
        case = {"name": name, "why": why, "request": request, "reason": reason}
        if string is not None:
            case["string_to_sign"] = string
        case.update(more)
        self.cases.append(case)

    def write(self):
        os.makedirs(f"vectors/{self.name}", exist_ok=True)
        out = {"source": self.source, "made_by": "vectors/schemes.py", "app": {"allow_weak": True, "credentials": self.credentials}, "cases": self.cases}
        with open(f"vectors/{self.name}/{self.file}.json", "w") as f:
            json.dump(out, f, indent=1, ensure_ascii=False)
            f.write("\n")

    def attack(self, sign, request, now, method="bad_signature", path="bad_signature", query="bad_signature", body="bad_signature", **more):
        """Signs `request` once as it is, and then what follows from it."""
        def fresh():
            return {"method": request["method"], "target": request["target"], "headers": [list(h) for h in request["headers"]], "body": request["body"]}
        good = fresh()
        string = sign(good, now, **more)
        self.add("signed", "as the scheme says", good, now, "ok", string)
        self.add("late", "received at the end of the window", good, now + self.window, "ok")
        self.add("too-late", "and a millisecond after it", good, now + self.window + 1, "timestamp_too_old")
        self.add("too-early", "long before it was signed", good, now - 3_600_000, "timestamp_too_new")
        changed = {**good, "method": "PUT" if good["method"] != "PUT" else "POST"}
        self.add("other-method", "the method is another", changed, now, method)
        p, q = split(good["target"])
        self.add("other-path", "the path is another", {**good, "target": p + "x" + ("?" + q if q else "")}, now, path)
        self.add("more-query", "the query has a parameter more", {**good, "target": good["target"] + ("&" if q else "?") + "zz=1"}, now, query)
        other = good["body"][:-1] + "~" if good["body"] else "x"
        self.add("other-body", "the last byte of the body is another", {**good, "body": other}, now, body)
        return good, string


def canonical_query(query, drop=()):
    pairs = [(E(k), E(v)) for k, v in parse_qsl(query.replace("+", "%2B"), keep_blank_values=True) if k not in drop]
    return "&".join(f"{k}={v}" for k, v in sorted(pairs))


def header(request, name):
    return next((v for n, v in request["headers"] if n.lower() == name.lower()), None)


def flip_hex(request, name, old):
    """The last digit of a signature changed, wherever it stands in a header."""
    new = old[:-1] + ("0" if old[-1] != "0" else "1")
    return {**request, "headers": [[n, v.replace(old, new)] for n, v in request["headers"]]}


# --- WeChat Pay v3 -------------------------------------------------------------------------------------------------------------------

def wechat():
    s = Scheme("wechatpay-v3", [{"kid": "1DDE55AD98ED71D6EDD4A4A16996DE7B47773A8C", "alg": "rsa-pkcs1-sha256", "public_key_pem": RSA_PEM}],
               "WeChat Pay APIv3 documentation, building the string to sign; keys of this repository", 300_000)
    s.app_id = "1900009191"

    def sign(r, ms, order=None, nonce="593BEC0C930BF1AFEB40B4A08C8FB242"):
        string = f"{r['method']}\n{r['target']}\n{ms // 1000}\n{nonce}\n{r['body']}\n"
        pairs = {"mchid": "1900009191", "nonce_str": nonce, "signature": rsa(string), "timestamp": str(ms // 1000),
                 "serial_no": "1DDE55AD98ED71D6EDD4A4A16996DE7B47773A8C"}
        names = order or list(pairs)
        r["headers"].append(["Authorization", "WECHATPAY2-SHA256-RSA2048 " + ",".join(f'{n}="{pairs[n]}"' for n in names)])
        return string

    now = 1554208460_000
    base = {"method": "POST", "target": "/v3/pay/transactions/jsapi?a=%E4%B8%AD&b", "headers": [["Host", "api.mch.weixin.qq.com"]], "body": '{"mchid":"1900009191","note":"名"}'}
    good, string = s.attack(sign, base, now)
    for n, order in enumerate([["signature", "timestamp", "serial_no", "nonce_str", "mchid"], ["timestamp", "mchid", "serial_no", "signature", "nonce_str"]]):
        r = {**base, "headers": [*base["headers"]]}
        sign(r, now, order)
        s.add(f"order-{n}", "the order of the parameters varies", r, now, "ok", string)
    get = {"method": "GET", "target": "/v3/certificates", "headers": [], "body": ""}
    text = sign(get, now)
    s.add("get", "no body: its line is empty", get, now, "ok", text)
    auth = header(good, "Authorization")
    def with_auth(value):
        return {**good, "headers": [good["headers"][0], ["Authorization", value]]}
    s.add("unfinished-quote", "a quote without its end", with_auth(auth[:-1]), now, "malformed_request")
    s.add("two-nonces", "a parameter twice", with_auth(auth + ',nonce_str="x"'), now, "duplicate_field")
    s.add("two-signatures", "the signature twice", with_auth(auth + ',signature="x"'), now, "duplicate_field")
    s.add("two-headers", "the header twice", {**good, "headers": good["headers"] + [["authorization", auth]]}, now, "duplicate_field")
    s.add("no-nonce", "a parameter less", with_auth(auth.replace("nonce_str=", "other=")), now, "missing_field")
    s.add("empty-nonce", "an empty one", with_auth(auth.replace("593BEC0C930BF1AFEB40B4A08C8FB242", "")), now, "missing_field")
    s.add("no-signature", "nothing signed", with_auth(auth.replace("signature=", "other=")), now, "missing_signature")
    s.add("other-scheme", "another scheme's word", with_auth(auth.replace("WECHATPAY2", "WECHATPAY9")), now, "missing_signature")
    s.add("other-serial", "a key that nobody has", with_auth(auth.replace("1DDE55AD", "2DDE55AD")), now, "unknown_key")
    s.add("other-merchant", "a merchant that nobody knows", with_auth(auth.replace("1900009191", "1900009192")), now, "unknown_app")
    s.add("line-end-in-nonce", "an escape cannot smuggle a line end in", with_auth(auth.replace("593BEC", "593\\\tBEC")), now, "invalid_field")
    s.add("base64-without-padding", "strict base64", with_auth(auth.replace('==",', '",')), now, "bad_signature")
    s.add("many-parameters", "more than 128 of them", with_auth(auth + "".join(f',x{n}="1"' for n in range(200))), now, "malformed_request")
    s.write_app("1900009191")

    # Uploads: the part `meta` stands for the body, and has the digest of the file.
    u = Scheme("wechatpay-v3", s.credentials, "WeChat Pay APIv3 documentation, uploading of pictures: the part meta is signed, and has the file's SHA-256; keys of this repository", 300_000, "uploads")
    content = 'a picture, "as it were"\r\n--of\r\n\0\x7f'

    def parts(meta, file, filename="名.jpg", boundary="boundary", more=""):
        named = f'; filename="{filename}"' if filename else ""
        return (f'--{boundary}\r\nContent-Disposition: form-data; name="meta"\r\nContent-Type: application/json\r\n{more}\r\n{meta}\r\n'
                f'--{boundary}\r\nContent-Disposition: form-data; name="file"{named}\r\nContent-Type: image/jpg\r\n\r\n{file}\r\n--{boundary}--\r\n')

    def upload(name, why, reason, meta=None, sent=None, **spoil):
        digest = hashlib.sha256(content.encode()).hexdigest()
        meta = json.dumps(meta({"filename": "名.jpg", "sha256": digest}) if meta else {"filename": "名.jpg", "sha256": digest}, ensure_ascii=False)
        r = {"method": "POST", "target": "/v3/merchant/media/upload", "headers": [["Content-Type", 'multipart/form-data; boundary="boundary"']], "body": meta}
        string = sign(r, now)
        r["body"] = parts(spoil.pop("shown", meta), spoil.pop("file", content), **spoil)
        u.add(name, why, sent(r) if sent else r, now, reason, string if reason == "ok" else None)

    upload("upload", "the first part is signed, in place of the whole", "ok")
    upload("file-first", "the parts in another order", "ok", sent=lambda r: {**r, "body": "--boundary" + "--boundary".join([*r["body"].split("--boundary")[2:0:-1], "--\r\n"])})
    upload("no-name", "a file without a name, and none signed", "ok", meta=lambda m: {"sha256": m["sha256"]}, filename="")
    upload("other-file", "the file is another", "bad_digest", file=content + "x")
    upload("other-meta", "what is signed is another", "bad_signature", shown=json.dumps({"filename": "名.jpg", "sha256": hashlib.sha256(content.encode()).hexdigest(), "x": 1}, ensure_ascii=False))
    upload("other-name", "the file has another name than is signed", "invalid_field", filename="x.jpg")
    upload("name-not-signed", "the file has a name, and none is signed", "invalid_field", meta=lambda m: {"sha256": m["sha256"]})
    upload("no-digest", "what is signed has no digest", "missing_field", meta=lambda m: {"filename": m["filename"]})
    upload("digest-no-text", "the digest is a number", "missing_field", meta=lambda m: {**m, "sha256": 7})
    upload("upper-digest", "the digest in upper case", "bad_digest", meta=lambda m: {**m, "sha256": m["sha256"].upper()})
    upload("meta-no-json", "what is signed is no object", "malformed_request", meta=lambda m: [m])
    upload("two-digests", "a member twice", "duplicate_field", shown='{"filename":"名.jpg","sha256":"x","sha256":"y"}')
    upload("header-more", "a header that nobody signs", "invalid_field", more="X-Owner: somebody\r\n")
    upload("encoded", "a part that is encoded", "invalid_field", more="Content-Transfer-Encoding: base64\r\n")
    upload("third-part", "a part more", "invalid_field", sent=lambda r: {**r, "body": r["body"].replace("--boundary--", '--boundary\r\nContent-Disposition: form-data; name="to"\r\n\r\nme\r\n--boundary--')})
    upload("two-metas", "the signed part twice", "invalid_field", sent=lambda r: {**r, "body": r["body"].replace('name="file"', 'name="meta"')})
    upload("other-part", "the file under another name", "invalid_field", sent=lambda r: {**r, "body": r["body"].replace('name="file"', 'name="files"')})
    upload("preamble", "text before the first part", "invalid_field", sent=lambda r: {**r, "body": "text\r\n" + r["body"]})
    upload("epilogue", "text behind the last part", "invalid_field", sent=lambda r: {**r, "body": r["body"] + "text"})
    upload("bare-line-ends", "dividers that only some readers see", "invalid_field", sent=lambda r: {**r, "body": r["body"].replace("\r\n--boundary\r\n", "\n--boundary\n")})
    upload("divider-in-file", "a divider inside the file, as some readers see it", "invalid_field", file="x\n--boundary\ny")
    upload("no-boundary", "a type without a boundary (wechatpayv3): it is the body's first line", "ok", sent=lambda r: {**r, "headers": [["Content-Type", "multipart/form-data"], *r["headers"][1:]]})
    upload("empty-boundary", "an empty boundary", "invalid_field", sent=lambda r: {**r, "headers": [["Content-Type", "multipart/form-data; boundary="], *r["headers"][1:]]})
    upload("other-boundary", "another boundary than the body has", "invalid_field", sent=lambda r: {**r, "headers": [["Content-Type", "multipart/form-data; boundary=other"], *r["headers"][1:]]})
    upload("two-types", "the type twice", "duplicate_field", sent=lambda r: {**r, "headers": [["Content-Type", "application/json"], *r["headers"]]})
    upload("as-json", "said to be JSON: the whole is what is signed then, and it is not", "bad_signature", sent=lambda r: {**r, "headers": [["Content-Type", "application/json"], *r["headers"][1:]]})
    u.write_app("1900009191")

    c = Scheme("wechatpay-v3-callback", s.credentials, "WeChat Pay APIv3 documentation, verifying callbacks; keys of this repository", 300_000)

    def sign_callback(r, ms, nonce="nfjlsn23"):
        string = f"{ms // 1000}\n{nonce}\n{r['body']}\n"
        r["headers"] += [["Wechatpay-Timestamp", str(ms // 1000)], ["Wechatpay-Nonce", nonce], ["Wechatpay-Signature", rsa(string)],
                         ["Wechatpay-Serial", "1DDE55AD98ED71D6EDD4A4A16996DE7B47773A8C"]]
        return string

    # Method, path and query are not signed: the profile says so by name.
    c.attack(sign_callback, {"method": "POST", "target": "/notify", "headers": [], "body": '{"id":"EV-2018"}'}, now, "ok", "ok", "ok")
    c.write()


def write_app(self, app_id):
    self.write()
    path = f"vectors/{self.name}/{self.file}.json"
    out = json.load(open(path))
    out["app"]["app_id"] = app_id
    with open(path, "w") as f:
        json.dump(out, f, indent=1, ensure_ascii=False)
        f.write("\n")


Scheme.write_app = write_app


# --- Alipay v3 -----------------------------------------------------------------------------------------------------------------------

def alipay_v3():
    s = Scheme("alipay-v3", [{"alg": "rsa-pkcs1-sha256", "public_key_pem": RSA_PEM}], "Alipay OpenAPI v3 documentation, signing; keys of this repository", 300_000)

    def sign(r, ms, token=None):
        auth = f"app_id=2014060600164699,nonce=c1a2b3,timestamp={ms}"
        string = f"{auth}\n{r['method']}\n{r['target']}\n{r['body']}\n"
        if token:
            r["headers"].append(["alipay-app-auth-token", token])
            string += token + "\n"
        r["headers"].append(["authorization", f"ALIPAY-SHA256withRSA {auth},sign={rsa(string)}"])
        return string

    now = 1_700_000_000_123
    base = {"method": "POST", "target": "/v3/alipay/trade/query?x=1", "headers": [], "body": '{"out_trade_no":"70501111"}'}
    good, _ = s.attack(sign, base, now)
    token = {**base, "headers": []}
    text = sign(token, now, "202001BB")
    s.add("token", "with an app's auth token", token, now, "ok", text)
    s.add("token-dropped", "the token is signed", {**token, "headers": token["headers"][1:]}, now, "bad_signature")
    auth = header(good, "authorization")
    s.add("behind-the-signature", "what stands behind the signature would not be signed", {**good, "headers": [["authorization", auth + ",app_cert_sn=x"]]}, now, "invalid_field")
    s.write_app("2014060600164699")


# --- the AWS family ------------------------------------------------------------------------------------------------------------------

def canonical(r, names, path, query, payload, value=lambda v: v):
    lines = "".join(f"{n}:{value(','.join(' '.join(v.split()) for k, v in r['headers'] if k.lower() == n))}\n" for n in names)
    return f"{r['method']}\n{path}\n{query}\n{lines}\n{';'.join(names)}\n{payload}"


def aws():
    secret, kid = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "AKIDEXAMPLE"
    s = Scheme("aws-sigv4", [{"kid": kid, "alg": "hmac-sha256", "secret": secret}], "AWS documentation, Signature Version 4 test suite (get-vanilla and others); recomputed", 300_000)

    def key(date, region, service):
        k = mac("AWS4" + secret, date)
        for part in (region, service, "aws4_request"):
            k = mac(k, part)
        return k

    def sign(r, ms, names=None, region="us-east-1", service="service", path=None, payload=None):
        amz = iso_basic(ms)
        if header(r, "x-amz-date") is None:
            r["headers"].append(["X-Amz-Date", amz])
        names = names or sorted({n.lower() for n, _ in r["headers"]})
        p, q = split(r["target"])
        payload = payload or header(r, "x-amz-content-sha256") or H(r["body"])
        cr = canonical(r, names, path if path is not None else quote(p, safe="/-_.~"), canonical_query(q), payload)
        scope = f"{amz[:8]}/{region}/{service}/aws4_request"
        string = f"AWS4-HMAC-SHA256\n{amz}\n{scope}\n{H(cr)}"
        sig = mac(key(amz[:8], region, service), string).hex()
        r["headers"].append(["Authorization", f"AWS4-HMAC-SHA256 Credential={kid}/{scope}, SignedHeaders={';'.join(names)}, Signature={sig}"])
        r["sig"] = sig
        return string

    now = ms_of("20150830T123600Z", "%Y%m%dT%H%M%SZ")
    def done(r):
        return {k: v for k, v in r.items() if k != "sig"}
    vanilla = {"method": "GET", "target": "/", "headers": [["Host", "example.amazonaws.com"]], "body": ""}
    r = {**vanilla, "headers": [*vanilla["headers"]]}
    text = sign(r, now)
    assert r["sig"] == "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
    s.add("get-vanilla", "the suite's first", done(r), now, "ok", text)
    for name, target, path in [("slashes", "//example//", "/example/"), ("dots", "/example1/example2/../..", "/"), ("unreserved", "/-._~0123Aa", None), ("encoded", "/a%20b", "/a%2520b"),
                               ("dot-at-the-end", "/a/../b//c/.", "/b/c")]:
        r = {"method": "GET", "target": target, "headers": [["Host", "example.amazonaws.com"]], "body": ""}
        s.add(f"path-{name}", "the path normalised, and encoded again", done((sign(r, now, path=path), r)[1]), now)
    for name, query in [("order-key-case", "Param2=value2&Param1=value1"), ("empty", "Param1"), ("values", "Param1=value2&Param1=Value1"), ("utf8", "%E1%88%B4=bar&a=b%20c"), ("encoded-order", "a%2Db=1&a%7Eb=2&a=%21")]:
        r = {"method": "GET", "target": "/?" + query, "headers": [["Host", "example.amazonaws.com"]], "body": ""}
        s.add(f"query-{name}", "sorted by encoded name, then value", done((sign(r, now), r)[1]), now)
    for name, headers in [("multivalue", [["My-Header1", "value2"], ["My-Header1", "value1"]]), ("spaces", [["My-Header1", "  a   b   c  "]])]:
        r = {"method": "GET", "target": "/", "headers": [["Host", "example.amazonaws.com"], *headers], "body": ""}
        s.add(f"headers-{name}", "joined in order of arrival, trimmed, spaces collapsed", done((sign(r, now), r)[1]), now)

    def plain(r, ms):
        text = sign(r, ms)
        del r["sig"]
        return text
    good, _ = s.attack(plain, {"method": "POST", "target": "/p?a=1", "headers": [["Host", "example.amazonaws.com"], ["Content-Type", "application/json"]], "body": "{}"}, now)
    auth = header(good, "Authorization")
    def with_auth(value, extra=()):
        return {**good, "headers": [h for h in good["headers"] if h[0] != "Authorization"] + list(extra) + [["Authorization", value]]}
    s.add("other-region", "the scope is signed, and its key another", with_auth(auth.replace("us-east-1", "us-east-2")), now, "bad_signature")
    s.add("other-day", "the scope's day is the timestamp's", with_auth(auth.replace("20150830/", "20150829/")), now, "invalid_field")
    s.add("other-end", "the scope ends in aws4_request", with_auth(auth.replace("aws4_request", "aws5_request")), now, "invalid_field")
    s.add("short-scope", "the scope has five parts", with_auth(auth.replace("/aws4_request", "")), now, "invalid_field")
    s.add("other-key", "a key that nobody has", with_auth(auth.replace(kid, "AKIDOTHER")), now, "unknown_key")
    s.add("unsigned-amz-header", "every x-amz- header must be signed", with_auth(auth, [["X-Amz-Target", "Other"]]), now, "invalid_field")
    s.add("host-not-listed", "host must be signed", with_auth(auth.replace("content-type;host;", "content-type;")), now, "invalid_field")
    s.add("listed-twice", "a name twice in the list", with_auth(auth.replace("host;", "host;host;")), now, "invalid_field")
    s.add("listed-and-absent", "a name in the list that no header has", with_auth(auth.replace("host;", "host;other;")), now, "missing_field")
    s.add("upper-case-signature", "hexadecimal in lower case", with_auth(auth[:-64] + auth[-64:].upper()), now, "bad_signature")
    r = {"method": "POST", "target": "/", "headers": [["Host", "example.amazonaws.com"], ["X-Amz-Content-Sha256", H("{}")]], "body": "{}"}
    plain(r, now)
    s.add("payload-header", "the payload's digest in its header", r, now)
    s.add("payload-header-lies", "and a body that has another", {**r, "body": "{ }"}, now, "bad_digest")
    r = {"method": "POST", "target": "/", "headers": [["Host", "example.amazonaws.com"], ["X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD"]], "body": "{}"}
    plain(r, now)
    s.add("unsigned-payload", "no digest is no digest", r, now, "bad_digest")
    # Presigned.
    def presign(expires, ms, s3=False, body=""):
        amz = iso_basic(ms)
        scope = f"{amz[:8]}/us-east-1/service/aws4_request"
        q = {"X-Amz-Algorithm": "AWS4-HMAC-SHA256", "X-Amz-Credential": f"{kid}/{scope}", "X-Amz-Date": amz, "X-Amz-Expires": str(expires), "X-Amz-SignedHeaders": "host", "key name": "a/b"}
        query = "&".join(f"{E(k)}={E(v)}" for k, v in sorted(q.items()))
        r = {"method": "GET", "target": "", "headers": [["Host", "example.amazonaws.com"]], "body": body}
        cr = canonical(r, ["host"], "/x", query, "UNSIGNED-PAYLOAD" if s3 else H(body))
        string = f"AWS4-HMAC-SHA256\n{amz}\n{scope}\n{H(cr)}"
        r["target"] = "/x?" + query + "&X-Amz-Signature=" + mac(key(amz[:8], "us-east-1", "service"), string).hex()
        return r, string
    r, text = presign(60, now)
    s.add("presigned", "the same in the query", r, now, "ok", text)
    s.add("presigned-ended", "good for a minute", r, now + 60_001, "timestamp_too_old")
    s.add("presigned-more", "another parameter", {**r, "target": r["target"] + "&a=1"}, now, "bad_signature")
    s.add("presigned-twice", "a parameter twice", {**r, "target": r["target"] + "&X-Amz-Expires=90"}, now, "duplicate_field")
    s.add("presigned-and-header", "both at once", {**r, "headers": r["headers"] + [["Authorization", auth]]}, now, "duplicate_field")
    s.add("presigned-for-ever", "eight days are too many", presign(691_200, now)[0], now, "invalid_field")
    s.write()

    s3 = Scheme("aws-sigv4-s3", s.credentials, "AWS documentation, Signature Version 4 for S3; recomputed", 300_000)
    r = {"method": "PUT", "target": "/bucket//a%20b:c/../d", "headers": [["Host", "s3.amazonaws.com"], ["X-Amz-Content-Sha256", H("data")]], "body": "data"}
    sign(r, now, path="/bucket//a%20b%3Ac/../d")
    s3.add("path-as-it-is", "neither normalised nor encoded twice", done(r), now)
    s3.add("payload-lies", "the payload is another", done({**r, "body": "date"}), now, "bad_digest")
    r = {"method": "PUT", "target": "/b/k", "headers": [["Host", "s3.amazonaws.com"], ["X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD"]], "body": "data"}
    sign(r, now)
    s3.add("unsigned-payload", "the hole that the profile names", done(r), now)
    r, text = presign(60, now, True)
    s3.add("presigned", "with UNSIGNED-PAYLOAD", r, now, "ok", text)
    s3.write()


def huawei():
    s = Scheme("huaweicloud", [{"kid": "QTWAOYTTINDUT2QVKYUC", "alg": "hmac-sha256", "secret": "MFyfvK41ba2giqM7Uio6PznpdUKGpownRZlmVmHc"}],
               "Huawei Cloud API signing guide, AK/SK algorithm: request and hash of the canonical request as printed", 900_000)

    def sign(r, ms, check=None):
        names = sorted({n.lower() for n, _ in r["headers"]} | {"x-sdk-date"})
        r["headers"].append(["X-Sdk-Date", iso_basic(ms)])
        p, q = split(r["target"])
        uri = "/".join(E(unquote(x)) for x in p.split("/"))
        pairs = sorted(parse_qsl(q, keep_blank_values=True))
        cr = canonical(r, names, uri if uri.endswith("/") else uri + "/", "&".join(f"{E(k)}={E(v)}" for k, v in pairs), H(r["body"]))
        assert check is None or H(cr) == check, cr
        string = f"SDK-HMAC-SHA256\n{iso_basic(ms)}\n{H(cr)}"
        sig = mac(s.credentials[0]["secret"], string).hex()
        r["headers"].append(["Authorization", f"SDK-HMAC-SHA256 Access=QTWAOYTTINDUT2QVKYUC, SignedHeaders={';'.join(names)}, Signature={sig}"])
        return string

    now = ms_of("20191115T033655Z", "%Y%m%dT%H%M%SZ")
    r = {"method": "GET", "target": "/v1/77b6a44cba5143ab91d13ab9a8ff44fd/vpcs?limit=2&marker=13551d6b-755d-4757-b956-536f674975c0",
         "headers": [["Content-Type", "application/json"], ["Host", "service.region.example.com"]], "body": ""}
    text = sign(r, now, "b25362e603ee30f4f25e7858e8a7160fd36e803bb2dfe206278659d71a9bcd7a")
    s.add("printed", "the guide's request", r, now, "ok", text)
    s.attack(sign, {"method": "POST", "target": "/v1/a%20b/%e4%B8%AD?b=2&a=%2F&b=1", "headers": [["host", "h"]], "body": "{}"}, now)
    s.write()


def acs3():
    cred = [{"kid": "YourAccessKeyId", "alg": "hmac-sha256", "secret": "YourAccessKeySecret"}]
    s = Scheme("alibabacloud-acs3", cred, "Alibaba Cloud documentation, V3 request structure and signature: RunInstances as printed, SHA-256 and SM3", 900_000)

    def sign(r, ms, algo="sha256", nonce="3156853299f313e23d1673dc12e1703d", when=None, payload=None, called=None):
        word = {"sha256": "ACS3-HMAC-SHA256", "sm3": "ACS3-HMAC-SM3"}[algo]
        when = when or datetime.fromtimestamp(ms / 1000, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        r["headers"] += [["x-acs-date", when], ["x-acs-signature-nonce", nonce], [f"x-acs-content-{called or payload or algo}", H(r["body"], payload or algo)]]
        names = sorted(n.lower() for n, _ in r["headers"])
        p, q = split(r["target"])
        cr = canonical(r, names, p, canonical_query(q.replace("+", "%20")), H(r["body"], payload or algo))
        string = f"{word}\n{H(cr, algo)}"
        sig = mac(cred[0]["secret"], string, algo).hex()
        r["headers"].append(["Authorization", f"{word} Credential=YourAccessKeyId,SignedHeaders={';'.join(names)},Signature={sig}"])
        s.last = sig
        return string

    now = ms_of("2023-10-26T10:22:32Z", "%Y-%m-%dT%H:%M:%SZ")
    def run():
        return {"method": "POST", "target": "/?ImageId=win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd&RegionId=cn-shanghai",
                "headers": [["host", "ecs.cn-shanghai.aliyuncs.com"], ["x-acs-action", "RunInstances"], ["x-acs-version", "2014-05-26"]], "body": ""}
    r = run()
    text = sign(r, now)
    assert s.last == "06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0"
    s.add("printed", "the documentation's request", r, now, "ok", text)
    r = {**run(), "target": "/?Name=a+b%2Bc&Empty="}
    text = sign(r, now)
    s.add("space-as-plus", "the clients sign %20 and send + (alibabacloud-tea-openapi)", r, now, "ok", text)
    good, _ = s.attack(sign, {**run(), "body": "a=1"}, now, body="bad_digest")
    auth = header(good, "Authorization")
    s.add("unsigned-acs-header", "every x-acs- header must be signed", {**good, "headers": good["headers"] + [["x-acs-security-token", "x"]]}, now, "invalid_field")
    s.add("nonce-not-listed", "the nonce must be signed", {**good, "headers": [[n, v.replace(";x-acs-signature-nonce", "")] for n, v in good["headers"]]}, now, "invalid_field")
    s.add("no-nonce", "and must be there", {**good, "headers": [h for h in good["headers"] if h[0] != "x-acs-signature-nonce"]}, now, "missing_field")
    s.write()
    s.credentials = [{"kid": "YourAccessKeyId", "alg": "hmac-sm3", "secret": "YourAccessKeySecret"}]
    cases, s.cases = s.cases, []
    r = run()
    text = sign(r, now, "sm3", payload="sha256")
    assert s.last == "364c79494868a78846963f32a31bb342a4cc1c9fada9a36013a540a57b5a9d82", s.last
    s.add("printed", "the same with SM3, the payload's digest still SHA-256", r, now, "ok", text)
    r = run()
    text = sign(r, now, "sm3")
    s.add("payload-too", "and with SM3 throughout", r, now, "ok", text)
    r = {**run(), "body": "a=1"}
    text = sign(r, now, "sm3", called="sha256")
    s.add("payload-too-by-the-name-of-the-other", "an SM3 digest as x-acs-content-sha256 (alibabacloud-tea-openapi)", r, now, "ok", text)
    s.add("payload-lies", "and a body that has another", {**r, "body": "a=2"}, now, "bad_digest")
    r2 = {**r, "headers": [[n, v.replace("ACS3-HMAC-SM3", "ACS3-HMAC-SHA256")] for n, v in r["headers"]]}
    s.add("other-algorithm", "what is no SHA-256 digest is none under that word", r2, now, "bad_digest")
    r = run()
    sign(r, now, "sm3")
    r2 = {**r, "headers": [[n, v.replace("ACS3-HMAC-SM3", "ACS3-HMAC-SHA256")] for n, v in r["headers"]]}
    s.add("other-algorithm-good-digest", "the word chooses nothing that the key is not good for", r2, now, "unknown_key")
    os.makedirs("vectors/alibabacloud-acs3", exist_ok=True)
    out = {"source": s.source, "made_by": "vectors/schemes.py", "app": {"credentials": s.credentials}, "cases": s.cases}
    with open("vectors/alibabacloud-acs3/sm3.json", "w") as f:
        json.dump(out, f, indent=1, ensure_ascii=False)
        f.write("\n")


def ali_old():
    s = Scheme("alibabacloud-rpc", [{"kid": "testid", "alg": "hmac-sha1", "secret": "testsecret"}], "Alibaba Cloud documentation, RPC signature: DescribeRegions as printed", 900_000)

    def sign(r, ms, drop=None):
        p, q = split(r["target"])
        pairs = dict(parse_qsl(q, keep_blank_values=True))
        pairs.update(dict(parse_qsl(r["body"], keep_blank_values=True)))
        string = f"{r['method']}&%2F&" + E("&".join(f"{E(k)}={E(v)}" for k, v in sorted(pairs.items())))
        s.last = b64(mac("testsecret&", string, "sha1"))
        r["target"] += "&Signature=" + E(s.last)
        return string

    now = ms_of("2016-02-23T12:46:24Z", "%Y-%m-%dT%H:%M:%SZ")
    query = "Timestamp=2016-02-23T12%3A46%3A24Z&Format=XML&AccessKeyId=testid&Action=DescribeRegions&SignatureMethod=HMAC-SHA1&SignatureNonce=3ee8c1b8-83d3-44af-a94f-4e0ad82fd6cf&Version=2014-05-26&SignatureVersion=1.0"
    r = {"method": "GET", "target": "/?" + query, "headers": [], "body": ""}
    text = sign(r, now)
    assert s.last == "OLeaidS1JvxuMvnyHOwuJ+uX5qY=", s.last
    s.add("printed", "the documentation's request", r, now, "ok", text)
    form = [["Content-Type", "application/x-www-form-urlencoded"]]
    s.attack(sign, {"method": "POST", "target": "/?" + query, "headers": form, "body": "Name=a+b&Tag=%E4%B8%AD*~c"}, now, method="method_not_allowed", path="ok")
    whole = {"method": "POST", "target": "/?" + query + "&Name=a+b", "headers": form, "body": ""}
    text = sign(whole, now)
    whole = {**whole, "target": "/", "body": whole["target"][2:]}
    s.add("form", "everything in the form (@alicloud/pop-core)", whole, now, "ok", text)
    s.add("form-and-query", "the signature in both", {**whole, "target": "/?Signature=" + E(s.last)}, now, "duplicate_field")
    s.add("form-and-query-key", "the key's id in both", {**whole, "target": "/?AccessKeyId=testid"}, now, "duplicate_field")
    s.write()

    s = Scheme("alibabacloud-roa", [{"kid": "testid", "alg": "hmac-sha1", "secret": "testsecret"}], "Alibaba Cloud documentation, ROA signature; recomputed", 900_000)

    def sign_roa(r, ms, nonce="n1"):
        r["headers"] += [["Accept", "application/json"], ["Date", rfc1123(ms)], ["X-Acs-Version", "2015-12-15"]]
        if nonce:
            r["headers"].append(["x-acs-signature-nonce", nonce])
        if r["body"]:
            r["headers"] += [["Content-Type", "application/json"], ["Content-MD5", b64(hashlib.md5(r["body"].encode()).digest())]]
        p, q = split(r["target"])
        acs = "".join(f"{n.lower()}:{v}\n" for n, v in sorted(r["headers"], key=lambda h: h[0].lower()) if n.lower().startswith("x-acs-"))
        resource = p + ("?" + "&".join(sorted(q.split("&"))) if q else "")
        string = "\n".join([r["method"], *(header(r, n) or "" for n in ("Accept", "Content-MD5", "Content-Type", "Date"))]) + "\n" + acs + resource
        r["headers"].append(["Authorization", "acs testid:" + b64(mac("testsecret", string, "sha1"))])
        return string

    good, _ = s.attack(sign_roa, {"method": "POST", "target": "/clusters/c1?size=1&a=b", "headers": [], "body": "{}"}, now, body="bad_digest")
    r = {"method": "GET", "target": "/clusters/c1?size=1", "headers": [], "body": ""}
    text = sign_roa(r, now, nonce=None)
    s.add("no-nonce", "some clients send none (aliyun-python-sdk-core): the same signed request is taken once", r, now, "ok", text)
    s.add("nonce-added", "and none can be added", {**r, "headers": r["headers"] + [["x-acs-signature-nonce", "n2"]]}, now, "bad_signature")
    s.add("no-content-md5", "a body must have its digest", {**good, "headers": [h for h in good["headers"] if h[0] != "Content-MD5"]}, now, "missing_field")
    s.write()


def tc3():
    s = Scheme("tencentcloud-tc3", [{"kid": "AKIDz8krbsJ5yKBZQpn74WFkmLPx3EXAMPLE", "alg": "hmac-sha256", "secret": "Gu5t9xGARNpq86cd98joQYCN3EXAMPLE"}],
               "Tencent Cloud documentation, signature v3: DescribeInstances as printed", 300_000)

    def sign(r, ms):
        day = datetime.fromtimestamp(ms / 1000, timezone.utc).strftime("%Y-%m-%d")
        r["headers"].append(["X-TC-Timestamp", str(ms // 1000)])
        p, q = split(r["target"])
        cr = canonical(r, ["content-type", "host"], "/", q, H(r["body"]), str.lower)
        scope = f"{day}/cvm/tc3_request"
        string = f"TC3-HMAC-SHA256\n{ms // 1000}\n{scope}\n{H(cr)}"
        key = mac("TC3" + s.credentials[0]["secret"], day)
        s.last = mac(mac(mac(key, "cvm"), "tc3_request"), string).hex()
        r["headers"].append(["Authorization", f"TC3-HMAC-SHA256 Credential={s.credentials[0]['kid']}/{scope}, SignedHeaders=content-type;host, Signature={s.last}"])
        return string

    now = 1551113065_000
    base = {"method": "POST", "target": "/", "headers": [["Content-Type", "application/json; charset=utf-8"], ["Host", "cvm.tencentcloudapi.com"]],
            "body": '{"Limit": 1, "Filters": [{"Values": ["\\u672a\\u547d\\u540d"], "Name": "instance-name"}]}'}
    r = {**base, "headers": [*base["headers"]]}
    text = sign(r, now)
    assert s.last == "72e494ea809ad7a8c8f7a4507b9bddcbaa8e581f516e8da2f66e2c5a96525168"
    s.add("printed", "the documentation's request", r, now, "ok", text)
    good, _ = s.attack(sign, {**base, "body": "{}"}, now)
    s.add("other-day", "the day must be the timestamp's", {**good, "headers": [[n, v.replace("2019-02-25", "2019-02-26")] for n, v in good["headers"]]}, now, "invalid_field")
    s.write()


# --- header lists --------------------------------------------------------------------------------------------------------------------

def kong():
    s = Scheme("kong-hmac", [{"kid": "alice", "alg": "hmac-sha256", "secret": "secret"}], "Kong documentation, HMAC Auth plugin: the example as printed", 300_000)

    def sign(r, ms, names=("date", "@request-target"), at="Date", where="Authorization"):
        r["headers"].append([at, rfc1123(ms)])
        names = list(names)
        if r["body"]:
            r["headers"].append(["Digest", "SHA-256=" + b64(hashlib.sha256(r["body"].encode()).digest())])
            names.append("digest")
        special = {"@request-target": f"@request-target: {r['method'].lower()} {r['target']}", "request-line": f"{r['method']} {r['target']} HTTP/1.1"}
        string = "\n".join(special.get(n) or f"{n}: {header(r, n)}" for n in names)
        s.last = b64(mac("secret", string))
        r["headers"].append([where, f'hmac username="alice", algorithm="hmac-sha256", headers="{" ".join(names)}", signature="{s.last}"'])
        return string

    now = ms_of("Thu, 22 Jun 2017 17:15:21 GMT", "%a, %d %b %Y %H:%M:%S GMT")
    r = {"method": "GET", "target": "/requests", "headers": [], "body": ""}
    text = sign(r, now, ("date", "request-line"))
    assert s.last == "ujWCGHeec9Xd6UD2zlyxiNMCiXnDOWeVFMu5VeRUxtw="
    s.add("printed", "the documentation's request", r, now, "ok", text)
    good, _ = s.attack(sign, {"method": "POST", "target": "/p?q=1", "headers": [["host", "h"]], "body": "x=1"}, now, body="bad_digest")
    s.add("fresh-x-date", "an unsigned x-date beside a stale signed date, which Kong takes", {**good, "headers": good["headers"] + [["X-Date", rfc1123(now + 3_600_000)]]}, now + 3_600_000, "invalid_field")
    r = {"method": "GET", "target": "/p", "headers": [], "body": ""}
    sign(r, now, ("x-date", "@request-target"), "X-Date", "Proxy-Authorization")
    s.add("signed-x-date", "in the other header, with the other date", r, now)
    r = {"method": "GET", "target": "/p", "headers": [], "body": ""}
    sign(r, now, ("date",))
    s.add("date-alone", "a signature over the date alone is good for every request", r, now, "invalid_field")
    bare = {**good, "headers": [[n, v.replace(" digest", "")] for n, v in good["headers"] if n != "Digest"]}
    s.add("no-digest", "a body must have its digest", bare, now, "invalid_field")
    s.add("digest-not-listed", "and the digest must be signed", {**good, "headers": [[n, v.replace(" digest", "")] for n, v in good["headers"]]}, now, "invalid_field")
    s.write()

    a = Scheme("apisix-hmac", [{"kid": "john-key", "alg": "hmac-sha256", "secret": "john-secret-key"}], "Apache APISIX documentation, hmac-auth plugin: the example as printed", 300_000)

    def sign_apisix(r, ms, names=("@request-target", "date")):
        r["headers"].append(["Date", rfc1123(ms)])
        names = list(names)
        if r["body"]:
            if header(r, "Digest") is None:
                r["headers"].append(["Digest", "SHA-256=" + b64(hashlib.sha256(r["body"].encode()).digest())])
            names.append("digest")
        lines = [f"{r['method']} {r['target']}" if n == "@request-target" else f"{n}: {header(r, n)}" for n in names]
        string = "\n".join(["john-key", *lines]) + "\n"
        a.last = b64(mac("john-secret-key", string))
        r["headers"].append(["Authorization", f'Signature keyId="john-key",algorithm="hmac-sha256",headers="{" ".join(names)}",signature="{a.last}"'])
        return string

    now = ms_of("Fri, 06 Sep 2024 09:16:16 GMT", "%a, %d %b %Y %H:%M:%S GMT")
    r = {"method": "POST", "target": "/post", "headers": [], "body": '{"name": "world"}'}
    text = sign_apisix(r, now)
    assert "SHA-256=78qzJuLwSpZ8HacsTdFCQJWxzPMOf8bYctRk2ySLpS8=" in text, text
    assert a.last == "LGBTz7bVQQWlkijeyDpEwJWo+ppwX735uRZk5F8KhmU=", a.last
    a.add("printed", "the documentation's request", r, now, "ok", text)
    good, _ = a.attack(sign_apisix, {"method": "POST", "target": "/p?q=1", "headers": [], "body": "x"}, now, body="bad_digest")
    bare = "john-key\n"
    r = {"method": "GET", "target": "/p", "headers": [["Date", rfc1123(now)], ["Authorization", f'Signature keyId="john-key",algorithm="hmac-sha256",headers="",signature="{b64(mac("john-secret-key", bare))}"']], "body": ""}
    a.add("key-id-alone", "an empty list once signed the key id alone", r, now, "missing_field")
    r = {**r, "headers": [r["headers"][0], ["Authorization", r["headers"][1][1].replace('headers="",', "")]]}
    a.add("no-list", "as did no list", r, now, "missing_field")
    a.write()

    l = Scheme("apisix-hmac-legacy", [{"kid": "user-key", "alg": "hmac-sha256", "secret": "my-secret-key"}], "Apache APISIX documentation before 3.11, hmac-auth plugin: the example as printed", 300_000)

    def sign_legacy(r, ms):
        r["headers"] += [["Date", rfc1123(ms)], ["User-Agent", "curl/7.29.0"], ["x-custom-a", "test"]]
        p, q = split(r["target"])
        query = "&".join(f"{E(k)}={E(v)}" for k, v in sorted(parse_qsl(q, keep_blank_values=True)))
        string = f"{r['method']}\n{unquote(p)}\n{query}\nuser-key\n{rfc1123(ms)}\nUser-Agent:curl/7.29.0\nx-custom-a:test\n"
        l.last = b64(mac("my-secret-key", string))
        r["headers"] += [["X-HMAC-SIGNATURE", l.last], ["X-HMAC-ALGORITHM", "hmac-sha256"], ["X-HMAC-ACCESS-KEY", "user-key"], ["X-HMAC-SIGNED-HEADERS", "User-Agent;x-custom-a"]]
        return string

    now = ms_of("Tue, 19 Jan 2021 11:33:20 GMT", "%a, %d %b %Y %H:%M:%S GMT")
    r = {"method": "GET", "target": "/index.html?age=36&name=james", "headers": [], "body": ""}
    text = sign_legacy(r, now)
    assert l.last == "8XV1GB7Tq23OJcoz6wjqTs4ZLxr9DiLoY4PxzScWGYg="
    l.add("printed", "the documentation's request", r, now, "ok", text)
    l.attack(sign_legacy, {"method": "POST", "target": "/a%20b?z=1&a=%2F", "headers": [], "body": "x"}, now, body="ok")
    r = {**r, "target": "/a%0Ab"}
    l.add("line-end-in-path", "a decoded path cannot begin another line", r, now, "malformed_request")
    l.write()


# --- webhooks ------------------------------------------------------------------------------------------------------------------------

def webhooks():
    g = Scheme("github", [{"alg": "hmac-sha256", "secret": "It's a Secret to Everybody"}], "GitHub documentation, validating webhook deliveries: the example as printed", 0)
    def delivery(body, signature):
        return {"method": "POST", "target": "/hook", "headers": [["X-Hub-Signature-256", signature]], "body": body}
    sig = "sha256=" + mac("It's a Secret to Everybody", "Hello, World!").hex()
    assert sig == "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    g.add("printed", "the documentation's delivery", delivery("Hello, World!", sig), 0, "ok", "Hello, World!")
    g.add("other-body", "one byte changed", delivery("Hello, World?", sig), 0, "bad_signature")
    g.add("other-method", "deliveries are POST", {**delivery("Hello, World!", sig), "method": "PUT"}, 0, "method_not_allowed")
    g.add("sha1", "the old header's form", delivery("Hello, World!", sig.replace("sha256=", "sha1=")), 0, "bad_signature")
    g.add("no-prefix", "without its prefix", delivery("Hello, World!", sig[7:]), 0, "bad_signature")
    g.add("upper-case", "hexadecimal in lower case", delivery("Hello, World!", "sha256=" + sig[7:].upper()), 0, "bad_signature")
    g.add("empty", "an empty header", delivery("Hello, World!", ""), 0, "missing_signature")
    g.add("two", "two signatures", {**delivery("Hello, World!", sig), "headers": [["X-Hub-Signature-256", sig], ["x-hub-signature-256", sig]]}, 0, "duplicate_field")
    g.write()

    s = Scheme("stripe", [{"kid": "new", "alg": "hmac-sha256", "secret": "whsec_new_0123456789"}, {"kid": "old", "alg": "hmac-sha256", "secret": "whsec_old_0123456789"}],
               "Stripe documentation, verifying signatures manually; recomputed", 300_000)

    def sign(r, ms, secrets=("whsec_new_0123456789",)):
        string = f"{ms // 1000}.{r['body']}"
        r["headers"].append(["Stripe-Signature", ",".join([f"t={ms // 1000}", *("v1=" + mac(x, string).hex() for x in secrets), "v0=6ffbb59b2300aae63f272406069a9788598b792a944a07aba816edb039989a39"])])
        return string

    now = 1492774577_000
    base = {"method": "POST", "target": "/hook", "headers": [], "body": '{"id":"evt_1"}'}
    good, text = s.attack(sign, base, now, "method_not_allowed", "ok", "ok")
    r = {**base, "headers": []}
    sign(r, now, ("whsec_gone_0123456789", "whsec_old_0123456789"))
    s.add("rolled", "one of two signatures by one of two secrets", r, now, "ok", text)
    r = {**base, "headers": []}
    sign(r, now, ["whsec_gone_0123456789"] * 3)
    s.add("none-of-three", "none of three", r, now, "bad_signature")
    r = {**base, "headers": []}
    sign(r, now, ["whsec_gone_0123456789"] * 9)
    s.add("too-many", "more than eight signatures", r, now, "duplicate_field")
    value = header(good, "Stripe-Signature")
    s.add("two-timestamps", "two timestamps", {**base, "headers": [["Stripe-Signature", value + ",t=1"]]}, now, "duplicate_field")
    s.add("no-timestamp", "no timestamp", {**base, "headers": [["Stripe-Signature", value.split(",", 1)[1]]]}, now, "missing_field")
    s.write()

    key = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    w = Scheme("standard-webhooks", [{"kid": "mac", "alg": "hmac-sha256", "secret": key}], "Standard Webhooks specification: the example as printed", 300_000)
    private = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    public = private.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    w.credentials.append({"kid": "ed", "alg": "ed25519", "public_key_base64": b64(public)})

    def sign_std(r, ms, before="", ident="msg_p5jXN8AQM9LWM0D4loKWxJek"):
        string = f"{ident}.{ms // 1000}.{r['body']}"
        w.last = "v1," + b64(mac(base64.b64decode(key[6:]), string))
        r["headers"] += [["webhook-id", ident], ["webhook-timestamp", str(ms // 1000)], ["webhook-signature", before + w.last]]
        return string

    now = 1614265330_000
    base = {"method": "POST", "target": "/hook", "headers": [], "body": '{"test": 2432232314}'}
    good, text = w.attack(sign_std, base, now, "method_not_allowed", "ok", "ok")
    assert w.last == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    r = {**base, "headers": []}
    sign_std(r, now, "v1,AAAA v2,x ")
    s_list = "a list, of which one is good"
    w.add("list", s_list, r, now, "ok", text)
    r = {**base, "headers": [["webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"], ["webhook-timestamp", str(now // 1000)], ["webhook-signature", "v1a," + b64(private.sign(text.encode()))]]}
    w.add("ed25519", "the asymmetric form", r, now, "ok", text)
    r2 = {**r, "headers": [*r["headers"][:2], ["webhook-signature", r["headers"][2][1].replace("v1a,", "v1,")]]}
    w.add("ed25519-as-mac", "under the other's name", r2, now, "bad_signature")
    moved = {**base, "headers": [["webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330"], ["webhook-timestamp", "1614265330"], ["webhook-signature", w.last]]}
    w.add("dot-in-id", "a dot in the id could move the parts", moved, now, "invalid_field")
    w.write()


# --- sorted parameters ---------------------------------------------------------------------------------------------------------------

FORM = [["Content-Type", "application/x-www-form-urlencoded; charset=utf-8"]]


def form(pairs):
    from urllib.parse import urlencode
    return urlencode(pairs)


def joined(pairs, drop=(), empty=False):
    return "&".join(f"{k}={v}" for k, v in sorted(pairs.items()) if k not in drop and (v or empty))


def china(ms, fmt="%Y-%m-%d %H:%M:%S"):
    return datetime.fromtimestamp(ms / 1000, timezone(timedelta(hours=8))).strftime(fmt)


def alipay_v2():
    cred = [{"alg": "rsa-pkcs1-sha256", "public_key_pem": RSA_PEM}]
    s = Scheme("alipay-v2", cred, "Alipay OpenAPI documentation, self-made signatures for requests; keys of this repository", 300_000)
    now = 1_406_142_470_000
    base = {"app_id": "2014072300007148", "method": "alipay.trade.query", "charset": "utf-8", "sign_type": "RSA2", "version": "1.0",
            "biz_content": '{"out_trade_no":"70501111","subject":"名 &=+"}', "return_url": ""}

    def request(ms, method="POST", change=None, **more):
        pairs = {**base, "timestamp": china(ms), **more}
        string = joined(pairs)
        pairs["sign"] = rsa(string)
        pairs.update(change or {})
        if method == "GET":
            return {"method": "GET", "target": "/gateway.do?" + form(pairs), "headers": [], "body": ""}, string
        return {"method": "POST", "target": "/gateway.do", "headers": FORM, "body": form(pairs)}, string

    for method in ("POST", "GET"):
        r, text = request(now, method)
        s.add(f"signed-{method.lower()}", "all public parameters but sign; sign_type is signed", r, now, "ok", text)
    r, text = request(now)
    s.add("too-late", "after the window", r, now + 300_001, "timestamp_too_old")
    s.add("too-early", "an hour ahead", r, now - 3_600_000, "timestamp_too_new")
    s.add("split", "public parameters in the query, biz_content in the form", {**r, "target": "/gateway.do?charset=utf-8", "body": r["body"].replace("charset=utf-8&", "")}, now)
    s.add("other-body", "the amount changed", request(now, change={"biz_content": "{}"})[0], now, "bad_signature")
    s.add("other-sign-type", "sign_type is signed, and chooses nothing else", request(now, change={"sign_type": "RSA"})[0], now, "invalid_field")
    s.add("gmt-timestamp", "not of the format", request(now, timestamp="2014-07-24T03:07:50")[0], now, "invalid_field")
    s.add("no-sign", "no signature", request(now, change={"sign": ""})[0], now, "missing_signature")
    s.add("decoded-twice", "a value decoded twice is another value", request(now, change={"biz_content": base["biz_content"].replace("+", " ")})[0], now, "bad_signature")
    s.write_app("2014072300007148")

    # Synchronous responses: RSA2 over the bytes of the member `…_response` as they are sent, spaces and all. A profile of its own, which a user's
    # document may hold as well.
    reply = {"name": "alipay-response", "shape": "lines", "about": "Alipay: synchronous responses of the API in its version 2",
             "legacy_unsafe": ["no_timestamp", "no_nonce", "unsigned_method", "unsigned_path", "unsigned_query", "unsigned_body"],
             "fields": {"response": {"in": "body", "name": ["alipay_trade_query_response", "error_response"], "max": 1048576},
                        "signature": {"in": "body", "name": "sign"}},
             "string": ["response"], "algorithms": {"rsa-pkcs1-sha256": {"signature": "base64"}}}
    answers = []

    def answer(name, why, body, reason="ok", string=None):
        case = {"name": name, "why": why, "request": {"method": "POST", "target": "/", "headers": [["Content-Type", "application/json;charset=utf-8"]], "body": body, "received_at_ms": now}, "reason": reason}
        answers.append({**case, "string_to_sign": string} if string else case)

    inner = '{"code":"10000","msg":"Success","trade_no":"2013112011001004330000121536","subject":"\\u540d \\/ \u540d","total_amount":"88.88","list":[ {"a":1.0} ] }'
    sign = rsa(inner)
    answer("signed", "the member's bytes as they are: spaces, escapes and numbers are nobody's to change", f'{{"alipay_trade_query_response":{inner},"sign":"{sign}"}}', "ok", inner)
    answer("sign-first", "the order of the members says nothing", f'{{ "sign" : "{sign}" , "alipay_trade_query_response" : {inner} }}', "ok", inner)
    answer("slashes", "as PHP escapes a slash in the signature", f'{{"alipay_trade_query_response":{inner},"sign":"{sign.replace("/", chr(92) + "/")}"}}', "ok", inner)
    failed = '{"code":"40002","msg":"Invalid Arguments"}'
    answer("error", "an answer that refuses", f'{{"error_response":{failed},"sign":"{rsa(failed)}"}}', "ok", failed)
    answer("certificate", "the serial number of Alipay's certificate stands beside it, and is not signed", f'{{"alipay_trade_query_response":{inner},"alipay_cert_sn":"ea1d","sign":"{sign}"}}', "ok", inner)
    answer("other-amount", "another amount", f'{{"alipay_trade_query_response":{inner.replace("88.88", "88.89")},"sign":"{sign}"}}', "bad_signature")
    answer("serialised-again", "the same without its spaces", f'{{"alipay_trade_query_response":{inner.replace("[ ", "[").replace(" ]", "]")},"sign":"{sign}"}}', "bad_signature")
    answer("other-member", "a member that the profile does not know", f'{{"alipay_trade_pay_response":{inner},"sign":"{sign}"}}', "missing_field")
    answer("two-members", "two answers", f'{{"alipay_trade_query_response":{inner},"error_response":{failed},"sign":"{sign}"}}', "duplicate_field")
    answer("twice", "one answer twice", f'{{"alipay_trade_query_response":{inner},"alipay_trade_query_response":{inner},"sign":"{sign}"}}', "duplicate_field")
    answer("no-sign", "no signature", f'{{"alipay_trade_query_response":{inner}}}', "missing_signature")
    dump_file("vectors/alipay-v2/response.json", {"source": "Alipay OpenAPI documentation, verifying synchronous responses; keys of this repository", "made_by": "vectors/schemes.py", "app": {"app_id": "alipay", "credentials": cred}, "cases": answers, "profile": reply})

    n = Scheme("alipay-notify", cred, "Alipay OpenAPI documentation, verifying asynchronous notifications (V1); keys of this repository", 300_000)

    def notify(ms, change=None):
        pairs = {"notify_time": china(ms), "notify_type": "trade_status_sync", "notify_id": "ac05099524730693a8b330c5ecf72da978", "app_id": "2014072300007148",
                 "charset": "utf-8", "version": "1.0", "trade_no": "2013112011001004330000121536", "subject": "大乐透2.1", "gmt_close": ""}
        string = joined(pairs, empty=True)
        pairs.update({"sign_type": "RSA2", "sign": rsa(string)})
        pairs.update(change or {})
        return {"method": "POST", "target": "/notify", "headers": FORM, "body": form(pairs)}, string

    r, text = notify(now)
    n.add("signed", "sign and sign_type left out, empty values kept", r, now, "ok", text)
    n.add("other-sign-type", "sign_type is not signed, and nothing is chosen by it", notify(now, {"sign_type": "RSA"})[0], now)
    n.add("other-trade", "another trade", notify(now, {"trade_no": "1"})[0], now, "bad_signature")
    n.add("empty-value-dropped", "empty values are signed", {**r, "body": r["body"].replace("gmt_close=&", "")}, now, "bad_signature")
    n.add("query", "nothing is read in the query", {**r, "target": "/notify?trade_no=1"}, now, "invalid_field")
    n.add("too-late", "after the window", r, now + 300_001, "timestamp_too_old")
    n.write_app("2014072300007148")


def wechat_v2():
    key = "192006250b4c09247ec02edce69f6a2d"
    cred = [{"kid": "md5", "alg": "md5", "secret": key}, {"kid": "mac", "alg": "hmac-sha256", "secret": key}]
    s = Scheme("wechatpay-v2", cred, "WeChat Pay v2 documentation, signature algorithm: the example as printed, MD5 and HMAC-SHA256", 0)
    pairs = {"appid": "wxd930ea5d5a258f4f", "mch_id": "10000100", "device_info": "1000", "body": "test", "nonce_str": "ibuaiVcKdpRxkhJA"}
    string = joined(pairs) + "&key="
    md5 = hashlib.md5((string + key).encode()).hexdigest().upper()
    sha = mac(key, string + key).hex().upper()
    assert md5 == "9A0A8659F005D6984697E2CA0A9CF3B7"
    assert sha == "6A9AE1657590FD6257D693A078E1C3E4BB6BA4DC30B23E0EE2496E54170DACD6"

    def xml(pairs, cdata=False):
        text = lambda v: f"<![CDATA[{v}]]>" if cdata else v.replace("&", "&amp;").replace("<", "&lt;")
        return "<xml>\n" + "".join(f"   <{k}>{text(v)}</{k}>\n" for k, v in pairs.items()) + "</xml>"

    def post(body):
        return {"method": "POST", "target": "/pay/unifiedorder", "headers": [["Content-Type", "text/xml; charset=utf-8"]], "body": body}

    s.add("printed-md5", "the documentation's order", post(xml({**pairs, "sign": md5})), 0, "ok", string)
    s.add("printed-hmac", "with sign_type", post(xml({**pairs, "sign": sha})), 0, "ok")
    s.add("cdata", "the same in CDATA", post(xml({**pairs, "sign": md5}, True)), 0, "ok", string)
    s.add("empty", "an empty element is no parameter", post(xml({**pairs, "attach": "", "sign": md5})), 0, "ok", string)
    s.add("lower-case", "the hexadecimal is in upper case", post(xml({**pairs, "sign": md5.lower()})), 0, "bad_signature")
    s.add("other-order", "another order", post(xml({**pairs, "body": "best", "sign": md5})), 0, "bad_signature")
    s.add("key-sent", "the key is never sent", post(xml({**pairs, "key": key, "sign": md5})), 0, "invalid_field")
    s.add("entity", "a document type, and what it would make of an entity", post('<!DOCTYPE xml [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><xml><appid>&b;</appid></xml>'), 0, "malformed_request")
    s.add("nested", "an element inside a parameter", post(xml({**pairs, "sign": md5}).replace("test", "<b>test</b>")), 0, "malformed_request")
    s.add("twice", "a parameter twice", post(xml({**pairs, "sign": md5}).replace("</xml>", "<body>x</body></xml>")), 0, "duplicate_field")
    s.add("json", "another kind of body", {**post("{}"), "headers": [["Content-Type", "application/json"]]}, 0, "malformed_request")
    s.add("no-type", "no content type (wechatpy): the body is XML, or nothing", {**post(xml({**pairs, "sign": md5})), "headers": []}, 0, "ok", string)
    s.write_app("wxd930ea5d5a258f4f")


def unionpay():
    s = Scheme("unionpay", [{"kid": "68759585097", "alg": "rsa-pkcs1-sha256", "public_key_pem": RSA_PEM}], "UnionPay specification, signMethod 01, version 5.1.0; keys of this repository", 900_000)
    now = 1_582_905_600_000

    def request(ms, change=None):
        pairs = {"version": "5.1.0", "encoding": "UTF-8", "certId": "68759585097", "signMethod": "01", "txnType": "01", "merId": "777290058110048", "orderId": "20200229", "txnTime": china(ms, "%Y%m%d%H%M%S"), "txnAmt": "1000", "reqReserved": "", "backUrl": "http://b.example/?a=1&b=+"}
        string = joined(pairs)
        pairs["signature"] = rsa(H(string))
        pairs.update(change or {})
        return {"method": "POST", "target": "/gateway/api/frontTransReq.do", "headers": FORM, "body": form(pairs)}, H(string)

    r, text = request(now)
    s.add("signed", "the digest's hexadecimal text is what RSA signs", r, now, "ok", text)
    s.add("too-late", "after the window", r, now + 900_001, "timestamp_too_old")
    s.add("other-amount", "another amount", request(now, {"txnAmt": "1001"})[0], now, "bad_signature")
    s.add("other-certificate", "a certificate that nobody has", request(now, {"certId": "1"})[0], now, "unknown_key")
    plain, _ = request(now)
    s.add("other-method-word", "a method of signing that is not here", request(now, {"signMethod": "11"})[0], now, "invalid_field")
    s.add("bad-time", "no such minute", request(now, {"txnTime": "20200229006100"})[0], now, "invalid_field")
    s.write_app("777290058110048")


# --- HTTP Message Signatures and JOSE ------------------------------------------------------------------------------------------------

RSA_PSS_B12 = """-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAr4tmm3r20Wd/PbqvP1s2
+QEtvpuRaV8Yq40gjUR8y2Rjxa6dpG2GXHbPfvMs8ct+Lh1GH45x28Rw3Ry53mm+
oAXjyQ86OnDkZ5N8lYbggD4O3w6M6pAvLkhk95AndTrifbIFPNU8PPMO7OyrFAHq
gDsznjPFmTOtCEcN2Z1FpWgchwuYLPL+Wokqltd11nqqzi+bJ9cvSKADYdUAAN5W
Utzdpiy6LbTgSxP7ociU4Tn0g5I6aDZJ7A8Lzo0KSyZYoA485mqcO0GVAdVw9lq4
aOT9v6d+nb4bnNkQVklLQ3fVAvJm+xdDOp9LCNCN48V2pnDOkFV6+U9nV5oyc6XI
2wIDAQAB
-----END PUBLIC KEY-----
"""
SHARED_B15 = "uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ=="


def dump_file(path, out):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as f:
        json.dump(out, f, indent=1, ensure_ascii=False)
        f.write("\n")


def rfc9421():
    now = 1618884473_000
    request = {"method": "POST", "target": "/foo?param=Value&Pet=dog", "body": '{"hello": "world"}', "scheme": "https",
               "headers": [["Host", "example.com"], ["Date", "Tue, 20 Apr 2021 02:07:55 GMT"], ["Content-Type", "application/json"],
                           ["Content-Digest", "sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:"], ["Content-Length", "18"]]}
    # Appendix B.2 leaves open what it does not cover: a profile that names its holes.
    loose = {"name": "appendix-b", "shape": "structured-fields", "with_body": [],
             "legacy_unsafe": ["no_nonce", "unsigned_method", "unsigned_path", "unsigned_query", "unsigned_digest", "unsigned_body"],
             "structured": {"example-dict": "dictionary"},
             "algorithms": {n: {"signature": "base64"} for n in ("rsa-pss-sha512", "hmac-sha256", "ed25519", "ecdsa-p256-sha256")}}
    credentials = [{"kid": "test-key-rsa-pss", "alg": "rsa-pss-sha512", "public_key_pem": RSA_PSS_B12},
                   {"kid": "test-shared-secret", "alg": "hmac-sha256", "secret_base64": SHARED_B15},
                   {"kid": "test-key-ecc-p256", "alg": "ecdsa-p256-sha256",
                    "public_key_hex": "04a885586552c2acf6471878cfd7b0935b4ffe0fd2dfc341248ea17bc41e058af031ce2737d2d30ce0617e851e83c61ef5679d151867657649035d90a74cd9e85d"},
                   {"kid": "test-key-ed25519", "alg": "ed25519", "public_key_base64": "JrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs="}]
    printed = [
        ("b22", '("@authority" "content-digest" "@query-param";name="Pet");created=1618884473;keyid="test-key-rsa-pss";tag="header-example"',
         "LjbtqUbfmvjj5C5kr1Ugj4PmLYvx9wVjZvD9GsTT4F7GrcQEdJzgI9qHxICagShLRiLMlAJjtq6N4CDfKtjvuJyE5qH7KT8UCMkSowOB4+ECxCmT8rtAmj/0PIXxi0A0nxKyB09RNrCQibbUjsLS/2YyFYXEu4TRJQzRw1rLEuEfY17SARYhpTlaqwZVtR8NV7+4UKkjqpcAoFqWFQh62s7Cl+H2fjBSpqfZUJcsIk4N6wiKYd4je2U/lankenQ99PZfB4jY3I5rSV2DSBVkSFsURIjYErOs0tFTQosMTAoxk//0RoKUqiYY8Bh0aaUEb0rQl3/XaVe4bXTugEjHSw=="),
        ("b23", '("date" "@method" "@path" "@query" "@authority" "content-type" "content-digest" "content-length");created=1618884473;keyid="test-key-rsa-pss"',
         "bbN8oArOxYoyylQQUU6QYwrTuaxLwjAC9fbY2F6SVWvh0yBiMIRGOnMYwZ/5MR6fb0Kh1rIRASVxFkeGt683+qRpRRU5p2voTp768ZrCUb38K0fUxN0O0iC59DzYx8DFll5GmydPxSmme9v6ULbMFkl+V5B1TP/yPViV7KsLNmvKiLJH1pFkh/aYA2HXXZzNBXmIkoQoLd7YfW91kE9o/CCoC1xMy7JA1ipwvKvfrs65ldmlu9bpG6A9BmzhuzF8Eim5f8ui9eH8LZH896+QIF61ka39VBrohr9iyMUJpvRX2Zbhl5ZJzSRxpJyoEZAFL2FUo5fTIztsDZKEgM4cUA=="),
        ("b25", '("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret"', "pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8="),
        ("b26", '("date" "@method" "@path" "@authority" "content-type" "content-length");created=1618884473;keyid="test-key-ed25519"',
         "wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw=="),
    ]
    cases = []

    def add(name, why, r, reason, at=now):
        cases.append({"name": name, "why": why, "request": {**r, "received_at_ms": at}, "reason": reason})

    def signed(label, params, signature, base=request):
        return {**base, "headers": base["headers"] + [["Signature-Input", f"sig-{label}={params}"], ["Signature", f"sig-{label}=:{signature}:"]]}

    for label, params, signature in printed:
        good = signed(label, params, signature)
        add(label, "Appendix " + label[0].upper() + ".2." + label[2], good, "ok")
        add(label + "-spaces", "spaces between components are no part of the canonical form", signed(label, params.replace("(", "(  ").replace(")", "  )").replace(";created", "; created"), signature), "ok")
        add(label + "-bit", "a bit of the signature", signed(label, params, ("A" if signature[0] != "A" else "B") + signature[1:]), "bad_signature")
        add(label + "-created", "the time is signed", signed(label, params.replace("4473", "4474"), signature), "bad_signature")
        add(label + "-other-host", "another authority", {**good, "headers": [[n, v.replace("example.com", "example.org")] for n, v in good["headers"]]}, "bad_signature")
        add(label + "-late", "after the window", good, "timestamp_too_old", now + 300_001)
        add(label + "-key", "the key of another algorithm", signed(label, params.replace('keyid="', 'alg="ecdsa-p256-sha256";keyid="'), signature), "unknown_key")
    # B.2.1 covers nothing but its own parameters, and has a nonce.
    minimal = ('();created=1618884473;keyid="test-key-rsa-pss";nonce="b3k2pp5k7z-50gnwp.yemd"',
               "d2pmTvmbncD3xQm8E9ZV2828BjQWGgiwAaw5bAkgibUopemLJcWDy/lkbbHAve4cRAtx31Iq786U7it++wgGxbtRxf8Udx7zFZsckzXaJMkA7ChG52eSkFxykJeNqsrWH5S+oxNFlD4dzVuwe8DhTSja8xxbR/Z2cOGdCbzR72rgFWhzx2VjBqJzsPLMIQKhO4DGezXehhWwE56YCE+O6c0mKZsfxVrogUvA4HELjVKWmAvtl6UnCh8jYzuVG5WSb/QEVPnP5TmcAnLH1g+s++v6d4s8m0gCw1fV5/SITLq9mhho8K3+7EPYTU8IU1bLhdxO5Nyt8C8ssinQ98Xw9Q==")
    add("b21", "Appendix B.2.1", signed("b21", *minimal), "ok")
    add("b21-other-body", "nothing of the message is covered: the profile says so by name", {**signed("b21", *minimal), "body": "other", "target": "/bar"}, "ok")
    add("b21-nonce", "the nonce is signed", signed("b21", minimal[0].replace("b3k2", "b3k3"), minimal[1]), "bad_signature")
    # B.3: what a proxy that ends TLS adds.
    certificate = (":MIIBqDCCAU6gAwIBAgIBBzAKBggqhkjOPQQDAjA6MRswGQYDVQQKDBJMZXQncyBBdXRoZW50aWNhdGUxGzAZBgNVBAMMEkxBIEludGVybWVkaWF0ZSBDQTAeFw0yMDAxMTQyMjU1MzNaFw0yMTAxMjMyMjU1MzNaMA0xCzAJBgNVBAMMAkJDMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE8YnXXfaUgmnMtOXU/IncWalRhebrXmckC8vdgJ1p5Be5F/3YC8OthxM4+k1M6aEAEFcGzkJiNy6J84y7uzo9M6NyMHAwCQYDVR0TBAIwADAfBgNVHSMEGDAWgBRm3WjLa38lbEYCuiCPct0ZaSED2DAOBgNVHQ8BAf8EBAMCBsAwEwYDVR0lBAwwCgYIKwYBBQUHAwIwHQYDVR0RAQH/BBMwEYEPYmRjQGV4YW1wbGUuY29tMAoGCCqGSM49BAMCA0gAMEUCIBHda/r1vaL6G3VliL4/Di6YK0Q6bMjeSkC3dFCOOB8TAiEAx/kHSB4urmiZ0NX5r5XarmPk0wmuydBVoU4hBVZ1yhk=:")
    proxied = {**request, "headers": [["Host", "service.internal.example"], ["Date", "Tue, 20 Apr 2021 02:07:55 GMT"], ["Content-Type", "application/json"],
                                      ["Content-Length", "18"], ["Client-Cert", certificate],
                                      ["Signature-Input", 'ttrp=("@path" "@query" "@method" "@authority" "client-cert");created=1618884473;keyid="test-key-ecc-p256"'],
                                      ["Signature", "ttrp=:xVMHVpawaAC/0SbHrKRs9i8I3eOs5RtTMGCWXm/9nvZzoHsIg6Mce9315T6xoklyy0yzhD9ah4JHRwMLOgmizw==:"]]}
    add("b3", "Appendix B.3", proxied, "ok")
    add("b3-other-certificate", "the client's certificate is covered", {**proxied, "headers": [[n, v.replace("MIIBqDCC", "MIIBqDCD")] for n, v in proxied["headers"]]}, "bad_signature")
    add("b3-other-query", "the query is covered", {**proxied, "target": "/foo?param=value&Pet=dog"}, "bad_signature")
    # B.4: what may be changed on the way, and what may not.
    moved = {"method": "GET", "target": "/demo?name1=Value1&Name2=value2", "scheme": "https", "body": "",
             "headers": [["Host", "example.org"], ["Date", "Fri, 15 Jul 2022 14:24:55 GMT"], ["Accept", "application/json"], ["Accept", "*/*"],
                         ["Signature-Input", 'transform=("@method" "@path" "@authority" "accept");created=1618884473;keyid="test-key-ed25519"'],
                         ["Signature", "transform=:ZT1kooQsEHpZ0I1IjCqtQppOmIqlJPeo7DHR3SoMn0s5JZ1eRGS0A+vyYP9t/LXlh5QMFFQ6cpLt2m0pmj3NDA==:"]]}
    def changed_headers(change):
        return {**moved, "headers": [h for pair in moved["headers"] for h in change(pair)]}
    add("b4", "Appendix B.4", moved, "ok")
    add("b4-more-query-and-header", "its first transformation", {**moved, "target": moved["target"] + "&param=added", "headers": moved["headers"] + [["Accept-Language", "en-US,en;q=0.5"]]}, "ok")
    add("b4-joined", "its second: lines joined, another referer", changed_headers(lambda h: [] if h[1] == "*/*" else [["Accept", "application/json, */*"], ["Referer", "https://developer.example.org/demo"]] if h[0] == "Accept" else [h]), "ok")
    add("b4-reordered", "its third: lines of other fields moved", {**moved, "headers": list(sorted(moved["headers"], key=lambda h: h[0].lower()))}, "ok")
    add("b4-other-method", "a change that breaks it", {**moved, "method": "POST"}, "bad_signature")
    add("b4-other-authority", "a change that breaks it", changed_headers(lambda h: [["Host", "example.com"]] if h[0] == "Host" else [h]), "bad_signature")
    add("b4-other-order", "a change that breaks it: the lines of one field in another order", changed_headers(lambda h: [["Accept", "*/*" if h[1] != "*/*" else "application/json"]] if h[0] == "Accept" else [h]), "bad_signature")
    # sf: the field as its type is written canonically (2.1.1); what is signed by it does not depend on how it is spaced.
    import hmac as hmac_module
    canonical_dict = "a=1, b=2;x=1;y=2, c=(a b c), d"
    sf_params = '("example-dict";sf);created=1618884473;keyid="test-shared-secret"'
    sf_base = f'"example-dict";sf: {canonical_dict}\n"@signature-params": {sf_params}'
    sf_mac = b64(hmac_module.new(base64.b64decode(SHARED_B15), sf_base.encode(), "sha256").digest())
    for name, value, reason in [("as-printed", "a=1,    b=2;x=1;y=2,   c=(a   b   c), d", "ok"), ("canonical", canonical_dict, "ok"), ("true", "a=1, b=2;x=1;y=2, c=(a b c), d=?1", "ok"),
                                ("other", "a=1, b=2;x=1;y=2, c=(a b), d", "bad_signature"), ("broken", "a=1, b=2;x=1;y=2, c=(a b c, d", "malformed_request"), ("twice", "a=1, a=1", "malformed_request")]:
        r = {**request, "headers": request["headers"] + [["Example-Dict", value]]}
        add("sf-" + name, "a structured field, canonically (2.1.1)", signed("sf", sf_params, sf_mac, r), reason)
    add("sf-unknown-type", "a field whose type nobody knows has no canonical form", signed("sf", sf_params.replace("example-dict", "date"), sf_mac), "invalid_field")
    add("sf-of-derived", "what is derived is no structured field", signed("sf", sf_params.replace("example-dict", "@method"), sf_mac), "invalid_field")
    add("tr-of-request", "trailers come after a request was judged", signed("sf", sf_params.replace('"example-dict";sf', '"date";tr'), sf_mac), "invalid_field")
    label, params, signature = printed[1]
    add("digest-lies", "the digest is held against the body", {**signed(label, params, signature), "body": '{"hello": "World"}'}, "bad_digest")
    for name, changed, reason in [
        ("twice", params.replace('"date"', '"date" "date"'), "duplicate_field"),
        ("missing", params.replace('"date"', '"absent"'), "missing_field"),
        ("status", params.replace('"date"', '"@status"'), "invalid_field"),
        ("response", params.replace('"date"', '"date";req'), "invalid_field"),
        ("upper-case", params.replace('"date"', '"Date"'), "invalid_field"),
        ("nested", params.replace('"date"', '("date")'), "malformed_request"),
        ("token", params.replace('"date"', "date"), "invalid_field"),
        ("unfinished", params.replace(";created", "").replace(")", ""), "malformed_request"),
        ("no-created", params.replace("created=1618884473;", ""), "missing_field"),
        ("created-text", params.replace("1618884473", '"1618884473"'), "invalid_field"),
        ("created-zero", params.replace("1618884473", "01618884473"), "malformed_request"),
        ("created-twice", params + ";created=1", "malformed_request"),
        ("expired", params + ";expires=1618884470", "timestamp_too_old"),
        ("unknown-alg", params + ';alg="none"', "invalid_field"),
        ("many", params.replace('"date"', " ".join(f'"x{n}"' for n in range(200))), "malformed_request"),
    ]:
        add("input-" + name, "a list that is not as it must be", signed(label, changed, signature), reason)
    good = signed(label, params, signature)
    add("two-labels", "two signatures, of which none is named", {**good, "headers": good["headers"] + [["Signature-Input", f"other={params}"]]}, "duplicate_field")
    add("other-label", "the signature of another label", {**good, "headers": [[n, v.replace("sig-b23=:", "sig=:")] for n, v in good["headers"]]}, "missing_signature")
    dump_file("vectors/rfc9421/appendix-b.json", {"source": "RFC 9421, Appendix B.2, B.3 and B.4, with the keys of B.1, as printed; and sf of 2.1.1, signed in Python", "made_by": "vectors/schemes.py", "profile": loose,
                                                   "app": {"credentials": credentials}, "cases": cases})
    # The built-in profile asks for more.
    s = Scheme("rfc9421", [{"kid": "k", "alg": "hmac-sha256", "secret": "0123456789abcdef0123456789abcdef"}], "RFC 9421, signed by the base's rules in Python", 300_000)

    def sign(r, ms, more=""):
        p, q = split(r["target"])
        r["scheme"] = "https"
        r["headers"].append(["Content-Digest", "sha-256=:" + b64(hashlib.sha256(r["body"].encode()).digest()) + ":"])
        params = f'("@method" "@authority" "@path" "@query" "content-digest");created={ms // 1000};keyid="k"{more}'
        string = "\n".join([f'"@method": {r["method"]}', '"@authority": api.example', f'"@path": {p}', f'"@query": ?{q}', f'"content-digest": {header(r, "content-digest")}', f'"@signature-params": {params}'])
        r["headers"] += [["Signature-Input", "sig1=" + params], ["Signature", "sig1=:" + b64(mac("0123456789abcdef0123456789abcdef", string)) + ":"]]
        return string

    good, _ = s.attack(sign, {"method": "POST", "target": "/a/b?c=d", "headers": [["host", "API.example:443"]], "body": "x"}, now, body="bad_digest")
    s.add("uncovered-method", "the method must be covered", {**good, "headers": [[n, v.replace('"@method" ', "")] for n, v in good["headers"]]}, now, "invalid_field")
    s.add("uncovered-digest", "as must the digest of a body", {**good, "headers": [[n, v.replace(' "content-digest"', "")] for n, v in good["headers"]]}, now, "invalid_field")
    s.write()


def u64(data):
    return base64.urlsafe_b64encode(data if isinstance(data, bytes) else data.encode()).rstrip(b"=").decode()


def unu64(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def jose():
    key = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"
    secret = {"alg": "hmac-sha256", "secret_base64": b64(base64.urlsafe_b64decode(key + "=="))}
    ed = {"alg": "ed25519", "public_key_base64": b64(base64.urlsafe_b64decode("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo="))}
    holes = ["no_timestamp", "no_nonce", "unsigned_method", "unsigned_path", "unsigned_query"]
    algs = {"hmac-sha256": {"signature": "base64url"}, "ed25519": {"signature": "base64url"}}
    cases = []

    def detached(name, why, jws, body, reason="ok"):
        cases.append({"name": name, "why": why, "request": {"method": "POST", "target": "/x", "headers": [["x-jws-signature", jws]], "body": body, "received_at_ms": 0}, "reason": reason})

    h7797 = u64('{"alg":"HS256","b64":false,"crit":["b64"]}')
    assert h7797 == "eyJhbGciOiJIUzI1NiIsImI2NCI6ZmFsc2UsImNyaXQiOlsiYjY0Il19"
    detached("rfc7797-4.2", "an unencoded payload", h7797 + "..A5dxf2s96_n5FLueVuW1Z_vh161FwXZC4YLPff6dmDY", "$.02")
    detached("rfc7797-4.1", "the same payload, encoded", u64('{"alg":"HS256"}') + "..5mvfOroL-g7HyqJoozehmsaqmvTYGEq5jTI1gVvoEoQ", "$.02")
    detached("rfc8037-a4", "Ed25519", "eyJhbGciOiJFZERTQSJ9..hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg", "Example of Ed25519 signing")
    raw = base64.urlsafe_b64decode(key + "==")

    def forged(head, body="$.02", mid=""):
        return f"{u64(head)}.{mid}.{u64(mac(raw, u64(head) + '.' + u64(body)))}"

    detached("other-body", "another payload", h7797 + "..A5dxf2s96_n5FLueVuW1Z_vh161FwXZC4YLPff6dmDY", "$.03", "bad_signature")
    for name, head, reason in [("alg-none", '{"alg":"none"}', "invalid_field"), ("alg-swapped", '{"alg":"EdDSA"}', "bad_signature"), ("no-alg", "{}", "missing_field"),
                               ("crit-unknown", '{"alg":"HS256","crit":["exp"],"exp":1}', "invalid_field"), ("crit-empty", '{"alg":"HS256","crit":[]}', "invalid_field"),
                               ("crit-absent", '{"alg":"HS256","crit":["b64"]}', "invalid_field"), ("crit-twice", '{"alg":"HS256","b64":true,"crit":["b64","b64"]}', "invalid_field"),
                               ("b64-not-critical", '{"alg":"HS256","b64":false}', "invalid_field"), ("b64-text", '{"alg":"HS256","b64":"false","crit":["b64"]}', "invalid_field"),
                               ("alg-twice", '{"alg":"HS256","alg":"none"}', "duplicate_field"), ("no-json", "x", "malformed_request"), ("kid-path", '{"alg":"HS256","kid":"../../dev/null"}', "unknown_key")]:
        detached(name, head, forged(head), "$.02", reason)
    good = forged('{"alg":"HS256"}')
    detached("padded", "base64url has no padding", good + "=", "$.02", "bad_signature")
    detached("attached", "a payload where none belongs", forged('{"alg":"HS256"}', mid="AA"), "$.02", "malformed_request")
    detached("two-parts", "two parts", good.replace("..", "."), "$.02", "malformed_request")
    detached("no-signature", "nothing signed", good[: good.rindex(".") + 1], "$.02", "missing_signature")
    dump_file("vectors/jws-detached/rfc.json", {"source": "RFC 7797, 4, and RFC 8037, A.4, as printed", "made_by": "vectors/schemes.py", "app": {"credentials": [secret, ed]}, "cases": cases,
              "profile": {"name": "rfc-examples", "shape": "jose", "form": "detached", "header": "x-jws-signature", "legacy_unsafe": holes, "algorithms": algs}})

    # RFC 7515, A.1 to A.3 and A.5, which all sign one payload: a token.
    payload = u64('{"iss":"joe",\r\n "exp":1300819380,\r\n "http://example.com/is_root":true}')
    assert payload == "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
    n = ("ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ")
    keys = [{**secret, "kid": "a1"}, {"kid": "a2", "alg": "rsa-pkcs1-sha256", "public_key_jwk": {"kty": "RSA", "n": n, "e": "AQAB"}},
            {"kid": "a3", "alg": "ecdsa-p256-sha256", "public_key_jwk": {"kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}}]
    tokens = [
        ("a1", '{"typ":"JWT",\r\n "alg":"HS256"}', "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
        ("a2", '{"alg":"RS256"}', "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw"),
        ("a3", '{"alg":"ES256"}', "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"),
    ]
    rfc = []

    def bearer(name, why, text, reason, at=1300819379_000):
        rfc.append({"name": name, "why": why, "request": {"method": "GET", "target": "/x", "headers": [["Authorization", "Bearer " + text]], "body": "", "received_at_ms": at}, "reason": reason})

    for name, head, signature in tokens:
        bearer(name, "Appendix A." + name[1], f"{u64(head)}.{payload}.{signature}", "ok")
        bearer(name + "-bit", "a bit of the signature", f"{u64(head)}.{payload}.{('A' if signature[0] != 'A' else 'B') + signature[1:]}", "bad_signature")
        bearer(name + "-payload", "another payload", f"{u64(head)}.{payload.replace('MDA4', 'MDA5')}.{signature}", "bad_signature")
        bearer(name + "-header", "the same header, written otherwise", f"{u64(head + ' ')}.{payload}.{signature}", "bad_signature")
        bearer(name + "-late", "after its exp", f"{u64(head)}.{payload}.{signature}", "timestamp_too_old", 1300819380_001)
    # A.4 is good, by a library that has P-521; portcullis has no such algorithm, and says that of the name.
    es512 = ("eyJhbGciOiJFUzUxMiJ9", "UGF5bG9hZA", "AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_UxMi70cwnZOYaRI1bKPWROc-mZZqwqT2SI-KGDKB34XO0aw_7XdtAG8GaSwFKdCAPZgoXD2YBJZCPEX3xKpRwcdOO8KpEHwJjyqOgzDO7iKvU8vcnwNrmxYbSW9ERBXukOXolLzeO_Jn")
    x, y = (unu64(t) for t in ("AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcBpXp5EOnYG_NjFZ6OvLFV1jSfS9tsz4qUxcWceqwQGk", "ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2Th-x3S1WDhjDly79ajL4Kkd0AZMaZmh9ubmf63e3kyMj2"))
    half = unu64(es512[2])
    p521 = ec.EllipticCurvePublicNumbers(int.from_bytes(x, "big"), int.from_bytes(y, "big"), ec.SECP521R1()).public_key()
    p521.verify(encode_dss_signature(int.from_bytes(half[:66], "big"), int.from_bytes(half[66:], "big")), f"{es512[0]}.{es512[1]}".encode(), ec.ECDSA(hashes.SHA512()))
    bearer("a4", "Appendix A.4: ES512, which is none of the algorithms here", ".".join(es512), "invalid_field")
    bearer("a4-payload", "and so it is over any payload", f"{es512[0]}.{payload}.{es512[2]}", "invalid_field")
    bearer("a4-renamed", "by the name of the algorithm of a key that is there", f"{u64('{' + chr(34) + 'alg' + chr(34) + ':' + chr(34) + 'ES256' + chr(34) + '}')}.{payload}.{es512[2]}", "bad_signature")
    # A.6 and A.7: the serialisations in JSON, whose signatures are those of A.2 and A.3 with a key id beside them. No header carries them, and the
    # profile reads none: what stands in the place of a token is refused, and so is a body in place of it.
    general = json.dumps({"payload": payload, "signatures": [
        {"protected": u64(tokens[1][1]), "header": {"kid": "2010-12-29"}, "signature": tokens[1][2]},
        {"protected": u64(tokens[2][1]), "header": {"kid": "e9bc097a-ce51-4036-9562-d2ade882db0d"}, "signature": tokens[2][2]}]}, separators=(",", ":"))
    flattened = json.dumps({"payload": payload, "protected": u64(tokens[2][1]), "header": {"kid": "e9bc097a-ce51-4036-9562-d2ade882db0d"}, "signature": tokens[2][2]}, separators=(",", ":"))
    for name, text in [("a6", general), ("a7", flattened)]:
        bearer(name, f"Appendix A.{name[1]}, as it is printed", text, "malformed_request")
        bearer(name + "-base64url", "the same as one word", u64(text), "malformed_request")
        rfc.append({"name": name + "-body", "why": "a body is not where a token stands", "request": {"method": "POST", "target": "/x", "headers": [["Content-Type", "application/jose+json"]], "body": text, "received_at_ms": 1300819379_000}, "reason": "missing_signature"})
    for name, (_, head, signature) in [("a6-1", tokens[1]), ("a6-2", tokens[2]), ("a7-compact", tokens[2])]:
        bearer(name, "the same signature in the serialisation that requests carry", f"{u64(head)}.{payload}.{signature}", "ok")
    bearer("a6-exchanged", "one's header with the other's signature", f"{u64(tokens[1][1])}.{payload}.{tokens[2][2]}", "bad_signature")
    bearer("a5", "Appendix A.5, which nobody signed", f"{u64('{' + chr(34) + 'alg' + chr(34) + ':' + chr(34) + 'none' + chr(34) + '}')}.{payload}.", "missing_signature")
    dump_file("vectors/jwt/rfc7515.json", {"source": "RFC 7515, Appendix A.1 to A.7, with the keys printed there", "made_by": "vectors/schemes.py", "app": {"app_id": "joe", "credentials": keys}, "cases": rfc,
              "profile": {"name": "rfc7515", "shape": "jose", "form": "compact", "scheme": "Bearer", "legacy_unsafe": ["no_timestamp", "no_nonce", "unsigned_method", "unsigned_path", "unsigned_query", "unsigned_body"],
                          "fields": {"app_id": "iss", "expires": "exp"},
                          "algorithms": {"hmac-sha256": {"signature": "base64url"}, "rsa-pkcs1-sha256": {"signature": "base64url"}, "ecdsa-p256-sha256": {"signature": "base64url", "form": "fixed"}}}})

    s = Scheme("jws-detached", [{"kid": "ob", "alg": "rsa-pss-sha256", "public_key_pem": RSA_PEM}], "Open Banking security profile, message signing (b64 true and false); keys of this repository", 300_000)
    OB = "http://openbanking.org.uk/"

    def sign_ob(r, ms, b64_false=False, drop=None):
        head = {"alg": "PS256", "kid": "ob", OB + "iat": ms // 1000, OB + "iss": "0015800001041RHAAY", OB + "tan": "openbanking.org.uk", "crit": [OB + "iat", OB + "iss", OB + "tan"]}
        if b64_false:
            head = {**head, "b64": False, "crit": ["b64", *head["crit"]]}
        if drop:
            head["crit"].remove(drop)
        text = u64(json.dumps(head))
        string = text + "." + (r["body"] if b64_false else u64(r["body"]))
        r["headers"].append(["x-jws-signature", text + ".." + u64(RSA.sign(string.encode(), padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256()))])
        return string

    now = 1_700_000_000_000
    base = {"method": "POST", "target": "/payments", "headers": [], "body": '{"Data":{}}'}
    s.attack(sign_ob, base, now, "ok", "ok", "ok")
    r = {**base, "headers": []}
    text = sign_ob(r, now, True)
    s.add("unencoded", "b64 false, as older profiles have it", r, now, "ok", text)
    r = {**base, "headers": []}
    sign_ob(r, now, False, OB + "tan")
    s.add("not-critical", "tan must be critical", r, now, "invalid_field")
    s.write()

    j = Scheme("jwt", [{"kid": "h", "alg": "hmac-sha256", "secret": "0123456789abcdef0123456789abcdef"}], "RFC 7519; tokens made in Python", 300_000)

    def token(claims, head='{"alg":"HS256","kid":"h"}', word="Bearer"):
        text = u64(head) + "." + u64(json.dumps(claims) if isinstance(claims, dict) else claims)
        return {"method": "GET", "target": "/x", "headers": [["Authorization", f"{word} {text}.{u64(mac('0123456789abcdef0123456789abcdef', text))}"]], "body": ""}

    sec = now // 1000
    good = {"iss": "joe", "iat": sec, "exp": sec + 100, "jti": "t1", "aud": "x"}
    j.add("signed", "a token", token(good), now)
    j.add("small-bearer", "the scheme's name in any case", token(good, word="bearer"), now)
    j.add("expired", "after exp", token(good), now + 100_001, "timestamp_too_old")
    j.add("not-yet", "before nbf", token({**good, "nbf": sec + 3600}), now, "timestamp_too_new")
    j.add("no-exp", "exp is required", token({k: v for k, v in good.items() if k != "exp"}), now, "missing_field")
    j.add("no-jti", "as is jti", token({k: v for k, v in good.items() if k != "jti"}), now, "missing_field")
    j.add("iss-other", "nobody's token", token({**good, "iss": "eve"}), now, "unknown_app")
    j.add("iat-text", "times are numbers", token({**good, "iat": str(sec)}), now, "invalid_field")
    j.add("iss-number", "and names are texts", token({**good, "iss": 1}), now, "invalid_field")
    j.add("claims-array", "claims are an object", token("[]"), now, "malformed_request")
    j.add("claim-twice", "a claim twice", token('{"iss":"joe","iss":"eve"}'), now, "duplicate_field")
    j.add("alg-none", "no algorithm", token(good, '{"alg":"none"}'), now, "invalid_field")
    j.add("alg-swapped", "an algorithm that no key has", token(good, '{"alg":"RS256","kid":"h"}'), now, "unknown_key")
    j.add("b64-false", "not in tokens", token(good, '{"alg":"HS256","b64":false,"crit":["b64"]}'), now, "invalid_field")
    bad = token(good)
    bad["headers"][0][1] = bad["headers"][0][1][:-2] + ("AA" if not bad["headers"][0][1].endswith("AA") else "BA")
    j.add("other-signature", "another signature", bad, now, "bad_signature")
    j.write_app("joe")


if __name__ == "__main__":
    wechat()
    alipay_v3()
    aws()
    huawei()
    acs3()
    ali_old()
    tc3()
    kong()
    webhooks()
    alipay_v2()
    wechat_v2()
    unionpay()
    rfc9421()
    jose()
