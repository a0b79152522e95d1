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
#define PORTCULLIS_ABI_VERSION 2


// `received_at_ms` for "now".
#define PORTCULLIS_NOW INT64_MIN

// For `flags` of `portcullis_queue_options`: no request is judged by the thread that submits it, not even one that comes alone.
#define PORTCULLIS_QUEUE_POOL_ONLY 1

// For `portcullis_done`: the request was answered.
#define PORTCULLIS_SUCCESS 0

// For `portcullis_done`: the service behind failed.
#define PORTCULLIS_FAILURE 1

// For `portcullis_grant_issue`: good for one call.
#define PORTCULLIS_GRANT_ONCE 0

// For `portcullis_grant_issue`: good until a moment.
#define PORTCULLIS_GRANT_UNTIL 1

// For `portcullis_grant_issue`: good for the contract, until it is taken back.
#define PORTCULLIS_GRANT_CONTRACT 2

// For `portcullis_explain`: show values whole.
#define PORTCULLIS_EXPLAIN_UNMASK 1

// For `portcullis_explain`: show the MAC that would be right; whoever reads it can send the request.
#define PORTCULLIS_EXPLAIN_EXPECTED 2

// For `keep_days` of `portcullis_audit_options`, added to the days: records in the binary form, frames instead of lines of JSON.
#define PORTCULLIS_AUDIT_BINARY 2147483648

// A buffer of so many bytes holds every record that opens or closes an audit chain.
#define PORTCULLIS_AUDIT_LINE 512

// `duration_us` of an audit record that tells none.
#define PORTCULLIS_NO_DURATION UINT64_MAX

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
  // In use by another thread at this moment (a worker belongs to one thread), or full (a queue). Nothing was done; try again.
  PORTCULLIS_BUSY = 3,
  // A `struct_size` smaller than this version's least, or larger than any it knows.
  PORTCULLIS_BAD_STRUCT_SIZE = 4,
  // A length beyond what memory can hold, or text that must be UTF-8 and is not.
  PORTCULLIS_BAD_ARGUMENT = 5,
  // The configuration document was refused, or lacks what the call needs; the message says where and why. What was in force stays in force.
  PORTCULLIS_BAD_CONFIG = 6,
  // The shared state region cannot be had or has no room, or the system refused something; the message says why.
  PORTCULLIS_BAD_STATE = 7,
  // No handle is free.
  PORTCULLIS_TOO_MANY_HANDLES = 8,
  // An error inside the library, caught at its border. No verdict of the call may be used: refuse its requests.
  PORTCULLIS_INTERNAL = 9,
  // The caller's buffer is too small. Nothing was done but telling the length that is needed.
  PORTCULLIS_TOO_SMALL = 10,
  // The handle belongs to the process before the fork; open one in this process. Closing it here frees nothing of the other process's.
  PORTCULLIS_FORKED = 11,
  // The system gives no thread or no event descriptor.
  PORTCULLIS_NO_THREAD = 12,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum portcullis_result portcullis_result;
#else
typedef int32_t portcullis_result;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// An audit chain that is being written, by one thread at a time.
typedef struct portcullis_audit portcullis_audit;

// An engine: a configuration in force and the state it keeps. Shared by all threads of a process.
typedef struct portcullis_engine portcullis_engine;

// A queue of requests that a pool of threads judges. Shared by threads.
typedef struct portcullis_queue portcullis_queue;

// A signer: a key with all that a profile needs to sign with it. Shared by threads.
typedef struct portcullis_signer portcullis_signer;

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
  // For an accepted call with a one-time token: its reservation, for `portcullis_one_time_commit` and `portcullis_one_time_release`.
  uint64_t one_time[3];
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

// How to open a queue. Set every byte to 0 first; 0 means the default.
typedef struct portcullis_queue_options {
  // `sizeof(portcullis_queue_options)`.
  uint32_t struct_size;
  // Threads of the pool, 256 at most; 0: one for each processor that this process may use.
  uint32_t threads;
  // Requests that may be submitted and not yet reaped, 65,536 at most; 0: 1,024.
  uint32_t capacity;
  // 0, or `PORTCULLIS_QUEUE_POOL_ONLY`.
  uint32_t flags;
} portcullis_queue_options;

// A submitted request that was judged.
typedef struct portcullis_completion {
  // `sizeof(portcullis_completion)`, set by the caller.
  uint32_t struct_size;
  // 0.
  uint32_t reserved;
  // What the request was submitted with.
  uint64_t user;
  // The verdict, its `struct_size` set by the library.
  struct portcullis_verdict verdict;
} portcullis_completion;

// A token or grant that was issued.
typedef struct portcullis_token {
  // `sizeof(portcullis_token)`, set by the caller.
  uint32_t struct_size;
  // Seconds that it lives; 0 for grants.
  uint32_t expires_in_s;
  // What the client sends: 40 characters and a NUL.
  char text[48];
} portcullis_token;

