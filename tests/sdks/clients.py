"""Requests that public SDKs from PyPI sign, one JSON object a line: who made it, the profile, the app, the request.

Where an SDK sends its requests itself, it sends them to a server on loopback that only listens: what is judged are the bytes that left it.
Everything that it reads (keys, ids) is made up. `.ci/sdks` runs this.
"""
import base64
import http.server
import importlib.metadata
import json
import logging
import os
import sys
import tempfile
import threading
import time
import traceback
from urllib.parse import quote, urlsplit

KEYS = "vectors/demo/keys/p10004-2026.pem"
logging.disable(logging.CRITICAL)
# Alipay's SDKs write the hour of the machine, and Alipay's is China's.
os.environ["TZ"] = "CST-8"
time.tzset()


class Listener(http.server.BaseHTTPRequestHandler):
    """Keeps the request as it came, and answers with an empty object, which no SDK has a use for."""

    protocol_version = "HTTP/1.1"
    seen = []

    def take(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = [[n, v.encode("latin-1").decode("utf-8", "replace")] for n, v in self.headers.items()]
        Listener.seen.append({"method": self.command, "target": self.path, "headers": headers, "body": body})
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", "2")
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(b"{}")

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = take

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Listener)
threading.Thread(target=server.serve_forever, daemon=True).start()
HOST = f"127.0.0.1:{server.server_port}"
URL = f"http://{HOST}"


def sent(send):
    """The request that `send` sends."""
    Listener.seen.clear()
    trouble = None
    try:
        send()
    except Exception:  # The answer is no answer: what the SDK thinks of it is of no interest, unless it sent nothing.
        trouble = traceback.format_exc()
    if not Listener.seen:
        raise RuntimeError(f"nothing was sent\n{trouble}")
    return Listener.seen[0]


def case(package, what, profile, credential, request, app_id=None, **more):
    """One line. `more`: reasons that differ from the usual ones when one byte of `target`, `body`, `headers` … is changed."""
    body = request["body"]
    request = {**request, "body_base64": base64.b64encode(body.encode() if isinstance(body, str) else body).decode()}
    request["headers"] = [[name, str(value)] for name, value in request["headers"]]
    del request["body"]
    request["profile"] = profile
    request.setdefault("received_at_ms", int(time.time() * 1000))
    app = {"app_id": app_id or "the-app", "allow_weak": True, "profiles": [profile], "credentials": [credential]}
    client = f"{package} {importlib.metadata.version(package)} (PyPI)"
    print(json.dumps({"client": client, "what": what, "profile": profile, "app": app, "request": request, **more}), flush=True)


def get(target, headers):
    return {"method": "GET", "target": target, "headers": list(headers), "body": ""}


def post(target, headers, body):
    return {**get(target, headers), "method": "POST", "body": body}


def pem():
    from cryptography.hazmat.primitives import serialization
    text = open(KEYS).read()
    key = serialization.load_pem_private_key(text.encode(), None)
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return text, public.decode(), key


AK, SK = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"


