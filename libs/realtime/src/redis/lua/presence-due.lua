-- Takes out members whose grace is over. Behind the prologue.
-- ARGV[3]  the most
-- returns  {0} the lease is over; {1, when the next grace ends, which may be over already}
if now >= tonumber(ARGV[1]) then return { 0 } end
for _, user in ipairs(redis.call('ZRANGEBYSCORE', due, '-inf', now, 'LIMIT', 0, ARGV[3])) do
  if tonumber(redis.call('HGET', counts, user) or 0) > 0 then redis.call('ZREM', due, user) else takeOut(user) end
end
return { 1, nextDue() }
