/* Every function beside verification itself: outcomes, denials, limits, tokens, signing, counters, explanations, access records. */
#define _DEFAULT_SOURCE
#include "check.h"
#include <unistd.h>

#define SECRET "a secret of the tests, of more than 32 bytes"
static const char config[] =
    "{\"version\":1,\"state\":{\"nonces\":1000,\"birth_rule\":\"off\"},"
    "\"tokens\":{\"keys\":[{\"number\":0,\"secret\":\"" SECRET "\"}],\"overlap_s\":300},"
    "\"limits\":[{\"name\":\"one\",\"key\":[\"app\"],\"concurrency\":1},{\"name\":\"many\",\"key\":[\"app\"],\"rate\":100,\"per_ms\":1000}],"
    "\"apis\":[{\"api_id\":\"pay\",\"method\":\"GET\",\"path\":\"/pay\",\"level\":\"A1\",\"limits\":[\"one\"]},"
    "{\"api_id\":\"get\",\"method\":\"GET\",\"path\":\"/get\",\"level\":\"A1\",\"limits\":[\"many\"]},"
    "{\"api_id\":\"once\",\"method\":\"GET\",\"path\":\"/once\",\"level\":\"A1\",\"one_time\":\"required\"}],"
    "\"apps\":[{\"app_id\":\"p10001\",\"status\":\"active\",\"level\":\"A1\",\"profiles\":[\"openapi\"],\"allow_weak\":true,\"allow_apis\":[\"pay\",\"get\",\"once\"],"
    "\"credentials\":[{\"kid\":\"k1\",\"alg\":\"hmac-sha256\",\"secret\":\"k3y of hmac\"},"
    "{\"kid\":\"k2\",\"alg\":\"md5\",\"secret\":\"k3y\"}]}]}";
static const portcullis_slice NONE = {NULL, 0};

static char message[256];
static portcullis_engine *engine = NULL;
static portcullis_worker *worker = NULL;
static portcullis_signer *signer = NULL;
static uint64_t buffer[1024];
static int64_t received_at_ms = 1700000000000;

/* Signs a request for `path`; its target is good until the next call. */
static portcullis_request signed_for(const char *path) {
  portcullis_request request = get(path);
  request.received_at_ms = received_at_ms;
  portcullis_signed out;
  memset(&out, 0, sizeof out);
  out.struct_size = sizeof out;
  CHECK(portcullis_sign(signer, &request, NONE, (uint8_t *)buffer, sizeof buffer, &out, message, sizeof message) == PORTCULLIS_OK);
  CHECK(out.header_count == 0 && out.headers == NULL && out.body.len == 0);
  CHECK(out.method.len == 3 && memcmp(out.method.ptr, "GET", 3) == 0);
  CHECK(out.target.ptr >= (uint8_t *)buffer && out.length <= sizeof buffer);
  request.target = out.target;
  return request;
}

static uint16_t judge(const portcullis_request *request, portcullis_verdict *verdict) {
  *verdict = verdict_of();
  CHECK(portcullis_verify(worker, request, verdict) == PORTCULLIS_OK);
  return verdict->reason;
}

