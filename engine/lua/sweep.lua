-- Deletes a job's entries of earlier epochs from a stream, a stretch at a time.
-- KEYS: stream, counts
-- ARGV: group ('' for a stream without one, which is deleted once it is empty), job, first entry to look at, number of entries to look at
-- Returns the last entry looked at, or false at the end of the stream, and how many were deleted.
local stream, counts = KEYS[1], KEYS[2]
local group, job, first, count = unpack(ARGV)

local epoch = redis.call('HGET', counts, 'epoch')
local entries = redis.call('XRANGE', stream, first, '+', 'COUNT', count)
local deleted = 0
for _, entry in ipairs(entries) do
  local fields = {}
  for i = 1, #entry[2], 2 do
    fields[entry[2][i]] = entry[2][i + 1]
  end
  if fields.job == job and fields.epoch ~= epoch then
    if group ~= '' then
      redis.call('XACK', stream, group, entry[1])
    end
    redis.call('XDEL', stream, entry[1])
    deleted = deleted + 1
  end
end
if group == '' and redis.call('XLEN', stream) == 0 then
  redis.call('DEL', stream)
end
local last = #entries == tonumber(count) and entries[#entries][1]
return {last, deleted}
