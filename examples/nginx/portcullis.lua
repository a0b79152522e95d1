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
-- One more than the library takes by default: a request with more is refused, and none is judged without some of its headers.
local HEADERS_MAX = 129
local BATCH_MAX = 64
-- Bytes of header lines that a batch of requests has room for; more get room of their own.
local BYTES_MAX = 1024 * BATCH_MAX
local M = {}
local lib, engine, worker
local message = ffi.new("char[512]")
local copy, cast, ffi_string = ffi.copy, ffi.cast, ffi.string
local bytes_t, pointer_t = ffi.typeof("uint8_t[?]"), ffi.typeof("const uint8_t *")

-- What the functions below do for each request is written for the JIT compiler: no closures, no tables.
local function put(slice, text)
  -- LuaJIT strings stay where they are while they are referenced: a batch holds those of its requests.
  slice.ptr = cast(pointer_t, text)
  slice.len = #text
end

-- The header lines of the request at hand as nginx has them, in their order, without a Lua string for each: what ngx.req.get_headers is made of.
local get_request, raw_lines, lines, look_up
local value, value_len = ffi.new("char *[1]"), ffi.new("size_t[1]")
do
  local found, base = pcall(require, "resty.core.base")
  found = found and pcall(require, "resty.core.request") and pcall(function() return ffi.C.ngx_http_lua_ffi_req_get_headers end)
  if found then
    get_request, raw_lines = base.get_request, ffi.new("ngx_http_lua_ffi_table_elt_t[?]", HEADERS_MAX)
    local truncated = ffi.new("int[1]")
    -- How many there are, in raw_lines.
    function lines()
      local request = get_request()
      local count = ffi.C.ngx_http_lua_ffi_req_get_headers_count(request, HEADERS_MAX, truncated)
      if count <= 0 then return 0 end
      if ffi.C.ngx_http_lua_ffi_req_get_headers(request, raw_lines, count, 1) ~= 0 then return nil end
      return count
    end
    if pcall(require, "resty.core.var") and pcall(function() return ffi.C.ngx_http_lua_ffi_var_get end) then
      local low, why = bytes_t(32), ffi.new("char *[1]")
      -- The variable of nginx, which `value` and `value_len` show where nginx has it, without a Lua string.
      function look_up(name)
        if ffi.C.ngx_http_lua_ffi_var_get(get_request(), name, #name, low, 0, value, value_len, why) ~= 0 then
          error("the request has no $" .. name)
        end
      end
    end
  end
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

-- Requests that are judged together: their structs, what these point to, and who has yet to read a verdict. What is the same for every request is
-- written once.
local function new_batch(size, bytes)
  local batch = {
    size = size, count = 0, unread = 0, used = 0, texts = {}, own = {}, bytes = bytes > 0 and bytes_t(bytes), room = bytes,
    requests = ffi.new("portcullis_request[?]", size), verdicts = ffi.new("portcullis_verdict[?]", size),
    headers = ffi.new("portcullis_header[?]", size * HEADERS_MAX),
  }
  for index = 0, size - 1 do
    batch.requests[index].struct_size = ffi.sizeof("portcullis_request")
    batch.requests[index].headers = batch.headers + index * HEADERS_MAX
    batch.verdicts[index].struct_size = ffi.sizeof("portcullis_verdict")
  end
  return batch
end
local alone, gathering, spare = new_batch(1, 0), nil, {}

-- Room for `size` bytes until the batch is judged.
local function room(batch, size)
  local used = batch.used
  if size > batch.room - used then
    local own = bytes_t(size)
    batch.own[#batch.own + 1] = own
    return cast("uint8_t *", own)
  end
  batch.used = used + size
  return batch.bytes + used
end

-- The header lines of the request at hand, where nginx has them.
local function add_lines(headers)
  local count = lines() or error("the request's header lines cannot be read")
  for index = 0, count - 1 do
    local from, to = raw_lines[index], headers[index]
    to.name.ptr, to.name.len = from.key.data, from.key.len
    to.value.ptr, to.value.len = from.value.data, from.value.len
  end
  return count
end

-- Copies them, for a batch that is judged when the request may be gone.
local function keep_lines(batch, headers, count)
  local size = 0
  for index = 0, count - 1 do
    local line = raw_lines[index]
    size = size + line.key.len + line.value.len
  end
  local to = room(batch, size)
  for index = 0, count - 1 do
    local line, header = raw_lines[index], headers[index]
    copy(to, line.key.data, line.key.len)
    header.name.ptr = to
    to = to + line.key.len
    copy(to, line.value.data, line.value.len)
    header.value.ptr = to
    to = to + line.value.len
  end
end

-- Headers as ngx.req.get_headers gives them.
local function add_fields(headers, fields)
  local count = 0
  for name, value in pairs(fields) do
    if type(value) ~= "table" then value = { value } end
    for index = 1, #value do
      if count == HEADERS_MAX then return count end
      put(headers[count].name, name)
      put(headers[count].value, value[index])
      count = count + 1
    end
  end
  return count
end

-- A variable of the request at hand, where nginx has it, or copied for a batch that is judged when the request may be gone.
local function put_variable(batch, slice, name)
  look_up(name)
  local size = tonumber(value_len[0])
  if batch.bytes then
    local to = room(batch, size)
    copy(to, value[0], size)
    slice.ptr = to
  else
    slice.ptr = cast(pointer_t, value[0])
  end
  slice.len = size
end

local function add(batch, method, target, fields, body, client_ip)
  local index = batch.count
  local request, headers, texts = batch.requests[index], batch.headers + index * HEADERS_MAX, batch.texts
  local count
  if fields then
    count = add_fields(headers, fields)
  else
    count = add_lines(headers)
    if batch.bytes then keep_lines(batch, headers, count) end
  end
  request.header_count = count
  put(request.method, method)
  if target then put(request.target, target) else put_variable(batch, request.target, "request_uri") end
  put(request.body, body)
  if client_ip then put(request.client_ip, client_ip) else put_variable(batch, request.client_ip, "remote_addr") end
  -- Held until the batch is judged.
  local held = index * 5
  texts[held + 1], texts[held + 2], texts[held + 3], texts[held + 4], texts[held + 5] = method, target or false, body, client_ip or false, fields or false
  batch.count = index + 1
  return index
end

local function judge(batch)
  local texts = batch.texts
  batch.result = lib.portcullis_verify_batch(worker, batch.requests, batch.count, batch.verdicts)
  for index = 1, batch.count * 5 do texts[index] = false end
  if batch.own[1] then batch.own = {} end
end

local names = {}
local function read_verdict(batch, index)
  if batch.result ~= 0 then return "internal", 500, nil end
  local verdict = batch.verdicts[index]
  local reason = verdict.reason
  local name = names[reason]
  if not name then
    name = ffi_string(lib.portcullis_reason_name(reason))
    names[reason] = name
  end
  return name, verdict.http_status, verdict
end

--- Judges a request: its parts as strings, its headers as ngx.req.get_headers gives them; without them those of the request at hand, as they
--- came, and so its target and the client's address where they are nil (with resty.core). Returns the verdict's reason, status and struct, which is good until the next call.
function M.verify(method, target, fields, body, client_ip)
  alone.count = 0
  local index = add(alone, method, target, fields or (not lines and ngx.req.get_headers(HEADERS_MAX, true)), body, client_ip)
  judge(alone)
  return read_verdict(alone, index)
end

--- As M.verify, together with all requests that this worker process has at hand at the moment: it yields once, until nginx has seen to
--- every other connection that is readable. Worth it for signatures, where many are verified in little more time than one; not for MACs.
function M.verify_gathered(method, target, fields, body, client_ip)
  if gathering and gathering.count == gathering.size then gathering = nil end
  if not gathering then
    gathering = table.remove(spare) or new_batch(BATCH_MAX, BYTES_MAX)
    gathering.count, gathering.unread, gathering.used, gathering.judged = 0, 0, 0, false
  end
  local batch = gathering
  local index = add(batch, method, target, fields or (not lines and ngx.req.get_headers(HEADERS_MAX, true)), body, client_ip)
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

local req = ngx.req
local read_body, get_body_data, get_body_file, get_method, set_header = req.read_body, req.get_body_data, req.get_body_file, req.get_method, req.set_header

--- For access_by_lua: lets an accepted request through, answers any other. With `gathered` the requests of a worker process are judged
--- together, as M.verify_gathered says.
function M.guard(gathered)
  if not worker then
    ngx.log(ngx.ERR, "portcullis is not open in this worker")
    return ngx.exit(500)
  end
  read_body()
  local body = get_body_data()
  if not body then
    local file = get_body_file()
    body = file and read(file) or ""
  end
  local verify = gathered and M.verify_gathered or M.verify
  local target, client_ip
  if not look_up then target, client_ip = ngx.var.request_uri, ngx.var.remote_addr end
  local reason, status, found = verify(get_method(), target, nil, body, client_ip)
  if reason == "ok" then
    set_header("X-App-Id", ffi_string(found.app_id))
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
