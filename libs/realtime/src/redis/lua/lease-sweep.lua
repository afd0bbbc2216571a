-- Claims sweeps: of leases that are as dead as they were seen, and of those that are due again.
-- KEYS[1]  fences by leaseUntil   KEYS[2]  what nodes say of themselves, by fence
-- KEYS[3]  swept fences by the time of their first sweep            KEYS[4]  fences by their next sweep
-- ARGV[1]  ms after its end at which a lease may be swept           ARGV[2]  ms for which tombstones stand
-- ARGV[3]  how many of the next are times after the first sweep, in ms, ascending; then fence and leaseUntil of each dead one
-- returns  the fences to sweep now
redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', now - ARGV[2])
local claimed = {}
local times = tonumber(ARGV[3])
for i = 4 + times, #ARGV, 2 do
  local fence, seen = ARGV[i], tonumber(ARGV[i + 1])
  local leaseUntil = tonumber(redis.call('ZSCORE', KEYS[1], fence) or -1)
  if leaseUntil == seen and leaseUntil + ARGV[1] <= now then
    redis.call('ZREM', KEYS[1], fence)
    redis.call('HDEL', KEYS[2], fence)
    redis.call('ZADD', KEYS[3], now, fence)
    redis.call('ZADD', KEYS[4], now, fence)
  end
end
for _, fence in ipairs(redis.call('ZRANGEBYSCORE', KEYS[4], '-inf', now, 'LIMIT', 0, 100)) do
  local first = tonumber(redis.call('ZSCORE', KEYS[3], fence) or 0)
  redis.call('ZREM', KEYS[4], fence)
  for i = 4, 3 + times do
    if first + ARGV[i] > now then
      redis.call('ZADD', KEYS[4], first + ARGV[i], fence)
      break
    end
  end
  claimed[#claimed + 1] = fence
end
return claimed
