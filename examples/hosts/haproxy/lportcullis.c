/* portcullis for Lua 5.3 without FFI, as HAProxy has it. One engine for all threads of the process, opened with the first request: HAProxy loads its
 * Lua files before it forks. One worker for each Lua state, which HAProxy (lua-load-per-thread) has one of for each thread. */
#include "portcullis.h"
#include <lauxlib.h>
#include <lua.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

int luaopen_lportcullis(lua_State *L);

enum { HEADERS_MAX = 128 };
static pthread_mutex_t opening = PTHREAD_MUTEX_INITIALIZER;
static portcullis_engine *engine = NULL;
static char worker_key;

static portcullis_slice slice(lua_State *L, int index) {
  portcullis_slice slice;
  slice.ptr = (const uint8_t *)luaL_optlstring(L, index, "", &slice.len);
  return slice;
}

static int failed(lua_State *L, portcullis_result result, const char *message) {
  lua_pushnil(L);
  lua_pushstring(L, message != NULL && *message ? message : portcullis_result_message(result));
  return 2;
}

/* open(document): the engine, if nobody has opened it, and this state's worker. true, or nil and why. */
static int l_open(lua_State *L) {
  char message[512] = "";
  portcullis_worker *worker = NULL;
  portcullis_slice document = slice(L, 1);
  if (portcullis_abi_version() != PORTCULLIS_ABI_VERSION) return failed(L, 0, "libportcullis has another ABI version");
  pthread_mutex_lock(&opening);
  portcullis_result result = engine != NULL ? PORTCULLIS_OK : portcullis_engine_open(document, &engine, message, sizeof message);
  pthread_mutex_unlock(&opening);
  if (result == PORTCULLIS_OK) {
    message[0] = '\0';
    result = portcullis_worker_open(engine, &worker);
  }
  if (result != PORTCULLIS_OK) return failed(L, result, message);
  lua_pushlightuserdata(L, worker);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &worker_key);
  lua_pushboolean(L, 1);
  return 1;
}

/* load(document): another document for all threads. true, or nil and why. */
static int l_load(lua_State *L) {
  char message[512] = "";
  portcullis_result result = portcullis_engine_load(engine, slice(L, 1), message, sizeof message);
  if (result != PORTCULLIS_OK) return failed(L, result, message);
  lua_pushboolean(L, 1);
  return 1;
}

/* verify(method, target, headers, body, client_ip): reason, status, code, app id; or nil and why. headers is an array of {name, value}. */
static int l_verify(lua_State *L) {
  portcullis_header lines[HEADERS_MAX];
  portcullis_request request;
  portcullis_verdict verdict;
  memset(&request, 0, sizeof request);
  request.struct_size = sizeof request;
  verdict.struct_size = sizeof verdict;
  request.method = slice(L, 1);
  request.target = slice(L, 2);
  request.body = slice(L, 4);
  request.client_ip = slice(L, 5);
  luaL_checktype(L, 3, LUA_TTABLE);
  size_t count = (size_t)lua_rawlen(L, 3);
  if (count > HEADERS_MAX) return failed(L, PORTCULLIS_BAD_ARGUMENT, "too many headers");
  for (size_t i = 0; i < count; i++) {
    /* The texts stay referenced by the caller's table. */
    lua_rawgeti(L, 3, (lua_Integer)i + 1);
    lua_rawgeti(L, -1, 1);
    lua_rawgeti(L, -2, 2);
    lines[i].name = slice(L, -2);
    lines[i].value = slice(L, -1);
    lua_pop(L, 3);
  }
  request.headers = lines;
  request.header_count = count;
  lua_rawgetp(L, LUA_REGISTRYINDEX, &worker_key);
  portcullis_result result = portcullis_verify(lua_touserdata(L, -1), &request, &verdict);
  if (result != PORTCULLIS_OK) return failed(L, result, NULL);
  lua_pushstring(L, portcullis_reason_name(verdict.reason));
  lua_pushinteger(L, verdict.http_status);
  lua_pushstring(L, verdict.code);
  lua_pushstring(L, verdict.app_id);
  return 4;
}

/* metrics(): the counters in the text format of Prometheus; or nil and why. */
static int l_metrics(lua_State *L) {
  static const size_t SIZE = 1 << 16;
  luaL_Buffer text;
  size_t length = 0;
  portcullis_result result = portcullis_metrics(engine, luaL_buffinitsize(L, &text, SIZE), SIZE, &length);
  luaL_pushresultsize(&text, result == PORTCULLIS_OK ? length : 0);
  return result == PORTCULLIS_OK ? 1 : failed(L, result, NULL);
}

int luaopen_lportcullis(lua_State *L) {
  static const luaL_Reg functions[] = {{"open", l_open}, {"load", l_load}, {"verify", l_verify}, {"metrics", l_metrics}, {NULL, NULL}};
  luaL_newlib(L, functions);
  return 1;
}