static void signing(void) {
  portcullis_signer_options options;
  memset(&options, 0, sizeof options);
  CHECK(portcullis_signer_open(engine, &options, &signer, message, sizeof message) == PORTCULLIS_BAD_STRUCT_SIZE);
  options.struct_size = sizeof options;
  CHECK(portcullis_signer_open(engine, &options, &signer, message, sizeof message) == PORTCULLIS_BAD_STATE);
  CHECK(strstr(message, "profile") != NULL);
  options.profile = text("openapi");
  options.app_id = text("nobody");
  CHECK(portcullis_signer_open(engine, &options, &signer, message, sizeof message) == PORTCULLIS_BAD_STATE);
  CHECK(strstr(message, "nobody") != NULL);
  CHECK(portcullis_signer_open(engine, NULL, &signer, NULL, 0) == PORTCULLIS_NULL);
  CHECK(portcullis_signer_open(engine, &options, NULL, NULL, 0) == PORTCULLIS_NULL);
  options.extra_count = 1;
  CHECK(portcullis_signer_open(engine, &options, &signer, NULL, 0) == PORTCULLIS_NULL);
  options.extra_count = 0;
  options.app_id = text("p10001");
  options.private_key_pem = text("no key");
  CHECK(portcullis_signer_open(engine, &options, &signer, message, sizeof message) == PORTCULLIS_BAD_STATE);
  options.private_key_pem = NONE;
  CHECK(signer == NULL);
  CHECK(portcullis_signer_open(engine, &options, &signer, message, sizeof message) == PORTCULLIS_OK);

  /* A request that was signed here is accepted, once. */
  portcullis_verdict verdict;
  portcullis_request request = signed_for("/get?a=1");
  CHECK(judge(&request, &verdict) == PORTCULLIS_REASON_OK);
  CHECK(strcmp(verdict.kid, "k1") == 0 && strcmp(verdict.api_id, "get") == 0);
  CHECK(judge(&request, &verdict) == PORTCULLIS_REASON_REPLAYED);

  /* Too small, not aligned, signed already, not there. */
  portcullis_signed out;
  memset(&out, 0, sizeof out);
  CHECK(portcullis_sign(signer, &request, NONE, (uint8_t *)buffer, 8, &out, NULL, 0) == PORTCULLIS_BAD_STRUCT_SIZE);
  out.struct_size = sizeof out;
  CHECK(portcullis_sign(signer, &request, NONE, (uint8_t *)buffer, sizeof buffer, &out, message, sizeof message) == PORTCULLIS_BAD_STATE);
  portcullis_header lines[1] = {{text("x-trace"), text("7")}};
  portcullis_request plain = get("/get?a=1");
  plain.headers = lines;
  plain.header_count = 1;
  CHECK(portcullis_sign(signer, &plain, text("n-1"), NULL, 0, &out, message, sizeof message) == PORTCULLIS_TOO_SMALL);
  size_t needed = out.length;
  CHECK(needed > 40 && needed < sizeof buffer);
  CHECK(portcullis_sign(signer, &plain, text("n-1"), (uint8_t *)buffer, needed - 1, &out, message, sizeof message) == PORTCULLIS_TOO_SMALL);
  CHECK(portcullis_sign(signer, &plain, text("n-1"), (uint8_t *)buffer + 1, needed, &out, message, sizeof message) == PORTCULLIS_BAD_ARGUMENT);
  CHECK(portcullis_sign(signer, &plain, text("n-1"), (uint8_t *)buffer, needed, &out, message, sizeof message) == PORTCULLIS_OK);
  CHECK(out.header_count == 1 && out.headers[0].name.len == 7 && memcmp(out.headers[0].value.ptr, "7", 1) == 0);
  plain.target = out.target;
  CHECK(judge(&plain, &verdict) == PORTCULLIS_REASON_OK);
  CHECK(portcullis_sign(signer, NULL, NONE, NULL, 0, &out, NULL, 0) == PORTCULLIS_NULL);
  CHECK(portcullis_sign(signer, &plain, NONE, NULL, 0, NULL, NULL, 0) == PORTCULLIS_NULL);
  CHECK(portcullis_sign(NULL, &plain, NONE, NULL, 0, &out, NULL, 0) == PORTCULLIS_BAD_HANDLE);

  /* HMAC-SHA256 of bytes. */
  uint8_t mac[32];
  size_t length = 0;
  CHECK(portcullis_sign_bytes(signer, text("answer"), NULL, 0, &length, NULL, 0) == PORTCULLIS_TOO_SMALL && length == 32);
  CHECK(portcullis_sign_bytes(signer, text("answer"), mac, sizeof mac, &length, NULL, 0) == PORTCULLIS_OK && length == 32);
  CHECK(portcullis_sign_bytes(signer, text("answer"), mac, sizeof mac, NULL, NULL, 0) == PORTCULLIS_NULL);
  CHECK(portcullis_sign_bytes(NULL, text("answer"), mac, sizeof mac, &length, NULL, 0) == PORTCULLIS_BAD_HANDLE);
  portcullis_signer *md5 = NULL;
  options.kid = text("k2");
  CHECK(portcullis_signer_open(engine, &options, &md5, NULL, 0) == PORTCULLIS_OK);
  CHECK(portcullis_sign_bytes(md5, text("answer"), mac, sizeof mac, &length, message, sizeof message) == PORTCULLIS_BAD_STATE);
  CHECK(portcullis_signer_close(md5) == PORTCULLIS_OK);
  CHECK(portcullis_signer_close(md5) == PORTCULLIS_BAD_HANDLE);
  CHECK(portcullis_sign_bytes(md5, text("answer"), mac, sizeof mac, &length, NULL, 0) == PORTCULLIS_BAD_HANDLE);
}

static int has(portcullis_slice slice, const char *what) {
  size_t length = strlen(what);
  for (size_t at = 0; at + length <= slice.len; at++)
    if (memcmp(slice.ptr + at, what, length) == 0) return 1;
  return 0;
}

