-- Puts a realtime call that is pending back into its stream as it came, to be delivered at once to
-- whoever asks first. It keeps its deadline, and when it was queued first.
-- KEYS: stream
-- ARGV: group, entry, attempts spent
-- Returns 1, or 0 if the entry is no longer pending.
local stream = KEYS[1]
local group, entry, spent = unpack(ARGV)

if #redis.call('XPENDING', stream, group, entry, entry, 1) == 0 then
  return 0
end
local found = redis.call('XRANGE', stream, entry, entry)
-- First what a full server does not refuse, so that it goes on with the rest: what is handed back
-- takes no more room than before.
redis.call('XACK', stream, group, entry)
redis.call('XDEL', stream, entry)
if #found == 0 then
  return 0
end
local fields, queued = {}, string.match(entry, '^%d+')
for i = 1, #found[1][2], 2 do
  local name, value = found[1][2][i], found[1][2][i + 1]
  if name == 'queued' then
    queued = value
  elseif name ~= 'spent' then
    fields[#fields + 1] = name
    fields[#fields + 1] = value
  end
end
redis.call('XADD', stream, '*', 'spent', spent, 'queued', queued, unpack(fields))
return 1
