-- Writes down what a controller has decided, unless it leads no more.
-- KEYS: controller
-- ARGV: name, token, history, decision
-- Returns 1, or 0 if its lease has lapsed or somebody else leads.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local stored = redis.call('HMGET', KEYS[1], 'leader', 'token', 'until')
if stored[1] ~= ARGV[1] or stored[2] ~= ARGV[2] or (tonumber(stored[3]) or 0) <= now then
  return 0
end
redis.call('HSET', KEYS[1], 'history', ARGV[3], 'decision', ARGV[4], 'decided', ARGV[2])
return 1