/* Answers: by RFC 9421 bound to their request, by WeChat's lines alone, and not by what signs requests. */
static void answers(void) {
  portcullis_signer_options options;
  memset(&options, 0, sizeof options);
  options.struct_size = sizeof options;
  options.profile = text("rfc9421");
  options.app_id = text("p10001");
  options.kid = text("k1");
  portcullis_signer *http = NULL, *kong = NULL;
  CHECK(portcullis_signer_open(engine, &options, &http, message, sizeof message) == PORTCULLIS_OK);
  options.profile = text("kong-hmac");
  CHECK(portcullis_signer_open(engine, &options, &kong, message, sizeof message) == PORTCULLIS_OK);
  portcullis_header host[1] = {{text("host"), text("api.example")}};
  portcullis_header media[1] = {{text("content-type"), text("application/json")}};
  portcullis_request asked = get("/get?a=1"), answer = get("/");
  asked.headers = host;
  asked.header_count = 1;
  answer.headers = media;
  answer.header_count = 1;
  answer.body = text("{}");
  answer.received_at_ms = received_at_ms;
  portcullis_signed out;
  memset(&out, 0, sizeof out);
  out.struct_size = sizeof out;
  uint8_t *room = (uint8_t *)buffer;
  CHECK(portcullis_sign_answer(http, 201, &answer, &asked, text("n-2"), room, sizeof buffer, &out, message, sizeof message) == PORTCULLIS_OK);
  CHECK(out.header_count == 4 && out.body.len == 2);
  CHECK(has(out.headers[1].name, "content-digest") && has(out.headers[2].name, "signature-input"));
  CHECK(has(out.headers[2].value, "(\"@status\" \"@method\";req \"@authority\";req \"@path\";req \"@query\";req \"content-digest\")"));
  CHECK(has(out.headers[2].value, ";nonce=\"n-2\"") && has(out.headers[3].name, "signature"));
  CHECK(portcullis_sign_answer(http, 201, &answer, &asked, text("n-2"), NULL, 0, &out, message, sizeof message) == PORTCULLIS_TOO_SMALL);
  CHECK(portcullis_sign_answer(http, 99, &answer, &asked, NONE, room, sizeof buffer, &out, message, sizeof message) == PORTCULLIS_BAD_STATE);
  CHECK(portcullis_sign_answer(kong, 200, &answer, &asked, NONE, room, sizeof buffer, &out, message, sizeof message) == PORTCULLIS_BAD_STATE);
  CHECK(portcullis_sign_answer(signer, 200, &answer, &asked, NONE, room, sizeof buffer, &out, message, sizeof message) == PORTCULLIS_BAD_STATE);
  CHECK(portcullis_sign_answer(http, 200, NULL, &asked, NONE, room, sizeof buffer, &out, NULL, 0) == PORTCULLIS_NULL);
  CHECK(portcullis_sign_answer(http, 200, &answer, NULL, NONE, room, sizeof buffer, &out, NULL, 0) == PORTCULLIS_NULL);
  CHECK(portcullis_sign_answer(http, 200, &answer, &asked, NONE, room, sizeof buffer, NULL, NULL, 0) == PORTCULLIS_NULL);
  CHECK(portcullis_sign_answer(NULL, 200, &answer, &asked, NONE, room, sizeof buffer, &out, NULL, 0) == PORTCULLIS_BAD_HANDLE);
  out.struct_size = 8;
  CHECK(portcullis_sign_answer(http, 200, &answer, &asked, NONE, room, sizeof buffer, &out, NULL, 0) == PORTCULLIS_BAD_STRUCT_SIZE);
  CHECK(portcullis_signer_close(http) == PORTCULLIS_OK && portcullis_signer_close(kong) == PORTCULLIS_OK);
}

static void outcomes(void) {
  portcullis_verdict first, second;
  bool done = false;
  portcullis_request request = signed_for("/pay?a=1");
  CHECK(judge(&request, &first) == PORTCULLIS_REASON_OK);
  request = signed_for("/pay?a=2");
  CHECK(judge(&request, &second) == PORTCULLIS_REASON_CONCURRENCY_LIMITED);
  CHECK(portcullis_done(worker, &first, 7, &done) == PORTCULLIS_BAD_ARGUMENT);
  CHECK(portcullis_done(worker, NULL, PORTCULLIS_SUCCESS, &done) == PORTCULLIS_NULL);
  CHECK(portcullis_done(NULL, &first, PORTCULLIS_SUCCESS, &done) == PORTCULLIS_BAD_HANDLE);
  CHECK(portcullis_done(worker, &first, PORTCULLIS_SUCCESS, &done) == PORTCULLIS_OK && done);
  CHECK(portcullis_done(worker, &first, PORTCULLIS_SUCCESS, &done) == PORTCULLIS_OK && !done);
  first.struct_size = 1;
  CHECK(portcullis_done(worker, &first, PORTCULLIS_SUCCESS, &done) == PORTCULLIS_BAD_STRUCT_SIZE);
  CHECK(judge(&request, &second) == PORTCULLIS_REASON_OK);
  CHECK(portcullis_done(worker, &second, PORTCULLIS_FAILURE, NULL) == PORTCULLIS_OK);

  /* Looking ahead takes nothing. */
  request = signed_for("/get?a=3");
  CHECK(portcullis_prefetch(worker, &request, 1) == PORTCULLIS_OK);
  CHECK(portcullis_prefetch(worker, &request, 1) == PORTCULLIS_OK);
  CHECK(judge(&request, &first) == PORTCULLIS_REASON_OK);
  portcullis_request strange[2] = {get("/get?%"), get("/")};
  CHECK(portcullis_prefetch(worker, strange, 2) == PORTCULLIS_OK);
  CHECK(portcullis_prefetch(worker, NULL, 0) == PORTCULLIS_OK);
  CHECK(portcullis_prefetch(worker, NULL, 1) == PORTCULLIS_NULL);
  CHECK(portcullis_prefetch(NULL, &request, 1) == PORTCULLIS_BAD_HANDLE);
  strange[1].struct_size = 0;
  CHECK(portcullis_prefetch(worker, strange, 2) == PORTCULLIS_BAD_STRUCT_SIZE);
}

