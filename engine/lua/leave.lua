-- Removes a consumer from the group of a stream, unless entries are pending in its name:
-- removing it with them would lose them.
-- KEYS: stream
-- ARGV: group, consumer
local stream = KEYS[1]
local group, consumer = ARGV[1], ARGV[2]

if #redis.call('XPENDING', stream, group, '-', '+', 1, consumer) > 0 then
  return 0
end
redis.call('XGROUP', 'DELCONSUMER', stream, group, consumer)
return 1
