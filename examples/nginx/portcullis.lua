-- portcullis for nginx with Lua (OpenResty, Kong and APISIX plugins call it the same way): verifies a request in access_by_lua.
--
--   init_worker_by_lua_block { require("portcullis").open("/etc/portcullis.json"); require("portcullis").watch("/etc/portcullis.json", 1) }
--   access_by_lua_block      { require("portcullis").guard() }
--   content_by_lua_block     { require("portcullis").metrics() }
--
-- The engine is opened in each worker process, after nginx has forked; with `state.path` in the document all workers share one memory
-- of nonces and limits.
local ffi = require("ffi")

ffi.cdef [[
typedef struct { const uint8_t *ptr; size_t len; } portcullis_slice;
typedef struct { portcullis_slice name; portcullis_slice value; } portcullis_header;
typedef struct {
  uint32_t struct_size; uint32_t reserved; int64_t received_at_ms;
  portcullis_slice method; portcullis_slice target;
  const portcullis_header *headers; size_t header_count;
  portcullis_slice body; portcullis_slice client_ip; portcullis_slice scheme; portcullis_slice authority;
  portcullis_slice profile; portcullis_slice app_id;
  portcullis_slice tls; portcullis_slice peer_certificate_sha256; portcullis_slice trace_id;
} portcullis_request;
typedef struct {
  uint32_t struct_size; uint16_t reason; uint16_t http_status; uint64_t retry_after_ms; uint64_t ticket[3]; uint64_t one_time[3];
  uint32_t alert; uint32_t reserved;
  char code[24]; char app_id[72]; char kid[72]; char api_id[40];
} portcullis_verdict;
typedef struct portcullis_engine portcullis_engine;
typedef struct portcullis_worker portcullis_worker;
int portcullis_engine_open(portcullis_slice config, portcullis_engine **engine, char *message, size_t message_len);
int portcullis_engine_load(portcullis_engine *engine, portcullis_slice config, char *message, size_t message_len);
int portcullis_worker_open(portcullis_engine *engine, portcullis_worker **worker);
int portcullis_verify_batch(portcullis_worker *worker, const portcullis_request *requests, size_t count, portcullis_verdict *verdicts);
int portcullis_metrics(portcullis_engine *engine, char *buffer, size_t buffer_len, size_t *length);
const char *portcullis_reason_name(uint16_t reason);
const char *portcullis_result_message(int result);
uint32_t portcullis_abi_version(void);
]]

local ABI = 2
local HEADERS_MAX = 128
local BATCH_MAX = 64
local M = {}
local lib, engine, worker
local message = ffi.new("char[512]")
local SIZES = { request = ffi.sizeof("portcullis_request"), verdict = ffi.sizeof("portcullis_verdict") }

local function put(slice, text)
  -- LuaJIT strings stay where they are while they are referenced; every text below is held in a local until the call returns.
  slice.ptr = ffi.cast("const uint8_t *", text)
  slice.len = #text
end

local function read(path)
  local file, why = io.open(path, "rb")
  if not file then return nil, why end
  local text = file:read("*a")
  file:close()
  return text
end

--- Opens the engine of this worker process.
function M.open(path, library)
  lib = ffi.load(library or "portcullis")
  if lib.portcullis_abi_version() ~= ABI then return nil, "libportcullis has another ABI version" end
  local text, why = read(path)
  if not text then return nil, why end
  local config, out = ffi.new("portcullis_slice"), ffi.new("portcullis_engine *[1]")
  put(config, text)
  local result = lib.portcullis_engine_open(config, out, message, 512)
  if result ~= 0 then return nil, ffi.string(message) end
  engine = out[0]
  local handle = ffi.new("portcullis_worker *[1]")
  result = lib.portcullis_worker_open(engine, handle)
  if result ~= 0 then return nil, ffi.string(lib.portcullis_result_message(result)) end
  worker = handle[0]
  return true
end

--- Puts another document in force without a reload of nginx; one that is refused changes nothing.
function M.load(path)
  local text, why = read(path)
  if not text then return nil, why end
  local config = ffi.new("portcullis_slice")
  put(config, text)
  if lib.portcullis_engine_load(engine, config, message, 512) ~= 0 then return nil, ffi.string(message) end
  return true
end

--- Looks every `seconds` whether the document at `path` changed, and puts it in force where it did, in this worker; every worker looks for
--- itself. Call it in init_worker_by_lua. Replace the document by rename, so that nobody reads half of one; one that is refused is logged, and what was in
--- force stays.
function M.watch(path, seconds)
  local last = read(path)
  return ngx.timer.every(seconds, function()
    local text = read(path)
    if not text or text == last then return end
    last = text
    local ok, why = M.load(path)
    ngx.log(ok and ngx.NOTICE or ngx.ERR, "portcullis: ", ok and "another document is in force" or why)
  end)
end

