#!/usr/bin/env python3
"""Writes acceptance.json: what each algorithm accepts and refuses at its edges, with the verdict of every case known by construction.

Run from the repository's root: `python3 vectors/alg/make.py`. Nothing but Python's integers and hashlib: RSA as pow(), curves by the affine
formulas of the standards, so that signatures can be made which no library makes. The output depends on this file alone.
"""
import hashlib
import hmac
import json
import os
import random

HERE = os.path.dirname(os.path.abspath(__file__))
rng = random.Random("portcullis acceptance")
keys, cases = {}, []


def case(key, name, good, why, message, signature, form="either", input="plain"):
    cases.append({
        "key": key, "name": name, "good": good, "why": why, "message": message.hex(), "signature": signature.hex(),
        "form": form, "input": input,
    })


# ---------------------------------------------------------------------------------------------------------------- DER


def der(tag, body):
    n = len(body)
    head = bytes([n]) if n < 128 else bytes([0x80 | (n.bit_length() + 7) // 8]) + n.to_bytes((n.bit_length() + 7) // 8, "big")
    return bytes([tag]) + head + body


def integer(n):
    return der(2, n.to_bytes(n.bit_length() // 8 + 1, "big"))


def pair(r, s):
    return der(0x30, integer(r) + integer(s))


def oid(dotted):
    first, second, *rest = map(int, dotted.split("."))
    out = bytearray([first * 40 + second])
    for arc in rest:
        part = [arc & 127]
        while arc := arc >> 7:
            part.append(arc & 127 | 128)
        out += bytes(reversed(part))
    return der(6, bytes(out))


NULL = der(5, b"")


def spki(algorithm, bits):
    return der(0x30, der(0x30, algorithm) + der(3, b"\0" + bits))


# ---------------------------------------------------------------------------------------------------------------- RSA


def is_prime(n):
    if any(n % p == 0 for p in SMALL):
        return False
    d, s = n - 1, 0
    while d % 2 == 0:
        d, s = d // 2, s + 1
    for _ in range(8):
        x = pow(rng.randrange(2, n - 1), d, n)
        if x in (1, n - 1):
            continue
        for _ in range(s - 1):
            x = x * x % n
            if x == n - 1:
                break
        else:
            return False
    return True


SMALL = [p for p in range(3, 2000) if all(p % q for q in range(2, int(p**0.5) + 1))]


def prime(bits, e):
    while True:
        p = rng.getrandbits(bits) | 1 << bits - 1 | 1 << bits - 2 | 1
        if (p - 1) % e and is_prime(p):
            return p


class Rsa:
    def __init__(self, bits, e=65537):
        p, q = prime(bits // 2, e), prime(bits - bits // 2, e)
        while (p * q).bit_length() != bits or p == q:
            q = prime(bits - bits // 2, e)
        self.n, self.e, self.d = p * q, e, pow(e, -1, (p - 1) * (q - 1))
        self.bits, self.k = bits, (bits + 7) // 8

    def raw(self, em):
        """The signature whose encoded message is em."""
        m = int.from_bytes(em, "big")
        assert m < self.n
        return pow(m, self.d, self.n).to_bytes(self.k, "big")

    def spki(self):
        return spki(oid("1.2.840.113549.1.1.1") + NULL, der(0x30, integer(self.n) + integer(self.e)))


HASH_OID = {
    "sha1": "1.3.14.3.2.26", "sha256": "2.16.840.1.101.3.4.2.1", "sha512": "2.16.840.1.101.3.4.2.3",
    "sha3_256": "2.16.840.1.101.3.4.2.8",
}


def digest_info(name, value, parameters=NULL):
    return der(0x30, der(0x30, oid(HASH_OID[name]) + parameters) + der(4, value))


def pkcs1(k, info):
    return b"\0\1" + b"\xff" * (k - 3 - len(info)) + b"\0" + info


def mgf1(name, seed, length):
    blocks = range(-(-length // hashlib.new(name).digest_size))
    return b"".join(hashlib.new(name, seed + i.to_bytes(4, "big")).digest() for i in blocks)[:length]


def pss(bits, name, message, salt, mgf=None, trailer=0xBC, separator=1, padding=0, top=0):
    em_bits = bits - 1
    length = (em_bits + 7) // 8
    h = hashlib.new(name, bytes(8) + hashlib.new(name, message).digest() + salt).digest()
    db = bytearray(bytes(length - len(salt) - len(h) - 2) + bytes([separator]) + salt)
    db[0] |= padding
    mask = mgf1(mgf or name, h, len(db))
    masked = bytearray(a ^ b for a, b in zip(db, mask))
    masked[0] = masked[0] & 0xFF >> 8 * length - em_bits | top
    return bytes(masked) + h + bytes([trailer])


def rsa_cases():
    moduli = {
        "2048": Rsa(2048), "2048, e = 3": Rsa(2048, 3), "2049": Rsa(2049), "2055, e = 17": Rsa(2055, 17),
        "3072": Rsa(3072), "4096": Rsa(4096),
    }
    message = b"pay=1.10&to=p10001"
    for name in ("sha1", "sha256", "sha512"):
        alg = f"rsa-pkcs1-{name}"
        info = digest_info(name, hashlib.new(name, message).digest())
        for size, rsa in moduli.items():
            key = f"{alg} {size}"
            keys[key] = {"algorithm": alg, "spki": rsa.spki().hex()}
            signature = rsa.raw(pkcs1(rsa.k, info))
            case(key, "honest", True, "", message, signature)
            case(key, "empty message", True, "", b"", rsa.raw(pkcs1(rsa.k, digest_info(name, hashlib.new(name).digest()))))
            case(key, "one byte short", False, "len(s) = k (RFC 8017, 8.2.2, step 1)", message, signature[:-1])
            case(key, "zero byte before", False, "len(s) = k", message, b"\0" + signature)
            case(key, "zero byte after", False, "len(s) = k", message, signature + b"\0")
            n, k = rsa.n, rsa.k
            for text, s in (("0", 0), ("1", 1), ("n − 1", n - 1), ("n", n), ("n − s", n - int.from_bytes(signature, "big"))):
                case(key, f"s = {text}", False, "", message, s.to_bytes(k, "big"))
            case(key, "all ones", False, "s < n (RFC 8017, 5.2.2, step 1)", message, b"\xff" * k)
            case(key, "empty", False, "len(s) = k", message, b"")
            # s + n in k bytes is another name of s: only s < n is taken.
            counter = 0
            while True:
                other = message + b"&n=%d" % counter
                s = int.from_bytes(rsa.raw(pkcs1(k, digest_info(name, hashlib.new(name, other).digest()))), "big")
                if (s + n).bit_length() <= 8 * k:
                    break
                counter += 1
            case(key, "s of the next two", True, "", other, s.to_bytes(k, "big"))
            case(key, "s + n", False, "s < n (RFC 8017, 5.2.2, step 1)", other, (s + n).to_bytes(k, "big"))
        # A signature that begins with a zero byte, and the same without it.
        rsa = moduli["2048"]
        key, k, counter = f"{alg} 2048", rsa.k, 0
        while (s := rsa.raw(pkcs1(k, digest_info(name, hashlib.new(name, b"%d" % counter).digest()))))[0]:
            counter += 1
        case(key, "begins with a zero byte", True, "", b"%d" % counter, s)
        case(key, "its zero byte left out", False, "len(s) = k", b"%d" % counter, s[1:])
        whole = "the whole encoded message is compared, nothing is parsed"
        value = hashlib.new(name, message).digest()
        good = pkcs1(k, info)
        for text, em in (
            ("block type 2", b"\0\2" + good[2:]),
            ("block type 0", b"\0\0" + good[2:]),
            ("first byte 1", b"\1" + good[1:]),
            ("a padding byte of fe", good[:20] + b"\xfe" + good[21:]),
            ("last padding byte of fe", good[: k - len(info) - 2] + b"\xfe" + good[k - len(info) - 1:]),
            ("separator of 1", good[: k - len(info) - 1] + b"\1" + info),
            ("no NULL", pkcs1(k, digest_info(name, value, b""))),
            ("parameters of an octet string", pkcs1(k, digest_info(name, value, der(4, b"")))),
            ("bytes after the hash, padding of eight (Bleichenbacher 2006)", b"\0\1" + b"\xff" * 8 + b"\0" + info + bytes(k - 11 - len(info))),
            ("bytes inside the parameters", pkcs1(k, digest_info(name, value, der(4, bytes(60))))),
            ("hash alone, no DigestInfo", pkcs1(k, value)),
            ("another hash's name", pkcs1(k, digest_info("sha3_256", value))),
            ("hash cut short", pkcs1(k, digest_info(name, value[:-1]))),
            ("a byte after the hash", pkcs1(k, info + b"\0")),
            ("long form of a length", pkcs1(k, b"\x30\x81" + info[1:])),
            ("everything zero", bytes(k)),
        ):
            case(key, text, False, whole, message, rsa.raw(em))
        for other in ("sha1", "sha256", "sha512"):
            if other != name:
                em = pkcs1(k, digest_info(other, hashlib.new(other, message).digest()))
                case(key, f"signed with {other}", False, "the algorithm is the key's, not the signature's", message, rsa.raw(em))
        case(key, "signed with PSS", False, "the padding is the key's", message, rsa.raw(pss(2048, name, message, bytes(20))))

    for name in ("sha256", "sha512"):
        alg, h = f"rsa-pss-{name}", hashlib.new(name).digest_size
        other = "sha512" if name == "sha256" else "sha256"
        salt = rng.randbytes(h)
        for size, rsa in moduli.items():
            key, k = f"{alg} {size}", rsa.k
            keys[key] = {"algorithm": alg, "spki": rsa.spki().hex()}

            def raw(*args, **options):
                # emLen is one less than k where the modulus has 8·j + 1 bits (RFC 8017, 8.1.1).
                return rsa.raw(pss(rsa.bits, *args, **options).rjust(k, b"\0"))

            signature = raw(name, message, salt)
            case(key, "honest", True, "", message, signature)
            case(key, "honest, salt of zeros", True, "", message, raw(name, message, bytes(h)))
            case(key, "one byte short", False, "len(s) = k", message, signature[:-1])
            case(key, "zero byte before", False, "len(s) = k", message, b"\0" + signature)
            case(key, "all ones", False, "s < n", message, b"\xff" * k)
            for text, s in (("0", 0), ("1", 1), ("n", rsa.n), ("n − 1", rsa.n - 1)):
                case(key, f"s = {text}", False, "", message, s.to_bytes(k, "big"))
            fixed = "the salt has the hash's length"
            for length in (0, 20, h - 1, h + 1, (rsa.bits + 6) // 8 - h - 2):
                if length <= (rsa.bits + 6) // 8 - h - 2 and length != h:
                    case(key, f"salt of {length} bytes", False, fixed, message, raw(name, message, rng.randbytes(length)))
            case(key, "MGF1 over the other hash", False, "MGF1 uses the same hash", message, raw(name, message, salt, mgf=other))
            case(key, "MGF1 over SHA-1", False, "MGF1 uses the same hash", message, raw(name, message, salt, mgf="sha1"))
            case(key, "trailer cc", False, "RFC 8017, 9.1.2, step 4", message, raw(name, message, salt, trailer=0xCC))
            case(key, "separator 2", False, "RFC 8017, 9.1.2, step 10", message, raw(name, message, salt, separator=2))
            case(key, "separator 0", False, "RFC 8017, 9.1.2, step 10", message, raw(name, message, salt, separator=0))
            bits = 8 * ((rsa.bits + 6) // 8) - rsa.bits + 1
            if bits < 7:
                case(key, "padding not zero", False, "RFC 8017, 9.1.2, step 10", message, raw(name, message, salt, padding=1))
            if bits and rsa.bits % 8 != 1:
                # The bit above emBits: the encoded message may then be no longer below n, which the search avoids.
                for attempt in range(200):
                    em = pss(rsa.bits, name, message, rng.randbytes(h), top=0x100 >> bits)
                    if int.from_bytes(em, "big") < rsa.n:
                        case(key, "bit above emBits set", False, "RFC 8017, 9.1.2, step 6", message, rsa.raw(em.rjust(k, b"\0")))
                        break
            case(key, "signed with PKCS#1 v1.5", False, "the padding is the key's", message,
                 rsa.raw(pkcs1(k, digest_info(name, hashlib.new(name, message).digest()))))


# ------------------------------------------------------------------------------------------------- Weierstraß curves


class Curve:
    def __init__(self, name, size, p, b, n, g, curve_oid):
        self.name, self.size, self.p, self.a, self.b, self.n, self.g, self.oid = name, size, p, p - 3, b, n, g, curve_oid

    def add(self, u, v):
        if u is None or v is None:
            return u or v
        p = self.p
        if u[0] == v[0]:
            if (u[1] + v[1]) % p == 0:
                return None
            slope = (3 * u[0] * u[0] + self.a) * pow(2 * u[1], -1, p) % p
        else:
            slope = (v[1] - u[1]) * pow(v[0] - u[0], -1, p) % p
        x = (slope * slope - u[0] - v[0]) % p
        return x, (slope * (u[0] - x) - u[1]) % p

    def mul(self, k, point=None):
        total, point = None, point or self.g
        k %= self.n
        while k:
            if k & 1:
                total = self.add(total, point)
            point = self.add(point, point)
            k >>= 1
        return total

    def bytes(self, n):
        return n.to_bytes(self.size, "big")

    def point(self, d):
        x, y = self.mul(d)
        return b"\4" + self.bytes(x) + self.bytes(y)

    def key(self, name, alg, d, **more):
        bits = self.point(d)
        keys[name] = {"algorithm": alg, "spki": spki(oid("1.2.840.10045.2.1") + oid(self.oid), bits).hex(), **more}

    def fixed(self, r, s):
        return self.bytes(r) + self.bytes(s)


P256 = Curve(
    "P-256", 32, 2**256 - 2**224 + 2**192 + 2**96 - 1, 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B,
    0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
    (0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
     0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5), "1.2.840.10045.3.1.7")
P384 = Curve(
    "P-384", 48, 2**384 - 2**128 - 2**96 + 2**32 - 1,
    0xB3312FA7E23EE7E4988E056BE3F82D19181D9C6EFE8141120314088F5013875AC656398D8A2ED19D2A85C8EDD3EC2AEF,
    0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973,
    (0xAA87CA22BE8B05378EB1C71EF320AD746E1D3B628BA79B9859F741E082542A385502F25DBF55296C3A545E3872760AB7,
     0x3617DE4A96262C6F5D9E98BF9292DC29F8F41DBD289A147CE9DA3113B5F0B8C00A60B1CE1D7E819D7A431D7C90EA0E5F), "1.3.132.0.34")
SM2 = Curve(
    "SM2", 32, 2**256 - 2**224 - 2**96 + 2**64 - 1, 0x28E9FA9E9D9F5E344D5A9E4BCF6509A7F39789F515AB8F92DDBCBD414D940E93,
    0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFF7203DF6B21C6052B53BBF40939D54123,
    (0x32C4AE2C1F1981195F9904466A39C9948FE30BBFF2660BE1715A4589334C74C7,
     0xBC3736A2F4F6779C59BDCEE36B692153D0A9877CC62A474002DF32E52139F0A0), "1.2.156.10197.1.301")
for c in (P256, P384, SM2):
    assert (c.g[1] ** 2 - c.g[0] ** 3 - c.a * c.g[0] - c.b) % c.p == 0 and c.add(c.mul(c.n - 1), c.g) is None


def spellings(curve, key, message, r, s):
    """What is and is not a way to write a good pair."""
    fixed, text, size = curve.fixed(r, s), pair(r, s), curve.size
    case(key, "fixed", True, "", message, fixed, "fixed")
    case(key, "DER", True, "", message, text, "der")
    case(key, "fixed as either", True, "told by length", message, fixed)
    case(key, "DER as either", True, "told by length", message, text)
    case(key, "fixed as DER", False, "", message, fixed, "der")
    case(key, "DER as fixed", False, "", message, text, "fixed")
    case(key, "swapped", False, "", message, curve.fixed(s, r), "fixed")
    case(key, "one byte short", False, "", message, fixed[:-1], "fixed")
    case(key, "zero byte after", False, "", message, fixed + b"\0", "fixed")
    case(key, "zero byte before", False, "", message, b"\0" + fixed, "fixed")
    case(key, "each in one more byte", False, "", message, b"\0" + fixed[:size] + b"\0" + fixed[size:], "fixed")
    case(key, "empty", False, "", message, b"", "fixed")
    shortest = "DER has one spelling (X.690, 8.3.2 and 10.1)"
    padded = lambda n: der(2, bytes([0]) + integer(n)[2:])
    ir, i_s = integer(r), integer(s)
    for name, changed in (
        ("r with a zero byte before", der(0x30, padded(r) + i_s)),
        ("s with a zero byte before", der(0x30, ir + padded(s))),
        ("long form of the length", b"\x30\x81" + text[1:]),
        ("long form in two bytes", b"\x30\x82\0" + text[1:]),
        ("long form of r's length", der(0x30, b"\2\x81" + ir[1:] + i_s)),
        ("indefinite length", b"\x30\x80" + text[2:] + b"\0\0"),
        ("a byte after", text + b"\0"),
        ("NULL after s", der(0x30, ir + i_s + NULL)),
        ("s three times", der(0x30, ir + i_s + i_s)),
        ("s missing", der(0x30, ir)),
        ("a set", b"\x31" + text[1:]),
        ("r an octet string", der(0x30, der(4, ir[2:]) + i_s)),
        ("length one too great", text[:1] + bytes([text[1] + 1]) + text[2:]),
        ("cut short", text[:-1]),
        ("empty", b""),
        ("empty sequence", b"\x30\0"),
        ("empty integers", der(0x30, der(2, b"") + der(2, b""))),
        ("r − n, negative", der(0x30, der(2, (r - curve.n).to_bytes(size + 1, "big", signed=True)) + i_s)),
        ("r without the byte that keeps it positive", der(0x30, der(2, curve.bytes(curve.n - 1)) + i_s)),
    ):
        case(key, name, False, shortest, message, changed, "der")


def ranges(curve, key, message, r, s):
    n, limit = curve.n, 1 << 8 * curve.size
    why = "r and s lie in [1, n)"
    for name, a, b in (
        ("r = 0", 0, s), ("s = 0", r, 0), ("both 0", 0, 0), ("r = n", n, s), ("s = n", r, n), ("both n", n, n),
        ("r = n + 1", n + 1, s), ("s = n + 1", r, n + 1), ("r = 1, s = 1", 1, 1), ("r = n − 1, s = n − 1", n - 1, n - 1),
        ("r = p", curve.p, s), ("all ones", limit - 1, limit - 1), ("r + n", r + n, s), ("s + n", r, s + n),
        ("n − r", n - r, s),
    ):
        if a < limit and b < limit:
            case(key, f"{name}, fixed", False, why, message, curve.fixed(a, b), "fixed")
        case(key, f"{name}, DER", False, why, message, pair(a, b), "der")


def ecdsa_cases(curve, alg, name):
    n, message = curve.n, b"pay=1.10&to=p10001"
    z = int.from_bytes(hashlib.new(name, message).digest(), "big")

    def sign(d, message, k=None):
        z = int.from_bytes(hashlib.new(name, message).digest(), "big")
        k = k or rng.randrange(1, n)
        r = curve.mul(k)[0] % n
        return r, pow(k, -1, n) * (z + r * d) % n

    d = rng.randrange(1, n)
    key = f"{alg} honest"
    curve.key(key, alg, d)
    r, s = sign(d, message)
    spellings(curve, key, message, r, s)
    ranges(curve, key, message, r, s)
    case(key, "n − s", True, "the standard asks for no low s", message, curve.fixed(r, n - s), "fixed")
    case(key, "n − s, DER", True, "the standard asks for no low s", message, pair(r, n - s), "der")
    case(key, "empty message", True, "", b"", pair(*sign(d, b"")))
    case(key, "k = 1", True, "", message, pair(*sign(d, message, 1)))
    case(key, "k = n − 1", True, "", message, pair(*sign(d, message, n - 1)))
    for small, text in ((1, "G"), (2, "2G"), (3, "3G"), (n - 1, "−G"), (n - 2, "−2G"), ((n + 1) // 2, "G/2")):
        key = f"{alg} {text}"
        curve.key(key, alg, small)
        for i in range(4):
            m = b"%d" % i
            case(key, f"honest {i}", True, "keys beside the generator meet the exceptional cases of addition", m, pair(*sign(small, m)))
            case(key, f"of another message {i}", False, "", m, pair(*sign(small, m + b"x")))
    # [z/s]G + [r/s]Q is infinity: z + r·d = 0.
    r = rng.randrange(1, n)
    key = f"{alg} sum at infinity"
    curve.key(key, alg, -z * pow(r, -1, n) % n)
    for i in range(3):
        case(key, f"s no. {i}", False, "[u1]G + [u2]Q is infinity", message, curve.fixed(r, rng.randrange(1, n)), "fixed")
    # [z/s]G = [r/s]Q: z = r·d. The sum is a doubling, and the signature is good.
    k = rng.randrange(1, n)
    r = curve.mul(k)[0] % n
    key = f"{alg} equal terms"
    curve.key(key, alg, z * pow(r, -1, n) % n)
    s = 2 * z * pow(k, -1, n) % n
    case(key, "honest", True, "[u1]G = [u2]Q: the sum is a doubling", message, curve.fixed(r, s), "fixed")
    case(key, "n − s", True, "", message, curve.fixed(r, n - s), "fixed")
    case(key, "s + 1", False, "", message, curve.fixed(r, s + 1), "fixed")
    # DER of exactly the fixed length: s short enough, and the key made to fit.
    r, k = n, 1
    while (r := curve.mul(k)[0] % n).bit_length() >= 8 * curve.size or r.bit_length() <= 8 * curve.size - 8:
        k += 1
    s = rng.getrandbits(8 * (curve.size - 6) - 1) | 1 << 8 * (curve.size - 6) - 2
    key = f"{alg} DER of the fixed length"
    curve.key(key, alg, (s * k - z) * pow(r, -1, n) % n)
    assert len(pair(r, s)) == 2 * curve.size
    case(key, "as DER", True, "", message, pair(r, s), "der")
    case(key, "as fixed", False, "", message, pair(r, s), "fixed")
    case(key, "as either", False, "told by length alone", message, pair(r, s))
    case(key, "r and s as either", True, "", message, curve.fixed(r, s))
    if alg == "ecdsa-p256-sha256":
        # r = x mod n where n ≤ x < p: the candidate r + n. Such points are found by counting up from n; the key is made to fit:
        # R is chosen without its logarithm, and Q = (s·R − z·G)/r.
        x = n
        while pow(y2 := (x**3 + curve.a * x + curve.b) % curve.p, (curve.p - 1) // 2, curve.p) != 1 or x == n:
            x += 1
        big_r = (x, pow(y2, (curve.p + 1) // 4, curve.p))
        r, s = x - n, rng.randrange(1, n)
        q = curve.mul(pow(r, -1, n), curve.add(curve.mul(s, big_r), curve.mul(-z)))
        key = f"{alg} x above n"
        bits = b"\4" + curve.bytes(q[0]) + curve.bytes(q[1])
        keys[key] = {"algorithm": alg, "spki": spki(oid("1.2.840.10045.2.1") + oid(curve.oid), bits).hex()}
        case(key, "r = x − n", True, "r is x modulo n", message, curve.fixed(r, s), "fixed")
        case(key, "r = x − n, DER", True, "r is x modulo n", message, pair(r, s), "der")
        case(key, "r = x", False, "r lies below n", message, curve.fixed(x, s), "fixed")
        # And r + n ≥ p: no second candidate.
        case(key, "r = x − n + 1", False, "", message, curve.fixed(r + 1, s), "fixed")


def sm3(data):
    return hashlib.new("sm3", data).digest()


def sm2_cases():
    curve, n, alg, message = SM2, SM2.n, "sm2-sm3", b"pay=1.10&to=p10001"

    def e_of(d, message, user_id):
        z = sm3(len(user_id * 8).to_bytes(2, "big") + user_id + curve.bytes(curve.a) + curve.bytes(curve.b)
                + curve.bytes(curve.g[0]) + curve.bytes(curve.g[1]) + curve.point(d)[1:])
        return int.from_bytes(sm3(z + message), "big")

    def sign(d, message, user_id=b"1234567812345678", k=None):
        e = e_of(d, message, user_id)
        while True:
            kk = k or rng.randrange(1, n)
            r = (e + curve.mul(kk)[0]) % n
            s = pow(1 + d, -1, n) * (kk - r * d) % n
            if r and r + kk != n and s:
                return r, s
            assert not k

    d = rng.randrange(1, n - 1)
    key = f"{alg} honest"
    curve.key(key, alg, d)
    r, s = sign(d, message)
    spellings(curve, key, message, r, s)
    ranges(curve, key, message, r, s)
    case(key, "n − s", False, "unlike ECDSA's, SM2's pairs have no second s", message, curve.fixed(r, n - s), "fixed")
    case(key, "empty message", True, "", b"", pair(*sign(d, b"")))
    case(key, "k = 1", True, "", message, pair(*sign(d, message, k=1)))
    case(key, "t = 0", False, "t = r + s is not 0 (GB/T 32918.2, 7.1, B5)", message, curve.fixed(r, n - r), "fixed")
    for i in range(3):
        s = rng.randrange(1, n)
        case(key, f"t = 0, s no. {i}", False, "t = r + s is not 0", message, curve.fixed(n - s, s), "fixed")
        t = -s * pow(d, -1, n) % n
        case(key, f"sum at infinity no. {i}", False, "[s]G + [t]P is infinity", message, curve.fixed((t - s) % n, s), "fixed")
        t = s * pow(d, -1, n) % n
        case(key, f"equal terms no. {i}", False, "[s]G = [t]P", message, curve.fixed((t - s) % n, s), "fixed")
    for user_id in (b"", b"ALICE123@YAHOO.COM", "用户一".encode(), bytes(range(256)), b"a" * 8191):
        key = f"{alg} user id of {len(user_id)} bytes"
        curve.key(key, alg, d, user_id=user_id.hex())
        case(key, "honest", True, "", message, pair(*sign(d, message, user_id)))
        case(key, "of the default user id", False, "the user id is hashed", message, pair(*sign(d, message)))
    for small, text in ((1, "G"), (2, "2G"), (3, "3G"), (n - 2, "−2G"), ((n + 1) // 2, "G/2")):
        key = f"{alg} {text}"
        curve.key(key, alg, small)
        for i in range(4):
            m = b"%d" % i
            case(key, f"honest {i}", True, "keys beside the generator meet the exceptional cases of addition", m, pair(*sign(small, m)))
            case(key, f"of another message {i}", False, "", m, pair(*sign(small, m + b"x")))


# ------------------------------------------------------------------------------------------------------------ Ed25519

Q = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, Q) % Q
ROOT = pow(2, (Q - 1) // 4, Q)


def ed_x(y, sign):
    xx = (y * y - 1) * pow(D * y * y + 1, -1, Q) % Q
    x = pow(xx, (Q + 3) // 8, Q)
    if (x * x - xx) % Q:
        x = x * ROOT % Q
    assert (x * x - xx) % Q == 0
    return x if x & 1 == sign else Q - x


ED_B = (ed_x(4 * pow(5, -1, Q) % Q, 0), 4 * pow(5, -1, Q) % Q)


def ed_add(u, v):
    (x1, y1), (x2, y2) = u, v
    t = D * x1 * x2 * y1 * y2 % Q
    return (x1 * y2 + x2 * y1) * pow(1 + t, -1, Q) % Q, (y1 * y2 + x1 * x2) * pow(1 - t, -1, Q) % Q


def ed_mul(k, point=ED_B):
    total = (0, 1)
    while k:
        if k & 1:
            total = ed_add(total, point)
        point = ed_add(point, point)
        k >>= 1
    return total


def ed_bytes(point):
    return (point[1] | (point[0] & 1) << 255).to_bytes(32, "little")


def ed25519_cases():
    alg, message = "ed25519", b"pay=1.10&to=p10001"
    le = lambda s: s.to_bytes(32, "little")
    a = rng.randrange(1, L)
    public = ed_mul(a)
    # A point of order 8: L times a point outside the prime-order group.
    y = 2
    while True:
        try:
            torsion = ed_mul(L, (ed_x(y, 0), y))
            if ed_mul(4, torsion) != (0, 1):
                break
        except AssertionError:
            pass
        y += 1

    def h(encoded_r, encoded_a, message):
        return int.from_bytes(hashlib.sha512(encoded_r + encoded_a + message).digest(), "little") % L

    def register(key, point):
        keys[key] = {"algorithm": alg, "spki": spki(oid("1.3.101.112"), ed_bytes(point)).hex()}

    key, encoded = f"{alg} honest", ed_bytes(public)
    register(key, public)
    r = rng.randrange(1, L)
    big_r = ed_bytes(ed_mul(r))
    s = (r + h(big_r, encoded, message) * a) % L
    case(key, "honest", True, "", message, big_r + le(s))
    range_ = "S lies in [0, L) (RFC 8032, 5.1.7, step 1)"
    for i in range(1, 16):
        if s + i * L < 2**256:
            case(key, f"S + {i}·L", False, range_, message, big_r + le(s + i * L))
    case(key, "S = L", False, range_, message, big_r + le(L))
    case(key, "S = 0", False, "", message, big_r + le(0))
    case(key, "S = L − S", False, "", message, big_r + le(L - s))
    case(key, "all ones", False, range_, message, b"\xff" * 64)
    case(key, "all zero", False, "", message, bytes(64))
    case(key, "R and S swapped", False, "", message, le(s) + big_r)
    case(key, "parity bit of R flipped", False, "", message, big_r[:31] + bytes([big_r[31] ^ 0x80]) + le(s))
    case(key, "one byte short", False, "64 bytes", message, (big_r + le(s))[:-1])
    case(key, "zero byte after", False, "64 bytes", message, big_r + le(s) + b"\0")
    case(key, "empty", False, "64 bytes", message, b"")
    case(key, "R of another torsion", False, "no cofactor: the encoding of [S]B − [h]A is compared", message,
         (lambda e: e + le((r + h(e, encoded, message) * a) % L))(ed_bytes(ed_add(ed_mul(r), torsion))))
    compare = "bytes are compared, so R has one spelling"
    # r = 0: R is the identity. Its canonical encoding is y = 1.
    identity = le(1)
    case(key, "R the identity", True, "what is compared is bytes; no rule speaks of R's order", message,
         identity + le(h(identity, encoded, message) * a % L))
    for text, bad in (("y = p + 1", le(Q + 1)), ("y = 1 with the parity bit", le(1 | 1 << 255)), ("y = p + 1 with it", le(Q + 1 | 1 << 255))):
        case(key, f"R the identity as {text}", False, compare, message, bad + le(h(bad, encoded, message) * a % L))
    # A key with a component of order 8: [S]B − [h]A = R − [h]T. Equal to R only where 8 divides h.
    mixed = ed_add(public, torsion)
    key, encoded = f"{alg} mixed order", ed_bytes(mixed)
    register(key, mixed)
    seen = set()
    for i in range(64):
        m = b"%d" % i
        r = rng.randrange(1, L)
        big_r = ed_bytes(ed_mul(r))
        hh = h(big_r, encoded, m)
        if hh % 8 in seen and hh % 8:
            continue
        seen.add(hh % 8)
        case(key, f"h = {hh % 8} modulo 8, no. {i}", hh % 8 == 0, "no cofactor: [h]T must vanish", m, big_r + le((r + hh * a) % L))
    # The same with R moved by −[h]T: good without a cofactor.
    found = 0
    for i in range(400):
        m = b"moved %d" % i
        r = rng.randrange(1, L)
        j = rng.randrange(1, 8)
        big_r = ed_bytes(ed_add(ed_mul(r), ed_mul(j, torsion)))
        hh = h(big_r, encoded, m)
        if (hh + j) % 8 == 0:
            case(key, f"R moved by the torsion, no. {i}", True, "the equation without cofactor holds", m, big_r + le((r + hh * a) % L))
            if (found := found + 1) == 4:
                break


# --------------------------------------------------------------------------------------------------------------- MACs


def mac_cases():
    message, secret = b"pay=1.10&to=p10001", b"an ordinary secret"
    names = {"hmac-sha1": "sha1", "hmac-sha256": "sha256", "hmac-sha384": "sha384", "hmac-sha512": "sha512", "hmac-sm3": "sm3"}
    for alg, name in names.items():
        block = 128 if name in ("sha384", "sha512") else 64
        for length in (1, len(secret), block - 1, block, block + 1, 300):
            key, value = f"{alg} {length}", (secret * 20)[:length]
            keys[key] = {"algorithm": alg, "secret": value.hex()}
            tag = hmac.new(value, message, name).digest()
            case(key, "honest", True, "", message, tag)
            case(key, "secret after the message", True, "", message, hmac.new(value, message + value, name).digest(), input="append_key")
            case(key, "plain, judged with the secret after", False, "", message, tag, input="append_key")
            case(key, "empty message", True, "", b"", hmac.new(value, b"", name).digest())
            for cut in (0, 1, 10, 16, len(tag) - 1):
                case(key, f"cut to {cut} bytes", False, "a tag has its full length", message, tag[:cut])
            case(key, "zero byte after", False, "a tag has its full length", message, tag + b"\0")
            case(key, "zeros", False, "", message, bytes(len(tag)))
            case(key, "hexadecimal text", False, "the tag is bytes", message, tag.hex().encode())
            case(key, "a hash without a key", False, "", message, hashlib.new(name, message + value).digest())
        key = f"{alg} 300"
        hashed = hashlib.new(name, (secret * 20)[:300]).digest()
        case(key, "under the hash of the secret", True, "RFC 2104, 2: a longer secret is its hash", message, hmac.new(hashed, message, name).digest())
    key = "md5"
    keys[key] = {"algorithm": "md5", "secret": secret.hex()}
    tag = hashlib.md5(message + secret).digest()
    case(key, "honest", True, "", message, tag, input="append_key")
    case(key, "empty message", True, "", b"", hashlib.md5(secret).digest(), input="append_key")
    case(key, "digest of the message alone", False, "anyone can make it", message, hashlib.md5(message).digest(), input="append_key")
    case(key, "digest of the message alone, plain", False, "anyone can make it", message, hashlib.md5(message).digest())
    case(key, "the secret inside a plain message", False, "a plain digest is nobody's", message + secret, tag)
    case(key, "cut short", False, "a tag has its full length", message, tag[:-1], input="append_key")
    case(key, "hexadecimal text", False, "the tag is bytes", message, tag.hex().encode(), input="append_key")
    case(key, "empty", False, "a tag has its full length", message, b"", input="append_key")


mac_cases()
rsa_cases()
ecdsa_cases(P256, "ecdsa-p256-sha256", "sha256")
ecdsa_cases(P384, "ecdsa-p384-sha384", "sha384")
ed25519_cases()
sm2_cases()
with open(os.path.join(HERE, "acceptance.json"), "w", encoding="utf-8") as f:
    f.write('{"source": "vectors/alg/make.py, by construction",\n"keys": {\n')
    f.write(",\n".join(f"{json.dumps(k, ensure_ascii=False)}: {json.dumps(v)}" for k, v in keys.items()))
    f.write('},\n"cases": [\n')
    f.write(",\n".join(json.dumps(c, ensure_ascii=False) for c in cases))
    f.write("]}\n")
print(len(keys), "keys,", len(cases), "cases,", sum(c["good"] for c in cases), "good")
