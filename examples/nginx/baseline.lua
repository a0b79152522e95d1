-- What a team would write in Lua for the same check, to compare with: arguments sorted and joined, OpenSSL through FFI, ngx.shared.DICT for nonces and
-- a counter of the rate. It checks less than portcullis does (no body, no second source of parameters, no strict decoding); it is not for use.
local ffi = require("ffi")

ffi.cdef [[
typedef struct evp_md_st EVP_MD;
typedef struct evp_md_ctx_st EVP_MD_CTX;
typedef struct evp_pkey_st EVP_PKEY;
typedef struct bio_st BIO;
const EVP_MD *EVP_sha256(void);
unsigned char *HMAC(const EVP_MD *md, const void *key, int key_len, const unsigned char *data, size_t len, unsigned char *out, unsigned int *out_len);
BIO *BIO_new_mem_buf(const void *buf, int len);
EVP_PKEY *PEM_read_bio_PUBKEY(BIO *bio, EVP_PKEY **x, void *cb, void *u);
EVP_MD_CTX *EVP_MD_CTX_new(void);
void EVP_MD_CTX_free(EVP_MD_CTX *ctx);
int EVP_DigestVerifyInit(EVP_MD_CTX *ctx, void **pctx, const EVP_MD *type, void *e, EVP_PKEY *pkey);
int EVP_DigestVerify(EVP_MD_CTX *ctx, const unsigned char *sig, size_t siglen, const unsigned char *tbs, size_t tbslen);
int CRYPTO_memcmp(const void *a, const void *b, size_t len);
]]
local crypto = ffi.load("libcrypto.so.3")
local M = { apps = {}, own = {} }
local mac, mac_len = ffi.new("unsigned char[32]"), ffi.new("unsigned int[1]")

local function read_key(pem)
  return crypto.PEM_read_bio_PUBKEY(crypto.BIO_new_mem_buf(pem, #pem), nil, nil, nil)
end

--- The same document as portcullis reads, as a Lua table: app id to { secret = … } or { pem = … }.
function M.open(apps)
  for id, app in pairs(apps) do
    M.apps[id] = app.pem and { key = read_key(app.pem) } or app
  end
end

local function unhex(text)
  if #text ~= 64 then return nil end
  return (text:gsub("%x%x", function(pair) return string.char(tonumber(pair, 16)) end))
end

local function verifies(app, text, sign)
  if app.key then
    local bytes = ngx.decode_base64(sign)
    if not bytes then return false end
    local context = crypto.EVP_MD_CTX_new()
    local good = crypto.EVP_DigestVerifyInit(context, nil, crypto.EVP_sha256(), nil, app.key) == 1
      and crypto.EVP_DigestVerify(context, bytes, #bytes, text, #text) == 1
    crypto.EVP_MD_CTX_free(context)
    return good
  end
  local bytes = unhex(sign)
  if not bytes then return false end
  crypto.HMAC(crypto.EVP_sha256(), app.secret, #app.secret, text, #text, mac, mac_len)
  return crypto.CRYPTO_memcmp(mac, bytes, 32) == 0
end

local function refuse(status, code)
  ngx.status = status
  ngx.header["Content-Type"] = "application/json"
  ngx.print('{"code":"', code, '"}')
  return ngx.exit(status)
end

--- For access_by_lua. `shared`: the nonces of all workers in one ngx.shared.DICT; else each worker's own, as it is often done.
function M.guard(shared)
  local args = ngx.req.get_uri_args(100)
  local sign = args.sign
  if type(sign) ~= "string" then return refuse(401, "9993") end
  local app = type(args.partnerId) == "string" and M.apps[args.partnerId]
  if not app then return refuse(401, "9997") end
  local at, nonce = tonumber(args.timestamp), args.nonce
  if not at or type(nonce) ~= "string" or #nonce > 32 then return refuse(400, "9996") end
  local now = ngx.time()
  if at < now - 300 or at > now + 5 then return refuse(401, "9997") end
  local names = {}
  for name, value in pairs(args) do
    if name ~= "sign" and value ~= "" then
      if type(value) ~= "string" then return refuse(400, "9996") end
      names[#names + 1] = name
    end
  end
  table.sort(names)
  for index, name in ipairs(names) do names[index] = name .. "=" .. args[name] end
  if not verifies(app, table.concat(names, "&"), sign) then return refuse(401, "9992") end
  local limits = ngx.shared.limits
  if (limits:incr("rate:" .. args.partnerId .. ":" .. now, 1, 0, 2) or 0) > 1000000 then return refuse(429, "9997") end
  local key = args.partnerId .. ":" .. nonce
  if shared then
    if not ngx.shared.nonces:add(key, true, 600) then return refuse(409, "9997") end
  else
    if M.own[key] then return refuse(409, "9997") end
    M.own[key] = true
  end
  ngx.req.set_header("X-App-Id", args.partnerId)
end

return M