static void denials_and_limits(void) {
  portcullis_verdict verdict;
  struct {
    uint32_t kind;
    const char *name, *kid;
  } subjects[3] = {{PORTCULLIS_DENY_APP, "p10001", ""}, {PORTCULLIS_DENY_ADDRESS, "203.0.113.7", ""}, {PORTCULLIS_DENY_KEY, "p10001", "k1"}};
  for (int i = 0; i < 3; i++) {
    portcullis_slice name = text(subjects[i].name), kid = text(subjects[i].kid);
    portcullis_request request = signed_for("/get?a=4");
    CHECK(portcullis_deny(engine, subjects[i].kind, name, kid, INT64_MAX, message, sizeof message) == PORTCULLIS_OK);
    CHECK(judge(&request, &verdict) == PORTCULLIS_REASON_BLACKLISTED);
    CHECK(portcullis_deny(engine, subjects[i].kind, name, kid, 0, NULL, 0) == PORTCULLIS_OK);
    CHECK(judge(&request, &verdict) == PORTCULLIS_REASON_OK);
  }
  CHECK(portcullis_deny(engine, PORTCULLIS_DENY_ADDRESS, text("no address"), NONE, 1, NULL, 0) == PORTCULLIS_BAD_ARGUMENT);
  CHECK(portcullis_deny(engine, 9, text("p10001"), NONE, 1, NULL, 0) == PORTCULLIS_BAD_ARGUMENT);
  CHECK(portcullis_deny(engine, PORTCULLIS_DENY_APP, bytes(NULL, 3), NONE, 1, NULL, 0) == PORTCULLIS_NULL);
  CHECK(portcullis_deny(NULL, PORTCULLIS_DENY_APP, text("p10001"), NONE, 1, NULL, 0) == PORTCULLIS_BAD_HANDLE);

  portcullis_request request = signed_for("/get?a=5");
  CHECK(portcullis_override_limit(engine, text("many"), 0, 60000, message, sizeof message) == PORTCULLIS_OK);
  CHECK(judge(&request, &verdict) == PORTCULLIS_REASON_RATE_LIMITED);
  CHECK(portcullis_override_limit(engine, text("many"), 0, 0, message, sizeof message) == PORTCULLIS_OK);
  CHECK(judge(&request, &verdict) == PORTCULLIS_REASON_OK);
  CHECK(portcullis_override_limit(engine, text("none"), 0, 1, message, sizeof message) == PORTCULLIS_BAD_STATE);
  CHECK(strstr(message, "none") != NULL);
  CHECK(portcullis_override_limit(engine, text("\xff"), 0, 1, NULL, 0) == PORTCULLIS_BAD_ARGUMENT);
  CHECK(portcullis_override_limit(NULL, text("many"), 0, 1, NULL, 0) == PORTCULLIS_BAD_HANDLE);
}

static portcullis_token token_of(void) {
  portcullis_token token;
  memset(&token, 0xee, sizeof token);
  token.struct_size = sizeof token;
  return token;
}

static void tokens(void) {
  portcullis_slice app = text("p10001"), other = text("p10002");
  portcullis_token token = token_of(), another = token_of();
  uint16_t reason = 9999;
  CHECK(portcullis_token_issue(engine, app, 60, &token, message, sizeof message) == PORTCULLIS_OK);
  CHECK(strlen(token.text) == 40 && token.expires_in_s == 60);
  CHECK(portcullis_token_check(engine, app, text(token.text), &reason) == PORTCULLIS_OK && reason == PORTCULLIS_REASON_OK);
  CHECK(portcullis_token_check(engine, other, text(token.text), &reason) == PORTCULLIS_OK && reason == PORTCULLIS_REASON_TOKEN_INVALID);
  CHECK(portcullis_token_check(engine, app, text("nonsense"), &reason) == PORTCULLIS_OK && reason == PORTCULLIS_REASON_TOKEN_INVALID);
  CHECK(portcullis_token_refresh(engine, app, 0, &another, message, sizeof message) == PORTCULLIS_OK);
  CHECK(another.expires_in_s == 3600 && strcmp(token.text, another.text) != 0);
  /* Both are good for the overlap. */
  CHECK(portcullis_token_check(engine, app, text(token.text), &reason) == PORTCULLIS_OK && reason == PORTCULLIS_REASON_OK);
  CHECK(portcullis_token_revoke(engine, app, text(token.text), &reason) == PORTCULLIS_OK && reason == PORTCULLIS_REASON_OK);
  CHECK(portcullis_token_check(engine, app, text(token.text), &reason) == PORTCULLIS_OK && reason == PORTCULLIS_REASON_TOKEN_REVOKED);
  CHECK(portcullis_token_check(engine, app, text(another.text), &reason) == PORTCULLIS_OK && reason == PORTCULLIS_REASON_OK);
  CHECK(portcullis_token_revoke(engine, other, text(another.text), &reason) == PORTCULLIS_OK && reason == PORTCULLIS_REASON_TOKEN_INVALID);
  CHECK(portcullis_token_revoke_all(engine, app, 0, message, sizeof message) == PORTCULLIS_OK);
  CHECK(portcullis_token_check(engine, app, text(another.text), &reason) == PORTCULLIS_OK && reason == PORTCULLIS_REASON_TOKEN_REVOKED);
  CHECK(portcullis_token_issue(engine, other, 0, &token, NULL, 0) == PORTCULLIS_OK);
  CHECK(portcullis_token_revoke_all(engine, NONE, 0, NULL, 0) == PORTCULLIS_OK);
  CHECK(portcullis_token_check(engine, other, text(token.text), &reason) == PORTCULLIS_OK && reason == PORTCULLIS_REASON_TOKEN_REVOKED);

  CHECK(portcullis_token_issue(engine, app, 0, NULL, NULL, 0) == PORTCULLIS_NULL);
  token.struct_size = 4;
  CHECK(portcullis_token_issue(engine, app, 0, &token, NULL, 0) == PORTCULLIS_BAD_STRUCT_SIZE);
  CHECK(portcullis_token_refresh(engine, app, 0, &token, NULL, 0) == PORTCULLIS_BAD_STRUCT_SIZE);
  CHECK(portcullis_token_issue(engine, text("\xff"), 0, &another, NULL, 0) == PORTCULLIS_BAD_ARGUMENT);
  CHECK(portcullis_token_issue(NULL, app, 0, &another, NULL, 0) == PORTCULLIS_BAD_HANDLE);
  CHECK(portcullis_token_check(engine, app, text("x"), NULL) == PORTCULLIS_NULL);
  CHECK(portcullis_token_check(NULL, app, text("x"), &reason) == PORTCULLIS_BAD_HANDLE);
  CHECK(portcullis_token_revoke(NULL, app, text("x"), &reason) == PORTCULLIS_BAD_HANDLE);
  CHECK(portcullis_token_revoke_all(NULL, app, 0, NULL, 0) == PORTCULLIS_BAD_HANDLE);
}

