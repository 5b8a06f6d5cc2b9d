-- Finds the realtime calls that are no longer in their stream: answered, handed back under another
-- ID, or lost with the server's data.
-- KEYS: stream
-- ARGV: entries
-- Returns those that are not there.
local stream = KEYS[1]

local missing = {}
for _, entry in ipairs(ARGV) do
  if #redis.call('XRANGE', stream, entry, entry) == 0 then
    missing[#missing + 1] = entry
  end
end
return missing
