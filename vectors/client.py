"""A signing client that shares no code with portcullis: Python's hashlib, `cryptography` for RSA, and the SM2 of GB/T 32918.2 in a few lines.

It is what a partner would write from the open-API guide, and it is the oracle of the vectors beside it.
"""
import base64
import hashlib
import hmac
from urllib.parse import quote

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding

# The curve of GB/T 32918.5.
P = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF00000000FFFFFFFFFFFFFFFF
A = P - 3
B = 0x28E9FA9E9D9F5E344D5A9E4BCF6509A7F39789F515AB8F92DDBCBD414D940E93
N = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFF7203DF6B21C6052B53BBF40939D54123
G = (
    0x32C4AE2C1F1981195F9904466A39C9948FE30BBFF2660BE1715A4589334C74C7,
    0xBC3736A2F4F6779C59BDCEE36B692153D0A9877CC62A474002DF32E52139F0A0,
)


def sm3(data):
    return hashlib.new("sm3", data).digest()


def _add(p, q):
    if p is None:
        return q
    if q is None:
        return p
    if p[0] == q[0]:
        if (p[1] + q[1]) % P == 0:
            return None
        slope = (3 * p[0] * p[0] + A) * pow(2 * p[1], -1, P) % P
    else:
        slope = (q[1] - p[1]) * pow(q[0] - p[0], -1, P) % P
    x = (slope * slope - p[0] - q[0]) % P
    return x, (slope * (p[0] - x) - p[1]) % P


def sm2_mul(k, point=G):
    total = None
    while k:
        if k & 1:
            total = _add(total, point)
        point = _add(point, point)
        k >>= 1
    return total


def sm2_public(d):
    """The public point of the private key d as hex, uncompressed."""
    x, y = sm2_mul(d)
    return f"04{x:064x}{y:064x}"


def _der_integer(n):
    raw = n.to_bytes((n.bit_length() // 8) + 1, "big")
    return b"\x02" + bytes([len(raw)]) + raw


def sm2_sign(d, message, user_id=b"1234567812345678", der=True):
    """SM2 with SM3 (GB/T 32918.2, 6.1). k comes from the message, so that the same request has the same signature."""
    x, y = sm2_mul(d)
    b32 = lambda n: n.to_bytes(32, "big")
    z = sm3(len(user_id * 8).to_bytes(2, "big") + user_id + b32(A) + b32(B) + b32(G[0]) + b32(G[1]) + b32(x) + b32(y))
    e = int.from_bytes(sm3(z + message), "big")
    counter = 0
    while True:
        seed = hashlib.sha512(b32(d) + message + bytes([counter])).digest()
        counter += 1
        k = int.from_bytes(seed, "big") % (N - 1) + 1
        r = (e + sm2_mul(k)[0]) % N
        if r == 0 or r + k == N:
            continue
        s = pow(1 + d, -1, N) * (k - r * d) % N
        if s:
            break
    if not der:
        return b32(r) + b32(s)
    body = _der_integer(r) + _der_integer(s)
    return b"\x30" + bytes([len(body)]) + body


def load_rsa(path):
    with open(path, "rb") as f:
        return serialization.load_pem_private_key(f.read(), password=None)


def string_to_sign(params):
    """Open-API guide, 4.1: without `sign` and empty values, ascending by name, `k=v` joined by `&`."""
    kept = sorted((k.encode(), v.encode()) for k, v in params if k != "sign" and v != "")
    return b"&".join(k + b"=" + v for k, v in kept)


def sign(alg, key, params):
    """The text of `sign` for these parameters (decoded names and values)."""
    text = string_to_sign(params)
    if alg == "md5":
        return hashlib.md5(text + b"&partnerKey=" + key).hexdigest()
    if alg == "hmac-sha256":
        return hmac.new(key, text, hashlib.sha256).hexdigest()
    if alg == "hmac-sm3":
        return hmac.new(key, text, "sm3").hexdigest()
    if alg == "rsa-pkcs1-sha256":
        return base64.b64encode(key.sign(text, padding.PKCS1v15(), hashes.SHA256())).decode()
    if alg == "sm2-sm3":
        return base64.b64encode(sm2_sign(key, text)).decode()
    raise ValueError(alg)


def encode(text):
    """UTF-8 percent-encoding with the unreserved characters of RFC 3986."""
    return quote(text, safe="-_.~")


def query(params):
    return "&".join(f"{encode(k)}={encode(v)}" for k, v in params)
