-- Holds a place for one more connection of a user.
-- KEYS[1]  the user's hash   KEYS[2]  places that are held for the user, by their end
-- ARGV[1]  limit             ARGV[2]  ms to hold it, 0: only look   ARGV[3]  a name for the place
-- returns  1 there is room; 0 there is none
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now)
local taken = math.max(0, redis.call('HLEN', KEYS[1]) - 1) + redis.call('ZCARD', KEYS[2])
if taken >= tonumber(ARGV[1]) then return 0 end
local holdMs = tonumber(ARGV[2])
if holdMs > 0 then
  redis.call('ZADD', KEYS[2], now + holdMs, ARGV[3])
  redis.call('PEXPIRE', KEYS[2], holdMs)
end
return 1
