-- Finds in one bucket whose grace is over, and claims events that were not acknowledged in time.
-- KEYS[1]  users by end of grace   KEYS[2]  events by id
-- KEYS[3]  event ids by the time from which others may claim them
-- ARGV[1]  the writer's leaseUntil ARGV[2]  '1': claim events
-- ARGV[3]  ms until others may claim them again                ARGV[4]  age in ms at which an event is given up
-- ARGV[5]  the most of each
-- returns  {users, events}
if now >= tonumber(ARGV[1]) then return { {}, {} } end
local users = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, ARGV[5])
local claimed = {}
local ids = redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', now, 'LIMIT', 0, ARGV[5])
for _, id in ipairs(ids) do
  local text = redis.call('HGET', KEYS[2], id)
  local at = text and tonumber(string.match(text, '"at":(%d+)'))
  if not at or at + ARGV[4] < now then
    redis.call('HDEL', KEYS[2], id)
    redis.call('ZREM', KEYS[3], id)
  elseif ARGV[2] == '1' then
    redis.call('ZADD', KEYS[3], now + ARGV[3], id)
    claimed[#claimed + 1] = text
  end
end
return { users, claimed }
