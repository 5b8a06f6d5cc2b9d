-- Lets one controller lead, for a lease; whoever leads renews it by the same call.
-- KEYS: controller
-- ARGV: name of the caller, which no other has; lease in ms; seconds after which
-- it is forgotten if nobody leads; the token that the caller leads by, as far as it knows; the
-- crew that it keeps
-- Returns the caller's token, or 0 and who leads. A new leader's token is higher than any before,
-- also if the server has lost its data: it is not below the server's clock. One that the caller
-- does not know is not renewed: a server that has lost its last writes may be back at it.
local key, name, lease = KEYS[1], ARGV[1], tonumber(ARGV[2])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local stored = redis.call('HMGET', key, 'leader', 'until', 'token')
local leader, lapses, token = stored[1], tonumber(stored[2] or 0) or 0, tonumber(stored[3] or 0) or 0
if leader ~= name or stored[3] ~= ARGV[4] then
  if leader and leader ~= name and lapses > now then
    return {'0', leader}
  end
  token = math.max(token + 1, time[1] * 1000000 + time[2])
end
redis.call('HSET', key, 'leader', name, 'until', string.format('%.0f', now + lease),
  'token', string.format('%.0f', token), 'crew', ARGV[5])
redis.call('EXPIREAT', key, time[1] + ARGV[3])
return {string.format('%.0f', token), name}
