/* portcullis as an HTTP filter of Envoy (a dynamic module, ABI v0.2.0): lets an accepted request through, answers any other. The filter's configuration
 * names portcullis' document. The engine is opened with the configuration, with one worker for each thread of Envoy's; a changed document comes as a
 * changed configuration (another file name), so the document should have a `state.path`: the next engine finds the nonces of this one there. */
#include "portcullis.h"
#include <stdio.h>
#include <string.h>

#define HOOK(name) envoy_dynamic_module_on_http_filter_##name
#define CALL(name) envoy_dynamic_module_callback_##name
/* The hooks that Envoy looks for and that have nothing to do here. What they answer, 0, is "go on", and no configuration for a route. */
#define IDLE(name) void *HOOK(name)(void) { return NULL; }
#define EACH_IDLE(_) \
  _(config_http_callout_done) _(config_http_stream_complete) _(config_http_stream_data) _(config_http_stream_headers) _(config_http_stream_reset) \
  _(config_http_stream_trailers) _(config_scheduled) _(downstream_above_write_buffer_high_watermark) _(downstream_below_write_buffer_low_watermark) \
  _(http_callout_done) _(http_stream_complete) _(http_stream_data) _(http_stream_headers) _(http_stream_reset) _(http_stream_trailers) _(local_reply) \
  _(per_route_config_destroy) _(per_route_config_new) _(response_body) _(response_trailers) _(scheduled) _(stream_complete)
EACH_IDLE(IDLE)
enum { REQUEST = 0, RESPONSE = 2 };                         /* whose headers */
enum { RECEIVED = 0, BUFFERED = 1 };                        /* which part of the body: of this event, of those before */
enum { CONTINUE = 0, STOP = 1, BUFFER = 1, NO_BUFFER = 3 }; /* what a hook answers */
enum { SOURCE_ADDRESS = 24, TLS_VERSION = 31, LOG_WARN = 3, LOG_ERROR = 4, HEADERS_MAX = 128 };

/* Envoy's texts and headers have the layout of ours. */
void CALL(log)(int level, portcullis_slice text);
uint32_t CALL(get_concurrency)(void);
uint32_t CALL(http_filter_get_worker_index)(void *stream);
size_t CALL(http_get_headers_size)(void *stream, int whose);
bool CALL(http_get_headers)(void *stream, int whose, portcullis_header *out);
bool CALL(http_get_header)(void *stream, int whose, portcullis_slice name, portcullis_slice *out, size_t index, size_t *count);
bool CALL(http_set_header)(void *stream, int whose, portcullis_slice name, portcullis_slice value);
bool CALL(http_filter_get_attribute_string)(void *stream, int attribute, portcullis_slice *out);
size_t CALL(http_get_body_size)(void *stream, int part);
size_t CALL(http_get_body_chunks_size)(void *stream, int part);
bool CALL(http_get_body_chunks)(void *stream, int part, portcullis_slice *out);
bool CALL(http_received_buffered_request_body)(void *stream);
void CALL(http_send_response)(void *stream, uint32_t status, portcullis_header *headers, size_t count, portcullis_slice body, portcullis_slice why);

typedef struct { portcullis_engine *engine; uint32_t count; portcullis_worker *workers[]; } Gateway;
typedef struct { portcullis_worker *worker; portcullis_verdict verdict; uint32_t outcome; } Stream;

static portcullis_slice text(const char *text) { return (portcullis_slice){(const uint8_t *)text, strlen(text)}; }
static bool is(portcullis_slice slice, const char *other) { return slice.len == strlen(other) && memcmp(slice.ptr, other, slice.len) == 0; }

const char *envoy_dynamic_module_on_program_init(void) { return portcullis_abi_version() == PORTCULLIS_ABI_VERSION ? "v0.2.0" : NULL; }

void HOOK(config_destroy)(Gateway *gateway) {
  for (uint32_t i = 0; i < gateway->count; i++) portcullis_worker_close(gateway->workers[i]);
  portcullis_engine_close(gateway->engine);
  free(gateway);
}

/* Envoy refuses the configuration where this is NULL. Called by the main thread alone. */
Gateway *HOOK(config_new)(void *envoy, portcullis_slice name, portcullis_slice config) {
  static uint8_t document[1 << 26];
  char path[4096], message[512] = "cannot read the document";
  uint32_t count = CALL(get_concurrency)();
  Gateway *gateway = calloc(1, sizeof *gateway + count * sizeof *gateway->workers);
  if (gateway == NULL) return NULL;
  snprintf(path, sizeof path, "%.*s", (int)config.len, (const char *)config.ptr);
  FILE *file = fopen(path, "rb");
  size_t length = file != NULL ? fread(document, 1, sizeof document, file) : 0;
  if (file != NULL) fclose(file);
  bool open = length > 0 && length < sizeof document &&
              portcullis_engine_open((portcullis_slice){document, length}, &gateway->engine, message, sizeof message) == PORTCULLIS_OK;
  memset(document, 0, length);
  while (open && gateway->count < count && portcullis_worker_open(gateway->engine, &gateway->workers[gateway->count]) == PORTCULLIS_OK) gateway->count++;
  if (*message) CALL(log)(open ? LOG_WARN : LOG_ERROR, text(message));
  if (open && gateway->count == count) return gateway;
  HOOK(config_destroy)(gateway);
  return NULL;
}

