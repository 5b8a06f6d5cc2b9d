-- Writes a job down, if there is none of its name; it is never without its time of expiry.
-- KEYS: job, jobs
-- ARGV: name, what it asks for, time of submission, time of expiry
-- Returns 1, or 0 if the name is taken.
local job, jobs = KEYS[1], KEYS[2]
local name, spec, submitted_at, expires_at = unpack(ARGV)

if redis.call('HSETNX', job, 'spec', spec) == 0 then
  return 0
end
redis.call('EXPIREAT', job, expires_at)
redis.call('ZADD', jobs, submitted_at, name)
return 1