// Who signs, by which profile, with which key. Set every byte to 0 first; an empty slice means "not there".
typedef struct portcullis_signer_options {
  // `sizeof(portcullis_signer_options)`.
  uint32_t struct_size;
  // Must be 0.
  uint32_t reserved;
  // The profile: the document's of that name, or a built-in one.
  struct portcullis_slice profile;
  // Whose request it is; may be empty where the profile carries no app id and `alg` is there.
  struct portcullis_slice app_id;
  // The credential of the app, or the key id to write; empty: the first credential that the profile admits.
  struct portcullis_slice kid;
  // With `private_key_pem`: the algorithm (`rsa-pkcs1-sha256`) of a key that the document need not know, such as the gateway's own.
  struct portcullis_slice alg;
  // The private key of a key pair, PKCS#8 in PEM; MACs use the secret of the document.
  struct portcullis_slice private_key_pem;
  // The user id of an SM2 key, where it is not the standard's default.
  struct portcullis_slice sm2_user_id;
  // Fields of the profile that the document does not have, such as a region, as names and values; NULL where there are none.
  const struct portcullis_header *extra;
  // How many.
  size_t extra_count;
} portcullis_signer_options;

// A signed request. All of it lies in the buffer that the caller gave.
typedef struct portcullis_signed {
  // `sizeof(portcullis_signed)`, set by the caller.
  uint32_t struct_size;
  // 0.
  uint32_t reserved;
  // Bytes of the buffer that were used, or that are needed.
  size_t length;
  // The method.
  struct portcullis_slice method;
  // Path and query to send.
  struct portcullis_slice target;
  // Header lines to send.
  const struct portcullis_header *headers;
  // How many.
  size_t header_count;
  // The body to send.
  struct portcullis_slice body;
} portcullis_signed;

// Where an audit chain stands.
typedef struct portcullis_audit_head {
  // The chain.
  uint64_t chain;
  // Lines written.
  uint64_t lines;
  // The last link.
  uint8_t link[16];
} portcullis_audit_head;

// How to open an audit chain.
typedef struct portcullis_audit_options {
  // `sizeof(portcullis_audit_options)`.
  uint32_t struct_size;
  // How many days the records must be kept; 0: a year, as a bank must. `PORTCULLIS_AUDIT_BINARY` may be added.
  uint32_t keep_days;
  // The secret of the links, 32 bytes at least. Copied.
  struct portcullis_slice key;
  // The head of the chain that this one goes on from, where a file was rotated; NULL for a first one.
  const struct portcullis_audit_head *after;
} portcullis_audit_options;

// What one audit record says. Set every byte to 0 first.
typedef struct portcullis_audit_record {
  // `sizeof(portcullis_audit_record)`.
  uint32_t struct_size;
  // Must be 0.
  uint32_t reserved;
  // When the request was received, in milliseconds since 1970; 0 means now.
  int64_t at_ms;
  // How it was judged.
  const struct portcullis_verdict *verdict;
  // How long it took in microseconds, the service behind included; `PORTCULLIS_NO_DURATION` where the gateway does not tell.
  uint64_t duration_us;
  // The trace number that the gateway's logs have for it; empty where there is none.
  struct portcullis_slice trace_id;
  // The account that it was about, masked in the record; empty where there is none.
  struct portcullis_slice account;
  // The accepted request, where the record is to show what was signed, and a worker to read it with; NULL otherwise.
  const struct portcullis_request *request;
  // The worker.
  struct portcullis_worker *worker;
} portcullis_audit_record;

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
//
// Threads: any. Results: the number itself.
// Example: `if (portcullis_abi_version() != PORTCULLIS_ABI_VERSION) abort();`
uint32_t portcullis_abi_version(void);

// The library's version as text, for ever valid; not to be freed.
//
// Threads: any. Results: the text itself, never NULL.
// Example: `puts(portcullis_version());`
const char *portcullis_version(void);

// Opens an engine from a configuration document (JSON, UTF-8) and attaches to its state. The caller owns the handle and closes it.
//
// Starts no thread, so a process may fork later; open it in each worker process. On failure `*engine` is untouched, and `message` (if not
// NULL) holds why, in at most `message_len` bytes with a NUL at the end; on success it holds what an operator should know, or nothing.
//
// Threads: any.
// Results: `PORTCULLIS_BAD_CONFIG` with the JSON pointer in the message, `PORTCULLIS_BAD_STATE`, `PORTCULLIS_TOO_MANY_HANDLES`, `PORTCULLIS_NULL`.
// Example: `portcullis_engine *engine; portcullis_engine_open(document, &engine, message, sizeof message);`
//
// # Safety
// `config` describes readable memory; `engine` is NULL or points to writable memory; `message` is NULL or has `message_len` writable bytes.
portcullis_result portcullis_engine_open(struct portcullis_slice config,
                                         struct portcullis_engine **engine,
                                         char *message,
                                         size_t message_len);

// Puts another document in force for all workers, from their next call on: a request is judged by the old one or the new one, never by a
// mixture. A document that is refused changes nothing; nor can `state` and wider windows be changed.
//
// Threads: any, at any time, beside calls that verify.
// Results: `PORTCULLIS_BAD_CONFIG` with the JSON pointer in `message`, `PORTCULLIS_BAD_HANDLE`, `PORTCULLIS_NULL`.
// Example: `if (portcullis_engine_load(engine, document, message, sizeof message)) log(message);`
//
// # Safety
// As for `portcullis_engine_open`.
portcullis_result portcullis_engine_load(struct portcullis_engine *engine,
                                         struct portcullis_slice config,
                                         char *message,
                                         size_t message_len);

