// Requests that public SDKs from npm sign: the same lines as clients.py makes. Run from the repository's root, as a copy that stands beside
// the folder of its modules (`.ci/sdks`), so that nothing is installed among the sources.
import { createRequire } from 'node:module';
import { createHash, createPublicKey, createPrivateKey, createSecretKey, generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';
import { readFileSync } from 'node:fs';

// Alipay's SDKs write the hour of the machine, and Alipay's is China's.
process.env.TZ = 'CST-8';

const require = createRequire(import.meta.url);
const version = (name) => JSON.parse(readFileSync(new URL(`./node_modules/${name}/package.json`, import.meta.url))).version;

const RSA = readFileSync('vectors/demo/keys/p10004-2026.pem', 'utf8');
const publicPem = (key) => createPublicKey(key).export({ type: 'spki', format: 'pem' });
const AK = 'AKIDEXAMPLE', SK = 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY';

let seen = [];
const server = createServer((request, response) => {
  const chunks = [];
  request.on('data', (chunk) => chunks.push(chunk));
  request.on('end', () => {
    const headers = [];
    for (let at = 0; at < request.rawHeaders.length; at += 2) {
      headers.push([request.rawHeaders[at], Buffer.from(request.rawHeaders[at + 1], 'latin1').toString()]);
    }
    seen.push({ method: request.method, target: request.url, headers, body: Buffer.concat(chunks) });
    response.writeHead(200, { 'content-type': 'application/json', connection: 'close' });
    response.end('{}');
  });
});
await new Promise((ready) => server.listen(0, '127.0.0.1', ready));
const HOST = `127.0.0.1:${server.address().port}`, URL_ = `http://${HOST}`;

// The request that `send` sends. The answer is no answer: what the SDK thinks of it is of no interest, unless it sent nothing.
async function sent(send) {
  seen = [];
  let trouble;
  try { await send(); } catch (e) { trouble = e; }
  if (!seen.length) throw new Error(`nothing was sent: ${trouble?.stack}`);
  return seen[0];
}

function line(name, what, profile, credential, request, more = {}) {
  const { app_id = 'the-app', ...reasons } = more;
  const { body, headers, ...rest } = request;
  console.log(JSON.stringify({
    client: `${name} ${version(name)} (npm)`, what, profile,
    app: { app_id, allow_weak: true, profiles: [profile], credentials: [credential] },
    request: { ...rest, headers: (Array.isArray(headers) ? headers : Object.entries(headers)).map(([n, v]) => [n, String(v)]), body_base64: Buffer.from(body ?? '').toString('base64'), profile, received_at_ms: Date.now() },
    ...reasons,
  }));
}

async function aws() {
  const { SignatureV4 } = await import('@smithy/signature-v4');
  const { Sha256 } = await import('@aws-crypto/sha256-js');
  const key = { kid: AK, alg: 'hmac-sha256', secret: SK };
  const make = (more) => new SignatureV4({ service: 'execute-api', region: 'eu-west-1', credentials: { accessKeyId: AK, secretAccessKey: SK }, sha256: Sha256, ...more });
  const request = (more) => ({ method: 'GET', protocol: 'https:', hostname: 'api.example.com', path: '/', headers: { host: 'api.example.com' }, query: {}, ...more });
  // The wire has each part of the query encoded as the SDK's own clients encode it.
  const encode = (text) => encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
  const target = (r) => {
    const pairs = Object.entries(r.query).flatMap(([n, v]) => (Array.isArray(v) ? v : [v]).map((one) => `${encode(n)}=${encode(one)}`));
    return r.path + (pairs.length ? `?${pairs.join('&')}` : '');
  };
  for (const [what, given, service] of [
    ['a query', request({ path: '/a%20b/c', query: { b: '2', a: ['中', '1 +'], empty: '' } })],
    ['a path with dots', request({ path: '/a/../b//c/.' })],
    ['a body', request({ method: 'POST', path: '/x', body: '{"名":"值"}', headers: { host: 'api.example.com', 'content-type': 'application/json', 'x-spaces': 'a   b' } })],
    ['s3, a path', request({ path: '/bucket/a//b/%E4%B8%AD' }), 's3'],
  ]) {
    const s3 = service === 's3';
    const signed = await make(s3 ? { service, uriEscapePath: false } : {}).sign(given);
    line('@smithy/signature-v4', what, s3 ? 'aws-sigv4-s3' : 'aws-sigv4', key, { method: signed.method, target: target(signed), headers: signed.headers, body: signed.body }, { body: given.body && signed.headers['x-amz-content-sha256'] ? 'bad_digest' : 'bad_signature' });
  }
  const url = await make().presign(request({ path: '/a b'.replace(' ', '%20'), query: { x: 'y&z' } }), { expiresIn: 60 });
  line('@smithy/signature-v4', 'presigned', 'aws-sigv4', key, { method: 'GET', target: target(url), headers: { host: 'api.example.com' } });

  const aws4 = require('aws4');
  const four = aws4.sign({ service: 'execute-api', region: 'eu-west-1', host: 'api.example.com', method: 'POST', path: '/a/b?z=1&y=%E4%B8%AD', body: '{"a":1}', headers: { 'Content-Type': 'application/json' } },
    { accessKeyId: AK, secretAccessKey: SK });
  line('aws4', 'a body', 'aws-sigv4', key, { method: 'POST', target: four.path, headers: four.headers, body: '{"a":1}' });
}

async function alibaba() {
  const Core = require('@alicloud/pop-core');
  const key = { kid: AK, alg: 'hmac-sha1', secret: SK };
  const rpc = new Core({ accessKeyId: AK, accessKeySecret: SK, endpoint: URL_, apiVersion: '2014-05-26' });
  for (const method of ['GET', 'POST']) {
    const request = await sent(() => rpc.request('DescribeRegions', { Name: "中文 a+b~c*d/e'()!" }, { method }));
    line('@alicloud/pop-core', `RPC, ${method}`, 'alibabacloud-rpc', key, request, { path: 'ok' });
  }
  const roa = new Core.ROAClient({ accessKeyId: AK, accessKeySecret: SK, endpoint: URL_, apiVersion: '2015-12-15' });
  line('@alicloud/pop-core', 'ROA, GET', 'alibabacloud-roa', key, await sent(() => roa.get('/clusters', { pageSize: '10', filter: 'x' })));
  line('@alicloud/pop-core', 'ROA, POST', 'alibabacloud-roa', key, await sent(() => roa.post('/clusters', {}, '{"名":"值"}', { 'content-type': 'application/json' })), { body: 'bad_digest' });
}

async function wechat() {
  const { Wechatpay, Formatter, Multipart, Rsa } = require('wechatpay-axios-plugin');
  const serial = '1DDE55AD98ED71D6EDD4A4A16996DE7B47773A8C';
  const key = { kid: serial, alg: 'rsa-pkcs1-sha256', public_key_pem: publicPem(RSA) };
  const pay = new Wechatpay({ mchid: '1230000109', serial, privateKey: RSA, certs: { PUB_KEY_ID_0112300001: publicPem(RSA) }, secret: '192006250b4c09247ec02edce69f6a2d', baseURL: `${URL_}/`, proxy: false });
  line('wechatpay-axios-plugin', 'an order', 'wechatpay-v3', key,
    await sent(() => pay.v3.pay.transactions.native.post({ mchid: '1230000109', out_trade_no: 'T-1', description: '商品 a&b', amount: { total: 1 } })), { app_id: '1230000109' });
  line('wechatpay-axios-plugin', 'a query', 'wechatpay-v3', key,
    await sent(() => pay.v3.pay.transactions.id['{transaction_id}'].get({ params: { mchid: '1230000109' }, transaction_id: '1217752501201407033233368018' })), { app_id: '1230000109' });
  const file = Buffer.from('\x89PNG\r\n "not one"\r\n', 'latin1');
  const form = new Multipart().append('meta', JSON.stringify({ filename: '名.png', sha256: createHash('sha256').update(file).digest('hex') })).append('file', file, '名.png');
  line('wechatpay-axios-plugin', 'an upload', 'wechatpay-v3', key,
    await sent(() => pay.v3.merchant.media.upload.post(form.getBuffer(), { meta: form.toJSON(), headers: form.getHeaders() })), { app_id: '1230000109', body: 'bad_digest' });
  const v2 = { alg: 'md5', secret: '192006250b4c09247ec02edce69f6a2d' };
  line('wechatpay-axios-plugin', 'an order in XML', 'wechatpay-v2', v2,
    await sent(() => pay.v2.pay.unifiedorder.post({ appid: 'wxd930ea5d5a258f4f', mch_id: '1230000109', body: '商品 <a&b>', nonce_str: Formatter.nonce(), total_fee: '1' })),
    { app_id: 'wxd930ea5d5a258f4f', path: 'ok' });
  // A callback: WeChat Pay signs it itself; with the SDK's own functions.
  const body = '{"id":"EV-2018022511223320873","summary":"支付成功"}';
  const [timestamp, nonce] = [`${Formatter.timestamp()}`, Formatter.nonce()];
  const signature = Rsa.sign(Formatter.joinedByLineFeed(timestamp, nonce, body), RSA);
  line('wechatpay-axios-plugin', 'a callback', 'wechatpay-v3-callback', key, { method: 'POST', target: '/notify', body, headers: {
    'Wechatpay-Timestamp': timestamp, 'Wechatpay-Nonce': nonce, 'Wechatpay-Signature': signature, 'Wechatpay-Serial': serial } }, { path: 'ok' });
}

async function alipay() {
  const { AlipaySdk } = require('alipay-sdk');
  const key = { alg: 'rsa-pkcs1-sha256', public_key_pem: publicPem(RSA) };
  const strip = (pem) => pem.replace(/-----[^-]+-----|\s/g, '');
  const sdk = new AlipaySdk({ appId: '2014060600164699', privateKey: strip(RSA), keyType: 'PKCS8', alipayPublicKey: strip(publicPem(RSA)), endpoint: URL_, gateway: `${URL_}/gateway.do`, timeout: 5000 });
  const app = { app_id: '2014060600164699' };
  line('alipay-sdk', 'v3, a body', 'alipay-v3', key, await sent(() => sdk.curl('POST', '/v3/alipay/trade/query', { body: { out_trade_no: '商品 T-1' } })), app);
  line('alipay-sdk', 'v3, a query', 'alipay-v3', key, await sent(() => sdk.curl('GET', '/v3/alipay/user/deloauth/detail', { query: { date: '20230102', offset: 20 } })), app);
  line('alipay-sdk', 'v3, with an auth token', 'alipay-v3', key, await sent(() => sdk.curl('POST', '/v3/alipay/trade/query', { body: { out_trade_no: 'T-1' }, appAuthToken: '202303BB20e59e6' })), app);
  line('alipay-sdk', 'v2', 'alipay-v2', key, await sent(() => sdk.exec('alipay.trade.query', { bizContent: { outTradeNo: '商品 a+b&c=d' } })), { ...app, path: 'ok' });
}

async function messages() {
  const { httpbis, createSigner } = require('http-message-signatures');
  const body = '{"hello": "世界"}';
  const digest = createHash('sha256').update(body).digest('base64');
  const ed = generateKeyPairSync('ed25519').privateKey, p256 = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey, p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey;
  for (const [name, alg, key] of [['hmac-sha256', 'hmac-sha256', SK], ['rsa-pss-sha512', 'rsa-pss-sha512', RSA], ['rsa-v1_5-sha256', 'rsa-pkcs1-sha256', RSA], ['ed25519', 'ed25519', ed],
    ['ecdsa-p256-sha256', 'ecdsa-p256-sha256', p256], ['ecdsa-p384-sha384', 'ecdsa-p384-sha384', p384]]) {
    const signed = await httpbis.signMessage({
      key: createSigner(key, name, 'the-key'), name: 'sig1', fields: ['@method', '@target-uri', '@authority', '@query-param;name="x"', 'content-digest', 'x-many'],
      params: ['created', 'expires', 'keyid', 'alg', 'nonce', 'tag'], paramValues: { nonce: `n-${name}`, tag: 'an-app', expires: new Date(Date.now() + 60000) },
    }, { method: 'POST', url: 'https://api.example.com/a%20b?x=1%20%2F&y=2', headers: { Host: 'api.example.com', 'X-Many': 'a,  b', 'Content-Digest': `sha-256=:${digest}:` }, body });
    const credential = { kid: 'the-key', alg, ...(alg === 'hmac-sha256' ? { secret: SK } : { public_key_pem: publicPem(key) }) };
    line('http-message-signatures', name, 'rfc9421', credential, { method: 'POST', target: '/a%20b?x=1%20%2F&y=2', scheme: 'https', headers: signed.headers, body },
      // RFC 9421, 3.3.1, wants a salt of 64 bytes; this SDK leaves it as long as the key allows. It is refused, as it must be.
      { body: 'bad_digest', ...(name === 'rsa-pss-sha512' ? { sent: 'bad_signature' } : {}) });
  }
}

async function jose() {
  const { SignJWT, FlattenedSign } = await import('jose');
  const now = Math.floor(Date.now() / 1000);
  const keys = {
    HS256: ['hmac-sha256', createSecretKey(Buffer.from(SK))], RS256: ['rsa-pkcs1-sha256', createPrivateKey(RSA)], PS256: ['rsa-pss-sha256', createPrivateKey(RSA)],
    ES256: ['ecdsa-p256-sha256', generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey], EdDSA: ['ed25519', generateKeyPairSync('ed25519').privateKey],
  };
  for (const [name, [alg, key]] of Object.entries(keys)) {
    const token = await new SignJWT({ sub: '某人' }).setProtectedHeader({ alg: name, kid: 'k1' }).setIssuer('the-app').setIssuedAt(now).setNotBefore(now).setExpirationTime(now + 60).setJti(`j-${name}`).sign(key);
    const credential = { kid: 'k1', alg, ...(name === 'HS256' ? { secret: SK } : { public_key_pem: publicPem(key) }) };
    line('jose', name, 'jwt', credential, { method: 'GET', target: '/accounts?x=1', headers: { Authorization: `Bearer ${token}` } }, { path: 'ok', query: 'ok' });
  }
  const body = '{"Data":{"Initiation":{"InstructionIdentification":"ACME412"}}}', head = 'http://openbanking.org.uk/';
  for (const plain of [false, true]) {
    const crit = [`${head}iat`, `${head}iss`, `${head}tan`];
    const signed = await new FlattenedSign(Buffer.from(body)).setProtectedHeader({ alg: 'PS256', kid: 'k1', crit: plain ? ['b64', ...crit] : crit, ...(plain ? { b64: false } : {}),
      [`${head}iat`]: now, [`${head}iss`]: '0015800001041RHAAY', [`${head}tan`]: 'openbanking.org.uk' })
      .sign(keys.PS256[1], { crit: Object.fromEntries(crit.map((c) => [c, true])) });
    line('jose', plain ? 'detached, b64 false' : 'detached', 'jws-detached', { kid: 'k1', alg: 'rsa-pss-sha256', public_key_pem: publicPem(RSA) },
      { method: 'POST', target: '/domestic-payments', headers: { 'Content-Type': 'application/json', 'x-jws-signature': `${signed.protected}..${signed.signature}` }, body }, { path: 'ok' });
  }
}

async function webhooks() {
  const body = '{"test": 2432232314, "名": "值"}', secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
  const { sign } = await import('@octokit/webhooks-methods');
  line('@octokit/webhooks-methods', 'a webhook', 'github', { alg: 'hmac-sha256', secret: "It's a Secret to Everybody" },
    { method: 'POST', target: '/hooks', headers: { 'X-Hub-Signature-256': await sign("It's a Secret to Everybody", body) }, body }, { path: 'ok' });
  const { default: Stripe } = await import('stripe');
  const header = new Stripe('sk_test_nothing').webhooks.generateTestHeaderString({ payload: body, secret });
  line('stripe', 'a webhook', 'stripe', { alg: 'hmac-sha256', secret }, { method: 'POST', target: '/hooks', headers: { 'Stripe-Signature': header }, body }, { path: 'ok' });
  const { Webhook } = require('standardwebhooks');
  const at = new Date();
  line('standardwebhooks', 'a webhook', 'standard-webhooks', { alg: 'hmac-sha256', secret },
    { method: 'POST', target: '/hooks', headers: { 'webhook-id': 'msg_1', 'webhook-timestamp': `${Math.floor(at / 1000)}`, 'webhook-signature': new Webhook(secret).sign('msg_1', at, body) }, body }, { path: 'ok' });
}

let failed = false;
for (const make of [aws, alibaba, wechat, alipay, messages, jose, webhooks]) {
  try { await make(); } catch (e) { failed = true; console.error(`${make.name}: ${e.stack}`); }
}
process.exit(failed ? 1 : 0);
