-- http-request lua.portcullis: lets an accepted request through, answers any other.
local portcullis = require("lportcullis")
local path = os.getenv("PORTCULLIS_CONFIG")
local opened = false

local function open()
  local file = assert(io.open(path, "rb"))
  local document = file:read("a")
  file:close()
  return portcullis.open(document)
end

core.register_action("portcullis", { "http-req" }, function(txn)
  if not opened then
    -- With the first request of this thread: after HAProxy has forked.
    local done, why = open()
    if not done then core.Alert("portcullis: " .. why) end
    opened = done
  end
  local lines = {}
  for name, values in pairs(txn.http:req_get_headers()) do
    for index = 0, #values do
      if values[index] then lines[#lines + 1] = { name, values[index] } end
    end
  end
  local reason, status, code, app = portcullis.verify(txn.sf:method(), txn.sf:pathq(), lines, txn.sf:req_body(), txn.sf:src())
  if reason == "ok" then
    txn.http:req_set_header("X-App-Id", app)
    return
  end
  if not reason then
    core.Warning("portcullis: " .. status)
    status, code = 500, "9998"
  end
  local reply = txn:reply({ status = status, headers = { ["content-type"] = { "application/json" } }, body = '{"code":"' .. code .. '"}' })
  txn:done(reply)
end, 0)
