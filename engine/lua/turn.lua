-- Takes a turn at sweeping a stream, unless somebody has had one lately.
-- KEYS: sweep
-- ARGV: how long a turn is, and how long the cursor is kept from then on, in ms
-- Returns the cursor at which the last sweep has stopped, or nil while another's turn lasts. Nothing
-- that somebody else has put there stops the sweeps for longer than a turn.
local key, turn, kept = KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2])
local left = redis.call('PTTL', key)
if left <= kept and left > kept - turn then
  return false
end
-- First, since it takes no memory: after that a server that is full refuses a script no more.
if redis.call('PEXPIRE', key, kept) == 0 then
  redis.call('SET', key, '0-0', 'PX', kept)
end
local cursor = redis.pcall('GET', key)
return type(cursor) == 'string' and cursor or '0-0'
