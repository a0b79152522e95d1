#!/usr/bin/env python3
"""Writes the vectors beside it: requests of the open-API guide's scheme, each with the string that is signed and the outcome.

Nothing here shares code with portcullis: signatures come from ../client.py (hashlib, `cryptography`, SM2 in Python's integers), strings
from the few lines below. Every case is built from (name, text that is signed, text on the wire), so that no parser is involved. Run
from the repository's root: `python3 vectors/openapi/make.py`. The output depends on nothing but this file, ../client.py and
../demo/keys, so running it again changes nothing. The keys sign vectors only.

A case: `name`, `why`, `alg`, `key` (as in configuration documents), `profile` (a built-in name or a document), `request` (as a line of
`portcullis verify`), and `reason`; `string_to_sign` where the request can be read, without what follows for the secret; `appended` is what
stands between the string and the secret where the secret is appended. `bad_signature` is for requests that can be read and whose
signature does not verify.
"""
import base64
import hashlib
import hmac
import json
import os
import sys
from urllib.parse import quote, quote_plus

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, utils

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
import client  # noqa: E402

SECRET = "a-Shared.secret_of~16"
RSA = client.load_rsa(os.path.join(HERE, "..", "demo", "keys", "p10004-2026.pem"))
SM2 = 0x128B2FA8BD433C6C068C8D803DFF79792A519A55171B1B650C23661D15897263
P256 = ec.derive_private_key(0xC9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721, ec.SECP256R1())
ED = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
STAMP = "1700000000"


def pem(key):
    return key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    ).decode()


KEYS = {
    "md5": {"secret": SECRET},
    "hmac-sha256": {"secret": SECRET},
    "hmac-sha512": {"secret": SECRET},
    "hmac-sm3": {"secret": SECRET},
    "rsa-pkcs1-sha256": {"public_key_pem": pem(RSA)},
    "ecdsa-p256-sha256": {"public_key_pem": pem(P256)},
    "ed25519": {"public_key_pem": pem(ED)},
    "sm2-sm3": {"public_key_hex": client.sm2_public(SM2), "user_id": "1234567812345678"},
}
FIVE = ["md5", "hmac-sha256", "hmac-sm3", "rsa-pkcs1-sha256", "sm2-sm3"]


def signature(alg, data, form="der"):
    """The signature's bytes over `data`, which already has the secret behind it where the scheme appends it."""
    if alg == "md5":
        return hashlib.md5(data).digest()
    if alg.startswith("hmac-"):
        return hmac.new(SECRET.encode(), data, alg.removeprefix("hmac-")).digest()
    if alg == "rsa-pkcs1-sha256":
        from cryptography.hazmat.primitives.asymmetric import padding

        return RSA.sign(data, padding.PKCS1v15(), hashes.SHA256())
    if alg == "ecdsa-p256-sha256":
        der = P256.sign(data, ec.ECDSA(hashes.SHA256(), deterministic_signing=True))
        r, s = utils.decode_dss_signature(der)
        return der if form == "der" else r.to_bytes(32, "big") + s.to_bytes(32, "big")
    if alg == "ed25519":
        return ED.sign(data)
    if alg == "sm2-sm3":
        return client.sm2_sign(SM2, data, der=form == "der")
    raise ValueError(alg)


def text_of(alg, raw, upper=False):
    if alg == "md5" or alg.startswith("hmac-"):
        return raw.hex().upper() if upper else raw.hex()
    return base64.b64encode(raw).decode()


def join(params, empty="drop", each=lambda value: value):
    """Guide, 4.1: ascending by name, `name=value` joined by `&`."""
    kept = sorted((n.encode(), each(v).encode()) for n, v in params if v != "" or empty == "keep")
    return b"&".join(n + b"=" + v for n, v in kept).decode()


def rfc3986(text):
    return quote(text, safe="-_.~")


