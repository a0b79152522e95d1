/* portcullis: request verification for API gateways.
 *
 * Made from the library's source; do not edit. Every function returns a portcullis_result unless it says otherwise, borrows what it is
 * given for the time of the call only, and keeps no pointer of the caller's. Texts are UTF-8.
 */

#ifndef PORTCULLIS_H
#define PORTCULLIS_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
/* The ABI that this header describes; compare with portcullis_abi_version() of the library at hand. */
#define PORTCULLIS_ABI_VERSION 1


// `received_at_ms` for "now".
#define PORTCULLIS_NOW INT64_MIN

// For `portcullis_done`: the request was answered.
#define PORTCULLIS_SUCCESS 0

// For `portcullis_done`: the service behind failed.
#define PORTCULLIS_FAILURE 1

// For `portcullis_deny`: an app, by its id.
#define PORTCULLIS_DENY_APP 0

// For `portcullis_deny`: a client's address.
#define PORTCULLIS_DENY_ADDRESS 1

// For `portcullis_deny`: one key of an app.
#define PORTCULLIS_DENY_KEY 2

// What a call came to. Numbers are never reused; 0 is success.
enum portcullis_result
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  // Done.
  PORTCULLIS_OK = 0,
  // A pointer that must not be NULL is NULL.
  PORTCULLIS_NULL = 1,
  // A handle that was never given out, or is closed.
  PORTCULLIS_BAD_HANDLE = 2,
  // The handle is in use by another thread at this moment: a worker belongs to one thread.
  PORTCULLIS_BUSY = 3,
  // A `struct_size` smaller than this version's least, or larger than any it knows.
  PORTCULLIS_BAD_STRUCT_SIZE = 4,
  // A length beyond what memory can hold, or text that must be UTF-8 and is not.
  PORTCULLIS_BAD_ARGUMENT = 5,
  // The configuration document was refused; the message says where and why. What was in force stays in force.
  PORTCULLIS_BAD_CONFIG = 6,
  // The shared state region cannot be had; the message says why.
  PORTCULLIS_BAD_STATE = 7,
  // No handle is free.
  PORTCULLIS_TOO_MANY_HANDLES = 8,
  // An error inside the library, caught at its border. No verdict of the call may be used: refuse its requests.
  PORTCULLIS_INTERNAL = 9,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum portcullis_result portcullis_result;
#else
typedef int32_t portcullis_result;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// An engine: a configuration in force and the state it keeps. Shared by all threads of a process.
typedef struct portcullis_engine portcullis_engine;

// A worker: the scratch memory of one thread.
typedef struct portcullis_worker portcullis_worker;

// Bytes borrowed from the caller for the time of a call. `ptr` may be NULL where `len` is 0.
typedef struct portcullis_slice {
  // The first byte.
  const uint8_t *ptr;
  // How many.
  size_t len;
} portcullis_slice;

// A header line as received.
typedef struct portcullis_header {
  // The name, without the colon.
  struct portcullis_slice name;
  // The value, without the line end.
  struct portcullis_slice value;
} portcullis_header;

// A request. Set every byte to 0 first, then `struct_size`, then the members you have; an empty slice means "not there".
typedef struct portcullis_request {
  // `sizeof(portcullis_request)`.
  uint32_t struct_size;
  // Must be 0.
  uint32_t reserved;
  // When the gateway received it, in milliseconds since 1970; 0 or `PORTCULLIS_NOW` means now.
  int64_t received_at_ms;
  // The method.
  struct portcullis_slice method;
  // Path and query as on the wire.
  struct portcullis_slice target;
  // Header lines in order of arrival; NULL where there are none.
  const struct portcullis_header *headers;
  // How many.
  size_t header_count;
  // The body, whole.
  struct portcullis_slice body;
  // The client's address as text, IPv4 or IPv6.
  struct portcullis_slice client_ip;
  // `http` or `https`.
  struct portcullis_slice scheme;
  // Host and port.
  struct portcullis_slice authority;
  // The profile to judge by (UTF-8).
  struct portcullis_slice profile;
  // Whose request it is, for schemes that carry no app id (UTF-8).
  struct portcullis_slice app_id;
  // The version of TLS that it came over, as text: `1.2`, `TLSv1.2`.
  struct portcullis_slice tls;
  // SHA-256 of the client's verified certificate in DER, as 64 hexadecimal digits.
  struct portcullis_slice peer_certificate_sha256;
  // The trace number that the request has in the gateway's logs (UTF-8).
  struct portcullis_slice trace_id;
} portcullis_request;

