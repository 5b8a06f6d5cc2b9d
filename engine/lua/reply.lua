-- The one step that ends realtime calls of one client: its replies lie in its stream and the
-- entries are acknowledged and deleted, once only, however many consumers priced them (G2).
-- KEYS: stream, replies
-- ARGV: group, replies kept, their time to live in ms, then entry and reply, in pairs
-- Returns for each entry 1, or 0 if it is no longer pending.
local stream, replies = KEYS[1], KEYS[2]
local group, bound, time_to_live = ARGV[1], ARGV[2], ARGV[3]

-- What can fail, a full server or what somebody has put under our key, fails at the first XADD,
-- before anything is written.
local done, any = {}, false
for i = 4, #ARGV, 2 do
  local entry = ARGV[i]
  if #redis.call('XPENDING', stream, group, entry, entry, 1) == 0 then
    done[#done + 1] = 0
  else
    redis.call('XADD', replies, 'MAXLEN', '~', bound, '*', 'reply', ARGV[i + 1])
    redis.call('XACK', stream, group, entry)
    redis.call('XDEL', stream, entry)
    done[#done + 1], any = 1, true
  end
end
if any then
  redis.call('PEXPIRE', replies, time_to_live)
end
return done