// Closes an engine. What was opened from it (workers, queues, signers) goes on until it is closed.
//
// Threads: any. Results: `PORTCULLIS_BAD_HANDLE` where it is closed already, `PORTCULLIS_BUSY` while another thread is in a call with it.
// Example: `portcullis_engine_close(engine);`
portcullis_result portcullis_engine_close(struct portcullis_engine *engine);

// Opens a worker of `engine` for one thread: its scratch memory. The caller owns the handle and closes it.
//
// Threads: any; the worker is then for one thread at a time.
// Results: `PORTCULLIS_BAD_HANDLE`, `PORTCULLIS_TOO_MANY_HANDLES` (4,096 at a time in a process), `PORTCULLIS_NULL`.
// Example: `portcullis_worker *worker; portcullis_worker_open(engine, &worker);`
//
// # Safety
// `worker` is NULL or points to writable memory.
portcullis_result portcullis_worker_open(struct portcullis_engine *engine, struct portcullis_worker **worker);

// Closes a worker.
//
// Threads: any. Results: `PORTCULLIS_BAD_HANDLE` where it is closed already, `PORTCULLIS_BUSY` while another thread uses it.
// Example: `portcullis_worker_close(worker);`
portcullis_result portcullis_worker_close(struct portcullis_worker *worker);

// Judges one request: `portcullis_verify_batch` with a count of 1.
//
// Threads: one at a time per worker. Results: as for `portcullis_verify_batch`.
// Example: `if (portcullis_verify(worker, &request, &verdict) != PORTCULLIS_OK || verdict.reason != 0) refuse();`
//
// # Safety
// As for `portcullis_verify_batch`.
portcullis_result portcullis_verify(struct portcullis_worker *worker,
                                    const struct portcullis_request *request,
                                    struct portcullis_verdict *verdict);

// Judges `count` requests: the verdict of `requests[i]` goes into `verdicts[i]`. The answers are those that one request after the other
// would get. Where the result is not `PORTCULLIS_OK`, no verdict is written and no request is accepted. Requests are borrowed for the call;
// verdicts are the caller's; nothing is to be freed.
//
// Threads: one at a time per worker; another gets `PORTCULLIS_BUSY`.
// Results: `PORTCULLIS_NULL`, `PORTCULLIS_BAD_STRUCT_SIZE`, `PORTCULLIS_BAD_ARGUMENT` (an address, TLS version, fingerprint or text that is none),
// `PORTCULLIS_INTERNAL`: refuse all of them.
// Example: `portcullis_verify_batch(worker, requests, 16, verdicts);`
//
// # Safety
// `requests` points to `count` requests and `verdicts` to `count` verdicts, with `struct_size` set in each and alike; every slice in them
// describes readable memory. All of it stays untouched by other threads for the time of the call.
portcullis_result portcullis_verify_batch(struct portcullis_worker *worker,
                                          const struct portcullis_request *requests,
                                          size_t count,
                                          struct portcullis_verdict *verdicts);

// Brings what judging these requests will look at into the caches. Decides and changes nothing, and takes no nonce. It costs a reading of
// each request: for requests that wait for something else anyway, while their body arrives or a batch fills.
//
// Threads: one at a time per worker.
// Results: as for `portcullis_verify_batch`.
// Example: `portcullis_prefetch(worker, &next, 1);`
//
// # Safety
// As for the requests of `portcullis_verify_batch`.
portcullis_result portcullis_prefetch(struct portcullis_worker *worker, const struct portcullis_request *requests, size_t count);

// Gives the nonce of an accepted request back, because nothing of the request reached the upstream: the client's identical retry is then
// accepted, once. At most once for a verdict: after the retry was accepted, another release of the first would give back the retry's. The request
// is in flight no more. `*released` (if not NULL) tells whether there was anything to give back.
//
// Threads: one at a time per worker; any worker of the process that accepted the request will do.
// Results: `PORTCULLIS_NULL`, `PORTCULLIS_BAD_STRUCT_SIZE`, `PORTCULLIS_BAD_HANDLE`.
// Example: `if (connect_failed) portcullis_release(worker, &verdict, NULL);`
//
// # Safety
// `verdict` is NULL or points to a verdict; `released` is NULL or points to writable memory.
portcullis_result portcullis_release(struct portcullis_worker *worker,
                                     const struct portcullis_verdict *verdict,
                                     bool *released);