static void one_time_tokens(void) {
  portcullis_slice app = text("p10001");
  portcullis_token token = token_of();
  uint64_t ticket[3], second[3], retry = 0;
  uint16_t reason = 9999;
  bool done = false;
  CHECK(portcullis_one_time_issue(engine, app, &token, message, sizeof message) == PORTCULLIS_OK);
  CHECK(strlen(token.text) == 40 && token.expires_in_s == 600);
  CHECK(portcullis_one_time_reserve(engine, app, text(token.text), ticket, &reason, &retry) == PORTCULLIS_OK && reason == PORTCULLIS_REASON_OK);
  CHECK(portcullis_one_time_reserve(engine, app, text(token.text), second, &reason, &retry) == PORTCULLIS_OK);
  CHECK(reason == PORTCULLIS_REASON_IDEMPOTENCY_USED && retry > 0 && second[0] == 0 && second[1] == 0 && second[2] == 0);
  CHECK(portcullis_one_time_release(engine, ticket, &done) == PORTCULLIS_OK && done);
  CHECK(portcullis_one_time_release(engine, ticket, &done) == PORTCULLIS_OK && !done);
  CHECK(portcullis_one_time_reserve(engine, app, text(token.text), ticket, &reason, NULL) == PORTCULLIS_OK && reason == PORTCULLIS_REASON_OK);
  CHECK(portcullis_one_time_commit(engine, ticket, &done) == PORTCULLIS_OK && done);
  CHECK(portcullis_one_time_commit(engine, ticket, NULL) == PORTCULLIS_OK);
  CHECK(portcullis_one_time_reserve(engine, app, text(token.text), ticket, &reason, NULL) == PORTCULLIS_OK);
  CHECK(reason == PORTCULLIS_REASON_IDEMPOTENCY_USED);

  CHECK(portcullis_one_time_issue(engine, app, NULL, NULL, 0) == PORTCULLIS_NULL);
  CHECK(portcullis_one_time_issue(NULL, app, &token, NULL, 0) == PORTCULLIS_BAD_HANDLE);
  CHECK(portcullis_one_time_reserve(engine, app, text(token.text), NULL, &reason, NULL) == PORTCULLIS_NULL);
  CHECK(portcullis_one_time_reserve(engine, app, text(token.text), ticket, NULL, NULL) == PORTCULLIS_NULL);
  CHECK(portcullis_one_time_reserve(NULL, app, text(token.text), ticket, &reason, NULL) == PORTCULLIS_BAD_HANDLE);
  CHECK(portcullis_one_time_commit(engine, NULL, NULL) == PORTCULLIS_NULL);
  CHECK(portcullis_one_time_commit(NULL, ticket, NULL) == PORTCULLIS_BAD_HANDLE);
  CHECK(portcullis_one_time_release(engine, NULL, NULL) == PORTCULLIS_NULL);
  CHECK(portcullis_one_time_release(NULL, ticket, NULL) == PORTCULLIS_BAD_HANDLE);

  /* On the way of a request: the verdict carries the reservation. Tokens are of today, so the requests are. */
  received_at_ms = PORTCULLIS_NOW;
  portcullis_verdict verdict;
  portcullis_request request = signed_for("/once?a=1");
  CHECK(judge(&request, &verdict) == PORTCULLIS_REASON_MISSING_FIELD);
  CHECK(portcullis_one_time_issue(engine, app, &token, NULL, 0) == PORTCULLIS_OK);
  portcullis_header line[1] = {{text("Idempotency-Token"), text(token.text)}};
  request = signed_for("/once?a=2");
  request.headers = line;
  request.header_count = 1;
  CHECK(judge(&request, &verdict) == PORTCULLIS_REASON_OK);
  CHECK(portcullis_one_time_commit(engine, verdict.one_time, &done) == PORTCULLIS_OK && done);
  request = signed_for("/once?a=3");
  request.headers = line;
  request.header_count = 1;
  CHECK(judge(&request, &verdict) == PORTCULLIS_REASON_IDEMPOTENCY_USED);
  received_at_ms = 1700000000000;
}

