-- Takes a user offline whose grace is over.
-- KEYS[1]  the user's hash          KEYS[2]  users by end of grace   KEYS[3]  events by id
-- KEYS[4]  event ids by the time from which others may claim them
-- ARGV[1]  the writer's leaseUntil  ARGV[2]  user   ARGV[3]  ms until others may claim the event
-- returns  {event}, or {} where the user is back, has more time, or was taken offline before
if now >= tonumber(ARGV[1]) then return {} end
local due = redis.call('ZSCORE', KEYS[2], ARGV[2])
if not due or tonumber(due) > now then return {} end
if redis.call('HLEN', KEYS[1]) > 1 then redis.call('ZREM', KEYS[2], ARGV[2]) end
local keys = { user = KEYS[1], due = KEYS[2], events = KEYS[3], unsaid = KEYS[4] }
return { takeOffline(keys, ARGV[2], ARGV[3]) }
