-- Renews a node's lease, or begins it, and looks at the others'.
-- KEYS[1]  fences by leaseUntil   KEYS[2]  what nodes say of themselves, by fence
-- KEYS[3]  swept fences           KEYS[4]  fences by their next sweep
-- ARGV[1]  fence                  ARGV[2]  lease, ms    ARGV[3]  what the node says of itself, JSON
-- ARGV[4]  '1': begin it          ARGV[5]  the most dead ones
-- then fences to keep alive as well
-- returns  {state, leaseUntil, replication id, living leases, {fence, leaseUntil, ...} of dead ones, sweeps due}
local replid = string.match(redis.call('INFO', 'replication'), 'master_replid:(%w+)')
local leaseUntil = now + ARGV[2]
local state = 'held'
if redis.call('ZSCORE', KEYS[3], ARGV[1]) then
  state = 'swept'
elseif ARGV[4] ~= '1' and not redis.call('ZSCORE', KEYS[1], ARGV[1]) then
  state = 'absent'
else
  redis.call('ZADD', KEYS[1], leaseUntil, ARGV[1])
  for i = 6, #ARGV do
    redis.call('ZADD', KEYS[1], leaseUntil, ARGV[i])
    redis.call('HDEL', KEYS[2], ARGV[i])
  end
  redis.call('HSET', KEYS[2], ARGV[1], ARGV[3])
end
local living = redis.call('ZCOUNT', KEYS[1], '(' .. now, '+inf')
local dead = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'WITHSCORES', 'LIMIT', 0, ARGV[5])
local due = redis.call('ZCOUNT', KEYS[4], '-inf', now)
return { state, leaseUntil, replid, living, dead, due }