def aws():
    import botocore.auth
    import botocore.session
    from botocore.awsrequest import AWSRequest
    from botocore.config import Config
    from botocore.credentials import Credentials

    session = botocore.session.Session()
    session.set_credentials(AK, SK)
    key = {"kid": AK, "alg": "hmac-sha256", "secret": SK}

    def client(service, **more):
        return session.create_client(service, region_name="cn-north-1", endpoint_url=URL, config=Config(retries={"max_attempts": 0}, **more))

    sts = client("sts")
    case("botocore", "sts, a form", "aws-sigv4", key, sent(lambda: sts.assume_role(RoleArn="arn:aws:iam::123456789012:role/x y", RoleSessionName="a+b@c")),
         body="bad_signature")
    lam = client("lambda")
    case("botocore", "lambda, a name with a slash and a colon", "aws-sigv4", key,
         sent(lambda: lam.get_function(FunctionName="arn:aws:lambda:eu-west-1:123:function:x y", Qualifier="$LATEST")))
    s3 = client("s3", s3={"addressing_style": "path"})
    case("botocore", "s3, an object of a key in Chinese", "aws-sigv4-s3", key,
         sent(lambda: s3.put_object(Bucket="bucket", Key="中文/a b+c~d//e", Body="正文 text".encode())), body="bad_digest")
    url = urlsplit(s3.generate_presigned_url("get_object", Params={"Bucket": "bucket", "Key": "中文/a b+c", "VersionId": "x&y="}, ExpiresIn=60))
    if "X-Amz-Signature" in url.query:
        case("botocore", "s3, presigned", "aws-sigv4-s3", key, get(f"{url.path}?{url.query}", [["Host", url.netloc]]))
    for what, target in [("a path with dots and double slashes", "/a/./b/../c//d%20e"), ("a query of every kind", "/?b=2&a=%E4%B8%AD&a=1&empty=&tilde=~&space=%20&plus=%2B")]:
        request = AWSRequest("GET", f"https://api.example.com{target}", headers={"Host": "api.example.com", "X-Spaces": "a   b  c"})
        botocore.auth.SigV4Auth(Credentials(AK, SK), "execute-api", "eu-west-1").add_auth(request)
        case("botocore", what, "aws-sigv4", key, get(target, request.headers.items()))
    request = AWSRequest("GET", "https://api.example.com/a%20b?x=1&y=%2F", headers={"Host": "api.example.com"})
    botocore.auth.SigV4QueryAuth(Credentials(AK, SK), "execute-api", "eu-west-1", expires=60).add_auth(request)
    url = urlsplit(request.url)
    case("botocore", "presigned", "aws-sigv4", key, get(f"{url.path}?{url.query}", [["Host", "api.example.com"]]))


def tencent():
    from tencentcloud.common import credential
    from tencentcloud.common.common_client import CommonClient
    from tencentcloud.common.profile.client_profile import ClientProfile
    from tencentcloud.common.profile.http_profile import HttpProfile

    key = {"kid": AK, "alg": "hmac-sha256", "secret": SK}
    for method in ["POST", "GET"]:
        profile = ClientProfile(httpProfile=HttpProfile(protocol="http", endpoint=HOST, reqMethod=method))
        client = CommonClient("cvm", "2017-03-12", credential.Credential(AK, SK), "ap-shanghai", profile)
        parameters = {"Limit": 1, "Filters": [{"Name": "instance-name", "Values": ["未命名 +"]}]}
        case("tencentcloud-sdk-python-common", method, "tencentcloud-tc3", key, sent(lambda: client.call("DescribeInstances", parameters)), body="bad_signature")


def alibaba():
    from aliyunsdkcore.client import AcsClient
    from aliyunsdkcore.request import CommonRequest

    key = {"kid": AK, "alg": "hmac-sha1", "secret": SK}
    client = AcsClient(AK, SK, "cn-hangzhou", auto_retry=False)
    for method in ["GET", "POST"]:
        request = CommonRequest(domain=HOST, version="2014-05-26", action_name="DescribeRegions")
        request.set_protocol_type("http")
        request.set_method(method)
        request.add_query_param("Name", "中文 a+b~c*d/e")
        if method == "POST":
            request.add_body_params("Description", "x y+z&w=*~中")
        case("aliyun-python-sdk-core", f"RPC, {method}", "alibabacloud-rpc", key, sent(lambda: client.do_action_with_exception(request)), path="ok")
    for method, body in [("GET", None), ("POST", '{"名":"值"}')]:
        request = CommonRequest(domain=HOST, version="2015-12-15")
        request.set_protocol_type("http")
        request.set_method(method)
        request.set_uri_pattern("/clusters/[Id]/nodes")
        request.add_path_param("Id", "c-1")
        request.add_query_param("pageSize", "10")
        request.add_query_param("filter", "x")
        if body:
            request.set_content_type("application/json")
            request.set_content(body.encode())
        case("aliyun-python-sdk-core", f"ROA, {method}", "alibabacloud-roa", key, sent(lambda: client.do_action_with_exception(request)), body="bad_digest")

    from alibabacloud_tea_openapi import client as openapi, models as m
    from alibabacloud_tea_openapi import utils_models as u
    from darabonba.runtime import RuntimeOptions
    key = {"kid": AK, "alg": "hmac-sha256", "secret": SK}
    for algorithm in ["ACS3-HMAC-SHA256", "ACS3-HMAC-SM3"]:
        config = m.Config(access_key_id=AK, access_key_secret=SK, endpoint=HOST, protocol="HTTP", region_id="cn-hangzhou", signature_algorithm=algorithm)
        tea = openapi.Client(config)
        own = {**key, "alg": "hmac-sm3" if algorithm.endswith("SM3") else "hmac-sha256"}
        for what, style, path, query, body in [
            ("RPC, a query", "RPC", "/", {"Name": "中文 a+b~c*d/e", "Empty": ""}, None),
            ("RPC, a form", "RPC", "/", {}, {"Description": "x y+z&w=*~中"}),
            ("ROA, JSON", "ROA", "/clusters/c%201/nodes", {"b": "2", "a": "1"}, {"name": "名"}),
        ]:
            params = u.Params(action="Describe", version="2014-05-26", protocol="HTTP", pathname=path, method="POST", auth_type="AK", style=style,
                              req_body_type="json" if style == "ROA" else "formData", body_type="json")
            request = u.OpenApiRequest(query=query, body=body)
            case("alibabacloud-tea-openapi", f"{algorithm}, {what}", "alibabacloud-acs3", own,
                 sent(lambda: tea.call_api(params, request, RuntimeOptions(autoretry=False))), body="bad_digest")


