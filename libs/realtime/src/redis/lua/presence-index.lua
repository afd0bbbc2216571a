-- Notes in which channels something is about to stand under a fence.
-- KEYS[1]  channels of the fence
-- ARGV[1]  the writer's leaseUntil; then channels
-- returns  1; 0 the lease is over
local time = redis.call('TIME')
if time[1] * 1000 + math.floor(time[2] / 1000) >= tonumber(ARGV[1]) then return 0 end
redis.call('SADD', KEYS[1], unpack(ARGV, 2))
return 1
