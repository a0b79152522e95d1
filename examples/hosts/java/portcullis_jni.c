/* The glue between Portcullis.java and the C ABI. Bytes are copied out of the Java heap for the time of a call. */
#include "Portcullis.h"
#include "portcullis.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void throw_result(JNIEnv *env, portcullis_result result, const char *message) {
  jclass kind = (*env)->FindClass(env, "java/lang/IllegalStateException");
  if (kind != NULL) (*env)->ThrowNew(env, kind, message != NULL && *message ? message : portcullis_result_message(result));
}

/* A copy of a Java array, to be freed by the caller. */
static portcullis_slice copy(JNIEnv *env, jbyteArray array) {
  portcullis_slice slice = {NULL, 0};
  if (array == NULL) return slice;
  jsize length = (*env)->GetArrayLength(env, array);
  uint8_t *bytes = malloc((size_t)length + 1);
  if (bytes == NULL) return slice;
  (*env)->GetByteArrayRegion(env, array, 0, length, (jbyte *)bytes);
  slice.ptr = bytes;
  slice.len = (size_t)length;
  return slice;
}

JNIEXPORT jlong JNICALL Java_Portcullis_openEngine(JNIEnv *env, jclass own, jbyteArray document) {
  char message[512] = "";
  portcullis_engine *engine = NULL;
  if (portcullis_abi_version() != PORTCULLIS_ABI_VERSION) {
    throw_result(env, 0, "libportcullis has another ABI version");
    return 0;
  }
  portcullis_slice text = copy(env, document);
  portcullis_result result = portcullis_engine_open(text, &engine, message, sizeof message);
  free((void *)text.ptr);
  if (result != PORTCULLIS_OK) throw_result(env, result, message);
  return (jlong)(uintptr_t)engine;
}

JNIEXPORT jlong JNICALL Java_Portcullis_openWorker(JNIEnv *env, jclass own, jlong engine) {
  portcullis_worker *worker = NULL;
  portcullis_result result = portcullis_worker_open((portcullis_engine *)(uintptr_t)engine, &worker);
  if (result != PORTCULLIS_OK) throw_result(env, result, NULL);
  return (jlong)(uintptr_t)worker;
}

JNIEXPORT void JNICALL Java_Portcullis_load(JNIEnv *env, jclass own, jlong engine, jbyteArray document) {
  char message[512] = "";
  portcullis_slice text = copy(env, document);
  portcullis_result result = portcullis_engine_load((portcullis_engine *)(uintptr_t)engine, text, message, sizeof message);
  free((void *)text.ptr);
  if (result != PORTCULLIS_OK) throw_result(env, result, message);
}

JNIEXPORT void JNICALL Java_Portcullis_close(JNIEnv *env, jclass own, jlong engine, jlong worker) {
  portcullis_result first = portcullis_worker_close((portcullis_worker *)(uintptr_t)worker);
  portcullis_result second = portcullis_engine_close((portcullis_engine *)(uintptr_t)engine);
  if (first != PORTCULLIS_OK || second != PORTCULLIS_OK) throw_result(env, first != PORTCULLIS_OK ? first : second, NULL);
}

JNIEXPORT jobjectArray JNICALL Java_Portcullis_verify(JNIEnv *env, jclass own, jlong worker, jobjectArray parts, jlongArray times) {
  size_t count = (size_t)(*env)->GetArrayLength(env, parts);
  portcullis_request *requests = calloc(count + 1, sizeof *requests);
  portcullis_verdict *verdicts = calloc(count + 1, sizeof *verdicts);
  portcullis_header **lines = calloc(count + 1, sizeof *lines);
  jobjectArray texts = NULL;
  portcullis_result result = PORTCULLIS_INTERNAL;
  for (size_t i = 0; requests && verdicts && lines && i < count; i++) {
    jobjectArray one = (*env)->GetObjectArrayElement(env, parts, (jsize)i);
    jsize length = (*env)->GetArrayLength(env, one);
    jlong time;
    (*env)->GetLongArrayRegion(env, times, (jsize)i, 1, &time);
    requests[i].struct_size = sizeof *requests;
    verdicts[i].struct_size = sizeof *verdicts;
    requests[i].received_at_ms = time;
    lines[i] = calloc((size_t)length + 1, sizeof **lines);
    portcullis_slice *first[4] = {&requests[i].method, &requests[i].target, &requests[i].body, &requests[i].client_ip};
    for (jsize j = 0; lines[i] != NULL && j < length; j++) {
      jbyteArray bytes = (*env)->GetObjectArrayElement(env, one, j);
      portcullis_header *line = &lines[i][j < 4 ? 0 : (j - 4) / 2];
      *(j < 4 ? first[j] : j % 2 == 0 ? &line->name : &line->value) = copy(env, bytes);
      (*env)->DeleteLocalRef(env, bytes);
    }
    requests[i].headers = lines[i];
    requests[i].header_count = length > 4 ? (size_t)(length - 4) / 2 : 0;
    (*env)->DeleteLocalRef(env, one);
  }
  if (requests && verdicts && lines) result = portcullis_verify_batch((portcullis_worker *)(uintptr_t)worker, requests, count, verdicts);
  if (result == PORTCULLIS_OK) texts = (*env)->NewObjectArray(env, (jsize)(5 * count), (*env)->FindClass(env, "java/lang/String"), NULL);
  for (size_t i = 0; texts != NULL && i < count; i++) {
    char status[8];
    snprintf(status, sizeof status, "%u", verdicts[i].http_status);
    const char *said[5] = {portcullis_reason_name(verdicts[i].reason), status, verdicts[i].code, verdicts[i].app_id, verdicts[i].kid};
    for (size_t j = 0; j < 5; j++) {
      jstring text = (*env)->NewStringUTF(env, said[j]);
      (*env)->SetObjectArrayElement(env, texts, (jsize)(5 * i + j), text);
      (*env)->DeleteLocalRef(env, text);
    }
  }
  for (size_t i = 0; requests && lines && i < count; i++) {
    const portcullis_slice first[4] = {requests[i].method, requests[i].target, requests[i].body, requests[i].client_ip};
    for (size_t j = 0; j < 4; j++) free((void *)first[j].ptr);
    for (size_t j = 0; lines[i] != NULL && j < requests[i].header_count; j++) {
      free((void *)lines[i][j].name.ptr);
      free((void *)lines[i][j].value.ptr);
    }
    free(lines[i]);
  }
  free(lines);
  free(verdicts);
  free(requests);
  if (result != PORTCULLIS_OK) throw_result(env, result, NULL);
  return texts;
}