// Reports how an accepted request ended: it is in flight no more, so that limits of concurrency have its place again, and the circuit breaker
// of its API hears how it went. Call it once for every accepted request, where the document has limits of concurrency or breakers. `outcome`
// is `PORTCULLIS_SUCCESS` or `PORTCULLIS_FAILURE` (the service behind failed). `*done` (if not NULL) tells whether the request held anything
// that was given back now; a second report gives nothing back.
//
// Threads: one at a time per worker; any worker of the process that accepted the request will do.
// Results: `PORTCULLIS_BAD_ARGUMENT` for another outcome, `PORTCULLIS_NULL`, `PORTCULLIS_BAD_STRUCT_SIZE`, `PORTCULLIS_BAD_HANDLE`.
// Example: `portcullis_done(worker, &verdict, status >= 500 ? PORTCULLIS_FAILURE : PORTCULLIS_SUCCESS, NULL);`
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
// Results: `PORTCULLIS_BAD_ARGUMENT` (an address that is none, another kind), `PORTCULLIS_BAD_CONFIG` or `PORTCULLIS_BAD_STATE` with a message
// (the list is full), `PORTCULLIS_BAD_HANDLE`.
// Example: `portcullis_deny(engine, PORTCULLIS_DENY_KEY, app, kid, INT64_MAX, message, sizeof message);`
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
// Results: `PORTCULLIS_BAD_STATE` with a message (no such limit, too many thousandths, no room), `PORTCULLIS_BAD_ARGUMENT`, `PORTCULLIS_BAD_HANDLE`.
// Example: `portcullis_override_limit(engine, limit, 500, 3600000, message, sizeof message);` halves it for an hour
//
// # Safety
// `limit` describes readable memory; `message` is NULL or has `message_len` writable bytes.
portcullis_result portcullis_override_limit(struct portcullis_engine *engine,
                                            struct portcullis_slice limit,
                                            uint32_t permille,
                                            int64_t for_ms,
                                            char *message,
                                            size_t message_len);

// The stable name of a reason (`replayed`), for ever valid, not to be freed.
//
// Threads: any. Results: the text, or NULL where the number is not known.
// Example: `log("%s", portcullis_reason_name(verdict.reason));`
const char *portcullis_reason_name(uint16_t reason);

// A line about a result, for ever valid, not to be freed.
//
// Threads: any. Results: the text, never NULL.
// Example: `fprintf(stderr, "%s\n", portcullis_result_message(result));`
const char *portcullis_result_message(int32_t result);

// Opens a queue of requests that a pool of threads judges, and gives the descriptor that is readable while there is something to reap: for `poll`
// and its kin, not to be read, written or closed by the caller. `options` may be NULL. Starts no thread: the first submit does. The caller owns the
// handle and closes it.
//
// Threads: any.
// Results: `PORTCULLIS_BAD_ARGUMENT` (too many threads or places, unknown flags), `PORTCULLIS_NO_THREAD` (no descriptor), `PORTCULLIS_BAD_STRUCT_SIZE`, `PORTCULLIS_NULL`,
// `PORTCULLIS_BAD_HANDLE`, `PORTCULLIS_TOO_MANY_HANDLES`.
// Example: `int fd; portcullis_queue *queue; portcullis_queue_open(engine, NULL, &queue, &fd);`
//
// # Safety
// `options` is NULL or points to options; `queue` and `event_fd` are NULL or point to writable memory.
portcullis_result portcullis_queue_open(struct portcullis_engine *engine,
                                        const struct portcullis_queue_options *options,
                                        struct portcullis_queue **queue,
                                        int *event_fd);

// Hands a request over to be judged. It is copied: the caller's memory is free again when the call returns. `user` comes back with the verdict.
// A small request (16 KiB) that comes alone, 0.1 ms or more after the last one, is judged within the call, which then takes as long as
// `portcullis_verify`: waking a thread of the pool for it would take longer. `PORTCULLIS_QUEUE_POOL_ONLY` has the pool judge everything.
//
// Threads: any, many at once.
// Results: `PORTCULLIS_BUSY` where the queue is full (reap, or answer 503), `PORTCULLIS_FORKED` in a child of the process that opened it,
// `PORTCULLIS_NO_THREAD` where the pool cannot be started, and all of `portcullis_verify_batch`; whatever is not `PORTCULLIS_OK` was not taken.
// Example: `if (portcullis_submit(queue, &request, (uintptr_t)connection) != PORTCULLIS_OK) answer_503(connection);`
//
// # Safety
// `request` is NULL or points to a request whose slices describe readable memory.
portcullis_result portcullis_submit(struct portcullis_queue *queue,
                                    const struct portcullis_request *request,
                                    uint64_t user);

// Takes up to `max` verdicts of submitted requests, and writes how many to `*count`: 0 where there are none, at once. They come in no order; each
// request comes once. The descriptor stays readable while there are more.
//
// Threads: any, many at once.
// Results: `PORTCULLIS_FORKED`, `PORTCULLIS_NULL`, `PORTCULLIS_BAD_STRUCT_SIZE`, `PORTCULLIS_BAD_HANDLE`.
// Example: `size_t n; while (portcullis_reap(queue, done, 64, &n) == PORTCULLIS_OK && n > 0) answer(done, n);`
//
// # Safety
// `completions` is NULL or points to `max` completions with their sizes; `count` is NULL or points to writable memory.
portcullis_result portcullis_reap(struct portcullis_queue *queue,
                                  struct portcullis_completion *completions,
                                  size_t max,
                                  size_t *count);

// Closes a queue: waits for its threads to finish what they are at, and ends them. What was submitted and not judged is dropped; what was accepted
// and not reaped is given back, so that its retry is accepted. In a child of `fork` it frees the handle and touches nothing else.
//
// Threads: any. Results: `PORTCULLIS_BAD_HANDLE` where it is closed already, `PORTCULLIS_BUSY` while another thread is in a call with it.
// Example: `portcullis_queue_close(queue);` before `dlclose`
portcullis_result portcullis_queue_close(struct portcullis_queue *queue);

