'use strict';
const assert = require('assert');
const fs = require('fs');
const { Gateway } = require('./portcullis.js');

const GOOD = '/token?nonce=abc123&partnerId=p10001&timestamp=1700000000&sign=2f9ca37c0612118fb1b01b74e6854589';
const ask = (target) => ({ method: 'GET', target, headers: [['Host', 'api.example']], clientIp: '203.0.113.7', receivedAtMs: 1700000000000 });

const gateway = new Gateway(fs.readFileSync(`${__dirname}/../config.json`));
const verdicts = gateway.verify([ask(GOOD), ask(GOOD.replace('abc123', 'abc124')), ask(GOOD), ask('/token')]);
assert.deepStrictEqual(verdicts.map((v) => v.reason), ['ok', 'bad_signature', 'replayed', 'missing_signature']);
assert.deepStrictEqual(verdicts[0], { reason: 'ok', status: 200, code: '0000', appId: 'p10001', kid: 'k1' });
assert.strictEqual(verdicts[2].status, 409);
assert.throws(() => gateway.load('[]'), /expected an object/);
gateway.close();
assert.throws(() => gateway.close(), /closed/);
console.log('node: a batch verified, its replay refused');
