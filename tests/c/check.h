/* What the C programs of the tests share. */
#ifndef PORTCULLIS_TESTS_CHECK_H
#define PORTCULLIS_TESTS_CHECK_H
#include "layout.h"
#include "portcullis.h"
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int failures = 0;
#define CHECK(what)                                              \
  do {                                                           \
    if (!(what)) {                                               \
      fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #what); \
      failures++;                                                \
    }                                                            \
  } while (0)

static inline portcullis_slice bytes(const void *ptr, size_t len) {
  portcullis_slice slice = {(const uint8_t *)ptr, len};
  return slice;
}

static inline portcullis_slice text(const char *s) { return bytes(s, strlen(s)); }

static inline portcullis_request get(const char *target) {
  portcullis_request request;
  memset(&request, 0, sizeof request);
  request.struct_size = sizeof request;
  request.received_at_ms = 1700000000000;
  request.method = text("GET");
  request.target = text(target);
  request.client_ip = text("203.0.113.7");
  return request;
}

static inline portcullis_verdict verdict_of(void) {
  portcullis_verdict verdict;
  memset(&verdict, 0xee, sizeof verdict);
  verdict.struct_size = sizeof verdict;
  return verdict;
}
#endif
