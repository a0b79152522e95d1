#!/usr/bin/env python3
"""Writes openssl.json: keys, signatures and certificates made by the OpenSSL command line (3.0 or later), in every form that it writes.

Run from the repository's root: `python3 vectors/alg/openssl.py`. Keys are new in every run; they sign nothing but these vectors.
"""
import json
import os
import subprocess
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
os.chdir(tempfile.mkdtemp())
MESSAGE = "pay=1.10&to=收款人&nonce=abc123".encode()
open("message", "wb").write(MESSAGE)


def run(*args, binary=False):
    out = subprocess.run(["openssl", *args], check=True, capture_output=True).stdout
    return out if binary else out.decode()


def sign(*options):
    return run("pkeyutl", "-sign", "-inkey", "key", "-rawin", "-in", "message", *options, binary=True).hex()


def pss(digest):
    return ("-digest", digest, "-pkeyopt", "rsa_padding_mode:pss", "-pkeyopt", "rsa_pss_saltlen:digest")


KEYS = {
    "RSA 2048": (("RSA", "-pkeyopt", "rsa_keygen_bits:2048"), {
        "rsa-pkcs1-sha1": ("-digest", "sha1"), "rsa-pkcs1-sha256": ("-digest", "sha256"), "rsa-pkcs1-sha512": ("-digest", "sha512"),
        "rsa-pss-sha256": pss("sha256"), "rsa-pss-sha512": pss("sha512"),
    }),
    "RSA 3072, e = 3": (("RSA", "-pkeyopt", "rsa_keygen_bits:3072", "-pkeyopt", "rsa_keygen_pubexp:3"), {
        "rsa-pkcs1-sha256": ("-digest", "sha256"), "rsa-pss-sha512": pss("sha512"),
    }),
    "P-256": (("EC", "-pkeyopt", "ec_paramgen_curve:P-256"), {"ecdsa-p256-sha256": ("-digest", "sha256")}),
    "P-384": (("EC", "-pkeyopt", "ec_paramgen_curve:P-384"), {"ecdsa-p384-sha384": ("-digest", "sha384")}),
    "SM2": (("EC", "-pkeyopt", "ec_paramgen_curve:SM2"), {"sm2-sm3": ("-digest", "sm3", "-pkeyopt", "distid:1234567812345678")}),
    "Ed25519": (("ED25519",), {"ed25519": ()}),
    "P-521": (("EC", "-pkeyopt", "ec_paramgen_curve:P-521"), {}),
    "RSA 1024": (("RSA", "-pkeyopt", "rsa_keygen_bits:1024"), {}),
    "RSA-PSS": (("RSA-PSS", "-pkeyopt", "rsa_keygen_bits:2048"), {}),
}
out = []
for i, (name, (generate, algorithms)) in enumerate(KEYS.items()):
    run("genpkey", "-algorithm", *generate, "-out", "key")
    entry = {
        "name": name, "private_pem": run("pkey", "-in", "key"), "public_pem": run("pkey", "-in", "key", "-pubout"),
        "public_der": run("pkey", "-in", "key", "-pubout", "-outform", "DER", binary=True).hex(),
    }
    if name.startswith("RSA"):
        entry["modulus"] = run("rsa", "-in", "key", "-modulus", "-noout").strip().split("=")[1] if name != "RSA-PSS" else ""
    if name in ("RSA 2048", "RSA 3072, e = 3"):
        entry["pkcs1_public_pem"] = run("rsa", "-in", "key", "-RSAPublicKey_out")
        entry["pkcs1_private_pem"] = run("rsa", "-in", "key", "-traditional")
    if name in ("P-256", "P-384", "SM2"):
        entry["sec1_private_pem"] = run("ec", "-in", "key")
        entry["compressed_der"] = run("ec", "-in", "key", "-pubout", "-conv_form", "compressed", "-outform", "DER", binary=True).hex()
        entry["explicit_pem"] = run("ec", "-in", "key", "-pubout", "-param_enc", "explicit")
    entry["signatures"] = {alg: sign(*options) for alg, options in algorithms.items()}
    # A serial number with its top bit set, a short one, and one of 20 bytes.
    serial = ["0x8000000000000001", "0x01", "0x7fedcba9876543210fedcba9876543210fedcba9"][i % 3]
    digest = {"SM2": ("-sm3",), "Ed25519": ()}.get(name, ("-sha256",))
    run("req", "-x509", "-new", "-key", "key", *digest, "-utf8", "-subj", "/C=CN/O=示例银行, 深圳/CN=" + name.replace(",", "").replace("=", ""),
        "-days", "10000", "-set_serial", serial, "-out", "certificate")
    show = lambda *options: run("x509", "-in", "certificate", "-noout", *options).strip().split("=", 1)[1]
    entry["certificate"] = {
        "pem": run("x509", "-in", "certificate"), "serial_hex": show("-serial"),
        "serial_decimal": str(int(serial, 16)), "sha256": show("-fingerprint", "-sha256").replace(":", "").lower(),
        "not_before": show("-startdate", "-dateopt", "iso_8601"), "not_after": show("-enddate", "-dateopt", "iso_8601"),
        "subject": show("-subject", "-nameopt", "RFC2253,-esc_msb,utf8"),
    }
    out.append(entry)
version = run("version").split()[1]
with open(os.path.join(HERE, "openssl.json"), "w", encoding="utf-8") as f:
    json.dump({"source": f"vectors/alg/openssl.py, OpenSSL {version}", "message": MESSAGE.decode(), "keys": out}, f, ensure_ascii=False, indent=1)
    f.write("\n")