--- For content_by_lua: what all workers have counted, for Prometheus. Let only the operator's network have it.
function M.metrics()
  if not engine then return ngx.exit(503) end
  local size, length = 65536, ffi.new("size_t[1]")
  local text = ffi.new("char[?]", size)
  if lib.portcullis_metrics(engine, text, size, length) ~= 0 then return ngx.exit(500) end
  ngx.header["Content-Type"] = "text/plain; version=0.0.4"
  ngx.print(ffi.string(text, length[0]))
end

-- Requests that are judged together: their structs, the strings that these point to, and who has yet to read a verdict.
local function new_batch(size)
  return {
    size = size, count = 0, unread = 0, texts = {},
    requests = ffi.new("portcullis_request[?]", size), verdicts = ffi.new("portcullis_verdict[?]", size),
    headers = ffi.new("portcullis_header[?]", size * HEADERS_MAX),
  }
end
local alone, gathering, spare = new_batch(1), nil, {}

local function add(batch, method, target, fields, body, client_ip)
  local index = batch.count
  batch.count = index + 1
  local request, headers = batch.requests[index], batch.headers + index * HEADERS_MAX
  ffi.fill(request, SIZES.request)
  request.struct_size = SIZES.request
  batch.verdicts[index].struct_size = SIZES.verdict
  put(request.method, method)
  put(request.target, target)
  put(request.body, body)
  put(request.client_ip, client_ip)
  local count = 0
  local function header(name, value)
    if count == HEADERS_MAX then return end
    put(headers[count].name, name)
    put(headers[count].value, value)
    count = count + 1
  end
  for name, value in pairs(fields) do
    if type(value) == "table" then
      for _, one in ipairs(value) do header(name, one) end
    else
      header(name, value)
    end
  end
  request.headers = headers
  request.header_count = count
  -- Held until the batch is judged.
  batch.texts[index + 1] = { method, target, fields, body, client_ip }
  return index
end

local function judge(batch)
  batch.result = lib.portcullis_verify_batch(worker, batch.requests, batch.count, batch.verdicts)
  batch.texts = {}
end

local function read_verdict(batch, index)
  if batch.result ~= 0 then return "internal", 500, nil end
  local verdict = batch.verdicts[index]
  return ffi.string(lib.portcullis_reason_name(verdict.reason)), verdict.http_status, verdict
end

--- Judges a request: its parts as strings, its headers as ngx.req.get_headers gives them. Returns the verdict's reason, status and struct, which
--- is good until the next call.
function M.verify(...)
  alone.count = 0
  local index = add(alone, ...)
  judge(alone)
  return read_verdict(alone, index)
end

--- As M.verify, together with all requests that this worker process has at hand at the moment: it yields once, until nginx has seen to
--- every other connection that is readable. Worth it for signatures, where many are verified in little more time than one; not for MACs.
function M.verify_gathered(...)
  if gathering and gathering.count == gathering.size then gathering = nil end
  if not gathering then
    gathering = table.remove(spare) or new_batch(BATCH_MAX)
    gathering.count, gathering.unread, gathering.judged = 0, 0, false
  end
  local batch = gathering
  local index = add(batch, ...)
  batch.unread = batch.unread + 1
  ngx.sleep(0)
  -- The first one that goes on judges for all.
  if not batch.judged then
    batch.judged = true
    if gathering == batch then gathering = nil end
    judge(batch)
  end
  local reason, status, verdict = read_verdict(batch, index)
  batch.unread = batch.unread - 1
  -- Its verdicts are read by then, or copied out before this thread yields again.
  if batch.unread == 0 then spare[#spare + 1] = batch end
  return reason, status, verdict
end

--- For access_by_lua: lets an accepted request through, answers any other. With `gathered` the requests of a worker process are judged
--- together, as M.verify_gathered says.
function M.guard(gathered)
  if not worker then
    ngx.log(ngx.ERR, "portcullis is not open in this worker")
    return ngx.exit(500)
  end
  ngx.req.read_body()
  local body = ngx.req.get_body_data()
  if not body then
    local file = ngx.req.get_body_file()
    body = file and read(file) or ""
  end
  local verify = gathered and M.verify_gathered or M.verify
  local reason, status, found = verify(ngx.req.get_method(), ngx.var.request_uri, ngx.req.get_headers(HEADERS_MAX, true), body,
    ngx.var.remote_addr)
  if reason == "ok" then
    ngx.req.set_header("X-App-Id", ffi.string(found.app_id))
    return
  end
  -- The reason is for the operator's log; the client learns the code.
  ngx.log(ngx.WARN, "portcullis: ", reason, " app=", found and ffi.string(found.app_id) or "")
  local retry = found and tonumber(found.retry_after_ms) or 0
  if retry > 0 then ngx.header["Retry-After"] = math.ceil(retry / 1000) end
  ngx.status = status
  ngx.header["Content-Type"] = "application/json"
  ngx.print('{"code":"', found and ffi.string(found.code) or "9998", '"}')
  return ngx.exit(status)
end

return M
