-- Puts the counts of a job right in a partition, behind a fence: by what its results say, since the
-- server may have lost the one without the other. What has no result is to be queued after this.
-- KEYS: counts, manifest, dead
-- ARGV: epoch, time of expiry, how many trades were priced, rejected, dead, expired, the number of
--       blocks that the manifest lacks, block and IDs of each, in pairs, then the trades whose
--       dead letters are void
-- Returns the trades now submitted, -1 if somebody else has resumed or cancelled the job since.
local counts, manifest, dead = KEYS[1], KEYS[2], KEYS[3]
local epoch, expires_at, lacking = ARGV[1], ARGV[2], 2 * ARGV[7]

if redis.call('HGET', counts, 'epoch') ~= epoch then
  return -1
end
redis.call('HLEN', manifest)
redis.call('HLEN', dead)

-- The one write that a full server does not refuse; after it the script may go on there.
redis.call('EXPIREAT', counts, expires_at)
local submitted = ARGV[3] + ARGV[4] + ARGV[5] + ARGV[6]
redis.call('HSET', counts, 'submitted', submitted, 'priced', ARGV[3], 'rejected', ARGV[4],
  'dead', ARGV[5], 'expired', ARGV[6])
for i = 8, 7 + lacking, 2 do
  local ids = redis.call('HGET', manifest, ARGV[i])
  local new = ARGV[i + 1]
  -- A client repeats a call whose answer was lost: then they stand there, at the end.
  if string.sub(',' .. (ids or ''), -#new - 1) ~= ',' .. new then
    redis.call('HSET', manifest, ARGV[i], ids and ids .. ',' .. new or new)
  end
end
redis.call('EXPIREAT', manifest, expires_at)
for i = 8 + lacking, #ARGV do
  redis.call('HDEL', dead, ARGV[i])
end
return submitted
