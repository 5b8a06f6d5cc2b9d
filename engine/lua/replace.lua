-- Puts other entries in the place of a pending one: its halves when it is split, itself when a
-- consumer that leaves hands it back. They are delivered at once, to whoever asks first.
-- KEYS: stream, counts
-- ARGV: group, consumer, entry, job, epoch, attempts spent, deliveries lapsed, the IDs of each new
--       entry
-- Returns 1, or 0 if the entry is no longer pending in the consumer's name: whoever has taken it
-- over may be pricing it.
local stream, counts = KEYS[1], KEYS[2]
local group, consumer, entry, job, epoch, spent, lapsed = unpack(ARGV, 1, 7)

if #redis.call('XPENDING', stream, group, entry, entry, 1, consumer) == 0 then
  return 0
end
local in_effect = redis.call('HGET', counts, 'epoch') == epoch
-- First what a full server does not refuse, so that it goes on with the rest: what is handed back
-- takes no more room than before.
redis.call('XACK', stream, group, entry)
redis.call('XDEL', stream, entry)
if in_effect then
  for i = 8, #ARGV do
    redis.call('XADD', stream, '*', 'job', job, 'epoch', epoch, 'ids', ARGV[i],
      'spent', spent, 'lapsed', lapsed)
  end
end
return 1
