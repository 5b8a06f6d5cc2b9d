-- Deletes a realtime call that nobody has taken yet.
-- KEYS: stream
-- ARGV: group, entry
-- Returns 1, or 0 if somebody has it or it has ended.
local stream = KEYS[1]
local group, entry = ARGV[1], ARGV[2]

-- Not call: without a group nobody has taken anything.
local pending = redis.pcall('XPENDING', stream, group, entry, entry, 1)
if not pending.err and #pending > 0 then
  return 0
end
return redis.call('XDEL', stream, entry)
