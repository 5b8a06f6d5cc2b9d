-- Lets a job begin that was held back: moves a stretch of its entries into its lane, and from then on
-- what else is queued of it goes there directly. Killed between two stretches, anybody goes on.
-- KEYS: held, stream, counts
-- ARGV: time of expiry, number of entries to move
-- Returns how many entries are left to be moved.
local held, stream, counts = KEYS[1], KEYS[2], KEYS[3]
local expires_at, count = ARGV[1], ARGV[2]

-- All that can fail comes before the first write: what somebody may have put under our keys.
local epoch = redis.call('HGET', counts, 'epoch')
local entries = redis.call('XRANGE', held, '-', '+', 'COUNT', count)
redis.call('XLEN', stream)

-- The one write that a full server does not refuse; after it the script may go on there. What is
-- moved takes no more room than before, and only what runs makes room.
redis.call('EXPIREAT', counts, expires_at)
redis.call('HSET', counts, 'released', 1)
-- Again, for counts that the server had lost and that this has begun anew.
redis.call('EXPIREAT', counts, expires_at)
for _, entry in ipairs(entries) do
  local fields = {}
  for i = 1, #entry[2], 2 do
    fields[entry[2][i]] = entry[2][i + 1]
  end
  redis.call('XDEL', held, entry[1])
  -- The others were cancelled or queued anew since.
  if fields.epoch == epoch then
    -- By name: somebody may have put more fields there than a script can pass on.
    local moved = {}
    for _, name in ipairs({'job', 'epoch', 'ids', 'spent', 'lapsed'}) do
      if fields[name] then
        moved[#moved + 1] = name
        moved[#moved + 1] = fields[name]
      end
    end
    redis.call('XADD', stream, '*', unpack(moved))
  end
end
local left = redis.call('XLEN', held)
if left == 0 then
  redis.call('DEL', held)
end
return left