def huawei():
    from huaweicloudsdkcore.auth.credentials import BasicCredentials
    from huaweicloudsdkcore.sdk_request import SdkRequest
    from huaweicloudsdkcore.signer.signer import Signer, SM3Signer, new_sm3_hash

    for signer, alg in [(Signer, "hmac-sha256"), (SM3Signer, "hmac-sm3")]:
        if signer is SM3Signer and new_sm3_hash is None:
            continue
        key = {"kid": AK, "alg": alg, "secret": SK}
        for method, path, query, body in [
            ("GET", "/v1/项目/vpcs", [("marker", "13551d6b"), ("limit", 2), ("name", "名 a+b~*")], ""),
            ("POST", "/v1/project/ports", [], '{"port":{"name":"端口"}}'),
        ]:
            request = SdkRequest(method=method, schema="https", host="vpc.cn-north-1.example.com", resource_path=quote(path), query_params=query,
                                 header_params={"Content-Type": "application/json"}, body=body)
            signed = signer(BasicCredentials(AK, SK, "project")).sign(request)
            headers = [[n, v.encode("latin-1").decode()] for n, v in signed.header_params.items()]
            case("huaweicloudsdkcore", f"{alg}, {method}", "huaweicloud", key,
                 {"method": method, "target": signed.uri, "headers": headers, "body": body})


def wechat():
    from wechatpayv3 import WeChatPay, WeChatPayType
    from wechatpayv3.utils import rsa_verify
    private, public, key = pem()
    serial = "1DDE55AD98ED71D6EDD4A4A16996DE7B47773A8C"
    rsa = {"kid": serial, "alg": "rsa-pkcs1-sha256", "public_key_pem": public}
    pay = WeChatPay(WeChatPayType.JSAPI, "1230000109", private, serial, "0" * 32, "wxd678efh567hg6787", "https://merchant.example/notify",
                    public_key=public, public_key_id="PUB_KEY_ID_0112300001092024")
    pay._core._gate_way = URL
    case("wechatpayv3", "an order", "wechatpay-v3", rsa, sent(lambda: pay.pay(description="商品 a&b", out_trade_no="1217752501201407033233368018", amount={"total": 100}, payer={"openid": "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"})),
         app_id="1230000109")
    case("wechatpayv3", "a query", "wechatpay-v3", rsa, sent(lambda: pay.query(out_trade_no="1217752501201407033233368018")), app_id="1230000109")

    # An upload: the part with the file's name and digest stands for the body.
    with tempfile.TemporaryDirectory() as folder:
        picture = os.path.join(folder, "名.jpg")
        with open(picture, "wb") as file:
            file.write(b'\x89PNG\r\n "not one"\r\n')
        case("wechatpayv3", "an upload", "wechatpay-v3", rsa, sent(lambda: pay.image_upload(picture)), app_id="1230000109", body="bad_digest")

    # What WeChat Pay sends, it sends itself; the SDK is who verifies it. What it takes, we take.
    now, nonce, body = int(time.time()), "EcY1Qu3mYk8J", '{"id":"EV-2018022511223320873","summary":"支付成功"}'
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import padding
    signature = base64.b64encode(key.sign(f"{now}\n{nonce}\n{body}\n".encode(), padding.PKCS1v15(), hashes.SHA256())).decode()
    assert rsa_verify(str(now), nonce, body, signature, key.public_key())
    headers = [["Wechatpay-Timestamp", now], ["Wechatpay-Nonce", nonce], ["Wechatpay-Signature", signature], ["Wechatpay-Serial", serial]]
    case("wechatpayv3", "a callback that the SDK takes", "wechatpay-v3-callback", rsa, post("/notify", headers, body), path="ok", query="ok")

    import wechatpy.pay
    secret = "192006250b4c09247ec02edce69f6a2d"
    v2 = wechatpy.pay.WeChatPay("wxd930ea5d5a258f4f", secret, "10000100")
    v2.API_BASE_URL = URL + "/"
    case("wechatpy", "an order, MD5", "wechatpay-v2", {"alg": "md5", "secret": secret},
         sent(lambda: v2.order.create("NATIVE", "商品 <a&b> \"c\"", 100, "https://merchant.example/notify", out_trade_no="T1", product_id="p")),
         app_id="wxd930ea5d5a258f4f", path="ok")


