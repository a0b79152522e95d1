// portcullis for Node through koffi. A Gateway is for one thread: open one in each worker (cluster: after the fork).
'use strict';
const koffi = require('koffi');

const lib = koffi.load(process.env.PORTCULLIS_LIBRARY || 'libportcullis.so');
// A slice is passed as an array of bytes or a Buffer, which koffi lends for the call.
koffi.struct('portcullis_slice', { ptr: 'uint8_t *', len: 'size_t' });
koffi.struct('portcullis_header', { name: 'portcullis_slice', value: 'portcullis_slice' });
const Request = koffi.struct('portcullis_request', {
  struct_size: 'uint32_t', reserved: 'uint32_t', received_at_ms: 'int64_t', method: 'portcullis_slice', target: 'portcullis_slice',
  headers: 'portcullis_header *', header_count: 'size_t', body: 'portcullis_slice', client_ip: 'portcullis_slice', scheme: 'portcullis_slice',
  authority: 'portcullis_slice', profile: 'portcullis_slice', app_id: 'portcullis_slice', tls: 'portcullis_slice',
  peer_certificate_sha256: 'portcullis_slice', trace_id: 'portcullis_slice',
});
const Verdict = koffi.struct('portcullis_verdict', {
  struct_size: 'uint32_t', reason: 'uint16_t', http_status: 'uint16_t', retry_after_ms: 'uint64_t', ticket: koffi.array('uint64_t', 3),
  one_time: koffi.array('uint64_t', 3), alert: 'uint32_t', reserved: 'uint32_t', code: koffi.array('char', 24, 'String'),
  app_id: koffi.array('char', 72, 'String'), kid: koffi.array('char', 72, 'String'), api_id: koffi.array('char', 40, 'String'),
});
koffi.opaque('portcullis_engine');
koffi.opaque('portcullis_worker');

const abi = lib.func('uint32_t portcullis_abi_version(void)');
const engineOpen = lib.func('int portcullis_engine_open(portcullis_slice config, _Out_ portcullis_engine **engine, _Out_ char *message, size_t len)');
const engineLoad = lib.func('int portcullis_engine_load(portcullis_engine *engine, portcullis_slice config, _Out_ char *message, size_t len)');
const engineClose = lib.func('int portcullis_engine_close(portcullis_engine *engine)');
const workerOpen = lib.func('int portcullis_worker_open(portcullis_engine *engine, _Out_ portcullis_worker **worker)');
const workerClose = lib.func('int portcullis_worker_close(portcullis_worker *worker)');
const verifyBatch = lib.func(
  'int portcullis_verify_batch(portcullis_worker *worker, portcullis_request *requests, size_t count, _Inout_ portcullis_verdict *verdicts)');
const reasonName = lib.func('const char *portcullis_reason_name(uint16_t reason)');
const resultMessage = lib.func('const char *portcullis_result_message(int32_t result)');

const ABI = 2;
const NONE = { ptr: null, len: 0 };

function slice(data) {
  const bytes = typeof data === 'string' ? Buffer.from(data) : data;
  return bytes.length === 0 ? NONE : { ptr: bytes, len: bytes.length };
}

function check(result, message) {
  if (result === 0) return;
  const end = message ? message.indexOf(0) : 0;
  throw new Error(end > 0 ? message.toString('utf8', 0, end) : resultMessage(result));
}

class Gateway {
  constructor(document) {
    if (abi() !== ABI || koffi.sizeof(Request) !== 208 || koffi.sizeof(Verdict) !== 280) throw new Error('libportcullis has another ABI version');
    const [engine, worker, message] = [[null], [null], Buffer.alloc(512)];
    check(engineOpen(slice(document), engine, message, 512), message);
    this.engine = engine[0];
    check(workerOpen(this.engine, worker));
    this.worker = worker[0];
  }

  // Puts another document in force; one that is refused changes nothing.
  load(document) {
    const message = Buffer.alloc(512);
    check(engineLoad(this.engine, slice(document), message, 512), message);
  }

  // Judges requests ({ method, target, headers: [[name, value]], body, clientIp, receivedAtMs }): an array of { reason, status, code, appId, kid }.
  verify(requests) {
    const asked = requests.map((r) => ({
      struct_size: 208, reserved: 0, received_at_ms: r.receivedAtMs || 0, method: slice(r.method), target: slice(r.target),
      headers: r.headers && r.headers.length ? r.headers.map(([name, value]) => ({ name: slice(name), value: slice(value) })) : null,
      header_count: (r.headers || []).length, body: slice(r.body || ''), client_ip: slice(r.clientIp || ''), scheme: NONE, authority: NONE,
      profile: NONE, app_id: NONE, tls: NONE, peer_certificate_sha256: NONE, trace_id: NONE,
    }));
    const blank = { struct_size: 280, reason: 0, http_status: 0, retry_after_ms: 0, ticket: [0, 0, 0], one_time: [0, 0, 0], alert: 0, reserved: 0,
      code: '', app_id: '', kid: '', api_id: '' };
    const verdicts = requests.map(() => ({ ...blank }));
    check(verifyBatch(this.worker, asked, asked.length, verdicts));
    return verdicts.map((v) => ({ reason: reasonName(v.reason), status: v.http_status, code: v.code, appId: v.app_id, kid: v.kid }));
  }

  close() {
    check(workerClose(this.worker));
    check(engineClose(this.engine));
  }
}

module.exports = { Gateway };
