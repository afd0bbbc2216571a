-- Ends the membership of a connection. Behind the prologue.
-- KEYS[7]  connections under the writer's fence
-- ARGV[3]  connection   ARGV[4]  grace, ms
-- returns  {0} the lease is over; {1, connections under the fence, when the next grace ends}
if now >= tonumber(ARGV[1]) then return { 0 } end
redis.call('SREM', KEYS[7], ARGV[3])
remove(ARGV[3], nil, tonumber(ARGV[4]))
return { 1, redis.call('SCARD', KEYS[7]), nextDue() }
