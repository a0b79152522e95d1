"""portcullis for Python: a Gateway verifies batches of requests. Open it after the process has forked (gunicorn: post_fork)."""
from _portcullis import ffi, lib


class Error(Exception):
    pass


def _check(result, message=None):
    if result != 0:
        raise Error((ffi.string(message) if message else b"").decode() or ffi.string(lib.portcullis_result_message(result)).decode())


def _slice(keep, data):
    """A borrowed slice; `keep` holds its memory until the call is over."""
    data = data.encode() if isinstance(data, str) else data
    memory = ffi.from_buffer("uint8_t[]", data)
    keep.append(memory)
    return {"ptr": memory, "len": len(data)}


class Gateway:
    """An engine with one worker: for one thread at a time."""

    def __init__(self, document):
        if lib.portcullis_abi_version() != lib.PORTCULLIS_ABI_VERSION:
            raise Error("libportcullis has another ABI version")
        message, keep = ffi.new("char[512]"), []
        engine, worker = ffi.new("portcullis_engine **"), ffi.new("portcullis_worker **")
        _check(lib.portcullis_engine_open(_slice(keep, document), engine, message, 512), message)
        self._engine = engine[0]
        _check(lib.portcullis_worker_open(self._engine, worker))
        self._worker = worker[0]

    def load(self, document):
        """Puts another document in force; one that is refused changes nothing."""
        message, keep = ffi.new("char[512]"), []
        _check(lib.portcullis_engine_load(self._engine, _slice(keep, document), message, 512), message)

    def verify(self, requests):
        """Judges requests, each (method, target, headers, body, client_ip, received_at_ms or 0): a list of (reason, http_status, code, app_id)."""
        keep, count = [], len(requests)
        asked, verdicts = ffi.new("portcullis_request[]", count), ffi.new("portcullis_verdict[]", count)
        for one, verdict, (method, target, headers, body, client_ip, received_at_ms) in zip(asked, verdicts, requests):
            one.struct_size, verdict.struct_size = ffi.sizeof(one), ffi.sizeof(verdict)
            one.received_at_ms = received_at_ms
            one.method, one.target, one.body = _slice(keep, method), _slice(keep, target), _slice(keep, body)
            one.client_ip = _slice(keep, client_ip)
            if headers:
                lines = ffi.new("portcullis_header[]", [{"name": _slice(keep, n), "value": _slice(keep, v)} for n, v in headers])
                keep.append(lines)
                one.headers, one.header_count = lines, len(headers)
        _check(lib.portcullis_verify_batch(self._worker, asked, count, verdicts))
        text = lambda chars: ffi.string(chars).decode()
        return [(text(lib.portcullis_reason_name(v.reason)), v.http_status, text(v.code), text(v.app_id)) for v in verdicts]

    def close(self):
        _check(lib.portcullis_worker_close(self._worker))
        _check(lib.portcullis_engine_close(self._engine))
