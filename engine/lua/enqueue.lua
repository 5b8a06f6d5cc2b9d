-- Queues chunks of a job, and writes down in the same step which trades they hold, so that a
-- submission that dies half-way can be taken up without queueing a trade twice.
-- KEYS: stream, counts, manifest, and for a job that follows another the stream in which its entries
--       are held back until it is released
-- ARGV: submitter, job, epoch, trades submitted before this call, trades in this call, time of
--       expiry, deliveries that these trades have behind them, number of chunks, the IDs of each
--       chunk, then block and IDs for the manifest, in pairs
-- Returns 1, or 0 if somebody else has submitted, resumed or cancelled meanwhile.
local stream, counts, manifest, held = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local submitter, job, epoch, before, trades, expires_at, lapsed, chunks = unpack(ARGV, 1, 8)

local now = redis.call('HMGET', counts, 'epoch', 'submitted', 'submitter')
local submitted = tonumber(now[2] or 0)
if now[1] ~= epoch then
  return 0
end
if submitted ~= tonumber(before) then
  -- A client repeats a call whose answer was lost: if this one has taken effect before, well.
  return (now[3] == submitter and submitted == before + trades) and 1 or 0
end
-- All that can fail comes before the first write: what is read here, and a full server, which
-- refuses the first XADD.
local given = {}
for i = 9 + chunks, #ARGV, 2 do
  given[i] = redis.call('HGET', manifest, ARGV[i])
end
if held and redis.call('HEXISTS', counts, 'released') == 0 then
  stream = held
end
redis.call('XLEN', stream)

local more = lapsed == '0' and {} or {'lapsed', lapsed}
for i = 9, 8 + chunks do
  redis.call('XADD', stream, '*', 'job', job, 'epoch', epoch, 'ids', ARGV[i], unpack(more))
end
for i = 9 + chunks, #ARGV, 2 do
  local ids = given[i]
  redis.call('HSET', manifest, ARGV[i], ids and ids .. ',' .. ARGV[i + 1] or ARGV[i + 1])
end
redis.call('HSET', counts, 'submitted', before + trades, 'submitter', submitter)
redis.call('EXPIREAT', counts, expires_at)
redis.call('EXPIREAT', manifest, expires_at)
if stream == held then
  redis.call('EXPIREAT', held, expires_at)
end
return 1
