-- KEYS[1]  fences by leaseUntil   KEYS[2]  what nodes say of themselves, by fence
-- ARGV[1]  the most
-- returns  what living nodes say of themselves
local living = redis.call('ZREVRANGEBYSCORE', KEYS[1], '+inf', '(' .. now, 'LIMIT', 0, ARGV[1])
if #living == 0 then return {} end
return redis.call('HMGET', KEYS[2], unpack(living))