def java(text):
    """`URLEncoder.encode(text, "UTF-8")`: what Python calls quote_plus, but `*` stays and `~` does not."""
    return quote_plus(text, safe="*").replace("~", "%7E")


class P:
    """A parameter: its name, the text that is signed, and how it is written in JSON (a string by default) and in a query."""

    def __init__(self, name, value, json_text=None, wire=None, json_name=None, wire_name=None):
        self.name, self.value = name, value
        self.json = json_text if json_text is not None else json.dumps(value, ensure_ascii=False)
        self.json_name = json_name if json_name is not None else json.dumps(name, ensure_ascii=False)
        self.wire = wire if wire is not None else rfc3986(value)
        self.wire_name = wire_name if wire_name is not None else rfc3986(name)


def base(nonce="n-0001"):
    return [P("timestamp", STAMP, STAMP), P("nonce", nonce), P("partnerId", "p10001")]


def of_query(params):
    return "&".join(f"{p.wire_name}={p.wire}" for p in params)


def of_json(params):
    return "{" + ",".join(f"{p.json_name}:{p.json}" for p in params) + "}"


def document(alg, **members):
    """A partner's own profile: what it does not say is as in the guide."""
    form = {"signature": "hex"} if alg == "md5" or alg.startswith("hmac-") else {"signature": "base64"}
    if alg == "md5":
        form["secret_suffix"] = "&partnerKey="
    holes = ["unsigned_method", "unsigned_path", "unsigned_source", "unsigned_empty", "ambiguous_join"]
    return {"name": "partner", "shape": "params", "legacy_unsafe": holes, "algorithms": {alg: form}, **members}


