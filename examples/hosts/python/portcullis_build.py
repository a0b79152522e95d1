"""Builds the extension module `_portcullis` with cffi in API mode: the compiler reads the header, so layouts are never guessed.

Needs pkg-config to find the installed library: python3 portcullis_build.py
"""
import shlex
import subprocess

import cffi


def pkg_config(what):
    return shlex.split(subprocess.check_output(["pkg-config", what, "portcullis"], text=True))


ffi = cffi.FFI()
ffi.cdef("""
typedef struct { const uint8_t *ptr; size_t len; } portcullis_slice;
typedef struct { portcullis_slice name, value; } portcullis_header;
typedef struct { uint32_t struct_size; int64_t received_at_ms; portcullis_slice method, target; const portcullis_header *headers; size_t header_count;
                 portcullis_slice body, client_ip; ...; } portcullis_request;
typedef struct { uint32_t struct_size; uint16_t reason, http_status; uint64_t retry_after_ms; char code[24]; char app_id[72]; char kid[72]; ...; } portcullis_verdict;
typedef struct portcullis_engine portcullis_engine;
typedef struct portcullis_worker portcullis_worker;
typedef int32_t portcullis_result;
#define PORTCULLIS_ABI_VERSION ...
uint32_t portcullis_abi_version(void);
portcullis_result portcullis_engine_open(portcullis_slice, portcullis_engine **, char *, size_t);
portcullis_result portcullis_engine_load(portcullis_engine *, portcullis_slice, char *, size_t);
portcullis_result portcullis_engine_close(portcullis_engine *);
portcullis_result portcullis_worker_open(portcullis_engine *, portcullis_worker **);
portcullis_result portcullis_worker_close(portcullis_worker *);
portcullis_result portcullis_verify_batch(portcullis_worker *, const portcullis_request *, size_t, portcullis_verdict *);
const char *portcullis_reason_name(uint16_t);
const char *portcullis_result_message(int32_t);
""")
ffi.set_source(
    "_portcullis",
    '#include "portcullis.h"',
    libraries=["portcullis"],
    extra_compile_args=pkg_config("--cflags"),
    extra_link_args=pkg_config("--libs-only-L"),
)

if __name__ == "__main__":
    ffi.compile(verbose=False)
