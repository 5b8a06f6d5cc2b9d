-- Queues realtime calls, as long as fewer than a limit are queued or being priced.
-- KEYS: stream
-- ARGV: limit, then for each call: call, client, trade, request, ms to its deadline, traceparent
-- Returns the server's time in Unix ms, then for each call its entry, or false for lack of room,
-- and at the end the backlog.
local stream, limit = KEYS[1], tonumber(ARGV[1])

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local backlog = redis.call('XLEN', stream)
local answer = {now}
for i = 2, #ARGV, 6 do
  local entry = false
  if backlog < limit then
    local deadline = string.format('%d', now + ARGV[i + 4])
    entry = redis.call('XADD', stream, '*', 'call', ARGV[i], 'client', ARGV[i + 1],
      'trade', ARGV[i + 2], 'request', ARGV[i + 3], 'deadline', deadline,
      'traceparent', ARGV[i + 5])
    backlog = backlog + 1
  end
  answer[#answer + 1] = entry
end
answer[#answer + 1] = backlog
return answer
