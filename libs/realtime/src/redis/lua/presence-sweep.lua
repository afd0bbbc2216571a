-- Removes connections that stand under a dead fence. Behind the prologue.
-- KEYS[7]  connections under the fence
-- ARGV[3]  the fence   ARGV[4]  the most
-- returns  {0} the lease is over; {1, connections under the fence, when the next grace ends, how many were removed}
if now >= tonumber(ARGV[1]) then return { 0 } end
local removed = 0
for _, connection in ipairs(redis.call('SRANDMEMBER', KEYS[7], ARGV[4])) do
  redis.call('SREM', KEYS[7], connection)
  if remove(connection, ARGV[3], 0) then removed = removed + 1 end
end
return { 1, redis.call('SCARD', KEYS[7]), nextDue(), removed }