// Issues an access token to an app whose signed request for one was accepted, for `life_s` seconds (0: as the document says; never more than its
// `max_life_s`). Earlier tokens of the app stay as they are. The token is written into the caller's struct; nothing is kept of it.
//
// Threads: any.
// Results: `PORTCULLIS_BAD_CONFIG` with a message where the document has no section `tokens`, `PORTCULLIS_BAD_STRUCT_SIZE`, `PORTCULLIS_NULL`.
// Example: `portcullis_token token = {sizeof token}; portcullis_token_issue(engine, app, 0, &token, message, sizeof message);`
//
// # Safety
// `app_id` describes readable memory; `token` is NULL or points to a token; `message` is NULL or has `message_len` writable bytes.
portcullis_result portcullis_token_issue(struct portcullis_engine *engine,
                                         struct portcullis_slice app_id,
                                         uint32_t life_s,
                                         struct portcullis_token *token,
                                         char *message,
                                         size_t message_len);

// As `portcullis_token_issue`; the app's earlier tokens are then good for the overlap of the document (five minutes) and no longer.
//
// Threads: any.
// Results: as for `portcullis_token_issue`, and `PORTCULLIS_BAD_STATE` where more apps refresh than the document's `apps` says.
// Example: `portcullis_token_refresh(engine, app, 0, &token, message, sizeof message);`
//
// # Safety
// As for `portcullis_token_issue`.
portcullis_result portcullis_token_refresh(struct portcullis_engine *engine,
                                           struct portcullis_slice app_id,
                                           uint32_t life_s,
                                           struct portcullis_token *token,
                                           char *message,
                                           size_t message_len);

// Whether an access token is good for a call of the app now: `*reason` is `PORTCULLIS_REASON_OK`, or one of `PORTCULLIS_REASON_TOKEN_INVALID`,
// `_EXPIRED`, `_REVOKED` (`_INTERNAL` without a section `tokens`). What the engine does itself for APIs that say `token`.
//
// Threads: any.
// Results: `PORTCULLIS_OK` whatever the answer, `PORTCULLIS_NULL`, `PORTCULLIS_BAD_HANDLE`, `PORTCULLIS_BAD_ARGUMENT`.
// Example: `uint16_t reason; portcullis_token_check(engine, app, token, &reason);`
//
// # Safety
// `app_id` and `token` describe readable memory; `reason` is NULL or points to writable memory.
portcullis_result portcullis_token_check(struct portcullis_engine *engine,
                                         struct portcullis_slice app_id,
                                         struct portcullis_slice token,
                                         uint16_t *reason);

// Revokes one access token of an app, in every process at once. `*reason` is `PORTCULLIS_REASON_OK`, `_TOKEN_INVALID` where it is none of this app's,
// or `_NONCE_STORE_FULL` where the document's `revocations` are used up (then revoke the app's).
//
// Threads: any.
// Results: as for `portcullis_token_check`.
// Example: `portcullis_token_revoke(engine, app, token, &reason);`
//
// # Safety
// As for `portcullis_token_check`.
portcullis_result portcullis_token_revoke(struct portcullis_engine *engine,
                                          struct portcullis_slice app_id,
                                          struct portcullis_slice token,
                                          uint16_t *reason);

// Revokes every access token of an app (of everybody, where `app_id` is empty) that was issued up to `until_ms`, in milliseconds since 1970
// (0: up to now), in every process at once.
//
// Threads: any.
// Results: `PORTCULLIS_BAD_CONFIG` where the document has no section `tokens`, `PORTCULLIS_BAD_STATE` where it knows more apps than it has room for.
// Example: `portcullis_token_revoke_all(engine, app, 0, message, sizeof message);`
//
// # Safety
// `app_id` describes readable memory; `message` is NULL or has `message_len` writable bytes.
portcullis_result portcullis_token_revoke_all(struct portcullis_engine *engine,
                                              struct portcullis_slice app_id,
                                              int64_t until_ms,
                                              char *message,
                                              size_t message_len);

// Issues a one-time token to an app, for one call that must not happen twice.
//
// Threads: any.
// Results: as for `portcullis_token_issue`.
// Example: `portcullis_one_time_issue(engine, app, &token, message, sizeof message);`
//
// # Safety
// As for `portcullis_token_issue`.
portcullis_result portcullis_one_time_issue(struct portcullis_engine *engine,
                                            struct portcullis_slice app_id,
                                            struct portcullis_token *token,
                                            char *message,
                                            size_t message_len);

// Reserves a one-time token for a call: of any number of calls with it exactly one gets `PORTCULLIS_REASON_OK` and a ticket (three words, written to
// `ticket`). Others are `_IDEMPOTENCY_USED`, with milliseconds in `*retry_after_ms` (if not NULL) where the call that holds it may yet give
// it back. What the engine does itself for APIs that say `one_time`; the ticket is then in the verdict's `one_time`.
//
// Threads: any.
// Results: as for `portcullis_token_check`.
// Example: `uint64_t ticket[3]; portcullis_one_time_reserve(engine, app, token, ticket, &reason, NULL);`
//
// # Safety
// `app_id` and `token` describe readable memory; `ticket` is NULL or points to three words; `reason` and `retry_after_ms` are NULL or point to
// writable memory.
portcullis_result portcullis_one_time_reserve(struct portcullis_engine *engine,
                                              struct portcullis_slice app_id,
                                              struct portcullis_slice token,
                                              uint64_t *ticket,
                                              uint16_t *reason,
                                              uint64_t *retry_after_ms);

