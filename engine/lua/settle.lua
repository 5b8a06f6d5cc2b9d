-- The one step that ends an entry: its results and counts take effect, it is acknowledged and
-- deleted, once only, however many consumers priced it (G2).
-- KEYS: stream, counts, results
-- ARGV: group, entry, epoch, time of expiry (0: as it is), then how many trades were
--       priced, rejected, dead, expired, then block and records, in pairs
-- Returns 1 settled, 0 the entry is no longer pending, -1 its job was cancelled or resumed since.
local stream, counts, results = KEYS[1], KEYS[2], KEYS[3]
local group, entry, epoch, expires_at = ARGV[1], ARGV[2], ARGV[3], ARGV[4]

-- All that can fail comes before the first write, since Redis does not roll back: a full server
-- refuses at HSET, and then the entry is still pending.
if #redis.call('XPENDING', stream, group, entry, entry, 1) == 0 then
  return 0
end
if redis.call('HGET', counts, 'epoch') ~= epoch then
  redis.call('XACK', stream, group, entry)
  redis.call('XDEL', stream, entry)
  return -1
end

for i = 9, #ARGV, 2 do
  -- Other chunks of this block may have settled before.
  local settled = redis.call('HGET', results, ARGV[i])
  redis.call('HSET', results, ARGV[i], settled and settled .. '\n' .. ARGV[i + 1] or ARGV[i + 1])
end
for i, outcome in ipairs({'priced', 'rejected', 'dead', 'expired'}) do
  if ARGV[4 + i] ~= '0' then
    redis.call('HINCRBY', counts, outcome, ARGV[4 + i])
  end
end
local now = redis.call('TIME')
redis.call('HSET', counts, 'settled_at', now[1] .. string.format('.%06d', now[2]))
if expires_at ~= '0' then
  redis.call('EXPIREAT', counts, expires_at)
  redis.call('EXPIREAT', results, expires_at)
end
redis.call('XACK', stream, group, entry)
redis.call('XDEL', stream, entry)
return 1