def case(name, why, alg, params, method="POST", profile="openapi", string=None, appended=None, tail=None, form="der",
         upper=False, in_query=(), content_type="application/json; charset=utf-8", reason="ok", sign_text=None):
    """`in_query`: parameters of a POST that stand in the query; `tail`: what is hashed behind the string."""
    string = join([(p.name, p.value) for p in [*params, *in_query]]) if string is None else string
    if appended is None and alg == "md5":
        appended = "&partnerKey="
    if tail is None:
        tail = "" if appended is None else appended + SECRET
    raw = signature(alg, (string + tail).encode(), form)
    sign = sign_text if sign_text is not None else text_of(alg, raw, upper)
    pairs = [f"sign={rfc3986(sign)}"]
    if method == "GET":
        pairs.insert(len(params) // 2, of_query(params))
        request = {"method": "GET", "target": "/openapi/v1/query?" + "&".join(pairs)}
    else:
        pairs += [of_query(in_query)] if in_query else []
        request = {"method": method, "target": "/openapi/v1/order?" + "&".join(pairs)}
        if content_type:
            request["headers"] = [["content-type", content_type]]
        request["body"] = of_json(params)
    out = {"name": name, "why": why, "alg": alg, "key": KEYS[alg], "profile": profile, "request": request,
           "string_to_sign": string}
    if appended is not None:
        out["appended"] = appended
    out["reason"] = reason
    return out


def refused(name, why, reason, target, method="GET", body=None, headers=(), profile="openapi"):
    request = {"method": method, "target": target}
    if headers:
        request["headers"] = [list(h) for h in headers]
    if isinstance(body, bytes):
        request["body_base64"] = base64.b64encode(body).decode()
    elif body is not None:
        request["body"] = body
    return {"name": name, "why": why, "profile": profile, "request": request, "reason": reason}


def write(file, source, cases):
    names = [c["name"] for c in cases]
    assert len(set(names)) == len(names), file
    with open(os.path.join(HERE, file), "w", encoding="utf-8") as f:
        json.dump({"source": source, "made_by": "vectors/openapi/make.py", "cases": cases}, f, ensure_ascii=False, indent=1)
        f.write("\n")


TEXTS = [
    P("subject", "转账给李雷"),
    P("plus", "a+b"),
    P("percent", "50% %41"),
    P("amp", "R&D"),
    P("equals", "x=y"),
    P("mixed", "名=值&甲+乙 100%"),
    P("url", "https://h.example/p?a=1&b=2#f"),
    P("memo", ""),
    P("quote", '"\\/'),
    P("emoji", "😀"),
    P("a", "lower"),
    P("B", "upper sorts first"),
    P("a_", "underscore sorts after digits"),
    P("a1", "1"),
    P("名称", "a name in Chinese"),
    P("x y&z=1", "a name of marks"),
]
JSON_ONLY = [
    P("amount", "1.10", "1.10"),
    P("exponent", "1e2", "1e2"),
    P("capital", "-0.0E+5", "-0.0E+5"),
    P("long", "123456789012345678901234567890.5", "123456789012345678901234567890.5"),
    P("yes", "true", "true"),
    P("none", "", "null"),
    P("list", '[1, 2,"\\u4e2d"]', '[1, 2,"\\u4e2d"]'),
    P("object", '{ "b":1,"a":{"c":[]} }', '{ "b":1,"a":{"c":[]} }'),
    P("escaped", "中文\t\"\\/é😀", '"\\u4e2d\\u6587\\t\\"\\\\\\/\\u00e9\\ud83d\\ude00"'),
    P("nAme", "an escaped name", json_name='"n\\u0041me"'),
]

get, post = [], []
for alg in FIVE + ["hmac-sha512", "ecdsa-p256-sha256", "ed25519"]:
    get.append(case(f"get-{alg}", "a plain GET", alg, base(), "GET"))
    get.append(case(f"get-texts-{alg}", "every text that encoders get wrong", alg, base() + TEXTS, "GET"))
    post.append(case(f"post-{alg}", "a plain POST", alg, base()))
    post.append(case(f"post-texts-{alg}", "every text and every kind of JSON value", alg, base() + TEXTS + JSON_ONLY))
get[0:0] = [
    {
        "name": "scheme",
        "why": "the vector of the scheme: MD5(nonce=…&partnerId=…&timestamp=…&partnerKey=…)",
        "alg": "md5", "key": {"secret": "k3y"}, "profile": "openapi",
        "request": {"method": "GET", "target": "/auth/v1/get_access_token?nonce=abc123&partnerId=p10001&timestamp=1700000000"
                                               "&sign=2f9ca37c0612118fb1b01b74e6854589"},
        "string_to_sign": "nonce=abc123&partnerId=p10001&timestamp=1700000000", "appended": "&partnerKey=", "reason": "ok",
    },
    case("upper-hex", "the case of the digits does not matter", "md5", base(), "GET", upper=True),
    case("space-as-plus", "a space written as + in a query", "hmac-sha256", base() + [P("t", "a b", wire="a+b")], "GET"),
    case("lower-hex-escapes", "percent escapes in lower case, and of characters that need none", "hmac-sha256",
         base() + [P("t", "中A", wire="%e4%b8%ad%41", wire_name="%74")], "GET"),
    case("not-encoded", "raw UTF-8 in a query is its own text", "hmac-sha256", base() + [P("t", "中", wire="中")], "GET"),
    case("fixed-p256", "r and s side by side", "ecdsa-p256-sha256", base(), "GET", form="fixed"),
    case("fixed-sm2", "r and s side by side", "sm2-sm3", base(), "GET", form="fixed"),
    case("app-id", "the other names of section 2.1", "hmac-sha256",
         [P("timestamp", STAMP), P("requestId", "r1"), P("appId", "p10001")], "GET"),
]
post += [
    case("query-too", "parameters of a POST's query are signed with those of its body", "hmac-sha256", base(),
         in_query=[P("channel", "渠道 1"), P("empty", "")]),
    case("no-charset", "a type without charset", "hmac-sha256", base(), content_type="application/json"),
    case("string-timestamp", "a timestamp in quotes is the same text", "hmac-sha256",
         [P("timestamp", STAMP), P("nonce", "n"), P("partnerId", "p10001")]),
    case("number-ids", "numbers as ids are their lexemes", "hmac-sha256",
         [P("timestamp", STAMP, STAMP), P("nonce", "42", "42"), P("partnerId", "10001", "10001")]),
]
write("get.json", "open-API guide, sections 2.1, 4.1 and 5 (token endpoint)", get)
write("post.json", "open-API guide, sections 4.1, 4.2 and 5", post)

MD5 = lambda suffix: {"md5": {"signature": "hex", "secret_suffix": suffix}}
PLAIN = base() + TEXTS
PAIRS = [(p.name, p.value) for p in PLAIN]
whole = lambda encoder: encoder(join(PAIRS) + "&partnerKey=" + SECRET)
options = [
    case("a-raw-secret", "a: the secret alone behind the string", "md5", PLAIN, "GET",
         document("md5", algorithms=MD5("")), appended="", tail=SECRET),
    case("a-named-secret", "a: the secret as a parameter of another name", "md5", PLAIN, "GET",
         document("md5", algorithms=MD5("&key=")), appended="&key="),
    case("a-hmac-secret", "a: WeChat's way, HMAC over a string that ends with the secret too", "hmac-sha256", PLAIN, "GET",
         document("hmac-sha256", algorithms={"hmac-sha256": {"signature": "hex-upper", "secret_suffix": "&key="}}),
         appended="&key=", upper=True),
    case("encode-string", "the joined string encoded, then the secret as it is", "md5", PLAIN, "GET",
         document("md5", encode="string"), string=rfc3986(join(PAIRS))),
    case("encode-whole", "the whole string encoded, secret included", "md5", PLAIN, "GET", document("md5", encode="whole"),
         string=rfc3986(join(PAIRS)), appended="%26partnerKey%3D", tail=whole(rfc3986)[len(rfc3986(join(PAIRS))):]),
    case("encode-whole-rsa", "the whole string encoded, no secret", "rsa-pkcs1-sha256", PLAIN, "GET",
         document("rsa-pkcs1-sha256", encode="whole"), string=rfc3986(join(PAIRS))),
    case("encode-form", "the encoder of HTML forms and of Java", "hmac-sha256", PLAIN, "GET",
         document("hmac-sha256", encode="string", encoder="form"), string=java(join(PAIRS))),
    case("encode-values", "each value encoded before joining", "hmac-sha256", PLAIN, "GET",
         document("hmac-sha256", encode="values"), string=join(PAIRS, each=rfc3986)),
    case("empty-kept", "empty values signed as name=", "hmac-sha256", PLAIN + JSON_ONLY, profile=document(
        "hmac-sha256", values={"empty": "keep"}, legacy_unsafe=["unsigned_method", "unsigned_path", "unsigned_source", "ambiguous_join"]),
         string=join([(p.name, p.value) for p in PLAIN + JSON_ONLY], "keep")),
    case("null-text", "h: null signed as its text", "hmac-sha256", base() + [P("none", "null", "null")],
         profile=document("hmac-sha256", values={"null": "text"})),
    case("nested-dropped", "h: objects and arrays left out", "hmac-sha256", base() + [P("a", "1", "1")] + JSON_ONLY[6:8],
         profile=document("hmac-sha256", values={"nested": "drop"}, legacy_unsafe=[
             "unsigned_method", "unsigned_path", "unsigned_source", "unsigned_empty", "ambiguous_join", "unsigned_body"]),
         string=join([(p.name, p.value) for p in base()] + [("a", "1")])),
    case("spaces-kept", "spaces at the ends are signed as sent", "hmac-sha256", base() + [P("s", " x "), P(" n", "1")], "GET",
         document("hmac-sha256", values={"spaces": "keep"})),
    case("milliseconds", "a timestamp in milliseconds", "hmac-sha256",
         [P("ts", "1700000000123", "1700000000123"), P("nonce", "n"), P("app_id", "p10001")],
         profile=document("hmac-sha256", fields={
             "app_id": {"names": ["app_id"]}, "timestamp": {"names": ["ts"], "format": "unix-milliseconds"}})),
    case("plus-literal", "a + in a query is a +", "hmac-sha256", base() + [P("t", "a+b c", wire="a+b%20c")], "GET",
         document("hmac-sha256", plus="literal")),
]
write("options.json", "requirements: the guide's contradictions, and what partners made of them", options)

ID = f"partnerId=p10001&timestamp={STAMP}&nonce=n"
MEMBERS = f'"partnerId":"p10001","timestamp":{STAMP},"nonce":"n"'
JSON_TYPE = [("content-type", "application/json; charset=utf-8")]


def bad_post(name, why, reason, body, target="/p?sign=00", headers=JSON_TYPE, **more):
    return refused(name, why, reason, target, "POST", body, headers, **more)


def tampered(name, why, alg, change):
    out = case(name, why, alg, base() + [P("amount", "1.10", "1.10")], reason="bad_signature")
    change(out)
    return out


def swap(field, old, new):
    def change(out):
        assert old in out["request"][field]
        out["request"][field] = out["request"][field].replace(old, new, 1)
        out["string_to_sign"] = out["string_to_sign"].replace("1.10", "1.1") if field == "body" else out["string_to_sign"]

    return change


failures = [tampered(f"lexeme-{alg}", "the same number in another spelling is another text", alg, swap("body", "1.10", "1.1"))
            for alg in FIVE]
failures += [
    case("key-not-appended", "MD5 without the secret", "md5", base(), "GET", tail="", reason="bad_signature"),
    case("empty-was-signed", "a client that signs empty values", "hmac-sha256", base() + [P("e", "")], "GET",
         string=join([(p.name, p.value) for p in base()]), reason="bad_signature",
         sign_text=signature("hmac-sha256", join([(p.name, p.value) for p in base()] + [("e", "")], "keep").encode()).hex()),
    case("base64-for-hex", "a MAC in base64 where the profile wants hexadecimal", "hmac-sha256", base(), "GET",
         sign_text=base64.b64encode(bytes(32)).decode(), reason="bad_signature"),
    case("loose-base64", "base64 whose unused bits are not zero", "sm2-sm3", base(), "GET",
         sign_text="AB==", reason="bad_signature"),
    case("short-mac", "a MAC cut short", "hmac-sha256", base(), "GET", sign_text="00", reason="bad_signature"),
    refused("no-sign", "no signature", "missing_signature", f"/p?{ID}"),
    refused("empty-sign", "an empty signature", "missing_signature", f"/p?{ID}&sign="),
    bad_post("sign-in-body", "the signature belongs in the query", "missing_signature", f'{{{MEMBERS},"sign":"00"}}', "/p"),
    bad_post("sign-in-both", "a second signature in the body", "duplicate_field", f'{{{MEMBERS},"sign":"00"}}'),
    refused("sign-twice", "two signatures", "duplicate_field", f"/p?{ID}&sign=00&sign=00"),
    refused("sign-twice-encoded", "the same name in two spellings", "duplicate_field", f"/p?{ID}&sign=00&%73ign=00"),
    bad_post("query-and-body", "one name in both", "duplicate_field", f'{{{MEMBERS},"a":1}}', "/p?sign=00&a=1"),
    bad_post("member-twice", "a JSON member twice", "duplicate_field", f'{{{MEMBERS},"a":1,"\\u0061":2}}'),
    refused("two-apps", "partnerId and appId", "duplicate_field", f"/p?{ID}&appId=p10002&sign=00"),
    refused("no-app", "no app id", "missing_field", f"/p?timestamp={STAMP}&nonce=n&sign=00"),
    refused("no-nonce", "an empty nonce", "missing_field", f"/p?partnerId=p&timestamp={STAMP}&nonce=&sign=00"),
    refused("long-nonce", "a nonce of 33 characters", "invalid_field",
            f"/p?partnerId=p&timestamp={STAMP}&nonce={'n' * 33}&sign=00"),
    refused("long-app", "an app id of 33 characters", "invalid_field",
            f"/p?partnerId={'p' * 33}&timestamp={STAMP}&nonce=n&sign=00"),
    refused("long-sign", "a signature longer than RSA-4096 in base64", "invalid_field", f"/p?{ID}&sign={'A' * 685}"),
    refused("partner-key", "the secret on the wire", "invalid_field", f"/p?{ID}&partnerKey=k3y&sign=00"),
    refused("app-key", "the secret on the wire, in another case", "invalid_field", f"/p?{ID}&APPKEY=k3y&sign=00"),
    refused("leading-space", "a value that begins with a space", "invalid_field", f"/p?{ID}&a=%20b&sign=00"),
    refused("trailing-space", "a name that ends with a space", "invalid_field", f"/p?{ID}&a+=b&sign=00"),
    refused("bad-percent", "a % that nothing follows", "malformed_request", f"/p?{ID}&a=100%&sign=00"),
    refused("bad-utf8", "bytes that are not UTF-8", "malformed_request", f"/p?{ID}&a=%ff&sign=00"),
    refused("method", "a method that the guide does not have", "method_not_allowed", f"/p?{ID}&sign=00", "DELETE"),
    refused("get-with-body", "a body that nothing signs", "invalid_field", f"/p?{ID}&sign=00", "GET", "{}", JSON_TYPE),
    bad_post("truncated", "JSON that ends early", "malformed_request", f"{{{MEMBERS}"),
    bad_post("array", "an array for a body", "malformed_request", f"[{{{MEMBERS}}}]"),
    bad_post("surrogate", "half a surrogate pair", "malformed_request", f'{{{MEMBERS},"a":"\\ud800"}}'),
    bad_post("body-utf8", "a body that is not UTF-8", "malformed_request", f'{{{MEMBERS},"a":"'.encode() + b'\xff"}'),
    bad_post("nul", "a NUL in a body", "malformed_request", f'{{{MEMBERS},"a":"\0"}}'.encode()),
    bad_post("gbk", "another charset", "invalid_field", f"{{{MEMBERS}}}",
             headers=[("content-type", "application/json; charset=GBK")]),
    bad_post("form", "a form where JSON is due", "invalid_field", ID,
             headers=[("content-type", "application/x-www-form-urlencoded")]),
    bad_post("no-type", "a body without a type", "missing_field", f"{{{MEMBERS}}}", headers=()),
    bad_post("nested-refused", "h: objects and arrays refused", "invalid_field", f'{{{MEMBERS},"a":[]}}',
             profile=document("hmac-sha256", values={"nested": "refuse"})),
    bad_post("null-refused", "h: null refused", "invalid_field", f'{{{MEMBERS},"a":null}}',
             profile=document("hmac-sha256", values={"null": "refuse"})),
    refused("delimiters-refused", "a value that reads as two parameters", "invalid_field", f"/p?{ID}&a=1%26b%3D2&sign=00",
            profile=document("hmac-sha256", values={"delimiters": "refuse"},
                             legacy_unsafe=["unsigned_method", "unsigned_path", "unsigned_source", "unsigned_empty"])),
    refused("damaged-example", "i: the guide's example, damaged by an HTML entity", "missing_field",
            f"/p?nonce=n&partnerId=p\u00d7tamp={STAMP}&sign=00"),
] + [
    refused(f"timestamp-{i}", "not whole seconds in digits", "missing_field" if t == "" else "invalid_field",
            f"/p?partnerId=p&timestamp={t}&nonce=n&sign=00")
    for i, t in enumerate(["", "-1", "%2B1700000000", "1700000000.5", "1.7e9", "01700000000", "9" * 30, "9223372036854775807",
                           "0x6553f100", "now"])
]
write("failures.json", "open-API guide, sections 4.1, 4.2 and 5; RFC 3986, RFC 8259", failures)
