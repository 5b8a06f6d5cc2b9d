-- Puts a realtime call that a consumer holds back into its stream as it came, to be delivered at once to
-- whoever asks first. It keeps its deadline, and when it was queued first; its client is told the
-- name of the new entry, lest it take the call for lost and send it again.
-- KEYS: stream, replies
-- ARGV: group, consumer, entry, attempts spent, deliveries lapsed, replies kept, their time to live
--       in ms
-- Returns 1, or 0 if the entry is no longer pending in the consumer's name: whoever has taken it
-- over may be pricing it.
local stream, replies = KEYS[1], KEYS[2]
local group, consumer, entry, spent, lapsed, bound, time_to_live = unpack(ARGV)

if #redis.call('XPENDING', stream, group, entry, entry, 1, consumer) == 0 then
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
local given = {queued = string.match(entry, '^%d+')}
for i = 1, #found[1][2], 2 do
  given[found[1][2][i]] = found[1][2][i + 1]
end
-- By name: somebody may have put more fields there than a script can pass on.
local fields = {'spent', spent, 'lapsed', lapsed}
for _, name in ipairs({'queued', 'call', 'client', 'trade', 'request', 'deadline', 'traceparent'}) do
  if given[name] then
    fields[#fields + 1] = name
    fields[#fields + 1] = given[name]
  end
end
local moved = redis.call('XADD', stream, '*', unpack(fields))
-- Not call: the call is where it belongs, whatever somebody has put under the client's key.
redis.pcall('XADD', replies, 'MAXLEN', '~', bound, '*', 'moved', given.call, 'was', entry,
  'entry', moved)
redis.pcall('PEXPIRE', replies, time_to_live)
return 1
