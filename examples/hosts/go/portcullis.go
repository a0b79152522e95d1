// Package portcullis verifies batches of requests through the C ABI. A Gateway is for one goroutine at a time; open one for each.
package portcullis

/*
#cgo pkg-config: portcullis
#include <stdlib.h>
#include <string.h>
#include "portcullis.h"
*/
import "C"

import (
	"errors"
	"runtime"
	"unsafe"
)

// Request is one request as it was received. ReceivedAtMs 0 means now.
type Request struct {
	Method, Target, ClientIP string
	Headers                  [][2]string
	Body                     []byte
	ReceivedAtMs             int64
}

// Verdict says how a request was judged.
type Verdict struct {
	Reason, Code, AppID, KeyID string
	Status                     int
	RetryAfterMs               uint64
}

// Gateway is an engine with one worker and the C memory that a batch is handed over in.
type Gateway struct {
	engine *C.portcullis_engine
	worker *C.portcullis_worker
	arena  []unsafe.Pointer
}

func check(result C.portcullis_result, message *C.char) error {
	if result == C.PORTCULLIS_OK {
		return nil
	}
	if message != nil && *message != 0 {
		return errors.New(C.GoString(message))
	}
	return errors.New(C.GoString(C.portcullis_result_message(C.int32_t(result))))
}

// Open opens a gateway by a configuration document.
func Open(document []byte) (*Gateway, error) {
	if C.portcullis_abi_version() != C.PORTCULLIS_ABI_VERSION {
		return nil, errors.New("libportcullis has another ABI version")
	}
	g := &Gateway{}
	defer g.free()
	var message [512]C.char
	if err := check(C.portcullis_engine_open(g.slice(document), &g.engine, &message[0], 512), &message[0]); err != nil {
		return nil, err
	}
	if err := check(C.portcullis_worker_open(g.engine, &g.worker), nil); err != nil {
		return nil, err
	}
	runtime.SetFinalizer(g, func(g *Gateway) { g.Close() })
	return g, nil
}

// Load puts another document in force; one that is refused changes nothing.
func (g *Gateway) Load(document []byte) error {
	defer g.free()
	var message [512]C.char
	return check(C.portcullis_engine_load(g.engine, g.slice(document), &message[0], 512), &message[0])
}

// C memory: pointers to Go memory must not stand in memory that is handed to C.
func (g *Gateway) alloc(size uintptr) unsafe.Pointer {
	memory := C.calloc(1, C.size_t(size)+1)
	g.arena = append(g.arena, memory)
	return memory
}

func (g *Gateway) free() {
	for _, memory := range g.arena {
		C.free(memory)
	}
	g.arena = g.arena[:0]
}

func (g *Gateway) slice(data []byte) C.portcullis_slice {
	memory := g.alloc(uintptr(len(data)))
	if len(data) > 0 {
		C.memcpy(memory, unsafe.Pointer(&data[0]), C.size_t(len(data)))
	}
	return C.portcullis_slice{ptr: (*C.uint8_t)(memory), len: C.size_t(len(data))}
}

func (g *Gateway) text(text string) C.portcullis_slice { return g.slice([]byte(text)) }

// Verify judges requests in order.
func (g *Gateway) Verify(requests []Request) ([]Verdict, error) {
	if len(requests) == 0 {
		return nil, nil
	}
	defer g.free()
	count := len(requests)
	asked := unsafe.Slice((*C.portcullis_request)(g.alloc(uintptr(count)*C.sizeof_portcullis_request)), count)
	judged := unsafe.Slice((*C.portcullis_verdict)(g.alloc(uintptr(count)*C.sizeof_portcullis_verdict)), count)
	for i, r := range requests {
		one := &asked[i]
		one.struct_size, judged[i].struct_size = C.sizeof_portcullis_request, C.sizeof_portcullis_verdict
		one.received_at_ms = C.int64_t(r.ReceivedAtMs)
		one.method, one.target, one.client_ip, one.body = g.text(r.Method), g.text(r.Target), g.text(r.ClientIP), g.slice(r.Body)
		if n := len(r.Headers); n > 0 {
			lines := unsafe.Slice((*C.portcullis_header)(g.alloc(uintptr(n)*C.sizeof_portcullis_header)), n)
			for j, line := range r.Headers {
				lines[j].name, lines[j].value = g.text(line[0]), g.text(line[1])
			}
			one.headers, one.header_count = &lines[0], C.size_t(n)
		}
	}
	if err := check(C.portcullis_verify_batch(g.worker, &asked[0], C.size_t(count), &judged[0]), nil); err != nil {
		return nil, err
	}
	verdicts := make([]Verdict, count)
	for i := range judged {
		v := &judged[i]
		verdicts[i] = Verdict{
			Reason: C.GoString(C.portcullis_reason_name(v.reason)), Code: C.GoString(&v.code[0]), AppID: C.GoString(&v.app_id[0]),
			KeyID: C.GoString(&v.kid[0]), Status: int(v.http_status), RetryAfterMs: uint64(v.retry_after_ms),
		}
	}
	return verdicts, nil
}

// Close closes the gateway; closing it again is an error and does no harm.
func (g *Gateway) Close() error {
	runtime.SetFinalizer(g, nil)
	worker := check(C.portcullis_worker_close(g.worker), nil)
	if engine := check(C.portcullis_engine_close(g.engine), nil); engine != nil {
		return engine
	}
	return worker
}
