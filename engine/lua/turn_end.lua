-- Keeps the cursor at which a sweep has stopped, for the next turn.
-- KEYS: sweep
-- ARGV: cursor, how long it is kept in ms
local key, cursor, kept = KEYS[1], ARGV[1], ARGV[2]
-- First, since it takes no memory: after that a server that is full refuses a script no more.
redis.call('PEXPIRE', key, kept)
redis.call('SET', key, cursor, 'PX', kept)
