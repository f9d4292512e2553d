-- Sends a copy of a request to the revision named by txn.mirror ("host:port"); nobody waits for it, its answer is dropped.
-- Needs `option http-buffer-request`; a body larger than tune.bufsize is not mirrored whole and therefore not at all.
local LIMIT_MS = 10000

local function send(job)
  core.httpclient():post({ url = job.url, headers = job.headers, body = job.body, timeout = LIMIT_MS })
end

local function mirror(txn)
  local to = txn:get_var("txn.mirror")
  local declared = tonumber(txn.sf:req_hdr("content-length") or "0")
  local body = txn.sf:req_body()
  if to == nil or txn.sf:method() ~= "POST" or body == nil or #body ~= declared then
    return
  end
  local headers = { ["content-type"] = { txn.sf:req_hdr("content-type") or "application/json" }, ["x-liftlock-mirror"] = { "1" } }
  local job = { url = "http://" .. to .. txn.sf:path(), headers = headers, body = body }
  core.register_task(function() send(job) end)
end

core.register_action("mirror", { "http-req" }, mirror, 0)