def alipay():
    from alipay import AliPay
    private, public, _ = pem()
    key = {"alg": "rsa-pkcs1-sha256", "public_key_pem": public}
    pay = AliPay("2014060600164699", None, private, public, "RSA2")
    query = pay.api_alipay_trade_page_pay("商品 a+b&c=d", "T-1", "0.01", return_url="https://merchant.example/back?x=1&y=2")
    case("python-alipay-sdk", "a page", "alipay-v2", key, get(f"/gateway.do?{query}", []), app_id="2014060600164699", path="ok")
    query = pay.client_api("alipay.trade.query", {"out_trade_no": "T 2"})
    case("python-alipay-sdk", "a form", "alipay-v2", key, post("/gateway.do", [["Content-Type", "application/x-www-form-urlencoded;charset=utf-8"]], query),
         app_id="2014060600164699", path="ok", query="ok")

    # A notification: Alipay's own side signs it; the SDK must take it.
    fields = {"app_id": "2014060600164699", "charset": "utf-8", "notify_id": "ac05099524730693a8b330c5ecf72da9786", "notify_time": time.strftime("%Y-%m-%d %H:%M:%S"),
              "notify_type": "trade_status_sync", "subject": "商品 a+b&c=d", "trade_status": "TRADE_SUCCESS", "passback": "", "version": "1.0"}
    signature = pay._sign("&".join(f"{k}={v}" for k, v in sorted(fields.items())))
    assert pay.verify({**fields, "sign_type": "RSA2"}, signature)
    from urllib.parse import urlencode
    form = urlencode({**fields, "sign_type": "RSA2", "sign": signature})
    case("python-alipay-sdk", "a notification that the SDK takes", "alipay-notify", key,
         post("/notify", [["Content-Type", "application/x-www-form-urlencoded; charset=utf-8"]], form), app_id="2014060600164699", path="ok", query="ok")


def messages():
    import requests
    from http_message_signatures import HTTPMessageSigner, HTTPSignatureKeyResolver, algorithms
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519
    _, _, rsa = pem()
    p256, p384, ed = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP384R1()), ed25519.Ed25519PrivateKey.generate()
    secret = b"a secret of some length, as it is"

    class Keys(HTTPSignatureKeyResolver):
        def __init__(self, key):
            self.key = key

        def resolve_private_key(self, key_id):
            return self.key

    def public(key):
        return key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()

    body = '{"hello": "世界"}'
    for name, alg, key in [
        ("RSA_PSS_SHA512", "rsa-pss-sha512", rsa), ("RSA_V1_5_SHA256", "rsa-pkcs1-sha256", rsa), ("HMAC_SHA256", "hmac-sha256", secret),
        ("ECDSA_P256_SHA256", "ecdsa-p256-sha256", p256), ("ECDSA_P384_SHA384", "ecdsa-p384-sha384", p384), ("ED25519", "ed25519", ed),
    ]:
        algorithm = getattr(algorithms, name, None)
        if algorithm is None:
            continue
        signer = HTTPMessageSigner(signature_algorithm=algorithm, key_resolver=Keys(key))
        request = requests.Request("POST", "https://api.example.com/a%20b?x=1&y=%2F", data=body.encode(),
                                   headers={"Host": "api.example.com", "X-Dictionary": "a=1,  b=2;x=1;y=2"}).prepare()
        covered = ("@method", "@authority", "@path", "@query", '"x-dictionary";key="b"', "x-dictionary", '"@query-param";name="y"')
        signer.sign(request, key_id="the-key", covered_component_ids=covered, label="sig1", include_alg=True, body=body.encode())
        credential = {"kid": "the-key", "alg": alg, **({"secret": key.decode()} if isinstance(key, bytes) else {"public_key_pem": public(key)})}
        case("http-message-signatures", name, "rfc9421", credential, post("/a%20b?x=1&y=%2F", request.headers.items(), body), body="bad_digest")