static void grants(void) {
  portcullis_slice app = text("p10001"), api = text("get"), user = text("u-1");
  portcullis_token grant = token_of(), contract = token_of();
  uint16_t reason = 9999;
  CHECK(portcullis_grant_issue(engine, app, api, user, PORTCULLIS_GRANT_ONCE, 0, &grant, message, sizeof message) == PORTCULLIS_OK);
  CHECK(strlen(grant.text) == 40 && grant.expires_in_s == 0);
  CHECK(portcullis_grant_use(engine, app, api, text("u-2"), text(grant.text), &reason) == PORTCULLIS_OK && reason == PORTCULLIS_REASON_TOKEN_INVALID);
  CHECK(portcullis_grant_use(engine, app, api, user, text(grant.text), NULL) == PORTCULLIS_NULL);
  CHECK(portcullis_grant_use(engine, app, api, user, text(grant.text), &reason) == PORTCULLIS_OK && reason == PORTCULLIS_REASON_OK);
  CHECK(portcullis_grant_use(engine, app, api, user, text(grant.text), &reason) == PORTCULLIS_OK);
  CHECK(reason == PORTCULLIS_REASON_IDEMPOTENCY_USED);
  CHECK(portcullis_grant_issue(engine, app, api, user, PORTCULLIS_GRANT_CONTRACT, 0, &contract, NULL, 0) == PORTCULLIS_OK);
  CHECK(portcullis_grant_use(engine, app, api, user, text(contract.text), &reason) == PORTCULLIS_OK && reason == PORTCULLIS_REASON_OK);
  CHECK(portcullis_grant_use(engine, app, api, user, text(contract.text), &reason) == PORTCULLIS_OK && reason == PORTCULLIS_REASON_OK);
  CHECK(portcullis_grant_revoke(engine, app, api, user, text(contract.text), &reason) == PORTCULLIS_OK && reason == PORTCULLIS_REASON_OK);
  CHECK(portcullis_grant_use(engine, app, api, user, text(contract.text), &reason) == PORTCULLIS_OK && reason == PORTCULLIS_REASON_TOKEN_REVOKED);
  CHECK(portcullis_grant_issue(engine, app, api, user, PORTCULLIS_GRANT_UNTIL, 5, &grant, message, sizeof message) == PORTCULLIS_BAD_STATE);
  CHECK(portcullis_grant_issue(engine, app, api, user, PORTCULLIS_GRANT_UNTIL, 0, &grant, NULL, 0) == PORTCULLIS_BAD_ARGUMENT);
  CHECK(portcullis_grant_issue(engine, app, api, user, 3, 0, &grant, NULL, 0) == PORTCULLIS_BAD_ARGUMENT);
  CHECK(portcullis_grant_issue(engine, app, api, user, PORTCULLIS_GRANT_ONCE, 0, NULL, NULL, 0) == PORTCULLIS_NULL);
  CHECK(portcullis_grant_issue(NULL, app, api, user, PORTCULLIS_GRANT_ONCE, 0, &grant, NULL, 0) == PORTCULLIS_BAD_HANDLE);
  CHECK(portcullis_grant_use(NULL, app, api, user, text("x"), &reason) == PORTCULLIS_BAD_HANDLE);
  CHECK(portcullis_grant_revoke(NULL, app, api, user, text("x"), &reason) == PORTCULLIS_BAD_HANDLE);
  CHECK(portcullis_grant_revoke(engine, app, api, user, text("x"), NULL) == PORTCULLIS_NULL);
}

static void reports(void) {
  static char page[16384];
  size_t length = 0;
  CHECK(portcullis_observe(worker, 1500) == PORTCULLIS_OK);
  CHECK(portcullis_observe(NULL, 1500) == PORTCULLIS_BAD_HANDLE);
  CHECK(portcullis_metrics(engine, NULL, 0, &length) == PORTCULLIS_TOO_SMALL && length > 1000 && length < sizeof page);
  CHECK(portcullis_metrics(engine, page, length, &length) == PORTCULLIS_TOO_SMALL);
  CHECK(portcullis_metrics(engine, page, sizeof page, &length) == PORTCULLIS_OK && strlen(page) == length);
  CHECK(strstr(page, "portcullis_verdicts_total{reason=\"blacklisted\"} 3\n") != NULL);
  CHECK(strstr(page, "portcullis_duration_seconds_count 1\n") != NULL);
  CHECK(strstr(page, "portcullis_outcomes_total{outcome=\"failure\"} 1\n") != NULL);
  CHECK(portcullis_metrics(NULL, page, sizeof page, &length) == PORTCULLIS_BAD_HANDLE);

  portcullis_request request = signed_for("/get?amount=100");
  CHECK(portcullis_explain(engine, &request, NONE, 0, page, sizeof page, &length) == PORTCULLIS_OK && strlen(page) == length);
  CHECK(strstr(page, "good") != NULL && strstr(page, "p10001") != NULL);
  request.target = text("/get?appId=p10001&nonce=n&timestamp=1700000000&sign=00112233445566778899aabbccddeeff");
  CHECK(portcullis_explain(engine, &request, text("appId=p10001&nonce=m"), PORTCULLIS_EXPLAIN_UNMASK, page, sizeof page, &length) == PORTCULLIS_OK);
  CHECK(strstr(page, "first difference at byte 19") != NULL && strstr(page, "expected ") == NULL);
  CHECK(portcullis_explain(engine, &request, NONE, PORTCULLIS_EXPLAIN_EXPECTED, page, sizeof page, &length) == PORTCULLIS_OK);
  CHECK(strstr(page, "expected ") != NULL);
  CHECK(portcullis_explain(engine, &request, NONE, 0, page, 10, &length) == PORTCULLIS_TOO_SMALL && length > 10);
  CHECK(portcullis_explain(engine, &request, NONE, 4, page, sizeof page, &length) == PORTCULLIS_BAD_ARGUMENT);
  CHECK(portcullis_explain(engine, NULL, NONE, 0, page, sizeof page, &length) == PORTCULLIS_NULL);
  CHECK(portcullis_explain(NULL, &request, NONE, 0, page, sizeof page, &length) == PORTCULLIS_BAD_HANDLE);
  request.struct_size = 3;
  CHECK(portcullis_explain(engine, &request, NONE, 0, page, sizeof page, &length) == PORTCULLIS_BAD_STRUCT_SIZE);
}

