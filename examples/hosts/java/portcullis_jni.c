/* The glue between Portcullis.java, which lays out the structs in direct buffers, and the C ABI. Nothing is copied here. */
#include "Portcullis.h"
#include "portcullis.h"
#include <assert.h>

static_assert(sizeof(portcullis_request) == Portcullis_REQUEST && offsetof(portcullis_request, client_ip) == 80, "another portcullis_request");
static_assert(sizeof(portcullis_verdict) == Portcullis_VERDICT && offsetof(portcullis_verdict, kid) == 168, "another portcullis_verdict");

static void check(JNIEnv *env, portcullis_result result, const char *message) {
  if (result == PORTCULLIS_OK) return;
  jclass kind = (*env)->FindClass(env, "java/lang/IllegalStateException");
  if (kind != NULL) (*env)->ThrowNew(env, kind, message != NULL && *message ? message : portcullis_result_message(result));
}

static portcullis_slice whole(JNIEnv *env, jobject buffer) {
  return (portcullis_slice){(*env)->GetDirectBufferAddress(env, buffer), (size_t)(*env)->GetDirectBufferCapacity(env, buffer)};
}

JNIEXPORT jlong JNICALL Java_Portcullis_openEngine(JNIEnv *env, jclass own, jobject document) {
  char message[512] = "libportcullis has another ABI version";
  portcullis_engine *engine = NULL;
  bool other = portcullis_abi_version() != PORTCULLIS_ABI_VERSION;
  check(env, other ? PORTCULLIS_INTERNAL : portcullis_engine_open(whole(env, document), &engine, message, sizeof message), message);
  return (jlong)(uintptr_t)engine;
}

JNIEXPORT jlong JNICALL Java_Portcullis_openWorker(JNIEnv *env, jclass own, jlong engine) {
  portcullis_worker *worker = NULL;
  check(env, portcullis_worker_open((portcullis_engine *)(uintptr_t)engine, &worker), NULL);
  return (jlong)(uintptr_t)worker;
}

JNIEXPORT void JNICALL Java_Portcullis_load(JNIEnv *env, jclass own, jlong engine, jobject document) {
  char message[512] = "";
  check(env, portcullis_engine_load((portcullis_engine *)(uintptr_t)engine, whole(env, document), message, sizeof message), message);
}

JNIEXPORT void JNICALL Java_Portcullis_close(JNIEnv *env, jclass own, jlong engine, jlong worker) {
  portcullis_result first = portcullis_worker_close((portcullis_worker *)(uintptr_t)worker);
  portcullis_result second = portcullis_engine_close((portcullis_engine *)(uintptr_t)engine);
  check(env, first != PORTCULLIS_OK ? first : second, NULL);
}

JNIEXPORT jlong JNICALL Java_Portcullis_address(JNIEnv *env, jclass own, jobject buffer) { return (jlong)(uintptr_t)whole(env, buffer).ptr; }

/* The requests lie first in the buffer, room for their verdicts after them. */
JNIEXPORT void JNICALL Java_Portcullis_verify(JNIEnv *env, jclass own, jlong worker, jobject buffer, jint count) {
  const portcullis_request *requests = (const portcullis_request *)whole(env, buffer).ptr;
  portcullis_verdict *verdicts = (portcullis_verdict *)(uintptr_t)(requests + count);
  check(env, portcullis_verify_batch((portcullis_worker *)(uintptr_t)worker, requests, (size_t)count, verdicts), NULL);
}

JNIEXPORT jstring JNICALL Java_Portcullis_reasonName(JNIEnv *env, jclass own, jint reason) {
  return (*env)->NewStringUTF(env, portcullis_reason_name((uint16_t)reason));
}
