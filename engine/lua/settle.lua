-- The one step that ends an entry: its results and counts take effect, it is acknowledged and
-- deleted, once only, however many consumers priced it (G2).
-- KEYS: stream, counts, results, dead
-- ARGV: group, entry, epoch, time of expiry (0: as it is), then how many trades were
--       priced, rejected, dead, expired, then the number of dead letters, trade and letter of each,
--       in pairs, then block and records, in pairs
-- Returns 1 settled, 0 the entry is no longer pending, -1 its job was cancelled or resumed since.
local stream, counts, results, dead = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local group, entry, epoch, expires_at = ARGV[1], ARGV[2], ARGV[3], ARGV[4]

-- All that can fail comes before the first write, since Redis does not roll back: what somebody may
-- have put under our keys is read first, and a full server refuses at the first HSET. Then the
-- entry is still pending.
if #redis.call('XPENDING', stream, group, entry, entry, 1) == 0 then
  return 0
end
local before = redis.call('HMGET', counts, 'epoch', 'priced', 'rejected', 'dead', 'expired')
if before[1] ~= epoch then
  redis.call('XACK', stream, group, entry)
  redis.call('XDEL', stream, entry)
  return -1
end
for i = 2, 5 do
  if before[i] and not string.match(before[i], '^%d+$') then
    return redis.error_reply('WRONGTYPE a count of the job is no whole number')
  end
end
local settled, letters = {}, 2 * ARGV[9]
local records = 10 + letters
for i = records, #ARGV, 2 do
  settled[i] = redis.call('HGET', results, ARGV[i])
end
if letters > 0 then
  redis.call('HLEN', dead)
end

for i = records, #ARGV, 2 do
  -- Other chunks of this block may have settled before.
  redis.call('HSET', results, ARGV[i], settled[i] and settled[i] .. '\n' .. ARGV[i + 1] or ARGV[i + 1])
end
for i = 10, 9 + letters, 2 do
  redis.call('HSET', dead, ARGV[i], ARGV[i + 1])
end
for i, outcome in ipairs({'priced', 'rejected', 'dead', 'expired'}) do
  if ARGV[4 + i] ~= '0' then
    redis.call('HINCRBY', counts, outcome, ARGV[4 + i])
  end
end
local now = redis.call('TIME')
redis.call('HSET', counts, 'settled_at', now[1] .. string.format('.%06d', now[2]))
if expires_at ~= '0' then
  -- Not call: a job as somebody has damaged it may name a time that is none.
  redis.pcall('EXPIREAT', counts, expires_at)
end
local left = redis.call('PTTL', counts)
if left > 0 then
  redis.call('PEXPIRE', results, left)
  if letters > 0 then
    redis.call('PEXPIRE', dead, left)
  end
end
redis.call('XACK', stream, group, entry)
redis.call('XDEL', stream, entry)
return 1
