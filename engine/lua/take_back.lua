-- Takes results of a block back, behind a fence and after the counts were put right, so that these
-- trades can be priced again.
-- KEYS: counts, results, dead
-- ARGV: epoch, time of expiry, block, the records that stay ('' for none), then the trades whose
--       results are taken back
-- Returns 1, or 0 if somebody else has resumed or cancelled the job since.
local counts, results, dead = KEYS[1], KEYS[2], KEYS[3]
local epoch, expires_at, block, records = unpack(ARGV, 1, 4)

if redis.call('HGET', counts, 'epoch') ~= epoch then
  return 0
end
redis.call('HLEN', results)
-- First what a full server does not refuse, so that it goes on with the rest.
for i = 5, #ARGV do
  redis.call('HDEL', dead, ARGV[i])
end
if records == '' then
  redis.call('HDEL', results, block)
else
  redis.call('EXPIREAT', results, expires_at)
  redis.call('HSET', results, block, records)
  redis.call('EXPIREAT', results, expires_at)
end
return 1
