-- Changes one field of what is known of a job, on a full server too; a job that has expired is not
-- brought back.
-- KEYS: job
-- ARGV: time of expiry, HSET, HSETNX or HDEL, field, value if it takes one
-- Returns what that command returns, 0 for a job that is not there.
local job, expires_at, command = KEYS[1], ARGV[1], ARGV[2]

if redis.call('HEXISTS', job, 'spec') == 0 then
  return 0
end
-- A full server does not refuse this, and after it the script may go on there.
redis.call('EXPIREAT', job, expires_at)
return redis.call(command, job, unpack(ARGV, 3))