def jose():
    from jwcrypto import jwk, jws
    from jwcrypto.common import JWSEHeaderParameter
    import jwt
    private, public, rsa = pem()
    now = int(time.time())
    body = '{"Data":{"Initiation":{"InstructionIdentification":"ACME412"}}}'
    head = "http://openbanking.org.uk/"
    for plain in [False, True]:
        crit = [head + "iat", head + "iss", head + "tan"] + (["b64"] if plain else [])
        protected = {"alg": "PS256", "kid": "k1", "typ": "JOSE", "cty": "application/json", "crit": crit, head + "iat": now, head + "iss": "0015800001041RHAAY", head + "tan": "openbanking.org.uk",
                     **({"b64": False} if plain else {})}
        known = {c: JWSEHeaderParameter(c, True, True, None) for c in crit if c != "b64"}
        token = jws.JWS(body.encode(), header_registry=known)
        token.add_signature(jwk.JWK.from_pem(private.encode()), None, json.dumps(protected), None)
        token.detach_payload()
        case("jwcrypto", "detached, b64 false" if plain else "detached", "jws-detached", {"kid": "k1", "alg": "rsa-pss-sha256", "public_key_pem": public},
             post("/domestic-payments", [["Content-Type", "application/json"], ["x-jws-signature", token.serialize(compact=True)]], body), path="ok", query="ok")
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519
    p256, ed = ec.generate_private_key(ec.SECP256R1()), ed25519.Ed25519PrivateKey.generate()
    for name, alg, key in [("HS256", "hmac-sha256", SK), ("RS256", "rsa-pkcs1-sha256", rsa), ("PS256", "rsa-pss-sha256", rsa),
                           ("ES256", "ecdsa-p256-sha256", p256), ("EdDSA", "ed25519", ed)]:
        claims = {"iss": "the-app", "iat": now, "nbf": now, "exp": now + 60, "jti": f"j-{name}", "sub": "某人"}
        token = jwt.encode(claims, key, algorithm=name, headers={"kid": "k1"})
        own = {"secret": SK} if isinstance(key, str) else {"public_key_pem": key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()}
        case("PyJWT", name, "jwt", {"kid": "k1", "alg": alg, **own}, get("/accounts?x=1", [["Authorization", f"Bearer {token}"]]), path="ok", query="ok")


def webhooks():
    from datetime import datetime, timezone
    import standardwebhooks
    import stripe
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    body, now = '{"test": 2432232314, "名": "值"}', int(time.time())
    hook = standardwebhooks.Webhook(secret)
    signature = hook.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", datetime.fromtimestamp(now, timezone.utc), body)
    headers = [["webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"], ["webhook-timestamp", now], ["webhook-signature", signature]]
    case("standardwebhooks", "a webhook", "standard-webhooks", {"alg": "hmac-sha256", "secret": secret}, post("/hooks", headers, body), path="ok", query="ok")

    # Stripe's SDK for Python signs nothing in public; it verifies. What it takes, we take.
    import hashlib
    import hmac
    mac = hmac.new(secret.encode(), f"{now}.{body}".encode(), hashlib.sha256).hexdigest()
    header = f"t={now},v1={mac},v0=00"
    stripe.WebhookSignature.verify_header(body, header, secret, 300)
    case("stripe", "a webhook that the SDK takes", "stripe", {"alg": "hmac-sha256", "secret": secret}, post("/hooks", [["Stripe-Signature", header]], body), path="ok", query="ok")


if __name__ == "__main__":
    failed = False
    for make in [aws, tencent, alibaba, huawei, wechat, alipay, messages, jose, webhooks]:
        try:
            make()
        except Exception:
            failed = True
            print(f"{make.__name__}: {traceback.format_exc()}", file=sys.stderr)
    sys.exit(failed)