// The call was done: its one-time token is used for ever. `*done` (if not NULL) is false where the ticket (three words) holds no reservation, or
// lost it with its lease.
//
// Threads: any.
// Results: `PORTCULLIS_NULL`, `PORTCULLIS_BAD_HANDLE`.
// Example: `portcullis_one_time_commit(engine, verdict.one_time, NULL);`
//
// # Safety
// `ticket` is NULL or points to three words; `done` is NULL or points to writable memory.
portcullis_result portcullis_one_time_commit(struct portcullis_engine *engine,
                                             const uint64_t *ticket,
                                             bool *done);

// Nothing of the call was done: its one-time token is good again. `*done` as for `portcullis_one_time_commit`.
//
// Threads: any.
// Results: `PORTCULLIS_NULL`, `PORTCULLIS_BAD_HANDLE`.
// Example: `portcullis_one_time_release(engine, verdict.one_time, NULL);`
//
// # Safety
// As for `portcullis_one_time_commit`.
portcullis_result portcullis_one_time_release(struct portcullis_engine *engine, const uint64_t *ticket, bool *done);

// Issues a grant: the authorisation of an app to call an API for a user. `kind` is `PORTCULLIS_GRANT_ONCE`, `PORTCULLIS_GRANT_UNTIL` (until
// `until_ms`, milliseconds since 1970, at least an hour and at most four years ahead) or `PORTCULLIS_GRANT_CONTRACT`.
//
// Threads: any.
// Results: as for `portcullis_token_issue`; `PORTCULLIS_BAD_STATE` with a message for a time or a text that cannot be, `PORTCULLIS_BAD_ARGUMENT`.
// Example: `portcullis_grant_issue(engine, app, api, user, PORTCULLIS_GRANT_ONCE, 0, &grant, message, sizeof message);`
//
// # Safety
// The slices describe readable memory; `grant` is NULL or points to a token; `message` is NULL or has `message_len` writable bytes.
portcullis_result portcullis_grant_issue(struct portcullis_engine *engine,
                                         struct portcullis_slice app_id,
                                         struct portcullis_slice api_id,
                                         struct portcullis_slice user,
                                         uint32_t kind,
                                         int64_t until_ms,
                                         struct portcullis_token *grant,
                                         char *message,
                                         size_t message_len);

// Uses a grant for one call: one that is good once is good for exactly one of any number of calls, over all processes. `*reason` is
// `PORTCULLIS_REASON_OK`, `_TOKEN_INVALID`, `_TOKEN_EXPIRED`, `_TOKEN_REVOKED`, `_IDEMPOTENCY_USED` or `_NONCE_STORE_FULL`.
//
// Threads: any.
// Results: as for `portcullis_token_check`.
// Example: `portcullis_grant_use(engine, app, api, user, grant, &reason);`
//
// # Safety
// The slices describe readable memory; `reason` is NULL or points to writable memory.
portcullis_result portcullis_grant_use(struct portcullis_engine *engine,
                                       struct portcullis_slice app_id,
                                       struct portcullis_slice api_id,
                                       struct portcullis_slice user,
                                       struct portcullis_slice grant,
                                       uint16_t *reason);

// Takes a grant back, in every process at once. `*reason` is `PORTCULLIS_REASON_OK`, `_TOKEN_INVALID` or `_NONCE_STORE_FULL`.
//
// Threads: any.
// Results: as for `portcullis_token_check`.
// Example: `portcullis_grant_revoke(engine, app, api, user, grant, &reason);`
//
// # Safety
// As for `portcullis_grant_use`.
portcullis_result portcullis_grant_revoke(struct portcullis_engine *engine,
                                          struct portcullis_slice app_id,
                                          struct portcullis_slice api_id,
                                          struct portcullis_slice user,
                                          struct portcullis_slice grant,
                                          uint16_t *reason);

// Opens a signer by the document in force; a later document does not change it. The key is read once; the caller's copy is not kept and may be
// wiped. The caller owns the handle and closes it.
//
// Threads: any; a signer may be used by many at once.
// Results: `PORTCULLIS_BAD_STATE` with a message (a profile, app or key that is not there or does not fit), `PORTCULLIS_BAD_STRUCT_SIZE`,
// `PORTCULLIS_BAD_ARGUMENT`, `PORTCULLIS_NULL`, `PORTCULLIS_TOO_MANY_HANDLES`.
// Example: `portcullis_signer_options o = {sizeof o}; o.profile = openapi; o.app_id = app; portcullis_signer_open(engine, &o, &signer, message, 256);`
//
// # Safety
// `options` is NULL or points to options whose slices describe readable memory; `signer` is NULL or points to writable memory; `message` is NULL
// or has `message_len` writable bytes.
portcullis_result portcullis_signer_open(struct portcullis_engine *engine,
                                         const struct portcullis_signer_options *options,
                                         struct portcullis_signer **signer,
                                         char *message,
                                         size_t message_len);

// Closes a signer; its key is wiped.
//
// Threads: any. Results: `PORTCULLIS_BAD_HANDLE` where it is closed already, `PORTCULLIS_BUSY` while another thread uses it.
// Example: `portcullis_signer_close(signer);`
portcullis_result portcullis_signer_close(struct portcullis_signer *signer);

