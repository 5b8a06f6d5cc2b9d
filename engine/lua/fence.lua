-- Puts a job's queued and running entries of a partition out of effect, by raising its epoch.
-- KEYS: counts
-- ARGV: 'cancel': count what has not ended as cancelled, or
--       'resume': take that, and what was cancelled, out of the count, to be submitted again;
--       time of expiry
-- Returns the new epoch and the trades now submitted.
local counts, purpose, expires_at = KEYS[1], ARGV[1], ARGV[2]

-- A script that has written something before may go on on a full server, and cancelling is a way
-- to make room there. This is the one write that a full server does not refuse.
redis.call('EXPIREAT', counts, expires_at)

local n = {}
for i, v in ipairs(redis.call('HMGET', counts, 'submitted', 'priced', 'rejected', 'dead', 'expired')) do
  n[i] = tonumber(v or 0)
end
local submitted, settled = n[1], n[2] + n[3] + n[4] + n[5]
if purpose == 'cancel' then
  -- Written even if it is 0: the field says that the job is cancelled here.
  redis.call('HSET', counts, 'cancelled', submitted - settled)
else
  submitted = settled
  redis.call('HSET', counts, 'submitted', submitted)
  redis.call('HDEL', counts, 'cancelled')
end
local epoch = redis.call('HINCRBY', counts, 'epoch', 1)
-- Again, for counts that the server had lost and that this has begun anew.
redis.call('EXPIREAT', counts, expires_at)
return {epoch, submitted}