/* Writes a log of records to `path`, where one is given: tests/c_smoke.rs has `portcullis audit verify` read it. */
static void audit(const char *path) {
  FILE *log = path != NULL ? fopen(path, "wb") : NULL;
  char line[4096];
  size_t length = 0;
  portcullis_audit *chain = NULL;
  portcullis_audit_head head, end;
  portcullis_audit_options options;
  CHECK(path == NULL || log != NULL);
  memset(&options, 0, sizeof options);
  CHECK(portcullis_audit_open(&options, &chain, line, sizeof line, &length, message, sizeof message) == PORTCULLIS_BAD_STRUCT_SIZE);
  options.struct_size = sizeof options;
  options.key = text("too short");
  CHECK(portcullis_audit_open(&options, &chain, line, sizeof line, &length, message, sizeof message) == PORTCULLIS_BAD_CONFIG);
  options.key = text(SECRET);
  CHECK(portcullis_audit_open(&options, &chain, line, 10, &length, NULL, 0) == PORTCULLIS_TOO_SMALL && length == PORTCULLIS_AUDIT_LINE);
  CHECK(portcullis_audit_open(NULL, &chain, line, sizeof line, &length, NULL, 0) == PORTCULLIS_NULL);
  CHECK(portcullis_audit_open(&options, NULL, line, sizeof line, &length, NULL, 0) == PORTCULLIS_NULL);
  CHECK(chain == NULL);
  CHECK(portcullis_audit_open(&options, &chain, line, sizeof line, &length, message, sizeof message) == PORTCULLIS_OK);
  CHECK(strlen(line) == length && line[length - 1] == '\n');
  if (log) fwrite(line, 1, length, log);

  portcullis_request request = signed_for("/get?a=6");
  portcullis_verdict verdict;
  CHECK(judge(&request, &verdict) == PORTCULLIS_REASON_OK);
  portcullis_audit_record record;
  memset(&record, 0, sizeof record);
  CHECK(portcullis_audit_write(chain, &record, line, sizeof line, &length, &head) == PORTCULLIS_BAD_STRUCT_SIZE);
  record.struct_size = sizeof record;
  CHECK(portcullis_audit_write(chain, &record, line, sizeof line, &length, &head) == PORTCULLIS_NULL);
  record.verdict = &verdict;
  record.at_ms = 1700000000000;
  record.duration_us = 1200;
  record.account = text("6222021234567890123");
  CHECK(portcullis_audit_write(chain, &record, line, 20, &length, NULL) == PORTCULLIS_TOO_SMALL && length > 100);
  CHECK(portcullis_audit_write(chain, &record, line, sizeof line, &length, &head) == PORTCULLIS_OK && strlen(line) == length);
  CHECK(head.lines == 2 && strstr(line, "\"reason\":\"ok\"") != NULL && strstr(line, "\"us\":1200") != NULL);
  CHECK(strstr(line, "567890") == NULL && strstr(line, "signed_sha256") == NULL);
  if (log) fwrite(line, 1, length, log);
  record.request = &request;
  CHECK(portcullis_audit_write(chain, &record, line, sizeof line, &length, NULL) == PORTCULLIS_BAD_HANDLE);
  record.worker = worker;
  record.duration_us = PORTCULLIS_NO_DURATION;
  CHECK(portcullis_audit_write(chain, &record, line, sizeof line, &length, &head) == PORTCULLIS_OK && head.lines == 3);
  CHECK(strstr(line, "signed_sha256") != NULL && strstr(line, "\"us\":") == NULL);
  if (log) fwrite(line, 1, length, log);
  portcullis_verdict made_up = verdict_of();
  record.verdict = &made_up;
  CHECK(portcullis_audit_write(chain, &record, line, sizeof line, &length, NULL) == PORTCULLIS_BAD_ARGUMENT);
  CHECK(portcullis_audit_write(NULL, &record, line, sizeof line, &length, NULL) == PORTCULLIS_BAD_ARGUMENT);
  record.verdict = &verdict;
  CHECK(portcullis_audit_write(NULL, &record, line, sizeof line, &length, NULL) == PORTCULLIS_BAD_HANDLE);
  CHECK(portcullis_audit_write(chain, NULL, line, sizeof line, &length, NULL) == PORTCULLIS_NULL);

  CHECK(portcullis_audit_close(chain, line, 8, &length, &end) == PORTCULLIS_TOO_SMALL);
  CHECK(portcullis_audit_close(chain, line, sizeof line, &length, &end) == PORTCULLIS_OK && end.lines == 4 && end.chain == head.chain);
  if (log) fwrite(line, 1, length, log);
  CHECK(portcullis_audit_close(chain, line, sizeof line, &length, &end) == PORTCULLIS_BAD_HANDLE);
  CHECK(portcullis_audit_close(chain, NULL, 0, &length, &end) == PORTCULLIS_BAD_HANDLE);
  /* The next file goes on from it. */
  options.after = &end;
  options.keep_days = 30;
  CHECK(portcullis_audit_open(&options, &chain, line, sizeof line, &length, NULL, 0) == PORTCULLIS_OK);
  if (log) fwrite(line, 1, length, log);
  CHECK(portcullis_audit_close(chain, line, sizeof line, &length, NULL) == PORTCULLIS_OK);
  if (log) fwrite(line, 1, length, log);
  /* Frames in the same log. */
  options.after = NULL;
  options.keep_days = 30 + PORTCULLIS_AUDIT_BINARY;
  CHECK(portcullis_audit_open(&options, &chain, line, sizeof line, &length, NULL, 0) == PORTCULLIS_OK && (unsigned char)line[0] == 0xf5);
  if (log) fwrite(line, 1, length, log);
  CHECK(portcullis_audit_write(chain, &record, line, 64, &length, NULL) == PORTCULLIS_TOO_SMALL && length > 100);
  CHECK(portcullis_audit_write(chain, &record, line, sizeof line, &length, &head) == PORTCULLIS_OK && head.lines == 2);
  CHECK((unsigned char)line[0] == 0xf5 && length % 16 == 0 && line[length] == 0);
  if (log) fwrite(line, 1, length, log);
  CHECK(portcullis_audit_close(chain, line, sizeof line, &length, &end) == PORTCULLIS_OK && end.lines == 3);
  if (log) {
    fwrite(line, 1, length, log);
    fclose(log);
  }
}

