"""Makes the certificates of `r08_…chain…`: a root, CAs, and what is wrong in one way each. Run once; needs Python's `cryptography` and, for SM2, openssl 3.

    python3 tests/rules/chain/make.py
"""

import datetime
import pathlib
import subprocess
import tempfile

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import NameOID

here = pathlib.Path(__file__).parent


def day(text):
    return datetime.datetime.fromisoformat(text).replace(tzinfo=datetime.timezone.utc)


def make(name, issuer, key, ca=None, path=None, usage=None, begins="2023-01-01", ends="2033-01-01", digest=hashes.SHA256(), odd=False):
    """`issuer` is (name, key); `ca` None leaves basicConstraints out."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer[0])]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(day(begins))
        .not_valid_after(day(ends))
    )
    if ca is not None:
        builder = builder.add_extension(x509.BasicConstraints(ca, path), critical=True)
    if usage is not None:
        bits = dict.fromkeys(
            "digital_signature content_commitment key_encipherment data_encipherment key_agreement key_cert_sign crl_sign "
            "encipher_only decipher_only".split(), False)
        bits[usage] = True
        builder = builder.add_extension(x509.KeyUsage(**bits), critical=True)
    if odd:
        builder = builder.add_extension(x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00"), critical=True)
    certificate = builder.sign(issuer[1], None if isinstance(issuer[1], ed25519.Ed25519PrivateKey) else digest)
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def p256():
    return ec.generate_private_key(ec.SECP256R1())


root, ca, low, other = rsa.generate_private_key(65537, 2048), p256(), ec.generate_private_key(ec.SECP384R1()), p256()
edwards = ed25519.Ed25519PrivateKey.generate()
leaf = p256()
ROOT, CA, LOW = ("Test Root", root), ("Test CA", ca), ("Test Low CA", low)
sign = dict(ca=True, usage="key_cert_sign")
of_root = make("Test Root", ROOT, root, **sign)
of_ca = make("Test CA", ROOT, ca, path=1, **sign)
of_low = make("Test Low CA", CA, low, path=0, digest=hashes.SHA384(), **sign)
signs = dict(ca=False, usage="digital_signature")


def chain(name, *certificates):
    (here / f"{name}.pem").write_text("".join(certificates))


(here / "leaf.key").write_text(
    leaf.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode())
chain("root", of_root)
chain("same-name-root", make("Test Root", ("Test Root", other), other, **sign))
chain("direct", make("app", ROOT, leaf, **signs))
chain("by-ca", make("app", CA, leaf, **signs), of_ca)
chain("by-low", make("app", LOW, leaf, digest=hashes.SHA512(), **signs), of_ca, of_low)
chain("by-edwards", make("app", ("Test Edwards CA", edwards), leaf, **signs), make("Test Edwards CA", ROOT, edwards, **sign))
chain("short-ca", make("app", ("Test Short CA", other), leaf, **signs), make("Test Short CA", ROOT, other, ends="2023-07-01", **sign))
# Wrong, each in its own way.
chain("missing-ca", make("app", CA, leaf, **signs))
chain("not-a-ca", make("app", ("No CA", other), leaf, **signs), make("No CA", ROOT, other, **signs))
chain("no-constraints", make("app", ("Old CA", other), leaf, **signs), make("Old CA", ROOT, other))
chain("usage", make("app", ("Test CA 2", other), leaf, **signs), make("Test CA 2", ROOT, other, ca=True, usage="digital_signature"))
chain("path", make("app", ("Too Low CA", other), leaf, **signs), make("Too Low CA", LOW, other, **sign), of_low, of_ca)
chain("forged", make("app", ("Test CA", other), leaf, **signs), of_ca)
chain("no-time", make("app", ("Test Past CA", other), leaf, **signs), make("Test Past CA", ROOT, other, begins="2020-01-01", ends="2021-01-01", **sign))
chain("critical", make("app", CA, leaf, odd=True, **signs), of_ca)

# SM2 with SM3, which the Python library does not have.
with tempfile.TemporaryDirectory() as place:
    def run(*words):
        subprocess.run(["openssl", *words], cwd=place, check=True, capture_output=True)

    configuration = "[req]\ndistinguished_name=n\nprompt=no\n[n]\nCN=%s\n[ca]\nbasicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\n[app]\nkeyUsage=critical,digitalSignature\n"
    for name in ("SM2 Root", "app"):
        pathlib.Path(place, f"{name}.cnf").write_text(configuration % name)
        run("genpkey", "-algorithm", "SM2", "-out", f"{name}.key")
    distid = ["-sigopt", "distid:1234567812345678"]
    run("req", "-x509", "-new", "-config", "SM2 Root.cnf", "-extensions", "ca", "-key", "SM2 Root.key", "-sm3", *distid, "-days", "7300", "-out", "root.pem")
    run("req", "-new", "-config", "app.cnf", "-key", "app.key", "-sm3", *distid, "-out", "app.csr")
    run("x509", "-req", "-in", "app.csr", "-CA", "root.pem", "-CAkey", "SM2 Root.key", "-set_serial", "7", "-sm3", *distid,
        "-vfyopt", "distid:1234567812345678", "-extfile", "app.cnf", "-extensions", "app", "-days", "7300", "-out", "app.pem")
    chain("sm2-root", pathlib.Path(place, "root.pem").read_text())
    chain("sm2-app", pathlib.Path(place, "app.pem").read_text())