// Signs a request: app id, key id, timestamp (`received_at_ms`, or now) and nonce (`nonce`, or a random one where it is empty) are filled in where
// the profile reads them and the request has none; the signature goes to its place. An answer that a profile describes (such as
// `wechatpay-v3-callback`) is signed the same way, by its headers and body. The signed request is written into the caller's `buffer`, aligned
// to 8 bytes, and `*out` points into it.
//
// Threads: any, many at once.
// Results: `PORTCULLIS_TOO_SMALL` with what is needed in `out->length`, `PORTCULLIS_BAD_STATE` with a message (a request that the profile cannot read,
// or that is signed already), `PORTCULLIS_BAD_ARGUMENT` (a buffer that is not aligned), `PORTCULLIS_BAD_STRUCT_SIZE`, `PORTCULLIS_NULL`.
// Example: `portcullis_sign(signer, &request, none, buffer, sizeof buffer, &out, message, sizeof message); send(out.target, out.body);`
//
// # Safety
// `request` is NULL or points to a request whose slices describe readable memory, as does `nonce`; `buffer` is NULL or has `buffer_len` writable
// bytes; `out` is NULL or points to a struct with its size; `message` is NULL or has `message_len` writable bytes.
portcullis_result portcullis_sign(struct portcullis_signer *signer,
                                  const struct portcullis_request *request,
                                  struct portcullis_slice nonce,
                                  uint8_t *buffer,
                                  size_t buffer_len,
                                  struct portcullis_signed *out,
                                  char *message,
                                  size_t message_len);

// Signs a response to `request`: of `answer` headers and body count, its method and target do not. By RFC 9421 the status and what the profile
// asks of the request are signed with it; other profiles that sign no path sign headers and body (`wechatpay-v3-callback`, `jws-detached`). Fields are filled in as `portcullis_sign` does; `received_at_ms` is the answer's.
//
// Threads: any, many at once.
// Results: as `portcullis_sign`; `PORTCULLIS_BAD_STATE` with a message also for a profile that signs requests alone.
// Example: `portcullis_sign_answer(signer, 200, &answer, &request, none, buffer, sizeof buffer, &out, message, sizeof message); send(out.headers);`
//
// # Safety
// `answer` and `request` are each NULL or point to a request whose slices describe readable memory, as does `nonce`; `buffer` is NULL or has
// `buffer_len` writable bytes; `out` is NULL or points to a struct with its size; `message` is NULL or has `message_len` writable bytes.
portcullis_result portcullis_sign_answer(struct portcullis_signer *signer,
                                         uint16_t status,
                                         const struct portcullis_request *answer,
                                         const struct portcullis_request *request,
                                         struct portcullis_slice nonce,
                                         uint8_t *buffer,
                                         size_t buffer_len,
                                         struct portcullis_signed *out,
                                         char *message,
                                         size_t message_len);

// Signs bytes as they are, by the signer's key: for answers whose string the gateway makes. Writes the signature's bytes (DER for ECDSA and SM2)
// and their number to `*length`.
//
// Threads: any, many at once.
// Results: `PORTCULLIS_TOO_SMALL` with what is needed in `*length`, `PORTCULLIS_BAD_STATE` with a message (MD5, or a profile that derives its keys),
// `PORTCULLIS_NULL`.
// Example: `portcullis_sign_bytes(signer, answer, signature, sizeof signature, &length, message, sizeof message);`
//
// # Safety
// `bytes` describes readable memory; `buffer` is NULL or has `buffer_len` writable bytes; `length` is NULL or points to writable memory;
// `message` is NULL or has `message_len` writable bytes.
portcullis_result portcullis_sign_bytes(struct portcullis_signer *signer,
                                        struct portcullis_slice bytes,
                                        uint8_t *buffer,
                                        size_t buffer_len,
                                        size_t *length,
                                        char *message,
                                        size_t message_len);

// Takes SIGBUS for this process: a region's file that somebody truncates while it is mapped then ends in refusals
// (`PORTCULLIS_REASON_SHARED_UNAVAILABLE`) and not in the process's end. A SIGBUS of anything else goes on to the handler that was there before. Once is
// enough, at any time, before or after `portcullis_engine_open`; a child of `fork` has it too.
//
// Threads: any. Results: `PORTCULLIS_BAD_STATE` where the system refuses.
// Example: `portcullis_survive_truncation();` in a worker process, after its own handlers are installed
portcullis_result portcullis_survive_truncation(void);

// Counts how long a request took in microseconds, the service behind included, for `portcullis_metrics`.
//
// Threads: one at a time per worker. Results: `PORTCULLIS_BAD_HANDLE`, `PORTCULLIS_BUSY`.
// Example: `portcullis_observe(worker, elapsed_us);`
portcullis_result portcullis_observe(struct portcullis_worker *worker, uint64_t duration_us);

// Writes what all processes that share the state have counted, in the text format of Prometheus (version 0.0.4), and a NUL. `*length` (if not NULL)
// is the length of the text; the buffer must be larger than that. 16 KiB do.
//
// Threads: any.
// Results: `PORTCULLIS_TOO_SMALL`, `PORTCULLIS_BAD_HANDLE`.
// Example: `char text[16384]; size_t n; portcullis_metrics(engine, text, sizeof text, &n);`
//
// # Safety
// `buffer` is NULL or has `buffer_len` writable bytes; `length` is NULL or points to writable memory.
portcullis_result portcullis_metrics(struct portcullis_engine *engine,
                                     char *buffer,
                                     size_t buffer_len,
                                     size_t *length);

