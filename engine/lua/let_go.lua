-- Takes a job off those that wait for another, unless it was put there anew.
-- KEYS: waiting
-- ARGV: job, the token that it stood there with
-- Returns 1, or 0 if it stands there with another one or not at all.
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then
  return 0
end
return redis.call('HDEL', KEYS[1], ARGV[1])
