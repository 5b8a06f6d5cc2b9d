-- Renews the leases of the entries that a consumer still holds. One that lost an entry while it
-- was frozen does not take it back from whoever has it now.
-- KEYS: stream
-- ARGV: group, consumer, entries
-- Returns the entries that are lost.
local stream = KEYS[1]
local group, consumer = ARGV[1], ARGV[2]

local lost = {}
for i = 3, #ARGV do
  local entry = ARGV[i]
  if #redis.call('XPENDING', stream, group, entry, entry, 1, consumer) == 0 then
    lost[#lost + 1] = entry
  else
    redis.call('XCLAIM', stream, group, consumer, 0, entry, 'JUSTID')
  end
end
return lost
