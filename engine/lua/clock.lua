-- The clock of the server that a key lies on, which TIME alone would not ask in a cluster.
-- KEYS: any key of the partition
-- Returns Unix time in seconds, as text.
local now = redis.call('TIME')
return now[1] .. string.format('.%06d', now[2])