// The verdict of a request. Texts end with a NUL.
typedef struct portcullis_verdict {
  // `sizeof(portcullis_verdict)`, set by the caller.
  uint32_t struct_size;
  // A `portcullis_reason`; 0 is accepted.
  uint16_t reason;
  // The HTTP status to answer with.
  uint16_t http_status;
  // Milliseconds after which a limited request may pass; 0 otherwise.
  uint64_t retry_after_ms;
  // For an accepted request: what `portcullis_done` and `portcullis_release` take; zeros otherwise.
  uint64_t ticket[3];
  // 1 + the place in the document's `limits` of the first limit with the action `alert` that an accepted request exceeded; 0: none.
  uint32_t alert;
  // 0.
  uint32_t reserved;
  // The return code.
  char code[24];
  // The app id that the request claims; empty where it has none.
  char app_id[72];
  // The key id.
  char kid[72];
  // The API of the document that was matched; empty where none was.
  char api_id[40];
} portcullis_verdict;

/* Why a request was accepted or refused: `reason` of a verdict. Numbers are never reused. */
enum portcullis_reason {
  /* accepted */
  PORTCULLIS_REASON_OK = 0,
  /* the request cannot be parsed, or exceeds a size limit */
  PORTCULLIS_REASON_MALFORMED_REQUEST = 1,
  /* no signing profile that the app may use fits the request */
  PORTCULLIS_REASON_NO_PROFILE = 2,
  /* the request carries no signature */
  PORTCULLIS_REASON_MISSING_SIGNATURE = 3,
  /* a required field is absent or empty */
  PORTCULLIS_REASON_MISSING_FIELD = 4,
  /* a field has the wrong form */
  PORTCULLIS_REASON_INVALID_FIELD = 5,
  /* a field occurs more than once */
  PORTCULLIS_REASON_DUPLICATE_FIELD = 6,
  /* the app id is not known */
  PORTCULLIS_REASON_UNKNOWN_APP = 7,
  /* the app is suspended */
  PORTCULLIS_REASON_APP_SUSPENDED = 8,
  /* the app has left */
  PORTCULLIS_REASON_APP_EXITED = 9,
  /* the caller is on a deny list */
  PORTCULLIS_REASON_BLACKLISTED = 10,
  /* the client address is not on the app's list */
  PORTCULLIS_REASON_IP_NOT_ALLOWED = 11,
  /* the app may not call this API */
  PORTCULLIS_REASON_API_NOT_ALLOWED = 12,
  /* service terminated */
  PORTCULLIS_REASON_API_RETIRED = 13,
  /* the method is not allowed here */
  PORTCULLIS_REASON_METHOD_NOT_ALLOWED = 14,
  /* the algorithm is too weak for this app */
  PORTCULLIS_REASON_WEAK_ALGORITHM = 15,
  /* the credential does not reach the level of the API */
  PORTCULLIS_REASON_LEVEL_TOO_LOW = 16,
  /* the timestamp lies before the window */
  PORTCULLIS_REASON_TIMESTAMP_TOO_OLD = 17,
  /* the timestamp lies after the window */
  PORTCULLIS_REASON_TIMESTAMP_TOO_NEW = 18,
  /* the signature does not verify */
  PORTCULLIS_REASON_BAD_SIGNATURE = 19,
  /* the body does not match its signed digest */
  PORTCULLIS_REASON_BAD_DIGEST = 20,
  /* the key id is not known */
  PORTCULLIS_REASON_UNKNOWN_KEY = 21,
  /* the key is not valid at this time */
  PORTCULLIS_REASON_KEY_EXPIRED = 22,
  /* the key is revoked */
  PORTCULLIS_REASON_KEY_REVOKED = 23,
  /* this request was accepted before */
  PORTCULLIS_REASON_REPLAYED = 24,
  /* no room to remember another request */
  PORTCULLIS_REASON_NONCE_STORE_FULL = 25,
  /* too many requests */
  PORTCULLIS_REASON_RATE_LIMITED = 26,
  /* too many requests at once */
  PORTCULLIS_REASON_CONCURRENCY_LIMITED = 27,
  /* suspended for a while after exceeding a limit */
  PORTCULLIS_REASON_SUSPENDED = 28,
  /* the service behind is failing */
  PORTCULLIS_REASON_CIRCUIT_OPEN = 29,
  /* the access token is not valid */
  PORTCULLIS_REASON_TOKEN_INVALID = 30,
  /* the access token has expired */
  PORTCULLIS_REASON_TOKEN_EXPIRED = 31,
  /* the access token is revoked */
  PORTCULLIS_REASON_TOKEN_REVOKED = 32,
  /* the one-time token was used before */
  PORTCULLIS_REASON_IDEMPOTENCY_USED = 33,
  /* the shared tier cannot be reached */
  PORTCULLIS_REASON_SHARED_UNAVAILABLE = 34,
  /* internal error */
  PORTCULLIS_REASON_INTERNAL = 35,
};

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// The ABI version of the library: equal to `PORTCULLIS_ABI_VERSION` of the header it goes with.
uint32_t portcullis_abi_version(void);

// The library's version as text, for ever valid.
const char *portcullis_version(void);

