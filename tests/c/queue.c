/* Submit and reap: from many threads, full, across a fork, closed early; and every wrong call. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "check.h"
#include <dirent.h>
#include <poll.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#define THREADS 4
#define EACH 250
static const char config[] =
    "{\"version\":1,\"state\":{\"nonces\":10000,\"birth_rule\":\"off\"},"
    "\"apps\":[{\"app_id\":\"p10001\",\"status\":\"active\",\"level\":\"A1\",\"profiles\":[\"openapi\"],\"allow_weak\":true,"
    "\"credentials\":[{\"kid\":\"k1\",\"alg\":\"md5\",\"secret\":\"k3y\"}]}]}";
static const char good[] = "/token?nonce=abc123&partnerId=p10001&timestamp=1700000000&sign=2f9ca37c0612118fb1b01b74e6854589";
static const portcullis_slice NONE = {NULL, 0};

static portcullis_engine *engine = NULL;
static portcullis_signer *signer = NULL;
/* Threads before any queue. */
static int before = 0;

static int threads_of_this_process(void) {
  int count = 0;
  DIR *folder = opendir("/proc/self/task");
  if (folder == NULL) return -1;
  for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) count += entry->d_name[0] != '.';
  closedir(folder);
  return count;
}

/* Waits for one or the other: a thread that was joined may be listed for a moment more. */
static bool threads_become_either(int want, int other) {
  for (int i = 0; i < 60000; i++) {
    int now = threads_of_this_process();
    if (now == want || now == other) return true;
    usleep(1000);
  }
  return false;
}

static bool threads_become(int want) { return threads_become_either(want, want); }

/* Whether every other thread of this process sleeps at the moment. */
static bool others_sleep(void) {
  bool all = true;
  DIR *folder = opendir("/proc/self/task");
  if (folder == NULL) return false;
  for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
    char path[300], line[300] = "";
    if (entry->d_name[0] == '.' || atoi(entry->d_name) == getpid()) continue;
    snprintf(path, sizeof path, "/proc/self/task/%s/stat", entry->d_name);
    FILE *file = fopen(path, "r");
    if (file == NULL) continue;
    const char *end = fgets(line, sizeof line, file) != NULL ? strrchr(line, ')') : NULL;
    all = all && end != NULL && end[1] == ' ' && end[2] == 'S';
    fclose(file);
  }
  closedir(folder);
  return all;
}

/* Waits until the pool's threads have come to rest. A child of fork may then allocate under GCC's address sanitizer too, whose allocator's locks
   are as another thread has them in that moment; the C library's own allocator takes care of that. */
static bool pool_is_at_rest(void) {
  int looks = 0;
  for (int i = 0; i < 60000 && looks < 20; i++) {
    looks = others_sleep() ? looks + 1 : 0;
    usleep(1000);
  }
  return looks == 20;
}

static bool readable(int fd, int ms) {
  struct pollfd one = {fd, POLLIN, 0};
  return poll(&one, 1, ms) == 1 && (one.revents & POLLIN) != 0;
}

/* Reaps until `want` came, waiting on the descriptor between; `seen[user]` counts. Returns how many were accepted. */
static size_t reap_all(portcullis_queue *queue, int fd, size_t want, uint8_t *seen, size_t users) {
  portcullis_completion done[16];
  size_t accepted = 0, got = 0;
  while (got < want) {
    size_t count = 99;
    CHECK(readable(fd, 30000));
    for (size_t i = 0; i < 16; i++) done[i].struct_size = sizeof done[i];
    CHECK(portcullis_reap(queue, done, 16, &count) == PORTCULLIS_OK);
    if (count > 16) break;
    for (size_t i = 0; i < count; i++) {
      CHECK(done[i].user < users && done[i].verdict.struct_size == sizeof(portcullis_verdict));
      if (done[i].user < users) seen[done[i].user]++;
      accepted += done[i].verdict.reason == PORTCULLIS_REASON_OK;
    }
    got += count;
    if (failures > 20) break;
  }
  return accepted;
}

struct submitter {
  portcullis_queue *queue;
  uint64_t first;
};

