-- Stores a block if it is still as its writer read it, so that two writers lose nothing.
-- KEYS: blocks, index
-- ARGV: block, SHA-1 of the block as read, '' if there was none, '*' to store it in any case;
--       the block, its IDs ('' for both: remove it)
-- Returns 1, or 0 if the block has changed.
local blocks, index = KEYS[1], KEYS[2]
local block, expected, data, ids = unpack(ARGV)

if expected ~= '*' then
  local stored = redis.call('HGET', blocks, block)
  if (stored and redis.sha1hex(stored) or '') ~= expected then
    return 0
  end
end
if data == '' then
  redis.call('HDEL', blocks, block)
  redis.call('HDEL', index, block)
else
  redis.call('HSET', blocks, block, data)
  redis.call('HSET', index, block, ids)
end
return 1