// Opens an engine from a configuration document (JSON, UTF-8) and attaches to its state.
//
// Threads: any. Starts no thread, so a process may fork later; open it in each worker process.
// On failure `*engine` is untouched, and `message` (if not NULL) holds why, in at most `message_len` bytes with a NUL at the end.
//
// # Safety
// `config` describes readable memory; `engine` is NULL or points to writable memory; `message` is NULL or has `message_len` writable bytes.
portcullis_result portcullis_engine_open(struct portcullis_slice config,
                                         struct portcullis_engine **engine,
                                         char *message,
                                         size_t message_len);

// Puts another document in force for all workers, from their next call on. A document that is refused changes nothing.
//
// Threads: any, at any time.
//
// # Safety
// As for `portcullis_engine_open`.
portcullis_result portcullis_engine_load(struct portcullis_engine *engine,
                                         struct portcullis_slice config,
                                         char *message,
                                         size_t message_len);

// Closes an engine. Its workers go on until they are closed.
portcullis_result portcullis_engine_close(struct portcullis_engine *engine);

// Opens a worker of `engine` for one thread.
//
// # Safety
// `worker` is NULL or points to writable memory.
portcullis_result portcullis_worker_open(struct portcullis_engine *engine, struct portcullis_worker **worker);

// Closes a worker.
portcullis_result portcullis_worker_close(struct portcullis_worker *worker);

// Judges one request: `portcullis_verify_batch` with a count of 1.
//
// # Safety
// As for `portcullis_verify_batch`.
portcullis_result portcullis_verify(struct portcullis_worker *worker,
                                    const struct portcullis_request *request,
                                    struct portcullis_verdict *verdict);

// Judges `count` requests: the verdict of `requests[i]` goes into `verdicts[i]`. The answers are those that one request after the other
// would get. Where the result is not `PORTCULLIS_OK`, no verdict is written and no request is accepted.
//
// Threads: one at a time per worker; another gets `PORTCULLIS_BUSY`.
//
// # Safety
// `requests` points to `count` requests and `verdicts` to `count` verdicts, with `struct_size` set in each and alike; every slice in them
// describes readable memory. All of it stays untouched by other threads for the time of the call.
portcullis_result portcullis_verify_batch(struct portcullis_worker *worker,
                                          const struct portcullis_request *requests,
                                          size_t count,
                                          struct portcullis_verdict *verdicts);

// Gives the nonce of an accepted request back, because nothing of the request reached the upstream: the client's identical retry is then
// accepted, once. `*released` (if not NULL) tells whether there was anything to give back.
//
// # Safety
// `verdict` is NULL or points to a verdict; `released` is NULL or points to writable memory.
portcullis_result portcullis_release(struct portcullis_worker *worker, const struct portcullis_verdict *verdict, bool *released);

// Reports how an accepted request ended: it is in flight no more, so that limits of concurrency have its place again. Call it once for every
// accepted request, where the document has limits of concurrency. `outcome` is `PORTCULLIS_SUCCESS` or `PORTCULLIS_FAILURE` (the service behind
// failed). `*done` (if not NULL) tells whether the request held anything that was given back now; a second report gives nothing back.
//
// Any worker of the process that accepted the request will do.
//
// # Safety
// `verdict` is NULL or points to a verdict; `done` is NULL or points to writable memory.
portcullis_result portcullis_done(struct portcullis_worker *worker,
                                  const struct portcullis_verdict *verdict,
                                  uint32_t outcome,
                                  bool *done);

// Denies an app, a client's address or a key of an app for `for_ms` milliseconds, in every process that shares the state, from now on:
// its requests are `PORTCULLIS_REASON_BLACKLISTED`. `INT64_MAX` is for good, 0 allows it again.
// `kind`: `PORTCULLIS_DENY_APP` and `PORTCULLIS_DENY_ADDRESS` take `name` alone, `PORTCULLIS_DENY_KEY` the app in `name` and the key id in `kid`.
//
// Threads: any, at any time.
//
// # Safety
// `name` and `kid` describe readable memory; `message` is NULL or has `message_len` writable bytes.
portcullis_result portcullis_deny(struct portcullis_engine *engine,
                                  uint32_t kind,
                                  struct portcullis_slice name,
                                  struct portcullis_slice kid,
                                  int64_t for_ms,
                                  char *message,
                                  size_t message_len);

// Changes a limit of the document to `permille` thousandths of what the document says (0: nothing passes) for `for_ms` milliseconds, in every
// process that shares the state; 0 ms takes the change back.
//
// Threads: any, at any time.
//
// # Safety
// `limit` describes readable memory; `message` is NULL or has `message_len` writable bytes.
portcullis_result portcullis_override_limit(struct portcullis_engine *engine,
                                            struct portcullis_slice limit,
                                            uint32_t permille,
                                            int64_t for_ms,
                                            char *message,
                                            size_t message_len);

// The stable name of a reason (`replayed`), for ever valid; NULL where the number is not known.
const char *portcullis_reason_name(uint16_t reason);

// A line about a result, for ever valid.
const char *portcullis_result_message(int32_t result);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* PORTCULLIS_H */