// Writes why a request's signature does not verify, for an operator: what was read from where, the string to sign, its first difference to
// `client_string` (what the client says it signed; may be empty), and the common mistake that makes the signature fit; and a NUL. Looks at no
// nonce and no limit. Values are masked unless `flags` says otherwise (`PORTCULLIS_EXPLAIN_UNMASK`, `PORTCULLIS_EXPLAIN_EXPECTED`). Takes its
// time (milliseconds): not for the way of a request. `*length` as for `portcullis_metrics`.
//
// Threads: any.
// Results: `PORTCULLIS_TOO_SMALL`, `PORTCULLIS_NULL`, `PORTCULLIS_BAD_STRUCT_SIZE`, `PORTCULLIS_BAD_ARGUMENT`, `PORTCULLIS_BAD_HANDLE`.
// Example: `portcullis_explain(engine, &request, none, 0, text, sizeof text, &n);`
//
// # Safety
// `request` is NULL or points to a request whose slices describe readable memory, as does `client_string`; `buffer` is NULL or has `buffer_len`
// writable bytes; `length` is NULL or points to writable memory.
portcullis_result portcullis_explain(struct portcullis_engine *engine,
                                     const struct portcullis_request *request,
                                     struct portcullis_slice client_string,
                                     uint32_t flags,
                                     char *buffer,
                                     size_t buffer_len,
                                     size_t *length);

// Opens an audit chain and writes its first line (with its line end and a NUL) into the caller's buffer of `PORTCULLIS_AUDIT_LINE` bytes or more;
// the caller writes it to its log. Each thread has a chain of its own; chains may share a file. The caller owns the handle and closes it. With
// `PORTCULLIS_AUDIT_BINARY` this and every record of the chain is a frame instead of a line: bytes, NUL among them, without a line end.
//
// Threads: any; the chain is then for one thread at a time.
// Results: `PORTCULLIS_TOO_SMALL`, `PORTCULLIS_BAD_CONFIG` with a message (a secret of less than 32 bytes), `PORTCULLIS_BAD_STRUCT_SIZE`, `PORTCULLIS_NULL`,
// `PORTCULLIS_TOO_MANY_HANDLES`.
// Example: `portcullis_audit_options o = {sizeof o}; o.key = secret; portcullis_audit_open(&o, &audit, line, sizeof line, &n, message, 256);`
//
// # Safety
// `options` is NULL or points to options, whose `after` is NULL or points to a head; `audit` and `length` are NULL or point to writable memory;
// `buffer` is NULL or has `buffer_len` writable bytes, `message` likewise.
portcullis_result portcullis_audit_open(const struct portcullis_audit_options *options,
                                        struct portcullis_audit **audit,
                                        char *buffer,
                                        size_t buffer_len,
                                        size_t *length,
                                        char *message,
                                        size_t message_len);

// Writes one access record as a line of JSON (with its line end), or as a frame, and a NUL into the caller's buffer; the caller writes it to its log, in
// order. Texts are masked. `*length` (if not NULL) is the length of the record without that NUL; `*head` (if not NULL) is where the chain stands then. 1 KiB does for
// records without a request; with one, 4 KiB.
//
// Threads: one at a time per chain.
// Results: `PORTCULLIS_TOO_SMALL` (the chain is as before: call again with a larger buffer), `PORTCULLIS_NULL`, `PORTCULLIS_BAD_STRUCT_SIZE`,
// `PORTCULLIS_BAD_ARGUMENT` (a verdict that the library did not write), `PORTCULLIS_BAD_HANDLE`, `PORTCULLIS_BUSY`.
// Example: `portcullis_audit_write(audit, &record, line, sizeof line, &n, NULL); fwrite(line, 1, n, log);`
//
// # Safety
// `record` is NULL or points to a record, whose pointers are NULL or point to what they say; `buffer` is NULL or has `buffer_len` writable
// bytes; `length` and `head` are NULL or point to writable memory.
portcullis_result portcullis_audit_write(struct portcullis_audit *audit,
                                         const struct portcullis_audit_record *record,
                                         char *buffer,
                                         size_t buffer_len,
                                         size_t *length,
                                         struct portcullis_audit_head *head);

// Writes the line that closes the chain into the caller's buffer of `PORTCULLIS_AUDIT_LINE` bytes or more, and closes the handle. `*head` (if not
// NULL) is where the chain ended: for the `after` of the next file's chain, and to show later that nothing was cut off.
//
// Threads: one at a time per chain.
// Results: `PORTCULLIS_TOO_SMALL` (the chain stays open), `PORTCULLIS_BAD_HANDLE` where it is closed already, `PORTCULLIS_BUSY`.
// Example: `portcullis_audit_close(audit, line, sizeof line, &n, &head);`
//
// # Safety
// `buffer` is NULL or has `buffer_len` writable bytes; `length` and `head` are NULL or point to writable memory.
portcullis_result portcullis_audit_close(struct portcullis_audit *audit,
                                         char *buffer,
                                         size_t buffer_len,
                                         size_t *length,
                                         struct portcullis_audit_head *head);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* PORTCULLIS_H */