/* The region's file is cut off while it is in use: nobody dies, and nothing is accepted any more. */
static void truncation(void) {
  char dir[] = "/tmp/portcullis-c-XXXXXX", path[64], document[600];
  CHECK(mkdtemp(dir) != NULL);
  snprintf(path, sizeof path, "%s/state", dir);
  snprintf(document, sizeof document,
           "{\"version\":1,\"state\":{\"path\":\"%s\",\"nonces\":1000,\"birth_rule\":\"off\"},\"apps\":[{\"app_id\":\"p10001\",\"status\":\"active\","
           "\"level\":\"A1\",\"profiles\":[\"openapi\"],\"allow_weak\":true,\"credentials\":[{\"alg\":\"md5\",\"secret\":\"k3y\"}]}]}",
           path);
  CHECK(portcullis_survive_truncation() == PORTCULLIS_OK && portcullis_survive_truncation() == PORTCULLIS_OK);
  portcullis_engine *own = NULL;
  portcullis_worker *its = NULL;
  CHECK(portcullis_engine_open(text(document), &own, message, sizeof message) == PORTCULLIS_OK);
  CHECK(portcullis_worker_open(own, &its) == PORTCULLIS_OK);
  portcullis_request request = get("/t?nonce=1&partnerId=p10001&timestamp=1700000000&sign=789ff4bd2afa90a0e8df233a4214d040");
  portcullis_verdict verdict = verdict_of();
  CHECK(portcullis_verify(its, &request, &verdict) == PORTCULLIS_OK);
  CHECK(verdict.reason == PORTCULLIS_REASON_OK);
  CHECK(truncate(path, 0) == 0);
  CHECK(portcullis_verify(its, &request, &verdict) == PORTCULLIS_OK);
  CHECK(verdict.reason == PORTCULLIS_REASON_SHARED_UNAVAILABLE && verdict.http_status == 503);
  CHECK(portcullis_worker_close(its) == PORTCULLIS_OK && portcullis_engine_close(own) == PORTCULLIS_OK);
  CHECK(unlink(path) == 0 && rmdir(dir) == 0);
}

int main(int argc, char **argv) {
  CHECK(portcullis_engine_open(text(config), &engine, message, sizeof message) == PORTCULLIS_OK);
  if (engine == NULL) fprintf(stderr, "%s\n", message);
  CHECK(message[0] == '\0');
  CHECK(portcullis_worker_open(engine, &worker) == PORTCULLIS_OK);
  signing();
  answers();
  outcomes();
  denials_and_limits();
  tokens();
  one_time_tokens();
  grants();
  reports();
  audit(argc > 1 ? argv[1] : NULL);
  truncation();
  CHECK(portcullis_signer_close(signer) == PORTCULLIS_OK);
  CHECK(portcullis_worker_close(worker) == PORTCULLIS_OK);
  CHECK(portcullis_engine_close(engine) == PORTCULLIS_OK);
  for (int result = 0; result <= PORTCULLIS_NO_THREAD; result++) CHECK(strlen(portcullis_result_message(result)) > 3);
  CHECK(strcmp(portcullis_result_message(12), portcullis_result_message(13)) != 0);
  if (failures == 0) puts("c calls: ok");
  return failures != 0;
}
