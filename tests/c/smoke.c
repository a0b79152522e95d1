/* The C ABI as a gateway would use it, and as nobody should: every wrong call is a result. */
#include "check.h"

int main(int argc, char **argv) {
  static const char config[] =
      "{\"version\":1,\"state\":{\"nonces\":1000,\"birth_rule\":\"off\"},"
      "\"apps\":[{\"app_id\":\"p10001\",\"status\":\"active\",\"level\":\"A1\",\"profiles\":[\"openapi\"],\"allow_weak\":true,"
      "\"credentials\":[{\"kid\":\"k1\",\"alg\":\"md5\",\"secret\":\"k3y\"}]}]}";
  static const char good[] = "/token?nonce=abc123&partnerId=p10001&timestamp=1700000000&sign=2f9ca37c0612118fb1b01b74e6854589";
  static const char bad[] = "/token?nonce=abc124&partnerId=p10001&timestamp=1700000000&sign=2f9ca37c0612118fb1b01b74e6854589";
  char message[256];
  portcullis_engine *engine = NULL;
  portcullis_worker *worker = NULL;
  (void)argc;
  (void)argv;

  CHECK(portcullis_abi_version() == PORTCULLIS_ABI_VERSION);
  CHECK(strlen(portcullis_version()) > 0);
  CHECK(strcmp(portcullis_reason_name(PORTCULLIS_REASON_REPLAYED), "replayed") == 0);
  CHECK(portcullis_reason_name(60000) == NULL);
  CHECK(strlen(portcullis_result_message(12345)) > 0);

  /* Documents that are refused say where. */
  CHECK(portcullis_engine_open(text("{\"version\":1,\"apps\":[{}]}"), &engine, message, sizeof message) == PORTCULLIS_BAD_CONFIG);
  CHECK(engine == NULL);
  CHECK(strstr(message, "/apps/0") != NULL);
  CHECK(portcullis_engine_open(text("{"), &engine, message, 5) == PORTCULLIS_BAD_CONFIG);
  CHECK(strlen(message) <= 4);
  CHECK(portcullis_engine_open(text("{"), &engine, NULL, 0) == PORTCULLIS_BAD_CONFIG);
  CHECK(portcullis_engine_open(text(config), NULL, NULL, 0) == PORTCULLIS_NULL);
  {
    portcullis_slice nothing = {NULL, 7};
    CHECK(portcullis_engine_open(nothing, &engine, NULL, 0) == PORTCULLIS_NULL);
  }

  CHECK(portcullis_engine_open(text(config), &engine, message, sizeof message) == PORTCULLIS_OK);
  CHECK(portcullis_worker_open(engine, NULL) == PORTCULLIS_NULL);
  CHECK(portcullis_worker_open(engine, &worker) == PORTCULLIS_OK);

  /* One request: accepted, then replayed. */
  portcullis_request request = get(good);
  portcullis_verdict verdict = verdict_of();
  CHECK(portcullis_verify(worker, &request, &verdict) == PORTCULLIS_OK);
  CHECK(verdict.reason == PORTCULLIS_REASON_OK && verdict.http_status == 200);
  CHECK(strcmp(verdict.app_id, "p10001") == 0);
  CHECK(strcmp(verdict.kid, "k1") == 0);
  CHECK(strcmp(verdict.code, "0000") == 0);
  {
    /* Nothing reached the upstream: the identical retry is accepted, once. */
    bool released = false;
    portcullis_verdict again = verdict_of();
    CHECK(portcullis_release(worker, &verdict, &released) == PORTCULLIS_OK && released);
    CHECK(portcullis_release(worker, &verdict, &released) == PORTCULLIS_OK && !released);
    CHECK(portcullis_release(worker, NULL, NULL) == PORTCULLIS_NULL);
    CHECK(portcullis_verify(worker, &request, &again) == PORTCULLIS_OK);
    CHECK(again.reason == PORTCULLIS_REASON_OK);
  }
  CHECK(portcullis_verify(worker, &request, &verdict) == PORTCULLIS_OK);
  CHECK(verdict.reason == PORTCULLIS_REASON_REPLAYED && verdict.http_status == 409);

  /* A batch: tampered, malformed, replayed. */
  portcullis_header headers[2] = {{text("host"), text("h")}, {text("x"), text("")}};
  portcullis_request batch[3] = {get(bad), get("/token?%"), get(good)};
  portcullis_verdict verdicts[3] = {verdict_of(), verdict_of(), verdict_of()};
  batch[1].headers = headers;
  batch[1].header_count = 2;
  CHECK(portcullis_verify_batch(worker, batch, 3, verdicts) == PORTCULLIS_OK);
  CHECK(verdicts[0].reason == PORTCULLIS_REASON_BAD_SIGNATURE);
  CHECK(verdicts[1].reason == PORTCULLIS_REASON_MALFORMED_REQUEST);
  CHECK(verdicts[2].reason == PORTCULLIS_REASON_REPLAYED);

  /* Wrong calls. */
  CHECK(portcullis_verify_batch(worker, NULL, 1, verdicts) == PORTCULLIS_NULL);
  CHECK(portcullis_verify_batch(worker, batch, 1, NULL) == PORTCULLIS_NULL);
  CHECK(portcullis_verify_batch(worker, NULL, 0, NULL) == PORTCULLIS_OK);
  CHECK(portcullis_verify_batch(worker, batch, (size_t)-1, verdicts) == PORTCULLIS_BAD_ARGUMENT);
  request.struct_size = 8;
  CHECK(portcullis_verify(worker, &request, &verdict) == PORTCULLIS_BAD_STRUCT_SIZE);
  request = get(good);
  verdict.struct_size = 0;
  CHECK(portcullis_verify(worker, &request, &verdict) == PORTCULLIS_BAD_STRUCT_SIZE);
  verdict = verdict_of();
  request.headers = NULL;
  request.header_count = 3;
  CHECK(portcullis_verify(worker, &request, &verdict) == PORTCULLIS_NULL);
  request = get(good);
  request.body.ptr = NULL;
  request.body.len = 1;
  CHECK(portcullis_verify(worker, &request, &verdict) == PORTCULLIS_NULL);
  request = get(good);
  request.body.ptr = (const uint8_t *)"";
  request.body.len = (size_t)-1;
  CHECK(portcullis_verify(worker, &request, &verdict) == PORTCULLIS_BAD_ARGUMENT);
  request = get(good);
  request.profile = text("\xff");
  CHECK(portcullis_verify(worker, &request, &verdict) == PORTCULLIS_BAD_ARGUMENT);
  request = get(good);
  request.client_ip = text("no address");
  CHECK(portcullis_verify(worker, &request, &verdict) == PORTCULLIS_BAD_ARGUMENT);
  CHECK(portcullis_verify(NULL, &request, &verdict) == PORTCULLIS_BAD_HANDLE);
  CHECK(portcullis_verify((portcullis_worker *)(void *)message, &request, &verdict) == PORTCULLIS_BAD_HANDLE);

  /* Another document: refused, then taken. */
  CHECK(portcullis_engine_load(engine, text("[]"), message, sizeof message) == PORTCULLIS_BAD_CONFIG);
  CHECK(portcullis_engine_load(engine, text(config), message, sizeof message) == PORTCULLIS_OK);
  request = get(good);
  CHECK(portcullis_verify(worker, &request, &verdict) == PORTCULLIS_OK);
  CHECK(verdict.reason == PORTCULLIS_REASON_REPLAYED);

  /* Closing, twice, and use after. A worker outlives its engine. */
  CHECK(portcullis_engine_close(engine) == PORTCULLIS_OK);
  CHECK(portcullis_engine_close(engine) == PORTCULLIS_BAD_HANDLE);
  CHECK(portcullis_worker_open(engine, &worker) == PORTCULLIS_BAD_HANDLE);
  CHECK(portcullis_verify(worker, &request, &verdict) == PORTCULLIS_OK);
  CHECK(portcullis_worker_close(worker) == PORTCULLIS_OK);
  CHECK(portcullis_worker_close(worker) == PORTCULLIS_BAD_HANDLE);
  CHECK(portcullis_verify(worker, &request, &verdict) == PORTCULLIS_BAD_HANDLE);
  CHECK(portcullis_engine_close(NULL) == PORTCULLIS_BAD_HANDLE);

  if (failures == 0) puts("c smoke: ok");
  return failures != 0;
}
