-- Has a controller lead no more, so that another can at once.
-- KEYS: controller
-- ARGV: name, token
-- Returns 1, or 0 if it did not lead.
local stored = redis.call('HMGET', KEYS[1], 'leader', 'token')
if stored[1] ~= ARGV[1] or stored[2] ~= ARGV[2] then
  return 0
end
redis.call('HDEL', KEYS[1], 'leader', 'until', 'crew')
return 1