/* Submits signed requests, every fifth of them tampered with, from memory that is overwritten at once. */
static void *submit_many(void *argument) {
  struct submitter *own = (struct submitter *)argument;
  uint64_t buffer[256];
  for (uint64_t i = 0; i < EACH; i++) {
    portcullis_request request = get("/get?amount=100");
    portcullis_signed out;
    memset(&out, 0, sizeof out);
    out.struct_size = sizeof out;
    CHECK(portcullis_sign(signer, &request, NONE, (uint8_t *)buffer, sizeof buffer, &out, NULL, 0) == PORTCULLIS_OK);
    if (i % 5 == 0) ((uint8_t *)buffer)[(size_t)(out.target.ptr - (uint8_t *)buffer) + out.target.len - 1] ^= 1;
    request.target = out.target;
    portcullis_header line = {text("x-a"), text("b")};
    request.headers = &line;
    request.header_count = 1;
    portcullis_result result;
    while ((result = portcullis_submit(own->queue, &request, own->first + i)) == PORTCULLIS_BUSY) usleep(100);
    CHECK(result == PORTCULLIS_OK);
    memset(buffer, 'x', sizeof buffer);
  }
  return NULL;
}

/* By the pool alone, or also by whoever finds that its request comes alone: how many that are is the machine's business, none to all. */
static void many_threads(uint32_t flags) {
  uint8_t seen[THREADS * EACH] = {0};
  pthread_t threads[THREADS];
  struct submitter submitters[THREADS];
  portcullis_queue *queue = NULL;
  portcullis_queue_options options = {sizeof options, 2, 64, flags};
  int fd = -1;
  CHECK(portcullis_queue_open(engine, &options, &queue, &fd) == PORTCULLIS_OK && fd >= 0);
  CHECK(threads_become(before));
  for (size_t i = 0; i < THREADS; i++) {
    submitters[i].queue = queue;
    submitters[i].first = i * EACH;
    CHECK(pthread_create(&threads[i], NULL, submit_many, &submitters[i]) == 0);
  }
  size_t accepted = reap_all(queue, fd, THREADS * EACH, seen, THREADS * EACH);
  for (size_t i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
  CHECK(accepted == THREADS * EACH / 5 * 4);
  for (size_t i = 0; i < THREADS * EACH; i++) CHECK(seen[i] == 1);
  CHECK(threads_become_either(flags == 0 ? before : before + 2, before + 2));
  CHECK(portcullis_queue_close(queue) == PORTCULLIS_OK);
  CHECK(threads_become(before));
}

/* A request that comes alone is there when the call returns, and no thread was started for it; with the pool alone it takes one. */
static void alone(void) {
  portcullis_completion one;
  one.struct_size = sizeof one;
  for (uint32_t flags = 0; flags <= PORTCULLIS_QUEUE_POOL_ONLY; flags++) {
    portcullis_queue *queue = NULL;
    portcullis_queue_options options = {sizeof options, 1, 4, flags};
    int fd = -1;
    size_t count = 7;
    CHECK(portcullis_queue_open(engine, &options, &queue, &fd) == PORTCULLIS_OK);
    portcullis_request request = get("/nothing");
    usleep(2000);
    request.header_count = 1;
    CHECK(portcullis_submit(queue, &request, 1) == PORTCULLIS_NULL);
    CHECK(portcullis_reap(queue, &one, 1, &count) == PORTCULLIS_OK && count == 0);
    request.header_count = 0;
    usleep(2000);
    CHECK(portcullis_submit(queue, &request, 77) == PORTCULLIS_OK);
    CHECK(threads_become(before + (int)flags));
    CHECK(readable(fd, flags == 0 ? 0 : 30000));
    CHECK(portcullis_reap(queue, &one, 1, &count) == PORTCULLIS_OK && count == 1);
    CHECK(one.user == 77 && one.verdict.reason == PORTCULLIS_REASON_MISSING_SIGNATURE);
    CHECK(!readable(fd, 0));
    /* Too large to be judged in passing. */
    static char large[20000];
    memset(large, 'x', sizeof large);
    request.body.ptr = (const uint8_t *)large;
    request.body.len = sizeof large;
    usleep(2000);
    CHECK(portcullis_submit(queue, &request, 78) == PORTCULLIS_OK);
    CHECK(threads_become(before + 1));
    CHECK(readable(fd, 30000));
    CHECK(portcullis_reap(queue, &one, 1, &count) == PORTCULLIS_OK && count == 1 && one.user == 78);
    CHECK(portcullis_queue_close(queue) == PORTCULLIS_OK);
  }
}

static void full_and_early(void) {
  uint8_t seen[8] = {0};
  size_t count = 7;
  portcullis_queue *queue = NULL;
  portcullis_queue_options options = {sizeof options, 1, 4, 0};
  portcullis_completion one;
  int fd = -1;
  one.struct_size = sizeof one;
  CHECK(portcullis_queue_open(engine, &options, &queue, &fd) == PORTCULLIS_OK);
  CHECK(portcullis_reap(queue, &one, 1, &count) == PORTCULLIS_OK && count == 0);
  CHECK(!readable(fd, 0));
  portcullis_request request = get("/nothing");
  for (uint64_t i = 0; i < 4; i++) CHECK(portcullis_submit(queue, &request, i) == PORTCULLIS_OK);
  /* A place is free when its verdict is reaped, not before. */
  CHECK(portcullis_submit(queue, &request, 4) == PORTCULLIS_BUSY);
  CHECK(readable(fd, 30000));
  CHECK(portcullis_reap(queue, &one, 1, &count) == PORTCULLIS_OK && count == 1);
  CHECK(one.verdict.reason == PORTCULLIS_REASON_MISSING_SIGNATURE && strcmp(one.verdict.code, "9993") == 0);
  seen[one.user & 7]++;
  CHECK(portcullis_submit(queue, &request, 4) == PORTCULLIS_OK);
  reap_all(queue, fd, 4, seen, 8);
  for (size_t i = 0; i < 5; i++) CHECK(seen[i] == 1);

  /* What was accepted and not reaped is given back. */
  request = get(good);
  CHECK(portcullis_submit(queue, &request, 5) == PORTCULLIS_OK);
  CHECK(readable(fd, 30000));
  CHECK(portcullis_queue_close(queue) == PORTCULLIS_OK);
  CHECK(portcullis_queue_close(queue) == PORTCULLIS_BAD_HANDLE);
  CHECK(portcullis_submit(queue, &request, 5) == PORTCULLIS_BAD_HANDLE);
  CHECK(portcullis_reap(queue, &one, 1, &count) == PORTCULLIS_BAD_HANDLE);
  CHECK(portcullis_queue_open(engine, &options, &queue, &fd) == PORTCULLIS_OK);
  CHECK(portcullis_submit(queue, &request, 5) == PORTCULLIS_OK);
  CHECK(reap_all(queue, fd, 1, seen, 8) == 1);
  CHECK(portcullis_queue_close(queue) == PORTCULLIS_OK);
  /* Closed before anything was submitted. */
  CHECK(portcullis_queue_open(engine, NULL, &queue, &fd) == PORTCULLIS_OK);
  CHECK(portcullis_queue_close(queue) == PORTCULLIS_OK);
}

static void wrong_calls(void) {
  portcullis_queue *queue = NULL;
  portcullis_queue_options options = {sizeof options, 257, 4, 0};
  portcullis_completion two[2];
  portcullis_request request = get("/nothing");
  size_t count = 7;
  int fd = -1;
  CHECK(portcullis_queue_open(engine, &options, &queue, &fd) == PORTCULLIS_BAD_ARGUMENT);
  options.threads = 1;
  options.capacity = 65537;
  CHECK(portcullis_queue_open(engine, &options, &queue, &fd) == PORTCULLIS_BAD_ARGUMENT);
  options.capacity = 4;
  options.flags = 2;
  CHECK(portcullis_queue_open(engine, &options, &queue, &fd) == PORTCULLIS_BAD_ARGUMENT);
  options.struct_size = 1;
  CHECK(portcullis_queue_open(engine, &options, &queue, &fd) == PORTCULLIS_BAD_STRUCT_SIZE);
  CHECK(portcullis_queue_open(engine, NULL, NULL, &fd) == PORTCULLIS_NULL);
  CHECK(portcullis_queue_open(engine, NULL, &queue, NULL) == PORTCULLIS_NULL);
  CHECK(portcullis_queue_open(NULL, NULL, &queue, &fd) == PORTCULLIS_BAD_HANDLE);
  CHECK(portcullis_queue_close(NULL) == PORTCULLIS_BAD_HANDLE);
  CHECK(queue == NULL);
  CHECK(portcullis_queue_open(engine, NULL, &queue, &fd) == PORTCULLIS_OK);
  CHECK(portcullis_submit(queue, NULL, 0) == PORTCULLIS_NULL);
  CHECK(portcullis_submit(NULL, &request, 0) == PORTCULLIS_BAD_HANDLE);
  request.client_ip = text("no address");
  CHECK(portcullis_submit(queue, &request, 0) == PORTCULLIS_BAD_ARGUMENT);
  request = get("/nothing");
  request.header_count = 1;
  CHECK(portcullis_submit(queue, &request, 0) == PORTCULLIS_NULL);
  request = get("/nothing");
  request.body.len = 1;
  CHECK(portcullis_submit(queue, &request, 0) == PORTCULLIS_NULL);
  request.struct_size = 8;
  CHECK(portcullis_submit(queue, &request, 0) == PORTCULLIS_BAD_STRUCT_SIZE);
  CHECK(portcullis_reap(queue, NULL, 1, &count) == PORTCULLIS_NULL);
  CHECK(portcullis_reap(queue, two, 2, NULL) == PORTCULLIS_NULL);
  CHECK(portcullis_reap(queue, NULL, 0, &count) == PORTCULLIS_OK && count == 0);
  two[0].struct_size = 1;
  CHECK(portcullis_reap(queue, two, 2, &count) == PORTCULLIS_BAD_STRUCT_SIZE && count == 0);
  CHECK(portcullis_queue_close(queue) == PORTCULLIS_OK);
}

static void across_a_fork(void) {
  uint8_t seen[2] = {0};
  portcullis_queue *queue = NULL;
  portcullis_worker *worker = NULL;
  portcullis_request request = get("/nothing");
  int fd = -1, status = -1;
  CHECK(portcullis_worker_open(engine, &worker) == PORTCULLIS_OK);
  CHECK(portcullis_queue_open(engine, NULL, &queue, &fd) == PORTCULLIS_OK);
  CHECK(portcullis_submit(queue, &request, 0) == PORTCULLIS_OK);
  reap_all(queue, fd, 1, seen, 2);
  fflush(NULL);
  CHECK(pool_is_at_rest());
  pid_t child = fork();
  if (child == 0) {
    portcullis_completion one;
    portcullis_queue *own = NULL;
    portcullis_verdict verdict = verdict_of();
    size_t count = 0;
    one.struct_size = sizeof one;
    failures = 0;
    CHECK(portcullis_submit(queue, &request, 0) == PORTCULLIS_FORKED);
    CHECK(portcullis_reap(queue, &one, 1, &count) == PORTCULLIS_FORKED);
    CHECK(portcullis_queue_close(queue) == PORTCULLIS_OK);
    CHECK(portcullis_queue_close(queue) == PORTCULLIS_BAD_HANDLE);
    /* Engines and workers go on. */
    CHECK(portcullis_verify(worker, &request, &verdict) == PORTCULLIS_OK && verdict.reason == PORTCULLIS_REASON_MISSING_SIGNATURE);
    CHECK(portcullis_queue_open(engine, NULL, &own, &fd) == PORTCULLIS_OK);
    CHECK(portcullis_submit(own, &request, 1) == PORTCULLIS_OK);
    reap_all(own, fd, 1, seen, 2);
    CHECK(portcullis_queue_close(own) == PORTCULLIS_OK);
    _exit(failures != 0);
  }
  CHECK(child > 0 && waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  /* The parent's is as it was. */
  CHECK(portcullis_submit(queue, &request, 1) == PORTCULLIS_OK);
  reap_all(queue, fd, 1, seen, 2);
  CHECK(seen[0] == 1 && seen[1] == 1);
  CHECK(portcullis_queue_close(queue) == PORTCULLIS_OK);
  CHECK(portcullis_worker_close(worker) == PORTCULLIS_OK);
}

int main(void) {
  char message[256] = "";
  portcullis_signer_options options;
  memset(&options, 0, sizeof options);
  options.struct_size = sizeof options;
  options.profile = text("openapi");
  options.app_id = text("p10001");
  CHECK(portcullis_engine_open(text(config), &engine, message, sizeof message) == PORTCULLIS_OK);
  CHECK(portcullis_signer_open(engine, &options, &signer, message, sizeof message) == PORTCULLIS_OK);
  before = threads_of_this_process();
  many_threads(0);
  many_threads(PORTCULLIS_QUEUE_POOL_ONLY);
  alone();
  full_and_early();
  wrong_calls();
  across_a_fork();
  CHECK(portcullis_signer_close(signer) == PORTCULLIS_OK);
  CHECK(portcullis_engine_close(engine) == PORTCULLIS_OK);
  if (failures == 0) puts("c queue: ok");
  return failures != 0;
}
