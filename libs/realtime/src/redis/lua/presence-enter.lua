-- Makes a connection's user a member. Behind the prologue.
-- KEYS[7]  connections under the writer's fence
-- ARGV[3]  the fence   ARGV[4]  connection   ARGV[5]  user
-- returns  {0} the lease is over; {1, connections under the fence}
if now >= tonumber(ARGV[1]) then return { 0 } end
local fence, connection, user = ARGV[3], ARGV[4], ARGV[5]
redis.call('SADD', KEYS[7], connection)
redis.call('ZREM', due, user)
if redis.call('HSET', entries, connection, fence .. ' ' .. user) == 1 then
  redis.call('HINCRBY', counts, user, 1)
  if redis.call('ZADD', users, 0, user) == 1 then announce('$join', user) end
end
return { 1, redis.call('SCARD', KEYS[7]) }