Stream *HOOK(new)(Gateway *gateway, void *envoy) {
  uint32_t index = CALL(http_filter_get_worker_index)(envoy);
  Stream *stream = calloc(1, sizeof *stream);
  if (stream != NULL && index < gateway->count) stream->worker = gateway->workers[index];
  return stream;
}

/* What an accepted request held of its limits is given back with its stream, whatever became of it; other requests hold nothing. */
void HOOK(destroy)(Stream *stream) {
  portcullis_done(stream->worker, &stream->verdict, stream->outcome, NULL);
  free(stream);
}

/* The whole body in one piece, in memory that the caller frees. `now` is what came with this event and is not in Envoy's buffer yet. */
static bool gather(void *envoy, bool now, portcullis_slice *body, void **memory) {
  size_t before = CALL(http_get_body_chunks_size)(envoy, BUFFERED), count = before + (now ? CALL(http_get_body_chunks_size)(envoy, RECEIVED) : 0);
  size_t length = CALL(http_get_body_size)(envoy, BUFFERED) + (now ? CALL(http_get_body_size)(envoy, RECEIVED) : 0);
  portcullis_slice *chunks = *memory = malloc(count * sizeof *chunks + length + 1);
  if (chunks == NULL || (before > 0 && !CALL(http_get_body_chunks)(envoy, BUFFERED, chunks)) ||
      (count > before && !CALL(http_get_body_chunks)(envoy, RECEIVED, chunks + before))) return false;
  uint8_t *bytes = (uint8_t *)(chunks + count);
  body->ptr = bytes;
  for (size_t i = 0; i < count; body->len += chunks[i++].len) memcpy(bytes + body->len, chunks[i].ptr, chunks[i].len);
  return true;
}

/* Judges the request, all of which is here, and answers it where it is not accepted. */
static bool judge(void *envoy, Stream *stream, bool now) {
  portcullis_header lines[HEADERS_MAX];
  portcullis_request request = {.struct_size = sizeof request, .headers = lines};
  portcullis_result result = PORTCULLIS_BAD_ARGUMENT;
  portcullis_verdict *verdict = &stream->verdict;
  portcullis_slice from = {NULL, 0};
  size_t count = CALL(http_get_headers_size)(envoy, REQUEST);
  void *memory = NULL;
  verdict->struct_size = sizeof *verdict;
  if (count <= HEADERS_MAX && CALL(http_get_headers)(envoy, REQUEST, lines) && gather(envoy, now, &request.body, &memory)) {
    for (size_t i = 0; i < count; i++) {
      if (is(lines[i].name, ":method")) request.method = lines[i].value;
      else if (is(lines[i].name, ":path")) request.target = lines[i].value;
      else if (is(lines[i].name, ":authority")) request.authority = lines[i].value;
      else if (is(lines[i].name, ":scheme")) request.scheme = lines[i].value;
      else lines[request.header_count++] = lines[i];
    }
    CALL(http_filter_get_attribute_string)(envoy, TLS_VERSION, &request.tls);
    CALL(http_filter_get_attribute_string)(envoy, SOURCE_ADDRESS, &from);
    /* 192.0.2.1:80 or [2001:db8::1]:80; a socket of the file system has no colon and no address. */
    while (from.len > 0 && from.ptr[from.len - 1] != ':') from.len--;
    size_t bracket = from.len > 3 && from.ptr[0] == '[';
    if (from.len > 1) request.client_ip = (portcullis_slice){from.ptr + bracket, from.len - 1 - 2 * bracket};
    result = portcullis_verify(stream->worker, &request, verdict);
  }
  free(memory);
  bool refused = result == PORTCULLIS_OK && verdict->reason != PORTCULLIS_REASON_OK;
  if (result == PORTCULLIS_OK && !refused && CALL(http_set_header)(envoy, REQUEST, text("x-app-id"), text(verdict->app_id))) return true;
  if (!refused) CALL(log)(LOG_ERROR, text(portcullis_result_message(result)));
  char body[64], seconds[24];
  snprintf(body, sizeof body, "{\"code\":\"%s\"}", refused ? verdict->code : "9998");
  snprintf(seconds, sizeof seconds, "%llu", (unsigned long long)(verdict->retry_after_ms / 1000 + (verdict->retry_after_ms % 1000 != 0)));
  portcullis_header headers[2] = {{text("content-type"), text("application/json")}, {text("retry-after"), text(seconds)}};
  const char *why = refused ? portcullis_reason_name(verdict->reason) : "portcullis_failed";
  CALL(http_send_response)(envoy, refused ? verdict->http_status : 500, headers, verdict->retry_after_ms > 0 ? 2 : 1, text(body), text(why));
  return false;
}

int HOOK(request_headers)(void *envoy, Stream *stream, bool end) { return end && judge(envoy, stream, false) ? CONTINUE : STOP; }
int HOOK(request_trailers)(void *envoy, Stream *stream) { return judge(envoy, stream, false) ? CONTINUE : STOP; }
int HOOK(request_body)(void *envoy, Stream *stream, bool end) {
  if (!end) return BUFFER;
  return judge(envoy, stream, !CALL(http_received_buffered_request_body)(envoy)) ? CONTINUE : NO_BUFFER;
}
int HOOK(response_headers)(void *envoy, Stream *stream, bool end) {
  portcullis_slice status = {NULL, 0};
  bool known = CALL(http_get_header)(envoy, RESPONSE, text(":status"), &status, 0, NULL) && status.len > 0;
  stream->outcome = known && status.ptr[0] == '5' ? PORTCULLIS_FAILURE : PORTCULLIS_SUCCESS;
  return CONTINUE;
}
